"""Leave: a patient who is in goes home for a night or longer, and comes back; the bed is kept."""

from datetime import datetime

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients.facts import Groups, News
from patients.models import Patient, Stay
from patients.refusals import Refused
from patients.services import stays
from patients.services.saving import Saved, save
from patients.states import Event


def begin(
    *, stay_id: int, seen: int, occurred_at: datetime, back_expected_at: datetime | None, by: Actor, key: Key
) -> Saved:
    """Let a patient go on leave; `back_expected_at`: when they are to come back, None if nobody knows."""
    stays.why_not_when(occurred_at)
    if back_expected_at and back_expected_at <= occurred_at:
        raise Refused("The return is before the leave", "back_expected_at")
    said: Groups = {"away": {"back_expected_at": clock.iso(back_expected_at)}}
    return _step(Event.LEAVE, said, stay_id, seen, occurred_at, by, key)


def end(*, stay_id: int, seen: int, occurred_at: datetime, by: Actor, key: Key) -> Saved:
    """Let a patient be back from leave, in the bed that was kept."""
    stays.why_not_when(occurred_at)
    return _step(Event.RETURN, {}, stay_id, seen, occurred_at, by, key)


def _step(event: Event, said: Groups, stay_id: int, seen: int, at: datetime, by: Actor, key: Key) -> Saved:
    def check(patient: Patient) -> None:
        stays.why_not_after(Stay.objects.get(pk=stay_id), at)

    news = News(event=event, occurred_at=at, stay=said)
    return save(stays.order(stay_id, news, by=by, key=key, screen=event.value, seen=seen, check=check))
