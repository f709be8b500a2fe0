"""Hands control back: writes frozen, the last entries drained, the ledger checked, the epoch ended.

Longer than the policy allows and the way back reopens. Only here is an epoch fenced.
"""

from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction

from failover import states
from failover.models import Incident, Replay
from failover.selectors import evidence, incidents, ledger
from failover.services import asking, comparing, reconcile
from failover.services import incidents as writing
from failover.states import Move
from messaging.models import Attempt, Inbound, Outbound
from messaging.services import emission, outbox, resync
from messaging.states import Leg, Outcome
from pasmirror.lib import alarms, audit, clock, crash, locks
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from patients.refusals import Refused
from patients.selectors import gate as gates
from patients.services import gate
from patients.states import Mode

log = structlog.get_logger()
REOPENED = "handback-reopened"


def why_not(incident: Incident | None) -> str | None:
    """Say why control cannot be handed back now; None if it can be begun."""
    mode = gates.now().mode
    if refusal := states.why_not(mode, Move.BEGIN_HANDBACK):
        return refusal
    if incident is None:
        return "There is no incident to end."
    now = ledger.ledger(incident)
    if now.held > now.signed:
        return f"{now.held - now.signed} changes are held: settle each, or have two people sign for them."
    if now.waiting or now.sent:
        return f"{now.waiting + now.sent} changes are still on their way to the PAS."
    return None


def begin(*, by: Actor, reason: str) -> None:
    """RECOVERY to HANDBACK: freeze writes and sign the ledger; `step` does the rest."""
    with transaction.atomic():
        locks.take(Lock.GATE)
        before = gates.now()
        incident = incidents.current()
        if refusal := why_not(incident):
            raise Refused(refusal)
        assert incident is not None  # noqa: S101 - why_not has said so
        now = gate.flip(to=Mode.HANDBACK, by=by, sentence=f"{by.subject} began the hand-back.", new_epoch=False)
        writing.move(
            incident, before=before.mode, after=now.mode, epoch=now.epoch, by=by.because(reason), sentence=now.sentence
        )
        statement = ledger.ledger(incident).as_json()
        writing.sign(incident, purpose="handback", by=by.because(reason), statement=statement)
        writing.seen(incident, by=by)
    crash.at(Point.HANDBACK_BEGUN)


def sign_holds(*, by: Actor, reason: str) -> int:
    """Sign for every change held open, one of the two people needed; gives how many."""
    with transaction.atomic():
        incident = incidents.current()
        held = ledger.holds(incident) if incident else []
        if incident is None or not held:
            raise Refused("Nothing is held.")
        if not reason.strip():
            raise Refused("Say why these may stay open.", "reason")
        for replay in held:
            writing.sign(incident, purpose="hold", by=by.because(reason), subject=f"change:{replay.change}")
    return len(held)


def step() -> str:
    """Finish the hand-back if everything has drained, reopen the way back if it takes too long; says what is."""
    now = gates.now()
    incident = incidents.current()
    if now.mode != Mode.HANDBACK or incident is None:
        return ""
    waiting = why_not_finish(incident) or _what_is_gone(incident)
    if waiting is None:
        crash.at(Point.HANDBACK_DRAINED)
        return finish(incident, epoch=now.epoch)
    if clock.now() - now.since > timedelta(seconds=evidence.policy().handback_within):
        return _reopen(incident, waiting)
    return f"Hand-back: {waiting}"


def why_not_finish(incident: Incident) -> str | None:
    """Say what the hand-back still waits for; None if nothing."""
    now = ledger.ledger(incident)
    if not now.balanced:
        return now.sentence
    open_attempts = Attempt.objects.filter(closed_at=None).count()
    if unread := Inbound.objects.filter(outcome=Outcome.STORED).count():
        return f"{unread} messages of the PAS are not applied yet."
    in_doubt = Outbound.objects.filter(leg=Leg.SENDING).count()
    if open_attempts or in_doubt:
        return f"{max(open_attempts, in_doubt)} messages are sent and not answered."
    return None


def _what_is_gone(incident: Incident) -> str | None:
    """Ask the PAS once more; hold what it confirmed and has lost since, and say so. None if nothing is gone."""
    try:
        missing = reconcile.still_there(incident)
    except asking.PasSilent:
        return "the PAS does not answer."
    if not missing:
        return None
    with transaction.atomic():
        for replay in Replay.objects.select_for_update().filter(change__in=missing).order_by("change"):
            comparing.hold(replay, [], "the PAS confirmed it and has lost it since: it may be an older backup")
        alarms.sound(reconcile.RESTORED, "The PAS has lost what it had confirmed: it may be an older backup.")
    return f"the PAS has lost {len(missing)} changes that it had confirmed."


