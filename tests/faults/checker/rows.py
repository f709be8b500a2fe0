"""Rows of the product's tables as the checker keeps them: plain values, times in seconds since 1970; no product import.

`committed` orders commits: microseconds at which the transaction that wrote the row last was committed, by the server.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Numbers = frozenset[str]
Place = tuple[str, str, str]  # ward, bay, bed


@dataclass(frozen=True, slots=True)
class Change:
    id: int
    committed: int
    event: str
    patient: int
    stay: int | None
    appointment: int | None
    before: dict[str, Any]
    after: dict[str, Any]
    facts: dict[str, Any]
    source: str  # clerk, feed
    origin: str
    account: str
    epoch: int
    occurred_at: float
    recorded_at: float


@dataclass(frozen=True, slots=True)
class Form:
    """A form's idempotency key and the change that came of it."""

    key: str
    change: int | None


@dataclass(frozen=True, slots=True)
class Inbound:
    id: int
    channel: int
    number: int
    received_at: float
    sender: str
    control_id: str
    sent_at: float | None  # MSH-7
    outcome: str
    patient: int | None
    change: int | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Destination:
    """A declared peer and its lane; empty filters want all."""

    id: int
    code: str
    is_pas: bool
    declared: bool
    head: int
    events: tuple[str, ...] = ()
    wards: tuple[str, ...] = ()
    clinics: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    pas_copy: str = "filtered"


@dataclass(frozen=True, slots=True)
class Outbound:
    id: int
    lane: int
    seq: int
    change: int
    patient: int
    epoch: int
    leg: str
    control_id: str
    body: bytes | None
    settled_at: float | None
    snapshot: bool = False  # what is so now, sent by order: it tells of no change of its own


@dataclass(frozen=True, slots=True)
class Attempt:
    id: int
    committed: int  # of the closing, once it is closed
    outbound: int
    opened_at: float
    closed_at: float | None
    ending: str
    detail: str
    answer: bytes | None
    token: int = 0  # of the lease it was opened under


@dataclass(frozen=True, slots=True)
class Move:
    """One move of the mode, or of the emission switch (`after` is held or open)."""

    id: int
    committed: int
    before: str
    after: str
    epoch: int
    at: float


@dataclass(frozen=True, slots=True)
class Gate:
    mode: str
    epoch: int
    fenced: int


@dataclass(frozen=True, slots=True)
class Incident:
    id: int
    first_epoch: int
    closed_at: float | None
    closing: str
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Replay:
    incident: int
    change: int
    patient: int
    end: str
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    incident: int
    purpose: str
    subject: str
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Discrepancy:
    change: int
    patient: int
    raised_at: float
    decision: str


@dataclass(frozen=True, slots=True)
class AuditRow:
    id: int
    committed: int
    at: datetime
    actor: dict[str, Any]
    action: str
    subject: str
    change: int | None
    epoch: int | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    seq: int
    row: int
    digest: str


@dataclass(frozen=True, slots=True)
class Anchor:
    seq: int
    digest: str


@dataclass(frozen=True, slots=True)
class Patient:
    """Somebody in a record, ours or the PAS's; `numbers` are hospital numbers as authority^value."""

    id: int
    family: str
    numbers: Numbers


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay by its visit numbers; status is in, out or cancelled."""

    patient: int
    numbers: Numbers
    status: str
    place: Place


@dataclass(frozen=True, slots=True)
class Appointment:
    """A booking by its numbers; status is booked or cancelled."""

    patient: int
    numbers: Numbers
    status: str


@dataclass(frozen=True, slots=True)
class Record:
    """Who is known and where they are, ours or the PAS's."""

    patients: tuple[Patient, ...] = ()
    stays: tuple[Stay, ...] = ()
    appointments: tuple[Appointment, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame at a receiver, in the order they came; `answer` is what it said (AA, AE, AR …)."""

    id: int
    at: float
    control_id: str
    trigger: str
    answer: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Effect:
    """Something a receiver did; `event` is the same whoever spoke of it."""

    event: str
    control_id: str


@dataclass(frozen=True, slots=True)
class Receiver:
    code: str
    arrivals: tuple[Arrival, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """A replayed message at the PAS; `change` is what its ZPM-1 names."""

    control_id: str
    change: int | None
    code: str
    repeat: bool
    at: float


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message in the PAS's own outbox; `answered`: AA was heard."""

    lane: str
    control_id: str
    attempts: int
    answered: bool


@dataclass(frozen=True, slots=True)
class Pas:
    """The PAS's own store. `restored`: it was brought back from a backup, so that it may have forgotten."""

    record: Record = field(default_factory=Record)
    heard: tuple[Heard, ...] = ()
    spoken: tuple[Spoken, ...] = ()
    restored: bool = False
