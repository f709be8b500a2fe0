"""Throws the switches: mode, emission, pause; each in one transaction with its reason, evidence and audit row.

Whether a move is due is the monitor's or a person's affair; whether it is allowed is asked again here, under the lock.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth import authenticate
from django.db import transaction

from failover import states
from failover.health import Health, Verdict, Word
from failover.models import Incident, Watch
from failover.selectors import evidence as evidences
from failover.selectors import incidents as reading
from failover.services import comparing, incidents, observations
from failover.states import Move
from messaging.selectors import fidelity
from messaging.services import emission, outbox, resync
from messaging.states import Valve
from pasmirror.lib import alarms, audit, clock, crash, locks
from pasmirror.lib.actor import Actor
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from pasmirror.lib.models import User
from pasmirror.lib.permissions import Permission, actor_of, may
from patients.models import Gate, JournalTail
from patients.refusals import Refused
from patients.selectors import gate as gates
from patients.services import gate
from patients.states import Mode

CHECKLIST: dict[str, str] = {
    "service_desk_release": "The service desk has released the PAS",
    "restore_point_known": "The point the PAS was restored to is known",
    "users_told": "Users are kept out of the PAS, or told",
    "outbound_empty": "The PAS has nothing left to send of its own",
    "feed_quiet": "The feed is quiet",
}


def open_mirror(*, by: Actor, reason: str, evidence: Iterable[Word] | None = None, expected: int | None = None) -> Gate:
    """NORMAL to MIRROR, in a new epoch, and an incident begins; `evidence` is what is known now unless given.

    `expected`: the epoch it was decided in; Refused if another has begun since.
    """
    seen = evidences.as_json(evidences.words() if evidence is None else evidence)
    with transaction.atomic():
        before = _ask(Move.OPEN_MIRROR, expected)
        now = gate.flip(to=Mode.MIRROR, by=by, sentence=_sentence(by, "opened mirror mode", reason), new_epoch=True)
        emission.hold(by=by, reason="mirror mode begins held")
        incident = incidents.open(
            by=by.because(reason), reason=reason, epoch=now.epoch, health=evidences.picture().health
        )
        _moved(incident, before, now, by.because(reason), seen)
    return now


def stand_down(*, by: Actor, reason: str, evidence: Iterable[Word] | None = None, expected: int | None = None) -> Gate:
    """MIRROR to NORMAL, in a new epoch: only while no clerk has saved anything; the incident closes."""
    seen = evidences.as_json(evidences.words() if evidence is None else evidence)
    with transaction.atomic():
        before = _ask(Move.STAND_DOWN, expected)
        incident = reading.current()
        if incident and reading.anything_captured(incident):
            raise Refused("Changes were captured: the way back is by release and hand-back.")
        if why := resync.why_not_leave():
            raise Refused(why)
        now = gate.flip(to=Mode.NORMAL, by=by, sentence=_sentence(by, "ended mirror mode", reason), new_epoch=True)
        emission.hold(by=by, reason="mirror mode ended")
        untold = resync.leave(untold=resync.left(), reason="not received before mirror mode ended: to be resynced")
        _moved(incident, before, now, by.because(reason), seen)
        if incident:
            report = {"last_epoch": now.epoch - 1} | ({"resync_patients": untold} if untold else {})
            incidents.close(incident, closing="stood_down", report=report)
    return now


def release(*, by: Actor, reason: str, checklist: dict[str, bool]) -> Gate:
    """MIRROR to RECOVERY: a named person releases the replay, every item of CHECKLIST being true; emission is held."""
    missing = [text for name, text in CHECKLIST.items() if not checklist.get(name)]
    if missing:
        raise Refused(f"Not released. Still to be checked: {'; '.join(missing)}.", "checklist")
    with transaction.atomic():
        before = _ask(Move.RELEASE)
        if evidences.picture().health in (Health.DOWN, Health.SUSPECT):
            raise Refused("The PAS does not answer: nothing can be replayed to it.")
        incident = _incident()
        emission.hold(by=by, reason="the way back has begun")
        now = gate.flip(to=Mode.RECOVERY, by=by, sentence=_sentence(by, "released the replay", reason), new_epoch=False)
        _moved(incident, before, now, by.because(reason))
        incidents.sign(incident, purpose="release", by=by.because(reason), statement=dict.fromkeys(CHECKLIST, True))
        incidents.seen(incident, by=by)
    return now


def fall_back(*, by: Actor, reason: str, evidence: Iterable[Word] | None = None, expected: int | None = None) -> Gate:
    """RECOVERY or HANDBACK to MIRROR, in a new epoch: the PAS died again. What was captured stays to be delivered."""
    seen = evidences.as_json(evidences.words() if evidence is None else evidence)
    with transaction.atomic():
        before = _ask(Move.FALL_BACK, expected)
        now = gate.flip(to=Mode.MIRROR, by=by, sentence=_sentence(by, "fell back", reason), new_epoch=True)
        comparing.take_back_all()
        emission.hold(by=by, reason="mirror mode begins held")
        _moved(_incident(), before, now, by.because(reason), seen)
    return now


def open_emission(
    *, by: Actor, reason: str, evidence: Iterable[Word] | None = None, expected: int | None = None
) -> None:
    """Let the mirror speak for the PAS: only in mirror mode, and not while the PAS is seen to speak.

    After a restore of the database only a person may; a new epoch begins, without what may have been sent before.
    """
    seen = evidences.as_json(evidences.words() if evidence is None else evidence)
    with transaction.atomic():
        _take_gate(expected)
        if gates.now().mode != Mode.MIRROR:
            raise Refused("Emission can only be opened in mirror mode.")
        incident = _incident()
        if refusal := why_not_emit(incident, by):
            raise Refused(refusal)
        sentence = _sentence(by, "opened emission", reason)
        if reading.restored():
            sentence = _begin_anew(by, sentence)
        if not emission.open(by=by, reason=reason):
            raise Refused("Emission is open already.")
        if incident.emission_opened_at is None:
            incident.emission_opened_at = clock.now()
            incident.save(update_fields=["emission_opened_at"])
        _valve_moved(incident, Valve.OPEN, by.because(reason), sentence, seen)
        incidents.one_master()
        if reading.is_person(by):
            incidents.seen(incident, by=by)
        crash.at(Point.EMISSION_RECORDED)


def why_not_emit(incident: Incident, by: Actor) -> str | None:
    """Say why the mirror may not speak now if `by` lets it; None if it may."""
    if why := fidelity.why_not_open():
        return f"We do not yet say well enough what the PAS says. {why}"
    if not reading.is_person(by) and (why := reading.withheld(incident)):
        return f"Only a person may open emission: {why}."
    spoke = evidences.spoke_at(incident.opened_at)
    lately = timedelta(seconds=evidences.rules().down_after)
    if spoke and spoke > clock.now() - lately:
        at = spoke.astimezone(clock.SITE).strftime("%H:%M:%S")
        return f"The PAS itself made a message at {at}: two systems would speak at once."
    return None


def hold_emission(*, by: Actor, reason: str) -> None:
    """Let nothing leave; what is captured queues."""
    with transaction.atomic():
        if not emission.hold(by=by, reason=reason):
            raise Refused("Emission is held already.")
        sentence = _sentence(by, "held emission", reason)
        _valve_moved(reading.current(), Valve.HELD, by.because(reason), sentence, [])


def pause(*, by: Actor, reason: str) -> None:
    """Let the monitor observe and warn, and never act."""
    _pause(by=by.because(reason), paused=True)


def resume(*, by: Actor, reason: str) -> None:
    """Let the monitor act again."""
    _pause(by=by.because(reason), paused=False)


def acknowledge(*, by: Actor) -> None:
    """Note that a person has seen what the monitor did by itself."""
    with transaction.atomic():
        incidents.acknowledge(by=by)


def attest(*, by: Actor, verdict: str, reason: str) -> None:
    """Take a person's word that the PAS is up or down; it counts for a quarter of an hour."""
    if verdict not in (Verdict.UP, Verdict.DOWN):
        raise Refused("Say up or down.", "verdict")
    with transaction.atomic():
        observations.attest(by=by, verdict=Verdict(verdict))
        audit.record(action=f"attested_{verdict}", by=by.because(reason), subject="pas")


