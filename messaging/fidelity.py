"""Compares two messages field by field, by what they mean; pure, knows no table, and not which of them is right.

A message is compared as a receiver reads it: escapes undone, empty ends dropped, times by the moment. Absent leaves a
value, two quotes delete it: these differ. What must differ between two speakers is in `IGNORED`, with the reason.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from zoneinfo import ZoneInfo

from messaging.hl7 import times
from messaging.hl7.read import Message, Segment, split
from messaging.hl7.text import DELETED, unescape
from pasmirror.lib import clock

IGNORED: dict[str, str] = {
    "MSH-2": "the marks themselves; values are compared without them",
    "MSH-5": "names the receiver: the copy we hear is addressed to us",
    "MSH-6": "names the receiver: the copy we hear is addressed to us",
    "MSH-7": "when this message was made",
    "MSH-10": "this message's own number",
    "MSH-13": "the count of one line between two systems",
    "MSH-14": "the count of one line between two systems",
    "MSH-15": "how the two ends of one line answer each other",
    "MSH-16": "how the two ends of one line answer each other",
    "MSH-18": "the character set; text is compared as letters",
    "EVN-2": "when this system recorded the event",
}
UNORDERED: dict[str, str] = {"PID-3": "a set by authority and type: receivers look for theirs, whatever its place"}
_TIMES = ("EVN-3", "EVN-6", "PID-7", "PID-29", "PV1-44", "PV1-45", "PV2-8", "PV2-9", "ZBE-2")
TIMES: dict[str, frozenset[int]] = {  # which components are moments, compared as such where they have a time of day
    **dict.fromkeys(_TIMES, frozenset({1})),
    "SCH-11": frozenset({4, 5}),
}
ORDER = "order"  # the order of the segments that both have, as one more field
_TO_THE_MINUTE = len("YYYYMMDDHHMM")

Leaf = tuple[str, ...]  # subcomponents
Repetition = tuple[Leaf, ...]
Meaning = tuple[Repetition, ...]


class Verdict(StrEnum):
    """How a field of ours compares with the PAS's."""

    SAME = "same"
    MISSING = "missing"  # the PAS says it, we say nothing
    NOT_DELETED = "not_deleted"  # the PAS deletes it, we say nothing
    LESS = "less"  # we leave out some parts, the others are the same
    EXTRA = "extra"  # we say it, the PAS says nothing
    DELETES = "deletes"  # we delete it, the PAS says nothing
    MORE = "more"  # we say some parts that the PAS does not, the others are the same
    OTHER = "other"  # we say something else
    UNSAID = "unsaid"  # the dialect has no such message
    FAILED = "failed"  # the message could not be written


WHOLE = frozenset({Verdict.UNSAID, Verdict.FAILED})  # of a message, not of a field


@dataclass(frozen=True, slots=True)
class Compared:
    """One field: "PID-11", the verdict, and which of its components differ ("1,5"; ~ for a repetition too many).

    `theirs` and `ours` as they came, "" for absent.
    """

    field: str
    verdict: Verdict
    parts: str = ""
    theirs: str = ""
    ours: str = ""


def compare(theirs: Message, ours: Message, *, zone: ZoneInfo) -> list[Compared]:
    """Compare what we say with what the PAS says; `zone`: of times without an offset. Fields neither has are no field.

    Segments of one name are paired in the order they stand.
    """
    found = [_order(theirs, ours)]
    names = dict.fromkeys(segment.name for message in (theirs, ours) for segment in message.segments)
    for name in names:
        for one, another in zip_longest(theirs.all(name), ours.all(name)):
            found += _segments(name, one, another, zone)
    return found


def unsaid(theirs: Message, verdict: Verdict) -> list[Compared]:
    """Give every field of a message that we cannot say at all, with that verdict."""
    return [
        Compared(ORDER, verdict),
        *(
            Compared(f"{segment.name}-{number}", verdict)
            for segment in theirs.segments
            for number in _numbers(segment, None)
            if f"{segment.name}-{number}" not in IGNORED
        ),
    ]


def _order(theirs: Message, ours: Message) -> Compared:
    told = [[segment.name for segment in message.segments] for message in (theirs, ours)]
    both = set(told[0]) & set(told[1])
    first, second = (list(dict.fromkeys(name for name in names if name in both)) for names in told)
    verdict = Verdict.SAME if first == second else Verdict.OTHER
    return Compared(ORDER, verdict, "", " ".join(told[0]), " ".join(told[1]))


