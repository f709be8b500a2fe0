"""Carries out what a person decides about a difference: keep the mirror's value, keep the PAS's, or void the event."""

from enum import StrEnum

from django.db import transaction

from failover.models import Discrepancy, Replay
from failover.services import comparing
from messaging.models import Outbound
from messaging.states import Leg
from pasmirror.lib import audit, clock
from pasmirror.lib.actor import Actor
from patients.models import Change
from patients.refusals import Refused
from patients.selectors import gate
from patients.services import trunk


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
        found = Discrepancy.objects.select_for_update().get(pk=discrepancy_id)
        replay = Replay.objects.select_for_update().get(change=found.change)
        if found.decided_at or replay.end != Replay.End.HELD:
            raise Refused("Somebody has settled this already")
        change = Change.objects.get(pk=found.change)
        Discrepancy.objects.filter(change=change.pk, decided_at=None).update(
            decision=decision, decided_by=by.because(reason).as_json(), decided_at=clock.now()
        )
        _carry_out(Decision(decision), replay, change, by.because(reason), found.pk)
        audit.record(
            action="settled",
            by=by.because(reason),
            subject=f"patient:{found.patient}",
            change=change.pk,
            detail={"discrepancy": found.pk, "decision": decision},
        )


def _carry_out(decision: Decision, replay: Replay, change: Change, by: Actor, discrepancy: int) -> None:
    if decision is Decision.KEEP_MIRROR:
        # the PAS's copy may have been refused: it is written anew, under another MSH-10
        Outbound.objects.filter(change=change.pk, lane__destination__is_pas=True, leg=Leg.HELD).update(
            leg=Leg.UNRELEASED, body=None, settled_at=None
        )
        replay.end, replay.forced, replay.reason = Replay.End.WAITING, True, "kept by a person"
        replay.save()
        return
    ended = Replay.End.VOIDED if decision is Decision.VOID else Replay.End.SUPERSEDED
    trunk.take_held(change, by=by, epoch=gate.now().epoch, origin=f"discrepancy:{discrepancy}")
    comparing.end(replay, change, ended, f"{decision.value.replace('_', ' ')}", by=f"person:{by.subject}")
