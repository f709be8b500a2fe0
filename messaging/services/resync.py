"""Leaves receivers to the PAS when an outage ends: nothing of it goes out later, and whom it left untold is listed."""

from django.db.models import QuerySet
from django.db.models.functions import Now

from messaging.models import Attempt, Outbound, ResendOrder
from messaging.selectors import resending as reading
from messaging.services import outbox, resending
from messaging.states import Leg
from pasmirror.lib import clock


def left() -> dict[tuple[int, int], int]:
    """Give lane and patient of all that receivers were not sent, refused, or left unanswered, with an epoch each.

    The epoch: of the oldest thing that may be missing there.
    """
    rows = _rows().order_by().values_list("lane", "patient", "epoch", "order").distinct()
    since = {row.pk: reading.oldest(row) for row in ResendOrder.objects.filter(outbound__in=_rows()).distinct()}
    found: dict[tuple[int, int], int] = {}
    for lane, patient, epoch, order in rows:
        first = min(epoch, since.get(order, epoch))
        found[lane, patient] = min(first, found.get((lane, patient), first))
    return found


def why_not_leave() -> str | None:
    """Say why the lanes cannot be left now; None if they can. Exact under the gate's lock."""
    under_way = Attempt.objects.filter(closed_at=None, outbound__lane__until__gt=Now())
    if under_way.filter(outbound__lane__destination__is_pas=False).exists():
        return "A message is being sent again just now: its answer is awaited."
    return None


def leave(*, untold: dict[tuple[int, int], int], reason: str) -> list[int]:
    """Give up what is left on receivers' lanes, end all orders, put on the resync list who is `untold`; gives them.

    In the caller's transaction, which holds the gate alone.
    """
    Attempt.objects.filter(outbound__in=_rows(), closed_at=None).update(
        closed_at=clock.now(), ending=Attempt.Ending.NO_ANSWER, detail="the outage ended"
    )
    outbox.quiet(list(_rows().filter(leg=Leg.HELD).values_list("pk", flat=True)))
    # Of what is sent again and was not tried the first word stands; of the rest it is said that it was given up.
    again = _rows().filter(attempts=0).exclude(order=None)
    again.update(leg=Leg.SET_ASIDE, settled_at=clock.now(), reason=reason[:300])
    outbox.give_up(list(_rows().values_list("pk", flat=True)), reason=reason)
    return sorted({patient for _, patient in resending.end_all(untold=untold)})


def _rows() -> QuerySet[Outbound]:
    return Outbound.objects.filter(leg__in=(Leg.QUEUED, Leg.HELD, Leg.SENDING), lane__destination__is_pas=False)