def _segments(name: str, theirs: Segment | None, ours: Segment | None, zone: ZoneInfo) -> Iterator[Compared]:
    for number in _numbers(theirs, ours):
        field = f"{name}-{number}"
        if field not in IGNORED:
            said = theirs.raw(number) if theirs else "", ours.raw(number) if ours else ""
            there, here = (_meaning(segment, number, zone) if segment else () for segment in (theirs, ours))
            verdict, parts = _verdict(there, here)
            if there or here:
                yield Compared(field, verdict, parts, *said)


def _numbers(one: Segment | None, another: Segment | None) -> Iterable[int]:
    """Give the numbers of the fields that one of two segments has; MSH-1 is the separator itself."""
    most = max(len(segment.fields) for segment in (one, another) if segment)
    first = 2 if (one or another).name == "MSH" else 1  # type: ignore[union-attr]
    return [n for n in range(first, most) if any(segment.raw(n) for segment in (one, another) if segment)]


def _meaning(segment: Segment, number: int, zone: ZoneInfo) -> Meaning:
    """Read a field as repetitions of components of subcomponents; of what was deleted the two quotes stand."""
    own, field = segment.separators, f"{segment.name}-{number}"
    moments = TIMES.get(field, frozenset())
    said = []
    for text in split(segment.raw(number), own.repetition):
        leaves = []
        for at, component in enumerate(split(text, own.component), start=1):
            subs = [each if each == DELETED else unescape(each, own) for each in split(component, own.subcomponent)]
            leaves.append(_bare([_moment(each, zone) for each in subs] if at in moments else subs))
        said.append(_bare(leaves))
    return tuple(sorted(said) if field in UNORDERED else _bare(said))


def _bare(parts: list) -> tuple:  # type: ignore[type-arg]
    """Drop what is empty at the end."""
    while parts and not parts[-1]:
        parts = parts[:-1]
    return tuple(parts)


def _moment(text: str, zone: ZoneInfo) -> str:
    at = times.moment(text, zone) if len(text) >= _TO_THE_MINUTE else None
    return f"{at.astimezone(zone):%Y%m%d}@{clock.iso(at)}" if at else text


def _verdict(theirs: Meaning, ours: Meaning) -> tuple[Verdict, str]:
    """Say how two meanings compare, and which components differ where both say something."""
    if theirs == ours:
        return Verdict.SAME, ""
    if not ours:
        return (Verdict.NOT_DELETED if _all_gone(theirs) else Verdict.MISSING), ""
    if not theirs:
        return (Verdict.DELETES if _all_gone(ours) else Verdict.EXTRA), ""
    ways: dict[str, Verdict] = {}
    for one, another in zip_longest(theirs, ours):
        if one is None or another is None:
            ways["~"] = _worse(ways.get("~"), Verdict.LESS if another is None else Verdict.MORE)
            continue
        for at, (there, here) in enumerate(zip_longest(one, another, fillvalue=()), start=1):
            if there != here:
                ways[str(at)] = _worse(ways.get(str(at)), _part(there, here))
    seen = set(ways.values())
    return (seen.pop() if len(seen) == 1 else Verdict.OTHER), ",".join(sorted(ways, key=lambda at: (len(at), at)))


def _part(theirs: Leaf, ours: Leaf) -> Verdict:
    """Compare one component of two that differ."""
    if not ours:
        return Verdict.LESS
    if not theirs and not _gone(ours):
        return Verdict.MORE
    dates = len(theirs) == len(ours) == 1 and "@" in theirs[0] and theirs[0].split("@")[0] == ours[0]
    return Verdict.LESS if dates else Verdict.OTHER


def _worse(one: Verdict | None, another: Verdict) -> Verdict:
    return another if one in (None, another) else Verdict.OTHER


def _all_gone(meaning: Meaning) -> bool:
    """Say whether a field deletes and tells no value; a kind beside the two quotes (""^HOME) is none."""
    return all(not repetition or _gone(repetition[0]) for repetition in meaning)


def _gone(leaf: Leaf) -> bool:
    return leaf == (DELETED,)
