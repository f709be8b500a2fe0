"""The lanes: from a clerk's save to the receiver's ACK, and how much one ordered lane and four of them carry."""

import time
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Max, Min

from messaging.models import Attempt, Outbound
from messaging.states import Leg
from pasmirror.bench import clerks
from pasmirror.bench.clerks import Clerk
from pasmirror.bench.product import Address, NotMeasured, Product, until
from pasmirror.bench.report import Figure, at, middle, ratio
from pasmirror.bench.sink import Sinks
from patients.models import JournalTail

PART = "lane"
LANES = 4
ROUNDS = 3
QUIET_SHARE = 10  # one quiet save for so many messages of the backlog
PAUSE = 0.15  # seconds between two saves through a quiet lane


def measure(product: Product, count: int, *, to: Address | None = None) -> list[Figure]:
    """Measure one lane with `count` messages in all, then four; with `to`, one lane to that outside receiver only."""
    with Sinks(LANES) as sinks:
        addresses = {f"bench{number}": address for number, address in enumerate(sinks.addresses, start=1)}
        one = {"bench1": to} if to else {"bench1": addresses["bench1"]}
        product.mirror()
        product.declare(one)
        figures = quiet(product, max(3, min(60, count // QUIET_SHARE)))
        alone = carried(product, one, max(clerks.CLERKS, count // ROUNDS))
        figures.append(Figure(PART, "one ordered lane", alone, "/s", 300, least=True))
        if to is None:
            product.declare(addresses)
            four = carried(product, addresses, max(clerks.CLERKS, count // ROUNDS // 2))
            figures.append(Figure(PART, "four lanes together", four, "/s", 700, least=True))
            figures.append(Figure(PART, "four lanes against one", ratio(four, alone), "times"))
        product.hold()
        product.declare()
    return figures


def quiet(product: Product, count: int) -> list[Figure]:
    """Save now and then while nothing else is to be sent."""
    product.speak()
    clerk = Clerk("clerk")
    saves = []
    _acknowledged(clerk.save().change)  # the first one opens connections
    for _ in range(count):
        time.sleep(PAUSE)
        saves.append(clerk.save())
    acked = {save.change: _acknowledged(save.change) for save in saves}
    waits = [acked[save.change].timestamp() - save.ended for save in saves]
    return [
        Figure(PART, "saved to ACK, quiet lane, p50", at(waits, 0.5) * 1000, "ms", 60),
        Figure(PART, "saved to ACK, quiet lane, p99", at(waits, 0.99) * 1000, "ms", 250),
        Figure(PART, "the save itself, median", middle(save.took for save in saves) * 1000, "ms"),
    ]


def carried(product: Product, lanes: Iterable[str], each: int, *, rounds: int = ROUNDS) -> float:
    """Let `each` messages wait in every lane, open emission, and give the messages a second; the median round."""
    return middle(_carried(product, list(lanes), each) for _ in range(rounds))


def _carried(product: Product, lanes: list[str], each: int) -> float:
    product.hold()
    newest = Outbound.objects.aggregate(newest=Max("pk"))["newest"] or 0
    clerks.save_all(each)
    rows = Outbound.objects.filter(pk__gt=newest, lane__destination__code__in=lanes)
    until("everything is numbered", lambda: not JournalTail.objects.exists())
    until("everything is written", lambda: not rows.filter(body=None).exists())
    wanted = rows.count()
    product.speak()
    until("everything is acknowledged", lambda: rows.filter(leg=Leg.ACCEPTED).count() >= wanted, every=0.1)
    if rows.filter(attempts__gt=1).exists():
        raise NotMeasured("A receiver did not answer at once: messages were sent twice.")
    span = Attempt.objects.filter(outbound__in=rows).aggregate(began=Min("opened_at"), ended=Max("closed_at"))
    return ratio(wanted, (span["ended"] - span["began"]).total_seconds())


def _acknowledged(change: int) -> datetime:
    """Wait for a change's ACK; gives when it came."""
    ended: list[datetime] = []

    def look() -> bool:
        accepted = Attempt.objects.filter(outbound__change=change, ending=Attempt.Ending.ACCEPTED)
        ended.extend(at for at in accepted.values_list("closed_at", flat=True) if at)
        return bool(ended)

    until("a receiver acknowledges", look)
    return min(ended)
