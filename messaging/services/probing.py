"""Probes destinations: an order of a named person, carried out on a connection of its own, and what was answered.

Never touches a lane: no number, no lease, no row of the outbox. No transaction is open while bytes travel.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict

import structlog
from django.db import IntegrityError, connection, transaction

from messaging import conformance
from messaging.conformance import Answer, Person, Question
from messaging.hl7 import dialects
from messaging.hl7.ack import asking_for_both, read_answer
from messaging.hl7.read import Message
from messaging.hl7.telling import CannotSay
from messaging.mllp.sender import Accepted, Ending, NoAnswer, Refused
from messaging.models import Destination, Lane, Probe
from messaging.selectors import channels
from messaging.services import emission, incarnation, peers
from messaging.services.settling import ERROR_NUMBER
from messaging.states import AckMode, Valve
from pasmirror.lib import audit, clock
from pasmirror.lib.actor import Actor, system
from patients.refusals import Refused as NotAllowed

log = structlog.get_logger()
WAIT = 15.0  # seconds for one answer at most, however long the lane would wait
PAUSE = 5.0  # seconds between two messages at most, for a destination with a least interval
LOST = "whoever carried it out is gone"


def order(code: str, *, by: Actor, reason: str, confirmed: bool = False, here: bool = False) -> Probe:
    """Order a probe of the destination `code`; the sweep carries it out, or, where it is `here`, the caller by `run`.

    Refused without a reason, while another is under way, to the PAS, to a paused destination; and, unless
    `confirmed`, while emission is open or where the destination only rehearses.
    """
    if not reason.strip():
        raise NotAllowed("Enter why it is probed", "reason")
    to = Destination.objects.filter(code=code, declared=True).first()
    if to is None:
        raise NotAllowed("There is no such destination, or the site file does not name it any more")
    if why := why_not(to):
        raise NotAllowed(why)
    if not confirmed and (why := why_confirm(to)):
        raise NotAllowed(f"{why} Confirm that a probe is to be sent all the same", "confirmed")
    end_lost()
    try:
        with transaction.atomic():
            probe = Probe.objects.create(
                destination=to, by=by.because(reason).as_json(), reason=reason[:300], confirmed=confirmed,
                ordered_at=clock.now(),
            )  # fmt: skip
            audit.record(
                action="probe_ordered",
                by=by.because(reason),
                subject=f"destination:{code}",
                detail={"probe": probe.pk, "confirmed": confirmed},
            )
            if here:
                _begin(to, probe.pk)
    except IntegrityError:
        raise NotAllowed("A probe of this destination is under way already") from None
    return probe


def why_not(to: Destination) -> str | None:
    """Say why a destination is not probed; None if it may be."""
    if to.is_pas:
        return "The PAS is not probed: whom a probe makes up would stand in its record, and come back by the feed"
    if to.paused or Lane.objects.filter(destination=to).exclude(paused_since=None).exists():
        return "This destination is paused: nothing is sent to it, and no probe either"
    return None


def why_confirm(to: Destination) -> str | None:
    """Say why a person must confirm that this destination is probed now; None if they need not."""
    if emission.now().valve == Valve.OPEN:
        return "Emission is open: other systems are being told of patients just now."
    if to.shadow:
        return "This destination only rehearses: nothing else is ever sent to it."
    return None


def run_once() -> bool:
    """Carry out the oldest probe that nobody has begun; False if there is none."""
    end_lost()
    waiting = Probe.objects.filter(ended_at=None, begun_at=None).select_related("destination").order_by("pk")
    for probe in waiting:
        if _begin(probe.destination, probe.pk):
            run(probe)
            return True
    return False


def waits() -> bool:
    """Say whether a probe waits to be begun."""
    return Probe.objects.filter(ended_at=None, begun_at=None).exists()


def run(probe: Probe) -> list[Answer]:
    """Carry out a probe that was begun for the caller; gives the answers, which are kept with it."""
    answers: list[Answer] = []
    names: dict[str, str] = {}  # the peer's own MSH-10 of each answer
    ending = "a fault of our own"
    try:
        for answer, name in _asked(probe):
            answers.append(answer)
            names[answer.asked] = name
        ending = ""
    except (_Stopped, CannotSay) as stopped:
        ending = str(stopped)
    finally:
        answers = conformance.recognised(answers, names)
        _end(probe, answers, ending)
    return answers


def end_lost() -> None:
    """End the probes whose time is over: whoever carried them out is gone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_probe SET ended_at = clock_timestamp(), ending = %s "
            "WHERE ended_at IS NULL AND until < clock_timestamp()",
            [LOST],
        )


