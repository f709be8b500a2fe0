"""The way back, step by step: each patient's captured changes in order, each compared, told, and confirmed.

Everything it knows stands in the database, so that it may be killed anywhere and begin again; a second replay
changes nothing. No network while a transaction is open: the PAS is asked first, then decided on.
"""

from datetime import timedelta

import structlog
from django.db import transaction

from failover.models import Incident, Replay
from failover.selectors import incidents, ledger
from failover.services import asking, comparing
from messaging.models import Outbound
from messaging.states import Leg
from pasmirror.lib import clock, locks
from pasmirror.lib.locks import Lock
from patients.models import Change
from patients.selectors import gate
from patients.states import Event, Mode

log = structlog.get_logger()
ASK_AGAIN = timedelta(seconds=2)  # an accepted change whose echo has not come is asked for
GIVE_UP = timedelta(seconds=30)  # and then is a person's
PATIENTS = 50  # looked at in one step
End = Replay.End


class Reconciler:
    """Runs the way back of the open incident; remembers only what the PAS answered, patient by patient."""

    def __init__(self) -> None:
        self.answers: dict[int, asking.Answer] = {}

    def run_once(self) -> int:
        """Take one step for every patient that can take one; gives how many changes moved."""
        incident = incidents.current()
        if incident is None or gate.now().mode not in (Mode.RECOVERY, Mode.HANDBACK):
            self.answers.clear()
            return 0
        if not enlist(incident):
            return 0
        moved = self._confirm(incident)
        for first in _first_open(incident):
            if first.end == End.WAITING and (answer := self._asked(first)):
                moved += _step(first.pk, alike=answer.alike)
        return moved

    def _asked(self, replay: Replay) -> asking.Answer | None:
        """Ask the PAS about this patient once before anything of theirs is told; None while it does not answer."""
        if replay.patient not in self.answers and (answer := asking.patient(replay.patient)):
            self.answers[replay.patient] = answer
        return self.answers.get(replay.patient)

    def _confirm(self, incident: Incident) -> int:
        moved = 0
        for replay in Replay.objects.filter(incident=incident, end=End.SENT).order_by("change")[: PATIENTS * 4]:
            leg = Outbound.objects.filter(change=replay.change, lane__destination__is_pas=True).first()
            if leg is None or leg.leg in (Leg.HELD, Leg.SET_ASIDE):
                moved += _settle(replay.pk, held=f"the PAS refused it: {leg.reason if leg else 'no message'}")
            elif leg.leg == Leg.ACCEPTED:
                moved += _settle(replay.pk) or self._ask_again(replay, leg)
        return moved

    def _ask_again(self, replay: Replay, leg: Outbound) -> int:
        waited = clock.now() - (leg.settled_at or leg.queued_at)
        if waited < ASK_AGAIN:
            return 0
        asking.patient(replay.patient)
        return _settle(replay.pk, by="query") or (
            _settle(replay.pk, held="the PAS accepted it, but holds something else") if waited > GIVE_UP else 0
        )


def enlist(incident: Incident) -> bool:
    """Enter every captured change of the incident that is not entered yet; False if another holds the pen."""
    with transaction.atomic():
        if not locks.try_take(Lock.RECONCILE):
            return False
        new = ledger.captured(incident).exclude(pk__in=Replay.objects.filter(incident=incident).values("change"))
        Replay.objects.bulk_create(
            [
                Replay(incident=incident, change=pk, patient=patient)
                for pk, patient in new.values_list("pk", "patient_id")
            ],
            ignore_conflicts=True,
        )
    return True


def _first_open(incident: Incident) -> list[Replay]:
    """Give each patient's first change that has not ended; what follows it waits."""
    open_ones = Replay.objects.filter(incident=incident, end__in=(End.WAITING, End.SENT, End.HELD))
    return list(open_ones.order_by("patient", "change").distinct("patient"))


def _step(replay_id: int, *, alike: int) -> int:
    """Compare one change and end, release or hold it, if nothing it builds on is still under way."""
    with transaction.atomic():
        replay = Replay.objects.select_for_update().get(pk=replay_id)
        change = Change.objects.get(pk=replay.change)
        if replay.end != End.WAITING or _not_ready(change):
            return 0
        if alike and change.event == Event.REGISTER and not replay.forced:
            comparing.hold(replay, [], f"the PAS knows {alike} like this person under another number")
        else:
            comparing.decide(replay, change, comparing.later_than(change))
    log.info("replay.step", change=replay.change, end=replay.end)
    return 1


def _not_ready(change: Change) -> bool:
    rows = Outbound.objects.filter(change=change.pk)
    if not rows.filter(lane__destination__is_pas=True).exists():
        return True  # not numbered yet
    in_doubt = Outbound.objects.filter(
        patient=change.patient_id, leg=Leg.SENDING, lane__destination__is_pas=False, lane__failures__lt=3
    )
    return in_doubt.exists() or comparing.bed_not_vacated(change)


def _settle(replay_id: int, *, held: str = "", by: str = "echo") -> int:
    """Confirm a change the PAS is known to hold, or hold it for the reason given."""
    with transaction.atomic():
        replay = Replay.objects.select_for_update().get(pk=replay_id)
        change = Change.objects.get(pk=replay.change)
        if replay.end != End.SENT:
            return 0
        if comparing.told_all(change):
            comparing.end(replay, change, End.CONFIRMED, "", by=by)
        elif held:
            comparing.hold(replay, comparing.conflicts(change), held)
        else:
            return 0
    log.info("replay.settled", change=replay.change, end=replay.end)
    return 1
