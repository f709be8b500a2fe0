"""The judge: every check over one history, in an order that is always the same; pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from tests.faults.checker import (
    aborted_reads,
    chain,
    divergence,
    duplicates,
    inversions,
    lanes,
    ledgers,
    lost_writes,
    masters,
    screens,
    sinks,
)
from tests.faults.checker.finding import Finding
from tests.faults.checker.history import History

CHECKS: tuple[Callable[[History], Iterator[Finding]], ...] = (
    lost_writes.check,
    aborted_reads.check,
    inversions.check,
    duplicates.check,
    lanes.check,
    masters.check,
    screens.check,
    ledgers.check,
    chain.check,
    sinks.check,
    divergence.check,
)


def findings(history: History) -> list[Finding]:
    """Everything that is wrong with a run, each once, by kind and sentence; empty means that it was sound."""
    return sorted({found for check in CHECKS for found in check(history)})


def report(found: Iterable[Finding]) -> str:
    """The findings for a person: how many of each kind, then each on a line of its own."""
    listed = list(found)
    if not listed:
        return "Nothing was found: nothing lost, doubled or reordered."
    counts = ", ".join(f"{kind} {number}" for kind, number in sorted(Counter(each.kind for each in listed).items()))
    return "\n".join([f"{len(listed)} findings: {counts}", *map(str, listed)])