class _Stopped(Exception):
    """The probe may not go on; the text is for people."""


def _begin(to: Destination, probe: int) -> bool:
    """Take a probe for ourselves, until it must be over."""
    longest = 4 * (_wait(to.timeout) + _wait(to.application_timeout) + PAUSE) + 30.0
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_probe SET begun_at = clock_timestamp(), "
            "until = clock_timestamp() + %s * interval '1 second' "
            "WHERE id = %s AND begun_at IS NULL AND ended_at IS NULL",
            [longest, probe],
        )
        return bool(cursor.rowcount)


def _wait(seconds: float) -> float:
    return min(seconds, WAIT)


def _asked(probe: Probe) -> Iterator[tuple[Answer, str]]:
    """Send each message; give what came of it, and by which MSH-10 it was answered. The first unanswered: no more."""
    to = Destination.objects.get(pk=probe.destination_id)
    to.timeout, to.application_timeout = _wait(to.timeout), _wait(to.application_timeout)
    wanted = _questions(to, probe)
    peer = peers.of(to)
    try:
        for number, question in enumerate(wanted):
            if number and to.min_interval:
                time.sleep(min(to.min_interval, PAUSE))
            _check(to, probe)
            began = time.monotonic()
            ending = peer.send(question.body, question.control_id)
            answer = _answer(question, ending, ms=round((time.monotonic() - began) * 1000))
            yield answer, _name(question, ending)
            if not number and answer.phase:
                return
    finally:
        peer.close()


def _questions(to: Destination, probe: Probe) -> list[Question]:
    made = conformance.questions(
        Person(**to.probe),
        dialect=dialects.get(to.dialect, channels.spoken()),
        events=conformance.spoken(to.events),
        number=probe.pk,
        control_id=f"T{incarnation.current()}-{probe.pk}",  # a lane's begin with M
        now=clock.now(),
        ward=next(iter(to.wards), ""),
        clinic=next(iter(to.clinics), ""),
    )
    if to.ack_mode == AckMode.ENHANCED:
        made = [question._replace(body=asking_for_both(question.body)) for question in made]
    return made


def _check(to: Destination, probe: Probe) -> None:
    """Raise _Stopped where what was allowed when it was ordered is so no longer."""
    now = Destination.objects.filter(pk=to.pk, declared=True).first()
    if now is None or (now.host, now.port, now.tls, now.ack_mode) != (to.host, to.port, to.tls, to.ack_mode):
        raise _Stopped("The destination was declared anew")
    if why := why_not(now) or ("" if probe.confirmed else why_confirm(now)):
        raise _Stopped(why)


def _answer(question: Question, ending: Ending, *, ms: int) -> Answer:
    match ending:
        case Accepted():
            said = read_answer(ending.answer)
            return Answer(question.asked, said.code, text=conformance.told(said.text), ms=ms)
        case Refused():
            err = ending.err if ERROR_NUMBER.fullmatch(ending.err) else ""
            return Answer(question.asked, ending.code, err, conformance.told(ending.text), ms=ms)
        case NoAnswer():
            detail = ending.detail[:120] if ending.phase in ("connect", "tls") else ""
            return Answer(question.asked, phase=ending.phase, detail=detail, ms=ms)


def _name(question: Question, ending: Ending) -> str:
    """Give the answer's own MSH-10; "" for none, and where the peer only gives ours back."""
    if isinstance(ending, NoAnswer):
        return ""
    name = Message.of(ending.answer).get("MSH-10") or ""
    return "" if name == question.control_id else name


def _end(probe: Probe, answers: list[Answer], ending: str) -> None:
    """Keep what was answered, unless somebody else has ended the probe: then it took too long."""
    with transaction.atomic():
        kept = [asdict(answer) for answer in answers]
        rows = Probe.objects.filter(pk=probe.pk, ended_at=None)
        if rows.update(ended_at=clock.now(), answers=kept, ending=ending[:200]):
            audit.record(
                action="probe_ended",
                by=system("probe"),
                subject=f"destination:{probe.destination.code}",
                detail={"probe": probe.pk, "answers": [answer.code or answer.phase for answer in answers]},
            )
    log.info("probe.ended", lane=probe.destination.code, answers=len(answers), stopped=bool(ending))
