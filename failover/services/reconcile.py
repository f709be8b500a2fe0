"""The way back, step by step: each patient's captured changes in order, each compared, told, and confirmed.

Everything it knows stands in the database, so that it may be killed anywhere and begin again; a second replay
changes nothing. No network while a transaction is open: the PAS is asked first, then decided on.
"""

from datetime import timedelta

import structlog
from django.db import transaction

from failover.models import Incident, Replay
from failover.selectors import incidents, ledger, places
from failover.services import asking, comparing
from failover.services.asking import Answer
from messaging.models import Outbound
from messaging.states import Leg
from pasmirror.lib import alarms, clock, crash, locks
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from patients.models import Change
from patients.selectors import gate
from patients.states import Event, Mode

log = structlog.get_logger()
ASK_AGAIN = timedelta(seconds=2)  # an accepted change whose echo has not come is asked for
GIVE_UP = timedelta(seconds=30)  # and then is a person's
SENT_AT_ONCE = 200  # looked at in one step
RESTORED = "pas-behind"
End = Replay.End


def run_once() -> int:
    """Take one step for every patient of the open incident that can take one; gives how many changes moved."""
    incident = incidents.current()
    if incident is None or gate.now().mode not in (Mode.RECOVERY, Mode.HANDBACK) or not enlist(incident):
        return 0
    moved = sum(_confirm(sent) for sent in _sent(incident))
    queue = places.queue(incident)
    for first in _first_open(incident):
        if first.end == End.HELD:
            moved += _hold_what_follows(first)
        elif first.end == End.WAITING:
            if before := queue.before(first.change):
                moved += _wait_for(before, first)
            elif answer := asking.patient(first.patient):
                moved += _step(first.pk, answer)
    return moved


def enlist(incident: Incident) -> bool:
    """Enter every captured change of the incident that is not entered yet; False if another holds the pen."""
    with transaction.atomic():
        if not locks.try_take(Lock.RECONCILE):
            return False
        new = ledger.captured(incident).exclude(pk__in=Replay.objects.filter(incident=incident).values("change"))
        Replay.objects.bulk_create(
            [Replay(incident=incident, change=pk, patient=who) for pk, who in new.values_list("pk", "patient_id")],
            ignore_conflicts=True,
        )
    crash.at(Point.REPLAY_ENLISTED)
    return True


def _sent(incident: Incident) -> list[Replay]:
    return list(Replay.objects.filter(incident=incident, end=End.SENT).order_by("change")[:SENT_AT_ONCE])


def _first_open(incident: Incident) -> list[Replay]:
    """Give each patient's first change that has not ended; what follows it waits."""
    open_ones = Replay.objects.filter(incident=incident, end__in=(End.WAITING, End.SENT, End.HELD))
    return list(open_ones.order_by("patient", "change").distinct("patient"))


def _hold_what_follows(first: Replay) -> int:
    """Hold this patient's later changes behind one that is held, so that they can be listed and signed for."""
    with transaction.atomic():
        if not Replay.objects.select_for_update().filter(pk=first.pk, end=End.HELD).exists():
            return 0
        following = Replay.objects.select_for_update().filter(
            incident=first.incident_id, patient=first.patient, end=End.WAITING, change__gt=first.change
        )
        rows = list(following.order_by("change"))
        for replay in rows:
            comparing.hold_behind(replay, first)
    return len(rows)


def _wait_for(before: list[int], first: Replay) -> int:
    """Leave a change waiting for those that left its bed or slot; hold it behind the first of them that is held."""
    if not Replay.objects.filter(change__in=before, end=End.HELD).exists():
        return 0
    with transaction.atomic():
        every = Replay.objects.select_for_update().filter(change__in=[*before, first.change]).order_by("change")
        *ahead, replay = every
        held = next((one for one in ahead if one.end == End.HELD), None)
        if held is None or replay.end != End.WAITING:
            return 0
        comparing.hold_behind(replay, held)
    return 1


