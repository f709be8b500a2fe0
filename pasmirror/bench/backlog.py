"""A dead destination with a long queue: what the others lose by it, and how it drains once the receiver is back."""

import copy
import socket

from django.db.models import Max, Min

from messaging.models import Attempt, Lane, Outbound
from messaging.states import Leg
from pasmirror.bench import clerks, lane, memory
from pasmirror.bench.product import Address, Product, until
from pasmirror.bench.report import Figure, ratio
from pasmirror.bench.sink import Sinks
from patients.models import Change, JournalTail

PART = "backlog"
OTHERS = 3
DEAD = "dead"
EACH = 200  # messages a round and lane of the others, at most; with fewer, one round tells as little as three
TEMPLATES = 64  # saves whose changes are copied into the queue
LOT = 5000
SENDERS = ("work", "sweep")
PATIENCE = 900.0  # seconds, for what is a matter of minutes
LOOK_EVERY = 1.0  # seconds


def measure(product: Product, count: int) -> list[Figure]:
    """Measure the other lanes without and with `count` messages queued for a dead one, and let that one drain."""
    with Sinks(OTHERS + 1) as sinks:
        others = {f"other{number}": address for number, address in enumerate(sinks.addresses[:OTHERS], start=1)}
        each = max(clerks.CLERKS, min(EACH, count))
        rounds = lane.ROUNDS if count >= EACH else 1
        product.mirror()
        product.declare(others)
        without = lane.carried(product, others, each, rounds=rounds)
        product.hold()
        product.declare({DEAD: _nobody()})
        _queue(count)
        product.declare(others | {DEAD: _nobody()})
        beside = lane.carried(product, others, each, rounds=rounds)
        product.declare({DEAD: sinks.addresses[OTHERS]})
        figures = [
            Figure(PART, f"{OTHERS} lanes, nothing else queued", without, "/s"),
            Figure(PART, f"{OTHERS} lanes beside {count:,} for a dead one", beside, "/s"),
            Figure(PART, "lost by it", max(0.0, 100 * (1 - ratio(beside, without))), "%", 10),
            *_drained(product),
        ]
        product.hold()
        product.declare()
    return figures


def _nobody() -> Address:
    """Give an address of this machine where nobody listens."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return ("127.0.0.1", int(asked.getsockname()[1]))


def _queue(count: int) -> None:
    """Leave in journal and tail what `count` saves would, by copying some; wait until all of it is written."""
    newest = Outbound.objects.aggregate(newest=Max("pk"))["newest"] or 0
    saved = [save.change for save in clerks.save_all(min(TEMPLATES, count))]
    templates = list(Change.objects.filter(pk__in=saved).order_by("pk"))
    for first in range(0, max(0, count - len(templates)), LOT):
        copies = [copy.copy(templates[n % len(templates)]) for n in range(min(LOT, count - len(templates) - first))]
        for each in copies:
            each.pk = None
            each._state.adding = True
        made = Change.objects.bulk_create(copies)
        JournalTail.objects.bulk_create(JournalTail(change_id=each.pk, at=each.recorded_at) for each in made)
    until("everything is numbered", lambda: not JournalTail.objects.exists(), within=PATIENCE)
    rows = Outbound.objects.filter(pk__gt=newest, lane__destination__code=DEAD)
    until("everything is written", lambda: not rows.filter(body=None).exists(), within=PATIENCE, every=0.5)


def _drained(product: Product) -> list[Figure]:
    """Let the queue drain; the senders' memory is looked at from when the first hundredth has gone."""
    rows = Outbound.objects.filter(lane__destination__code=DEAD)
    accepted = rows.filter(leg=Leg.ACCEPTED)
    waits = rows.filter(leg__in=(Leg.QUEUED, Leg.SENDING)).count()
    before = accepted.count()
    Lane.objects.filter(destination__code=DEAD).update(rest_until=None)  # a minute at most, and not what is measured
    until("the queue begins to drain", lambda: accepted.count() - before >= max(1, waits // 100), within=PATIENCE)
    first = most = _senders(product)

    def is_empty() -> bool:
        nonlocal most
        most = max(most, _senders(product))
        return not rows.filter(leg__in=(Leg.QUEUED, Leg.SENDING)).exists()

    until("the queue has drained", is_empty, within=PATIENCE, every=LOOK_EVERY)
    ended = Attempt.objects.filter(outbound__in=accepted, ending=Attempt.Ending.ACCEPTED)
    span = ended.aggregate(began=Min("opened_at"), ended=Max("closed_at"))
    return [
        Figure(PART, "drained", ratio(waits, (span["ended"] - span["began"]).total_seconds()), "/s"),
        Figure(PART, "the senders' memory, first", first, "MB"),
        Figure(PART, "the senders' memory, at most", most, "MB"),
        Figure(PART, "the senders' memory, grown", most - first, "MB", 64),
    ]


def _senders(product: Product) -> float:
    taken = memory.resident(root=product.pid, var=product.var)
    return sum(taken.get(name, 0.0) for name in SENDERS)
