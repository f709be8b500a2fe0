"""Carries out what a person decides about a difference: keep the mirror's value, keep the PAS's, or void the event."""

from enum import StrEnum

from django.db import transaction

from failover.models import Discrepancy, Replay
from failover.services import comparing
from messaging.models import Outbound
from messaging.states import Leg
from pasmirror.lib import audit, clock, locks
from pasmirror.lib.actor import Actor
from pasmirror.lib.locks import Lock
from patients.models import Change
from patients.refusals import Refused
from patients.selectors import gate
from patients.services import trunk
from patients.states import Mode


class Decision(StrEnum):
    """What may be decided."""

    KEEP_MIRROR = "keep_mirror"  # tell the PAS, over what it holds
    KEEP_PAS = "keep_pas"  # the record takes what the PAS holds
    VOID = "void"  # the event is withdrawn; the record takes what the PAS holds


def settle(*, discrepancy_id: int, decision: str, by: Actor, reason: str) -> None:
    """Settle a discrepancy with a reason; every open one of the same change is settled with it."""
    if not reason.strip():
        raise Refused("Enter the reason for this decision", "reason")
    if decision not in set(Decision):
        raise Refused("Choose what is to be kept", "decision")
    with transaction.atomic():
        locks.share(Lock.GATE)
        replay = _replay_of(discrepancy_id)
        found = Discrepancy.objects.select_for_update().get(pk=discrepancy_id)
        if found.decided_at or replay.end != Replay.End.HELD:
            raise Refused("Somebody has settled this already")
        if decision == Decision.KEEP_MIRROR and (why := _why_not_tell(replay)):
            raise Refused(why, "decision")
        change = Change.objects.get(pk=found.change)
        Discrepancy.objects.filter(change=change.pk, decided_at=None).update(
            decision=decision, decided_by=by.because(reason).as_json(), decided_at=clock.now()
        )
        _carry_out(Decision(decision), replay, change, by.because(reason), found)
        audit.record(
            action="settled",
            by=by.because(reason),
            subject=f"patient:{found.patient}",
            change=change.pk,
            detail={"discrepancy": found.pk, "decision": decision},
        )


def _replay_of(discrepancy_id: int) -> Replay:
    """Lock the replay first, as the reconciler does, then the discrepancy."""
    change = Discrepancy.objects.values_list("change", flat=True).get(pk=discrepancy_id)
    return Replay.objects.select_for_update().get(change=change)


def _why_not_tell(replay: Replay) -> str | None:
    if replay.incident.closed_at is not None:
        return "Control was handed back: enter it in the PAS itself, then keep what the PAS holds."
    if gate.now().mode == Mode.HANDBACK:
        return "Control is being handed back just now."
    return None


def _carry_out(decision: Decision, replay: Replay, change: Change, by: Actor, found: Discrepancy) -> None:
    if decision is Decision.KEEP_MIRROR:
        # the PAS may have had a copy and refused or lost it: this one is written anew, under another MSH-10
        legs = (Leg.HELD, Leg.ACCEPTED, Leg.SET_ASIDE)
        Outbound.objects.filter(change=change.pk, lane__destination__is_pas=True, leg__in=legs).update(
            leg=Leg.UNRELEASED, body=None, settled_at=None
        )
        replay.end, replay.forced, replay.reason = Replay.End.WAITING, True, "kept by a person"
        replay.save()
        comparing.let_go(change.pk)
        return
    ended = Replay.End.VOIDED if decision is Decision.VOID else Replay.End.SUPERSEDED
    if decision is Decision.KEEP_PAS and comparing.told_since(change, found.raised_at):
        ended = Replay.End.CONFIRMED  # somebody has keyed it into the PAS meanwhile
    trunk.take_held(change, by=by, epoch=gate.now().epoch, origin=f"discrepancy:{found.pk}")
    comparing.end(replay, change, ended, f"{decision.value.replace('_', ' ')}", by=f"person:{by.subject}")
    comparing.let_go(change.pk)