def _step(replay_id: int, answer: Answer) -> int:
    """Compare one change and end, release or hold it, if nothing it builds on is still under way."""
    crash.at(Point.REPLAY_PAS_ASKED)
    with transaction.atomic():
        replay = Replay.objects.select_for_update().get(pk=replay_id)
        change = Change.objects.get(pk=replay.change)
        if replay.end != End.WAITING or _under_way(change):
            return 0
        if answer.merged and not replay.forced:
            comparing.hold(replay, [], "this patient has been merged into another record since")
        elif answer.forgotten and not replay.forced:
            alarms.sound(RESTORED, "The PAS no longer knows patients it told us of: it may be an older backup.")
            comparing.hold(replay, [], "the PAS no longer knows this patient: it may be an older backup")
        elif answer.alike and change.event == Event.REGISTER and not replay.forced:
            comparing.hold(replay, [], f"the PAS knows {answer.alike} like this person under another number")
        else:
            comparing.decide(replay, change, comparing.later_than(change))
    crash.at(Point.REPLAY_STEPPED)
    log.info("replay.step", change=replay.change, end=replay.end)
    return 1


def _under_way(change: Change) -> bool:
    """Say whether it is not numbered yet, or a receiver that answers has not answered for this patient yet."""
    if not Outbound.objects.filter(change=change.pk, lane__destination__is_pas=True).exists():
        return True
    in_doubt = Outbound.objects.filter(
        patient=change.patient_id, leg=Leg.SENDING, lane__destination__is_pas=False, lane__failures__lt=3
    )
    return in_doubt.exists()


def _confirm(replay: Replay) -> int:
    """Confirm what was sent by the PAS's echo, else by asking; hold what it refused or does not hold."""
    leg = Outbound.objects.filter(change=replay.change, lane__destination__is_pas=True).first()
    if leg is None or leg.leg in (Leg.HELD, Leg.SET_ASIDE):
        return _settle(replay.pk, held=f"the PAS refused it: {leg.reason if leg else 'no message'}")
    if leg.leg != Leg.ACCEPTED:
        return 0
    if _settle(replay.pk):
        return 1
    waited = clock.now() - (leg.settled_at or leg.queued_at)
    if waited < ASK_AGAIN or not asking.patient(replay.patient):
        return 0
    held = "the PAS accepted it, but holds something else" if waited > GIVE_UP else ""
    return _settle(replay.pk, by="query", held=held)


def _settle(replay_id: int, *, held: str = "", by: str = "echo") -> int:
    """Confirm a change the PAS is known to hold, or hold it for the reason given."""
    with transaction.atomic():
        replay = Replay.objects.select_for_update().get(pk=replay_id)
        change = Change.objects.get(pk=replay.change)
        if replay.end != End.SENT:
            return 0
        if not comparing.comparable(change):
            comparing.hold(replay, [], held or f"the PAS accepted it, and {comparing.UNCOMPARED}")
        elif comparing.told_all(change):
            comparing.end(replay, change, End.CONFIRMED, "", by=by)
            crash.at(Point.REPLAY_CONFIRMED)
        elif held:
            comparing.hold(replay, comparing.conflicts(change), held)
        else:
            return 0
    log.info("replay.settled", change=replay.change, end=replay.end)
    return 1


def still_there(incident: Incident) -> list[int]:
    """Ask the PAS once more about every patient concerned; give the changes it was said to hold and does not.

    None of them may be missing when control is handed back. Raises asking.PasSilent if it does not answer.
    """
    missing: list[int] = []
    ended = Replay.objects.filter(incident=incident, end__in=(End.CONFIRMED, End.ALREADY))
    for patient in ended.order_by("patient").values_list("patient", flat=True).distinct():
        answer = asking.patient(patient)
        if answer is None:
            raise asking.PasSilent
        changes = Change.objects.filter(pk__in=ended.filter(patient=patient).values("change")).order_by("pk")
        missing += [c.pk for c in changes if answer.forgotten or comparing.rolled_back(c)]
    return missing
