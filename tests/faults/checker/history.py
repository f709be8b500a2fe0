"""A whole run as the checker sees it: what was asked and told, every table, every peer's store, every sink; no I/O."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.checker import rows
from tests.faults.recorder.log import Op, Unjudgeable

WRITES = frozenset({"register", "amend", "admit", "transfer", "discharge", "book", "cancel"})
READS = frozenset({"look", "banner"})
MODES = frozenset({"normal", "mirror", "recovery", "handback"})
WRITABLE = frozenset({"mirror", "recovery"})


@dataclass(frozen=True)
class History:
    """Everything known of one run. `mode_slack`: seconds a banner may be behind; `clock_slack`: the PAS's clock."""

    ops: tuple[Op, ...]
    changes: tuple[rows.Change, ...]
    gate: rows.Gate
    destinations: tuple[rows.Destination, ...]
    receivers: tuple[rows.Receiver, ...]
    pas: rows.Pas
    forms: tuple[rows.Form, ...] = ()
    tail: tuple[int, ...] = ()  # changes without a lane number
    inbound: tuple[rows.Inbound, ...] = ()
    outbound: tuple[rows.Outbound, ...] = ()
    attempts: tuple[rows.Attempt, ...] = ()
    moves: tuple[rows.Move, ...] = ()
    incidents: tuple[rows.Incident, ...] = ()
    replays: tuple[rows.Replay, ...] = ()
    signatures: tuple[rows.Signature, ...] = ()
    discrepancies: tuple[rows.Discrepancy, ...] = ()
    audit: tuple[rows.AuditRow, ...] = ()
    links: tuple[rows.Link, ...] = ()
    audit_tail: tuple[int, ...] = ()
    anchors: tuple[rows.Anchor, ...] = ()
    record: rows.Record = field(default_factory=rows.Record)
    sinks: tuple[tuple[str, bytes], ...] = ()
    mode_slack: float = 5.0
    clock_slack: float = 2.0

    def __post_init__(self) -> None:
        """Raises Unjudgeable where so little is known that nothing could be found."""
        if not self.ops:
            raise Unjudgeable("nobody did anything, so nothing can be said")
        if not self.receivers:
            raise Unjudgeable("there is no receiver's store")
        known = {each.code for each in self.receivers}
        if missing := [to.code for to in self.destinations if to.declared and not to.is_pas and to.code not in known]:
            raise Unjudgeable(f"the store of {', '.join(missing)} is missing")

    def by_clerks(self) -> list[rows.Change]:
        """The clerks' changes in order of id."""
        return sorted((each for each in self.changes if each.source == "clerk"), key=lambda each: each.id)

    def writes(self) -> list[Op]:
        """What clerks asked to be saved, in order of time."""
        return sorted((op for op in self.ops if op.who.startswith("clerk") and op.what in WRITES), key=_when)

    def reads(self) -> list[Op]:
        """What clerks looked at and were shown."""
        return sorted((op for op in self.ops if op.what in READS and op.end == "ok"), key=_when)

    def marks(self) -> dict[str, Op]:
        """Every text that occurs once in the run, and the first operation that put it in."""
        found: dict[str, Op] = {}
        for op in sorted(self.ops, key=_when):
            if op.said.get("mark"):
                found.setdefault(str(op.said["mark"]), op)
        return found

    def lane(self, key: int) -> rows.Destination:
        """The destination of a lane."""
        return next(each for each in self.destinations if each.id == key)

    def receiver_lanes(self) -> Iterator[tuple[rows.Destination, rows.Receiver]]:
        """Each destination that is no PAS, with the receiver behind it."""
        for to in self.destinations:
            for receiver in self.receivers:
                if receiver.code == to.code and not to.is_pas:
                    yield to, receiver

    def spoken_by_pas(self) -> set[str]:
        """Every MSH-10 the PAS has made up."""
        return {each.control_id for each in self.pas.spoken}

    def rows_by_control_id(self, lane: int) -> dict[str, rows.Outbound]:
        """A lane's messages by MSH-10 without the number of its rewritings."""
        return {base(each.control_id): each for each in self.outbound if each.lane == lane and each.control_id}

    def tries(self) -> dict[int, list[rows.Attempt]]:
        """Attempts by message, in order of opening."""
        return grouped(sorted(self.attempts, key=lambda each: each.id), "outbound")

    def valve(self) -> list[tuple[float, bool]]:
        """When the emission switch was thrown, and whether it was opened, by the audit trail."""
        thrown = [row for row in self.audit if row.action in ("emission_open", "emission_held")]
        return sorted((row.at.timestamp(), row.action == "emission_open") for row in thrown)


def introduces(change: rows.Change, mark: str) -> bool:
    """Whether the change put this text into the record."""
    said = _text([change.after, change.facts.get("event_reason", "")])
    return bool(mark) and mark in said and mark not in _text(change.before)


def base(control_id: str) -> str:
    """MSH-10 without the number of its rewritings."""
    return control_id.partition(".")[0]


def grouped(items: Iterable[Any], name: str) -> dict[Any, list[Any]]:
    """Rows by one of their columns, each list in the order given."""
    found: dict[Any, list[Any]] = defaultdict(list)
    for each in items:
        found[getattr(each, name)].append(each)
    return dict(found)


def _text(values: object) -> str:
    if isinstance(values, dict):
        return "\n".join(_text(each) for each in values.values())
    return str(values)


def _when(op: Op) -> tuple[float, str, int]:
    return op.called, op.who, op.number
