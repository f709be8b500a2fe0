"""Facts: what is known of a patient, stay or appointment, in field groups that change and conflict as a whole; pure.

A fact's value is a string, whole number or truth value; "" is unknown. Times are ISO 8601 in UTC, dates may be
partial ("1954", "1954-11"). In news a missing field says nothing, "" deletes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pasmirror.lib import clock
from patients.identifiers import Identifier

Value = str | int | bool
Groups = dict[str, dict[str, Value]]


class Kind(StrEnum):
    """What a fact is about."""

    PATIENT = "patient"
    STAY = "stay"
    APPOINTMENT = "appointment"


GROUPS: dict[Kind, dict[str, tuple[str, ...]]] = {
    Kind.PATIENT: {
        "name": ("family", "given", "middle", "title"),
        "birth": ("born",),
        "sex": ("sex",),
        "nhs": ("nhs_number", "nhs_status"),
        "address": ("line1", "line2", "town", "county", "postcode", "gp", "practice"),
        "phones": ("phone", "mobile", "email"),
        "death": ("dead", "died_at"),
        "background": ("ethnic", "marital", "religion", "language"),
    },
    Kind.STAY: {
        "place": ("ward", "bay", "bed", "site"),
        "consultant": ("consultant", "consultant_name", "specialty"),
        "times": ("status", "admitted_at", "discharged_at"),
        "admission": ("patient_class", "admission_method", "admission_source"),
        "discharge": ("discharge_method", "discharge_destination"),
        "expected": ("admission_expected_at", "discharge_expected_at"),
        "pending": ("pending_ward", "pending_bay", "pending_bed", "pending_at"),
        "away": ("away", "away_to", "away_since", "back_expected_at"),
    },
    Kind.APPOINTMENT: {
        "booking": ("clinic", "starts_at", "minutes", "appointment_type", "reason"),
        "status": ("status",),
        "wording": ("status_words",),
    },
}
CONTACT = frozenset({"address", "phones"})  # the groups that may be replayed soft
MOMENTS = frozenset(  # kept as times of day in the database
    {
        "admitted_at",
        "discharged_at",
        "admission_expected_at",
        "discharge_expected_at",
        "pending_at",
        "away_since",
        "back_expected_at",
        "starts_at",
    }
)


@dataclass(frozen=True, slots=True)
class Named:
    """Whose message it is, by its numbers; the NHS number counts only where there are no others."""

    patient_ids: tuple[Identifier, ...] = ()
    nhs_number: str = ""


NOBODY = Named()


@dataclass(frozen=True, slots=True)
class News:
    """One event as told to us, by the PAS or by a clerk: only the fields that were said."""

    event: str
    occurred_at: datetime
    patient_ids: tuple[Identifier, ...] = ()
    stay_ids: tuple[Identifier, ...] = ()
    appointment_ids: tuple[Identifier, ...] = ()
    patient: Groups = field(default_factory=dict)
    stay: Groups = field(default_factory=dict)
    appointment: Groups = field(default_factory=dict)
    sent_at: datetime | None = None  # MSH-7, for staleness only
    control_id: str = ""
    trigger: str = ""  # "ADT^A01"
    segments: tuple[str, ...] = ()  # the sender's segments, kept raw for overlay
    warnings: tuple[str, ...] = ()
    reason: str = ""  # why it happened (SCH-6): the event's, never a fact of what it changed
    prior: Named = NOBODY  # of identity news: the number that ends (MRG-1), or the other person (a second PID)
    prior_patient: Groups = field(default_factory=dict)  # what is said of that other person
    prior_stay_ids: tuple[Identifier, ...] = ()  # MRG-3, MRG-5 (also of A06, A07): a blank authority stands for any
    mother: Named = NOBODY  # PID-21, or the NK1 that is the mother
    other: "News | None" = None  # the rest of the same message, of somebody else: all of it is taken or none
    movement: str = ""  # of a step of a stay: the sender's own number of it (ZBE-1)
    corrects: bool = False  # the step of that number is told anew (ZBE-4 UPDATE)
    document: Mapping[str, Value] = field(default_factory=dict)  # the facts of patients.models.Document
    sent_again: datetime | None = None  # the second reading of MSH-7, where its hour happens twice

    @property
    def named(self) -> Named:
        """Whose news it is."""
        return Named(self.patient_ids, str(self.patient.get("nhs", {}).get("nhs_number", "")))

    @property
    def parts(self) -> "tuple[News, ...]":
        """Everything one message told, each person's part by itself."""
        return (self, *(self.other.parts if self.other else ()))

    def groups(self, kind: Kind) -> Groups:
        """Give what was said of `kind`."""
        return {Kind.PATIENT: self.patient, Kind.STAY: self.stay, Kind.APPOINTMENT: self.appointment}[kind]


def blank(kind: Kind) -> Groups:
    """Give every group of `kind` with nothing known."""
    return {group: dict(values) for group, values in _BLANK[kind].items()}


def unknown(name: str) -> Value:
    """Give the value that says "not known" for a field."""
    return {"minutes": 0, "dead": False}.get(name, "")


_BLANK: dict[Kind, Groups] = {
    kind: {group: {name: unknown(name) for name in names} for group, names in groups.items()}
    for kind, groups in GROUPS.items()
}


def of(kind: Kind, row: Any) -> Groups:
    """Read the facts of a database row whose columns bear the fields' names."""
    return {group: {name: _out(name, getattr(row, name)) for name in names} for group, names in GROUPS[kind].items()}


def put(kind: Kind, row: Any, groups: Mapping[str, Mapping[str, Value]]) -> None:
    """Write groups of facts onto a database row; unknown groups and fields are a KeyError."""
    for group, values in groups.items():
        allowed = GROUPS[kind][group]
        for name, value in values.items():
            if name not in allowed:
                raise KeyError(name)
            setattr(row, name, clock.moment(str(value)) if name in MOMENTS else value)


def overlaid(now: Groups, said: Mapping[str, Mapping[str, Value]]) -> Groups:
    """Give `now` with what was said laid over it: absent leaves, "" deletes."""
    return {group: {**values, **said[group]} if group in said else dict(values) for group, values in now.items()}


def changed(before: Groups, after: Groups) -> dict[str, tuple[dict[str, Value], dict[str, Value]]]:
    """Give the groups that differ, each as (before, after) whole."""
    return {group: (before[group], after[group]) for group in after if before[group] != after[group]}


def _out(name: str, value: Any) -> Value:
    if name in MOMENTS:
        return clock.iso(value)
    out: Value = value
    return out
