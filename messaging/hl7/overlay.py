"""What the PAS last sent of a patient, as the ground our own segments are laid on; pure, knows no event.

Many receivers read ADT as a snapshot, so what we leave out they delete. A field whose facts have not changed is sent
as the PAS sent it; fields and segments we have no facts for are carried along.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from messaging.hl7.fields import RULES, Reading, Writing
from messaging.hl7.read import Segment
from messaging.hl7.text import STANDARD, numbered, segment
from patients.facts import Groups, Value, unknown
from patients.segments import OF_STAY

OURS = frozenset(  # written by us; ZBE is of the one movement that its message told
    {
        "MSH",
        "EVN",
        "PID",
        "PD1",
        "PV1",
        "PV2",
        "SCH",
        "TQ1",
        "RGS",
        "AIS",
        "AIG",
        "AIL",
        "AIP",
        "MRG",
        "TXA",
        "ZBE",
        "ZPM",
    }
)
_TOGETHER = {"IN2": "IN1", "IN3": "IN1"}  # keep their order among themselves
_VISIT = ("PV1", "PV2")


class Ground:
    """The last segments, oldest message first, cut into the messages they came in."""

    def __init__(self, last: Sequence[str], *, visits: frozenset[str]) -> None:
        self.runs = _runs(last)
        self.visits = visits

    def last(self, name: str) -> Segment | None:
        """Give the newest segment of that name."""
        return next((line for run in reversed(self.runs) for line in run if line.name == name), None)

    def of_stay(self, name: str) -> Segment | None:
        """Give the newest segment of that name out of a message about this stay."""
        runs = [run for run in self.runs if self._about_stay(run)]
        return next((line for run in reversed(runs) for line in run if line.name == name), None)

    def _about_stay(self, run: Sequence[Segment]) -> bool:
        return any(line.name == "PV1" and line.get(19, 1) in self.visits for line in run)

    def carried(self, names: Collection[str]) -> list[Segment]:
        """Give the segments to carry along: those of `names`, and every Z segment; each name of its newest message."""
        chosen: list[Segment] = []
        for name in dict.fromkeys(line.name for run in self.runs for line in run):
            if name in OURS or not (name in names or name.startswith("Z")):
                continue
            runs = [run for run in self.runs if name not in OF_STAY or self._about_stay(run)]
            holding = [run for run in runs if any(line.name == name for line in run)]
            if holding:
                chosen += [line for line in holding[-1] if line.name == name]
        return list(_interleaved(chosen))


def ordered(own: Sequence[str], carried: Sequence[Segment], places: Mapping[str, int]) -> list[str]:
    """Put our own segments, which are in order, and the carried ones where the structure has them; others last.

    `places`: of each segment of the structure. IN2 and IN3 stand behind their IN1, ZBE behind the visit.
    """
    if not carried:
        return list(own)
    visit = max((places[name] for name in _VISIT if name in places), default=len(places))

    def place(name: str) -> int:
        name = _TOGETHER.get(name, name)
        return visit if name == "ZBE" else places.get(name, len(places) + name.startswith("Z"))

    mixed = [(place(text[:3]), text) for text in own] + [(place(line.name), line.line) for line in carried]
    return [text for _, text in sorted(mixed, key=lambda each: each[0])]


def _interleaved(lines: list[Segment]) -> Iterable[Segment]:
    """Put each IN2 and IN3 behind the IN1 it belongs to."""
    heads = [line for line in lines if line.name not in _TOGETHER]
    riders = [line for line in lines if line.name in _TOGETHER]
    for line in heads:
        yield line
        if line.name == "IN1":
            count = 1 + [head for head in heads if head.name == "IN1"].index(line)
            for name in _TOGETHER:
                same = [rider for rider in riders if rider.name == name]
                yield from same[count - 1 : count]


def _runs(last: Sequence[str]) -> list[list[Segment]]:
    runs: list[list[Segment]] = []
    for line in last:
        part = Segment(line, STANDARD)
        begins = part.name == "SCH" or (part.name == "PID" and not (runs and [p.name for p in runs[-1]] == ["SCH"]))
        if begins or not runs:
            runs.append([])
        runs[-1].append(part)
    return runs


def laid(
    name: str,
    base: Segment | None,
    facts: Groups,
    before: Mapping[str, Mapping[str, Value]],
    reading: Reading,
    skip: frozenset[int] = frozenset(),
) -> dict[int, str]:
    """Give the fields of a segment: ours where the facts differ from those of `base`, the base's everywhere else.

    `before` holds the values of the groups that changed, so that what is gone is said to be gone. Fields in `skip`
    are left out unless ours.
    """
    fields = {n: text for n, text in numbered(base.line).items() if n not in skip} if base else {}
    for rule in RULES[name]:
        ours = {fact: facts[rule.group][fact] for fact in rule.names}
        said = rule.read(base, reading) if base else {}
        if base and {fact: said.get(fact, unknown(fact)) for fact in ours} == ours:
            continue
        known = {**said, **before.get(rule.group, {})}
        gone = frozenset(fact for fact in ours if known.get(fact) and not ours[fact])
        fields.update(rule.write(Writing(ours, gone, reading.zone, base)))
    return fields


def line(name: str, fields: Mapping[int, str]) -> str:
    """Give a segment from its fields, or "" if it would say nothing."""
    return segment(name, fields) if any(fields.values()) else ""