def confirm_person(username: str, password: str) -> Actor:
    """Ask who is there: give the person as actor if the password is theirs and they may operate; else Refused.

    Writes an audit row for each refusal; call it outside of any transaction.
    """
    user = authenticate(username=username, password=password)
    if isinstance(user, User) and may(user, Permission.OPERATE):
        return actor_of(user, how="password again")
    known = User.objects.filter(username=username).exists()
    by = Actor(username if known else "unknown", role="", how="not confirmed")
    with transaction.atomic():
        audit.record(action="confirmation_refused", by=by, subject="mode")
    if user is not None:
        raise Refused("This account may not operate PAS Mirror.", "username")
    raise Refused("User name or password is wrong. Nothing was done.", "password")


def named_person(username: str, permission: Permission = Permission.OPERATE) -> Actor:
    """Give an account that may operate, or do what else is named, as actor, for doors that need no password.

    Refused for any other.
    """
    user = User.objects.filter(username=username).first()
    if user is None or not may(user, permission):
        does = "operate PAS Mirror" if permission == Permission.OPERATE else f"do this ({permission.value})"
        raise Refused(f"There is no account {username!r} that may {does}.", "username")
    return actor_of(user, how="command line")


def _begin_anew(by: Actor, sentence: str) -> str:
    """Begin a new epoch in a restored database; what receivers may have had before is set aside. Gives the sentence.

    Nothing is fenced, since what was captured must still reach the PAS, which is asked before it is told.
    """
    if JournalTail.objects.exists():
        raise Refused("Changes are still being put on the lanes; try again in a moment.")
    doubtful = outbox.doubt(reason="the database was restored: it may have been sent before")
    now = gate.flip(to=Mode.MIRROR, by=by, sentence=sentence, new_epoch=True)
    incidents.new_life()
    return (
        f"{sentence.removesuffix('.')}. The database had been restored: epoch {now.epoch} begins, and {doubtful} "
        "messages that may have been sent before are set aside."
    )