def finish(incident: Incident, *, epoch: int) -> str:
    """HANDBACK to NORMAL under the gate's lock: fence the epoch, leave to the PAS what was never sent, close.

    Refused if another epoch or mode has begun since it was decided in `epoch`.
    """
    with transaction.atomic():
        locks.take(Lock.GATE)
        if (gates.now().mode, gates.now().epoch) != (Mode.HANDBACK, epoch):
            raise Refused("Hand-back has been overtaken.")
        signer = incident.signatures.filter(purpose="handback").order_by("-pk").first()
        by = Actor(**signer.by) if signer else system("monitor")
        before = gates.now()
        now = gate.flip(
            to=Mode.NORMAL, by=by, sentence="Control was handed back to the PAS.", new_epoch=True, fence=True
        )
        crash.at(Point.HANDBACK_FENCED)
        if refusal := why_not_finish(incident):  # under the lock: nothing can have come since
            raise Refused(refusal)
        emission.hold(by=by, reason="control was handed back")
        residue = leave_residue(incident)
        report = _report(incident, before.epoch, residue)
        sentence = f"Control was handed back to the PAS; {ledger.ledger(incident).sentence}."
        writing.move(incident, before=before.mode, after=now.mode, epoch=now.epoch, by=by, sentence=sentence)
        writing.close(incident, closing="handback", report=report)
        for code in (REOPENED, reconcile.RESTORED):  # what they told of is settled or signed
            alarms.clear(code)
        crash.at(Point.HANDBACK_CLOSED)
    crash.at(Point.HANDBACK_COMMITTED)
    log.info("handback.finished", incident=incident.pk, epoch=now.epoch)
    return sentence


def leave_residue(incident: Incident) -> list[int]:
    """Leave to the PAS what receivers were never sent, give up what they refused; gives the patients to resync."""
    untold = resync.left()
    for at in _told_of_what_is_not_so(incident):
        untold[at] = min(incident.first_epoch, untold.get(at, incident.first_epoch))
    never_tried = Outbound.objects.filter(leg__in=(Leg.QUEUED, Leg.HELD), lane__destination__is_pas=False)
    never_tried = never_tried.filter(order=None, attempts=0)  # what is sent again by order is no news of its own
    for change in sorted(set(never_tried.values_list("change", flat=True))):
        outbox.leave_to_pas(change)
    return resync.leave(untold=untold, reason="not received before hand-back: to be resynced")


def _told_of_what_is_not_so(incident: Incident) -> set[tuple[int, int]]:
    """Give lane and patient of what a receiver was told and a person has since withdrawn or given up."""
    withdrawn = Replay.objects.filter(incident=incident, confirmed_by__startswith="person:").exclude(
        end=Replay.End.CONFIRMED
    )
    told = Outbound.objects.filter(
        change__in=withdrawn.values("change"), lane__destination__is_pas=False, attempts__gt=0
    )
    return set(told.values_list("lane", "patient"))


def _reopen(incident: Incident, waiting: str) -> str:
    by = system("monitor")
    with transaction.atomic():
        locks.take(Lock.GATE)
        before = gates.now()
        if before.mode != Mode.HANDBACK:
            return "Hand-back has been overtaken."
        now = gate.flip(to=Mode.RECOVERY, by=by, sentence=f"The hand-back took too long: {waiting}", new_epoch=False)
        writing.move(incident, before=before.mode, after=now.mode, epoch=now.epoch, by=by, sentence=now.sentence)
        alarms.sound(REOPENED, now.sentence)
    return now.sentence


def _report(incident: Incident, last_epoch: int, residue: list[int]) -> dict[str, Any]:
    seq, digest = audit.head()
    legs = Outbound.objects.filter(epoch__gte=incident.first_epoch).values_list("lane__destination__code", "leg")
    lanes: dict[str, dict[str, int]] = {}
    for code, leg in legs:
        lanes.setdefault(code, {})[leg] = lanes.setdefault(code, {}).get(leg, 0) + 1
    return {
        "last_epoch": last_epoch,
        "ledger": ledger.ledger(incident).as_json(),
        "lanes": lanes,
        "held": [replay.change for replay in ledger.holds(incident)],
        "resync_patients": residue,
        "audit_head": {"seq": seq, "digest": digest},
        "replays": Replay.objects.filter(incident=incident).count(),
    }
