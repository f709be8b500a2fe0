"""What the simulated PAS holds: its tables, their rows as values, the reads; knows no message and no rule."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, TypeVar

from messaging.simulators.store import Store

AUTHORITY = "RXX"
WARDS = {"WA": ("A", "B"), "WB": ("A", "B")}
BEDS_PER_BAY = 6
ATTENDANCES = ("E", "O")
PLANS = ("expected_at", "leaves_at", "next_ward", "next_bay", "next_bed", "next_at", "away_to", "away_since", "back_at")
CLINICS = ("CARD", "ORTH")
TABLES = ("patient", "identifier", "stay", "step", "appointment", "document", "received")
SCHEMA = """
CREATE TABLE IF NOT EXISTS patient (
    id INTEGER PRIMARY KEY, family TEXT NOT NULL, given TEXT NOT NULL, middle TEXT NOT NULL, title TEXT NOT NULL,
    dob TEXT NOT NULL, sex TEXT NOT NULL, line1 TEXT NOT NULL, line2 TEXT NOT NULL, town TEXT NOT NULL,
    county TEXT NOT NULL, postcode TEXT NOT NULL, phone TEXT NOT NULL, practice TEXT NOT NULL,
    practice_name TEXT NOT NULL, gp TEXT NOT NULL, gp_family TEXT NOT NULL, gp_given TEXT NOT NULL,
    kin_family TEXT NOT NULL, kin_given TEXT NOT NULL, kin_relation TEXT NOT NULL, allergy TEXT NOT NULL,
    more TEXT NOT NULL, merged_into INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS identifier (
    id INTEGER PRIMARY KEY, patient INTEGER NOT NULL, value TEXT NOT NULL, authority TEXT NOT NULL,
    type TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0, UNIQUE (value, authority));
CREATE TABLE IF NOT EXISTS stay (
    id INTEGER PRIMARY KEY, visit TEXT NOT NULL UNIQUE, patient INTEGER NOT NULL, class TEXT NOT NULL,
    ward TEXT NOT NULL, bay TEXT NOT NULL, bed TEXT NOT NULL, consultant TEXT NOT NULL,
    consultant_family TEXT NOT NULL, consultant_given TEXT NOT NULL, specialty TEXT NOT NULL, method TEXT NOT NULL,
    source TEXT NOT NULL, admitted_at TEXT NOT NULL, discharged_at TEXT NOT NULL, discharge_method TEXT NOT NULL,
    destination TEXT NOT NULL, cancelled INTEGER NOT NULL, plans TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS step (
    id INTEGER PRIMARY KEY, stay INTEGER NOT NULL, trigger TEXT NOT NULL, at TEXT NOT NULL, was TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS document (
    id INTEGER PRIMARY KEY, number TEXT NOT NULL UNIQUE, patient INTEGER NOT NULL, visit TEXT NOT NULL,
    lines TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS appointment (
    id INTEGER PRIMARY KEY, placer TEXT NOT NULL UNIQUE, patient INTEGER NOT NULL, clinic TEXT NOT NULL,
    starts_at TEXT NOT NULL, minutes INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, kind TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS received (
    id INTEGER PRIMARY KEY, received_at TEXT NOT NULL, control_id TEXT NOT NULL, sender TEXT NOT NULL,
    trigger TEXT NOT NULL, event TEXT NOT NULL, code TEXT NOT NULL, err TEXT NOT NULL, repeat INTEGER NOT NULL,
    answer BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS received_by ON received (control_id, sender)
"""


GROWN = {  # columns that a store made before them gets
    "patient": "merged_into INTEGER NOT NULL DEFAULT 0",
    "identifier": "ended INTEGER NOT NULL DEFAULT 0",
    "stay": "plans TEXT NOT NULL DEFAULT '{}'",
}


class Identifier(NamedTuple):
    """A number, who gave it and its type."""

    value: str
    authority: str
    type: str


@dataclass(frozen=True)
class Patient:
    """A person; times and dates in this record are HL7 text in London time."""

    id: int
    family: str = ""
    given: str = ""
    middle: str = ""
    title: str = ""
    dob: str = ""
    sex: str = ""
    line1: str = ""
    line2: str = ""
    town: str = ""
    county: str = ""
    postcode: str = ""
    phone: str = ""
    practice: str = ""
    practice_name: str = ""
    gp: str = ""
    gp_family: str = ""
    gp_given: str = ""
    kin_family: str = ""
    kin_given: str = ""
    kin_relation: str = ""
    allergy: str = ""
    more: str = ""  # JSON: fields of PID kept as they came, by number
    merged_into: int = 0  # the row id of whoever this record was merged into


@dataclass(frozen=True)
class Stay:
    """A stay or an attendance: expected until it begins, open until it has a discharge time.

    `plans`: JSON of what is to come and where the patient is meanwhile, by the names in `PLANS`.
    """

    id: int
    visit: str
    patient: int
    ward: str = ""
    bay: str = ""
    bed: str = ""
    consultant: str = ""
    consultant_family: str = ""
    consultant_given: str = ""
    specialty: str = ""
    method: str = ""
    source: str = ""
    admitted_at: str = ""
    discharged_at: str = ""
    discharge_method: str = ""
    destination: str = ""
    cancelled: int = 0
    klass: str = "I"
    plans: str = "{}"

    @property
    def state(self) -> str:
        """Where it stands: expected, attending, in or out."""
        if not self.admitted_at:
            return "expected"
        if self.discharged_at:
            return "out"
        return "attending" if self.klass in ATTENDANCES else "in"

    def plan(self, name: str) -> str:
        """One of `PLANS`, empty where there is none."""
        return str(json.loads(self.plans).get(name, ""))

    @property
    def bed_to_come(self) -> tuple[str, str, str]:
        """Ward, bay and bed that are planned."""
        return self.plan("next_ward"), self.plan("next_bay"), self.plan("next_bed")

    @property
    def place(self) -> tuple[str, str, str]:
        """Ward, bay and bed."""
        return self.ward, self.bay, self.bed


@dataclass(frozen=True)
class Appointment:
    """A booking of one clinic slot; status Booked, Arrived, Noshow, Cancelled or Deleted."""

    id: int
    placer: str
    patient: int
    clinic: str = ""
    starts_at: str = ""
    minutes: int = 30
    status: str = "Booked"
    reason: str = ""
    kind: str = ""


DETAILS = tuple(each.name for each in fields(Patient) if each.name not in ("id", "merged_into"))
Row = TypeVar("Row", Patient, Stay, Appointment)


def _as(kind: type[Row], row: Any) -> Row:
    return kind(**{("klass" if key == "class" else key): row[key] for key in row.keys()})  # noqa: SIM118 - sqlite3.Row


class Record:
    """The reads of the PAS's store; `slot_places`: how many a clinic sees at one time."""

    slot_places = 1

    def __init__(self, store: Store) -> None:
        self.store = store
        for table, column in GROWN.items():
            if not store.row("SELECT 1 FROM pragma_table_info(?) WHERE name = ?", table, column.split()[0]):
                store.write(f"ALTER TABLE {table} ADD COLUMN {column}")

    def patient(self, number: int) -> Patient:
        """The patient of a row id; raises LookupError."""
        row = self.store.row("SELECT * FROM patient WHERE id = ?", number)
        if row is None:
            raise LookupError("no such patient")
        return _as(Patient, row)

    def patients(self) -> list[Patient]:
        """Everyone who was not merged away, in order of registration."""
        rows = self.store.rows("SELECT * FROM patient WHERE merged_into = 0 ORDER BY id")
        return [_as(Patient, row) for row in rows]

    def identifiers(self, patient: int) -> list[Identifier]:
        """A patient's valid numbers, the PAS's own first, then the NHS number."""
        rows = self.store.rows(
            "SELECT value, authority, type FROM identifier WHERE patient = ? AND NOT ended"
            " ORDER BY authority <> ?, type <> 'MR', authority <> 'NHS', id",
            patient,
            AUTHORITY,
        )
        return [Identifier(*row) for row in rows]

    def known_as(self, value: str, authority: str = "") -> set[int]:
        """Row ids of the patients who have or had that number, of that authority where one is given."""
        rows = self.store.rows(
            "SELECT patient FROM identifier WHERE value = ? AND (authority = ? OR ? = '' OR authority = '')",
            value,
            authority,
            authority,
        )
        return {int(row[0]) for row in rows}

    def mrn(self, patient: int) -> str:
        """The PAS's own number of a patient."""
        return next(each.value for each in self.identifiers(patient) if each.authority == AUTHORITY)

    def stays(self, patient: int | None = None) -> list[Stay]:
        """Stays that were not cancelled, of one patient or all, oldest first."""
        sql = "SELECT * FROM stay WHERE NOT cancelled AND (? IS NULL OR patient = ?) ORDER BY admitted_at, id"
        return [_as(Stay, row) for row in self.store.rows(sql, patient, patient)]

    def open_stay(self, patient: int) -> Stay | None:
        """The stay a patient is admitted on."""
        return next((stay for stay in self.stays(patient) if stay.state == "in"), None)

    def stay(self, visit: str) -> Stay | None:
        """The stay of a visit number, cancelled or not."""
        row = self.store.row("SELECT * FROM stay WHERE visit = ?", visit)
        return _as(Stay, row) if row else None

    def in_bed(self, place: tuple[str, str, str]) -> Stay | None:
        """The open stay in a bed (ward, bay, bed)."""
        row = self.store.row(
            "SELECT * FROM stay WHERE ward = ? AND bay = ? AND bed = ? AND discharged_at = '' AND NOT cancelled", *place
        )
        return _as(Stay, row) if row else None

    def free_beds(self) -> list[tuple[str, str, str]]:
        """Every bed nobody is in, as ward, bay, bed."""
        taken = {stay.place for stay in self.stays() if stay.state == "in"}
        beds = [
            (ward, bay, f"B{BEDS_PER_BAY * bays.index(bay) + number:02d}")
            for ward, bays in WARDS.items()
            for bay in bays
            for number in range(1, BEDS_PER_BAY + 1)
        ]
        return [bed for bed in beds if bed not in taken]

    def appointments(self, patient: int | None = None) -> list[Appointment]:
        """Appointments of one patient or all, earliest first."""
        sql = "SELECT * FROM appointment WHERE ? IS NULL OR patient = ? ORDER BY starts_at, id"
        return [_as(Appointment, row) for row in self.store.rows(sql, patient, patient)]

    def appointment(self, placer: str) -> Appointment | None:
        """The appointment of a placer number."""
        row = self.store.row("SELECT * FROM appointment WHERE placer = ?", placer)
        return _as(Appointment, row) if row else None

    def in_slot(self, clinic: str, starts_at: str) -> Appointment | None:
        """Whose booking fills a clinic's slot, if it is full."""
        rows = self.store.rows(
            "SELECT * FROM appointment WHERE clinic = ? AND starts_at = ? AND status IN ('Booked', 'Arrived')",
            clinic,
            starts_at,
        )
        return _as(Appointment, rows[-1]) if len(rows) >= self.slot_places else None

    def shown(self, patient: Patient) -> dict[str, object]:
        """A patient with numbers, stays and appointments, as a control verb answers."""
        return asdict(patient) | {
            "mrn": self.mrn(patient.id),
            "identifiers": [each._asdict() for each in self.identifiers(patient.id)],
            "stays": [asdict(stay) for stay in self.stays(patient.id)],
            "appointments": [asdict(each) for each in self.appointments(patient.id)],
        }
