"""Which faults strike when: drawn from a weighted table by a seed, the same every time; pure, knows how to do none.

A variant is named `<what it is done to> <what is done>`; two faults at once are never done to the same.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pasmirror.lib.crash import Point

RECEIVERS = ("pathology", "eprescribing")
PROCESSES = ("web", "listen", "apply", "sweep", "work", "monitor")
WIRE = ("delay", "cut", "lose_ack", "delay_ack", "reset", "half_open", "slice", "silence", "timeout", "refuse")
"""What can be done to a connection; `tests.faults.proxy` has the verbs."""
AT_ONCE = 2
PAUSE = (0.5, 5.0)  # seconds between one beginning and the next
REST, RESTS = (10.0, 20.0), 0.15  # now and then a longer pause, in which an incident may come to its end


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: how often it is drawn against the others, and how long it lasts, in seconds."""

    name: str
    weight: int
    shortest: float
    longest: float
    variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault as drawn; times in seconds since the beginning."""

    number: int
    kind: str
    variant: str
    at: float
    lasts: float

    @property
    def ends(self) -> float:
        """When it is healed."""
        return round(self.at + self.lasts, 1)

    @property
    def subject(self) -> str:
        """What it is done to."""
        return self.variant.partition(" ")[0]

    @property
    def verb(self) -> str:
        """What is done."""
        return self.variant.partition(" ")[2]


def _each(subjects: Sequence[str], *verbs: str) -> tuple[str, ...]:
    return tuple(f"{subject} {verb}" for subject in subjects for verb in verbs)


KINDS = (
    Kind("PAS killed", 14, 10.0, 26.0, ("pas killed",)),
    Kind("PAS frozen", 6, 9.0, 20.0, ("pas frozen",)),
    Kind("PAS slow", 2, 5.0, 12.0, ("pas slow",)),
    Kind("PAS flapping", 2, 12.0, 24.0, ("pas flapping",)),
    Kind("PAS erring", 1, 4.0, 10.0, ("pas erring",)),
    Kind("PAS cut off", 2, 6.0, 14.0, ("pas cut off",)),
    Kind("feed disturbed", 4, 3.0, 10.0, _each(("feed",), *WIRE)),
    Kind("receiver disturbed", 6, 3.0, 12.0, _each(RECEIVERS, *WIRE)),
    Kind("receiver killed", 2, 3.0, 12.0, _each(RECEIVERS, "killed")),
    Kind("process killed", 5, 1.0, 4.0, _each(PROCESSES, "killed")),
    Kind("process frozen", 4, 3.0, 12.0, _each(PROCESSES, "frozen")),
    Kind("web worker killed", 2, 1.0, 3.0, ("web worker killed",)),
    Kind("database crashed", 1, 1.0, 4.0, ("database crashed",)),
    Kind("database frozen", 1, 3.0, 8.0, ("database frozen",)),
    Kind("connections taken", 1, 3.0, 8.0, ("database full",)),
    Kind("broker killed", 1, 1.0, 3.0, ("valkey killed",)),
    Kind("broker frozen", 1, 3.0, 10.0, ("valkey frozen",)),
    Kind("broker flushed", 1, 1.0, 2.0, ("valkey flushed",)),
    Kind(
        "crash point", 8, 5.0, 14.0, tuple(f"point {point.value} {way}" for point in Point for way in ("kill", "stop"))
    ),
    Kind("reply lost", 3, 2.0, 8.0, ("reply lost",)),
)


def of(*names: str) -> tuple[Kind, ...]:
    """The rows of these names; KeyError for one that is not in the table."""
    table = {kind.name: kind for kind in KINDS}
    return tuple(table[name] for name in names)


def draw(seed: int, seconds: float, kinds: Sequence[Kind] = KINDS) -> tuple[Planned, ...]:
    """Everything that will strike within so many seconds, in the order of its beginning."""
    chance = random.Random(f"{seed} nemesis")
    drawn: list[Planned] = []
    at = 1.0
    while True:
        at = round(at + chance.uniform(*(REST if chance.random() < RESTS else PAUSE)), 1)
        ends = sorted(each.ends for each in drawn if each.ends > at)
        if len(ends) >= AT_ONCE:
            at = round(ends[-AT_ONCE] + chance.uniform(*PAUSE), 1)
        kind = chance.choices(kinds, [each.weight for each in kinds])[0]
        lasts = round(chance.uniform(kind.shortest, kind.longest), 1)
        one = Planned(len(drawn) + 1, kind.name, chance.choice(kind.variants), at, lasts)
        if one.ends > seconds:
            return tuple(drawn)
        if not any(each.subject == one.subject and each.ends >= one.at for each in drawn):
            drawn.append(one)


def steps(drawn: Sequence[Planned]) -> list[tuple[float, bool, Planned]]:
    """Every beginning (True) and end (False) in order of time; an end comes before what begins with it."""
    return sorted(
        [(each.at, True, each) for each in drawn] + [(each.ends, False, each) for each in drawn],
        key=lambda step: (step[0], step[1], step[2].number),
    )


def as_json(seed: int, seconds: float, drawn: Sequence[Planned]) -> str:
    """The schedule as it is written beside the logs."""
    return json.dumps({"seed": seed, "seconds": seconds, "faults": [asdict(each) for each in drawn]}, indent=1)


def from_json(text: str) -> tuple[Planned, ...]:
    """A schedule as it was written, to be repeated."""
    return tuple(Planned(**each) for each in json.loads(text)["faults"])
