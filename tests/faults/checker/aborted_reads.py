"""Finds what was seen downstream and never committed, or never asked for (I9); pure."""

from collections.abc import Iterator

from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import History, base, introduces


def check(history: History) -> Iterator[Finding]:
    """Give every message of nobody, and every text that no commit holds."""
    yield from _of_nobody(history)
    yield from _uncommitted_texts(history)


def _of_nobody(history: History) -> Iterator[Finding]:
    theirs = history.spoken_by_pas()
    for to, receiver in history.receiver_lanes():
        ours = history.rows_by_control_id(to.id)
        for control_id in dict.fromkeys(each.control_id for each in receiver.arrivals):
            if control_id and control_id not in theirs and base(control_id) not in ours:
                yield finding(
                    Kind.ABORTED_READ, f"{to.code} has a message that no committed row speaks of", control_id=control_id
                )
    lanes = [to.id for to in history.destinations if to.is_pas]
    known = {name for lane in lanes for name in history.rows_by_control_id(lane)}
    for control_id in dict.fromkeys(each.control_id for each in history.pas.heard if each.change is not None):
        if base(control_id) not in known:
            yield finding(
                Kind.ABORTED_READ, "The PAS has a message that no committed row speaks of", control_id=control_id
            )


def _uncommitted_texts(history: History) -> Iterator[Finding]:
    """A clerk's text at a receiver or in the PAS, though no clerk's change put it into the record."""
    changes = history.by_clerks()
    for mark, op in history.marks().items():
        if not op.who.startswith("clerk") or any(introduces(change, mark) for change in changes):
            continue
        ends = ", ".join(sorted({each.end for each in history.ops if each.said.get("mark") == mark}))
        for where in _seen(history, mark):
            yield finding(
                Kind.ABORTED_READ,
                f"What a clerk typed is at {where} and was never committed (he was told: {ends})",
                who=op.who,
                op=op.number,
            )


def _seen(history: History, mark: str) -> Iterator[str]:
    text = mark.encode()
    for receiver in history.receivers:
        if any(text in each.raw for each in receiver.arrivals):
            yield receiver.code
    if any(mark in each.family for each in history.pas.record.patients):
        yield "the PAS"
