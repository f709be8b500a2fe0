"""The feed on a record that has grown, and the memory of listener and applier over a long flow; long, so on request.

Two parts: `size` asks the same of a small and a large record, `flow` sends bursts until many messages have gone by.
"""

from collections.abc import Callable

from django.conf import settings

from pasmirror import supervise
from pasmirror.bench import extracts, feed
from pasmirror.bench.load import load, pace
from pasmirror.bench.memory import pss
from pasmirror.bench.product import NotMeasured
from pasmirror.bench.report import Figure, middle, ratio

SIZE, FLOW = "size", "flow"
PART_OF = 100  # the large record is so many times the small one
BURST = 6000  # messages for each size, at most
ROUNDS = 3
LOTS = 10  # bursts of the flow
LATER = 5.0  # seconds after a burst, at which its lag is looked at
HEARING = ("listen", "apply")
LOADED_WITHIN = 1800.0  # seconds for a million patients


def sizes(patients: int, *, first: int, tell: Callable[[str], object]) -> tuple[list[Figure], int]:
    """Measure the feed with a part of `patients` patients and with all; gives the figures and the next number."""
    small = max(1, patients // PART_OF)
    _fill(small, first=first)
    few, free = _bursts(min(BURST, patients), first=first + patients)
    tell(f"Loading {patients:,} patients …")
    rate = _fill(patients - small, first=first + small)
    many, free = _bursts(min(BURST, patients), first=free)
    applied = [middle(burst.applied for burst in some) for some in (few, many)]
    durable = [middle(burst.durable for burst in some) for some in (few, many)]
    return [
        Figure(SIZE, f"applied, {small:,} patients", applied[0], "/s", 600, least=True),
        Figure(SIZE, f"applied, {patients:,} patients", applied[1], "/s", 600, least=True),
        Figure(SIZE, "applied, large against small", ratio(applied[1], applied[0]), "times", 0.8, least=True),
        Figure(SIZE, f"durable (AA), {small:,} patients", durable[0], "/s", 1000, least=True),
        Figure(SIZE, f"durable (AA), {patients:,} patients", durable[1], "/s", 1000, least=True),
        Figure(SIZE, "durable, large against small", ratio(durable[1], durable[0]), "times", 0.8, least=True),
        Figure(SIZE, f"patients (CSV), {patients - small:,} rows", rate, "/s", 10_000, least=True),
    ], free


def flow(count: int, *, first: int, tell: Callable[[str], object]) -> list[Figure]:
    """Send `count` messages in LOTS bursts, and compare what listener and applier hold after the first and the last.

    Raises NotMeasured where they were started anew meanwhile.
    """
    pids, lot = _pids(), max(feed.MANY, count // LOTS)
    bursts, late, held = [], [], []
    for number in range(LOTS):
        bursts.append(feed.burst(lot, first=first, look_after=LATER))
        first += feed.used(lot)
        late.append(bursts[-1].oldest)
        held.append({name: pss(pid) for name, pid in pids.items()})
        tell(f"{(number + 1) * lot:,} messages: " + ", ".join(f"{n} {mb:.1f} MB" for n, mb in held[-1].items()))
    if _pids() != pids:
        raise NotMeasured("Listener or applier was started anew while it was measured.")
    grown = [
        Figure(
            FLOW, f"{name}: memory after {len(held) * lot:,} messages against {lot:,}", ratio(last, early), "times", 1.1
        )
        for name in HEARING
        for early, last in [(held[0][name], held[-1][name])]
    ]
    return [
        Figure(FLOW, "durable (AA)", middle(b.durable for b in bursts), "/s", 1000, least=True),
        Figure(FLOW, "applied, while more come", middle(b.applied for b in bursts), "/s", 600, least=True),
        Figure(FLOW, "lag after a burst", middle(b.lag for b in bursts), "s"),
        Figure(FLOW, f"oldest not applied, {LATER:.0f} s after a burst of {lot:,}", middle(late), "s", 1),
        *grown,
    ]


def _bursts(count: int, *, first: int) -> tuple[list[feed.Burst], int]:
    done = []
    for _ in range(ROUNDS):
        done.append(feed.burst(count // ROUNDS, first=first))
        first += feed.used(count // ROUNDS)
    return done, first


def _fill(count: int, *, first: int) -> float:
    """Load an extract of people numbered from `first`; gives rows a second."""
    path = settings.VAR / f"fill-{first}.csv"
    extracts.patients(path, count, first=first)
    load(path, within=LOADED_WITHIN)
    rate = pace(path)
    path.unlink()
    return rate


def _pids() -> dict[str, int]:
    found = {name: pid for name, (_, pid) in supervise.states(var=settings.VAR).items() if name in HEARING and pid}
    if len(found) != len(HEARING):
        raise NotMeasured("Listener or applier is not running.")
    return found