def _take_gate(expected: int | None) -> None:
    """Take the gate; Refused if something was decided in epoch `expected` that nobody would decide now."""
    locks.take(Lock.GATE)
    if expected is None:
        return
    watch = evidences.watch()
    if watch.paused or watch.tilt_until:
        raise Refused("The monitor was paused meanwhile." if watch.paused else "The monitor is in TILT by now.")
    if gates.now().epoch != expected:
        raise Refused("Another epoch has begun since this was decided.")


def _ask(move: Move, expected: int | None = None) -> str:
    """Take the gate, give the mode that stands; Refused if `move` is not allowed from there."""
    _take_gate(expected)
    now = gates.now()
    if refusal := states.why_not(now.mode, move):
        raise Refused(refusal)
    return now.mode


def _incident() -> Incident:
    incident = reading.current()
    if incident is None:
        raise Refused("There is no open incident.")
    return incident


def _moved(
    incident: Incident | None, before: str, now: Gate, by: Actor, seen: list[dict[str, Any]] | None = None
) -> None:
    incidents.move(
        incident, before=before, after=now.mode, epoch=now.epoch, by=by, sentence=now.sentence, evidence=seen
    )
    crash.at(Point.FLIP_RECORDED)


def _valve_moved(incident: Incident | None, after: Valve, by: Actor, sentence: str, seen: list[dict[str, Any]]) -> None:
    before, epoch = (Valve.HELD if after == Valve.OPEN else Valve.OPEN), gates.now().epoch
    incidents.move(incident, before=before, after=after, epoch=epoch, by=by, sentence=sentence, evidence=seen)


def _pause(*, by: Actor, paused: bool) -> None:
    with transaction.atomic():
        locks.take(Lock.GATE)  # a flip under way ends first, and none decided before is made after
        Watch.objects.get_or_create(pk=1)
        if not Watch.objects.filter(pk=1).exclude(paused=paused).update(paused=paused):
            raise Refused(f"The monitor is {'paused' if paused else 'not paused'} already.")
        audit.record(action="paused" if paused else "resumed", by=by, subject="monitor")
        if paused:
            alarms.sound("paused", f"The monitor is paused by {by.subject}: it watches and never acts.")
        else:
            alarms.clear("paused")


def _sentence(by: Actor, did: str, reason: str) -> str:
    """Say who did what and why; our own processes give a whole sentence as their reason."""
    return f"{by.subject} {did}: {reason}" if reading.is_person(by) else reason
