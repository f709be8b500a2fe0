"""Three ways to compare one group of facts: before our change, after it, and what the PAS holds; pure.

A group merges as a whole. Only contact groups may be replayed although a neighbouring field changed (soft): there
the fields we changed are told, and the neighbours stay as the PAS holds them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from patients.facts import CONTACT, Value

Group = dict[str, Value]


class Verdict(StrEnum):
    """What is to be done with one group of one change."""

    REPLAY = "replay"  # the PAS holds what we started from
    SOFT = "soft"  # so it does in the fields we changed; a neighbour in a contact group differs
    ALREADY = "already"  # the PAS holds what we would tell it
    SUPERSEDED = "superseded"  # the PAS holds what a later change of ours says
    CONFLICT = "conflict"  # the PAS holds something else: a person decides


@dataclass(frozen=True, slots=True)
class Difference:
    """One group compared: kind and group name, the three values, the verdict, and what our later changes say of it."""

    kind: str
    group: str
    before: Group
    after: Group
    held: Group
    verdict: Verdict
    later: tuple[Group, ...] = ()

    @property
    def lost(self) -> bool:
        """Say whether the PAS holds what it held before, though it was told; there and back again is no loss."""
        return self.verdict is Verdict.REPLAY and self.held not in self.later


def compare(group: str, *, before: Group, after: Group, held: Group, later: Iterable[Group] = ()) -> Verdict:
    """Compare one group; `later`: what our later changes of it say, in order."""
    ours = [name for name in after if before.get(name) != after[name]]
    loose = group in CONTACT and bool(ours)
    if held == after or (loose and all(held.get(name) == after[name] for name in ours)):
        return Verdict.ALREADY
    if held == before:
        return Verdict.REPLAY
    if held in list(later):
        return Verdict.SUPERSEDED
    if loose and all(held.get(name) == before.get(name) for name in ours):
        return Verdict.SOFT
    return Verdict.CONFLICT


def whole(verdicts: Iterable[Verdict]) -> Verdict:
    """Give one verdict for a change: a conflict in any group is one of the whole, and so is a half-told change."""
    seen = set(verdicts)
    if Verdict.CONFLICT in seen or {Verdict.SUPERSEDED, Verdict.REPLAY} <= seen:
        return Verdict.CONFLICT
    for verdict in (Verdict.SOFT, Verdict.REPLAY, Verdict.SUPERSEDED):
        if verdict in seen:
            return verdict
    return Verdict.ALREADY
