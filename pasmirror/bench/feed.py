"""The feed under load: how fast messages are durable (answered AA), and how fast they are in the record behind it."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import QuerySet

from messaging.models import Inbound
from messaging.states import Outcome
from pasmirror.bench.messages import messages, people
from pasmirror.bench.product import WITHIN, NotMeasured, until
from pasmirror.bench.report import Figure, at, middle, ratio
from pasmirror.lib import clock

PART = "feed"
VT, END = b"\x0b", b"\x1c\r"
MANY = 8  # connections
ROUNDS = 3
LEAST = 50  # messages a second: what is slower is not waited for
ONE_SHARE = 4  # the part of the messages that go over one connection alone


@dataclass(slots=True)
class Burst:
    """One burst: seconds to each answer, seconds for all, and what became of it in the record."""

    sent: int
    answers: list[float] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    took: float = 0.0
    lag: float = 0.0  # seconds from the last answer until everything was applied
    waiting: int = 0  # not yet applied at the last answer
    oldest: float = 0.0  # seconds: the age of what waited longest when it was looked at, 0 if nothing waited

    @property
    def durable(self) -> float:
        """Messages a second answered AA."""
        return ratio(self.codes["AA"], self.took)

    @property
    def applied(self) -> float:
        """Messages a second from the first byte until the last was in the record."""
        return ratio(self.sent, self.took + self.lag)

    @property
    def drained(self) -> float:
        """Messages a second applied once no more came; 0 if the applier had kept up."""
        return ratio(self.waiting, self.lag) if self.waiting > self.sent // 10 else 0.0


def measure(count: int, *, first: int) -> list[Figure]:
    """Send `count` messages over many connections and a part of it over one, in turns, for people from `first`."""
    many: list[Burst] = []
    one: list[Burst] = []
    for _ in range(ROUNDS):
        for bursts, connections, amount in ((one, 1, count // ONE_SHARE), (many, MANY, count)):
            share = max(10, amount // ROUNDS)
            bursts.append(burst(share, connections, first=first))
            first += used(share, connections)
    return _figures(one, many)


def used(count: int, connections: int = MANY) -> int:
    """Say how many person numbers a burst uses up."""
    return connections * people(-(-count // connections))


def burst(count: int, connections: int = MANY, *, first: int, look_after: float = 0.0) -> Burst:
    """Send `count` messages over `connections`, each waiting for its answer, then wait until all are in the record.

    `look_after`: seconds after the last answer at which the oldest one that waits is looked at.
    """
    share = -(-count // connections)
    lots = [messages(share, first=first + number * people(share)) for number in range(connections)]
    done = Burst(sent=share * connections)
    asyncio.run(_send(lots, done))
    ended = time.perf_counter()
    done.waiting = _waiting().count()
    if look_after:
        late = ended + look_after
        until("it is time to look", lambda: time.perf_counter() > late or not _waiting().exists())
        oldest = _waiting().order_by("number").values_list("received_at", flat=True).first()
        done.oldest = (clock.now() - oldest).total_seconds() if oldest else 0.0
    until("the feed is applied", lambda: not _waiting().exists(), within=max(WITHIN, count / LEAST))
    done.lag = time.perf_counter() - ended
    return done


def _waiting() -> QuerySet[Inbound]:
    return Inbound.objects.filter(outcome=Outcome.STORED)


async def _send(lots: Sequence[Sequence[bytes]], done: Burst) -> None:
    loop = asyncio.get_running_loop()
    talkers = [_Talker(lot, done) for lot in lots]
    for talker in talkers:
        await loop.create_connection(lambda talker=talker: talker, settings.MLLP_HOST, settings.MLLP_PORT)  # type: ignore[misc]
    began = time.perf_counter()
    for talker in talkers:
        talker.say()
    try:
        within = max(WITHIN, done.sent / LEAST)
        await asyncio.wait_for(asyncio.gather(*(talker.ended for talker in talkers)), within)
    except (TimeoutError, ConnectionError):
        raise NotMeasured("The feed did not answer every message.") from None
    done.took = time.perf_counter() - began


class _Talker(asyncio.Protocol):
    """One connection: a message, its answer, the next message."""

    def __init__(self, lot: Sequence[bytes], done: Burst) -> None:
        self.left = iter(lot)
        self.done = done
        self.held = b""
        self.asked = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - for the types
        self.transport = transport

    def say(self) -> None:
        """Send the next message, or hang up after the last."""
        assert self.transport is not None  # noqa: S101 - for the types
        raw = next(self.left, None)
        if raw is None:
            self.transport.close()
            self.ended.set_result(None)
            return
        self.asked = time.perf_counter()
        self.transport.write(VT + raw + END)

    def data_received(self, data: bytes) -> None:
        """Note the answer, and go on."""
        self.held += data
        if not self.held.endswith(END):
            return
        self.done.answers.append(time.perf_counter() - self.asked)
        self.done.codes[_code(self.held)] += 1
        self.held = b""
        self.say()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so to whoever waits for the end."""
        if not self.ended.done():
            self.ended.set_exception(ConnectionError())


def _code(answer: bytes) -> str:
    return next((line[4:6].decode("ascii", "replace") for line in answer.split(b"\r") if line.startswith(b"MSA")), "")


def _figures(one: list[Burst], many: list[Burst]) -> list[Figure]:
    single, several = middle(b.durable for b in one), middle(b.durable for b in many)
    applied = middle(b.applied for b in many)
    late_many, late_one = (at([a for b in bursts for a in b.answers], 0.99) * 1000 for bursts in (many, one))
    figures = [
        Figure(PART, f"durable (AA), {MANY} connections", several, "/s", 1000, least=True),
        Figure(PART, "durable (AA), 1 connection", single, "/s", 300, least=True),
        Figure(PART, f"answer p99, {MANY} connections", late_many, "ms", 50),
        Figure(PART, "answer p99, 1 connection", late_one, "ms", 50),
        Figure(PART, "applied, while more come", applied, "/s", 600, least=True),
        Figure(PART, "lag after the burst", middle(b.lag for b in many), "s"),
        Figure(PART, f"{MANY} connections against 1", ratio(several, single), "times"),
        Figure(PART, "applied against durable", ratio(applied, several), "times"),
        Figure(PART, "not answered AA", sum(b.sent - b.codes["AA"] for b in (*one, *many)), "messages"),
    ]
    if drained := middle(b.drained for b in many if b.drained):
        figures.insert(5, Figure(PART, "applied, when no more come", drained, "/s", 600, least=True))
    return figures
