"""The columns an extract may have, by kind: named as in the NHS Data Dictionary, and what each says; a table, pure.

A column without a fact (a number, a time) is read where the row is put together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from messaging.extracts import cells
from messaging.hl7.lengths import LONGEST
from patients.facts import GROUPS, Kind, Value


class Extract(StrEnum):
    """What a CSV file tells of, one row for each."""

    PATIENTS = "patients"
    STAYS = "stays"
    APPOINTMENTS = "appointments"
    WARDS = "wards"
    BEDS = "beds"
    CLINICS = "clinics"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its key among our own (the fact's name, if it is one), and how a cell of it is read."""

    key: str
    name: str
    kind: Kind | None = None  # of the fact; None: no fact
    needed: bool = False  # the file must have it, and every row a value
    read: Callable[[str], Value] | None = None
    most: int = 200

    @property
    def group(self) -> str:
        """The fact's group, "" where it is none."""
        if self.kind is None:
            return ""
        return next(group for group, names in GROUPS[self.kind].items() if self.key in names)


def _fact(kind: Kind, key: str, name: str, read: Callable[[str], Value] | None = None) -> Column:
    return Column(key, name, kind, read=read, most=LONGEST[kind].get(key, 1000))


def _number(key: str, name: str, *, needed: bool = False) -> Column:
    return Column(key, name, needed=needed, most=50)


PATIENT, STAY, APPOINTMENT = Kind.PATIENT, Kind.STAY, Kind.APPOINTMENT
LOCAL = _number("number", "LOCAL PATIENT IDENTIFIER", needed=True)
AUTHORITY = _number("authority", "ORGANISATION IDENTIFIER (LOCAL PATIENT IDENTIFIER)")
WHO = (
    LOCAL,
    AUTHORITY,
    _number("nhs_number", "NHS NUMBER"),
    _fact(PATIENT, "family", "PERSON FAMILY NAME"),
    _fact(PATIENT, "born", "PERSON BIRTH DATE", cells.date),
)
COLUMNS: dict[Extract, tuple[Column, ...]] = {
    Extract.PATIENTS: (
        LOCAL,
        AUTHORITY,
        _number("nhs_number", "NHS NUMBER"),
        _fact(PATIENT, "nhs_status", "NHS NUMBER STATUS INDICATOR CODE"),
        Column("family", "PERSON FAMILY NAME", PATIENT, needed=True, most=LONGEST[PATIENT]["family"]),
        _fact(PATIENT, "given", "PERSON GIVEN NAME"),
        _fact(PATIENT, "middle", "PERSON MIDDLE NAME"),
        _fact(PATIENT, "title", "PERSON TITLE"),
        _fact(PATIENT, "born", "PERSON BIRTH DATE", cells.date),
        _fact(PATIENT, "sex", "PERSON STATED GENDER CODE", cells.sex),
        _fact(PATIENT, "line1", "PATIENT USUAL ADDRESS LINE 1"),
        _fact(PATIENT, "line2", "PATIENT USUAL ADDRESS LINE 2"),
        _fact(PATIENT, "town", "PATIENT USUAL ADDRESS LINE 3"),
        _fact(PATIENT, "county", "PATIENT USUAL ADDRESS LINE 4"),
        _fact(PATIENT, "postcode", "POSTCODE OF USUAL ADDRESS"),
        _fact(PATIENT, "phone", "UK TELEPHONE NUMBER"),
        _fact(PATIENT, "mobile", "UK MOBILE TELEPHONE NUMBER"),
        _fact(PATIENT, "email", "EMAIL ADDRESS"),
        _fact(PATIENT, "gp", "GENERAL MEDICAL PRACTITIONER (SPECIFIED)"),
        _fact(PATIENT, "practice", "GENERAL MEDICAL PRACTICE CODE (PATIENT REGISTRATION)"),
        _fact(PATIENT, "ethnic", "ETHNIC CATEGORY"),
        _fact(PATIENT, "marital", "PERSON MARITAL STATUS"),
        _fact(PATIENT, "religion", "RELIGIOUS OR OTHER BELIEF SYSTEM AFFILIATION CODE"),
        _fact(PATIENT, "language", "LANGUAGE CODE (PREFERRED)"),
        _fact(PATIENT, "dead", "PERSON DEATH INDICATOR", cells.flag),
        _fact(PATIENT, "died_at", "PERSON DEATH DATE", cells.date),
    ),
    Extract.STAYS: (
        *WHO,
        _number("visit", "HOSPITAL PROVIDER SPELL IDENTIFIER", needed=True),
        _fact(STAY, "patient_class", "PATIENT CLASSIFICATION CODE", cells.patient_class),
        Column("starts", "START DATE (HOSPITAL PROVIDER SPELL)", needed=True),
        Column("starts_time", "START TIME (HOSPITAL PROVIDER SPELL)"),
        Column("ends", "DISCHARGE DATE (HOSPITAL PROVIDER SPELL)"),
        Column("ends_time", "DISCHARGE TIME (HOSPITAL PROVIDER SPELL)"),
        _fact(STAY, "ward", "WARD CODE"),
        _fact(STAY, "bay", "BAY CODE"),
        _fact(STAY, "bed", "BED CODE"),
        _fact(STAY, "site", "ORGANISATION SITE IDENTIFIER (OF TREATMENT)"),
        _fact(STAY, "consultant", "CONSULTANT CODE"),
        _fact(STAY, "consultant_name", "CONSULTANT NAME"),
        _fact(STAY, "specialty", "ACTIVITY TREATMENT FUNCTION CODE"),
        _fact(STAY, "admission_method", "ADMISSION METHOD CODE (HOSPITAL PROVIDER SPELL)"),
        _fact(STAY, "admission_source", "ADMISSION SOURCE (HOSPITAL PROVIDER SPELL)"),
        _fact(STAY, "discharge_method", "DISCHARGE METHOD CODE (HOSPITAL PROVIDER SPELL)"),
        _fact(STAY, "discharge_destination", "DISCHARGE DESTINATION CODE (HOSPITAL PROVIDER SPELL)"),
    ),
    Extract.APPOINTMENTS: (
        *WHO,
        _number("placer", "APPOINTMENT IDENTIFIER", needed=True),
        _fact(APPOINTMENT, "clinic", "CLINIC CODE"),
        Column("starts", "APPOINTMENT DATE", needed=True),
        Column("starts_time", "APPOINTMENT TIME"),
        _fact(APPOINTMENT, "minutes", "APPOINTMENT DURATION", cells.whole),
        _fact(APPOINTMENT, "appointment_type", "APPOINTMENT TYPE"),
        _fact(APPOINTMENT, "reason", "APPOINTMENT REASON"),
        Column("attended", "ATTENDED OR DID NOT ATTEND CODE"),
    ),
    Extract.WARDS: (
        Column("code", "WARD CODE", needed=True, most=100),
        Column("name", "WARD NAME", needed=True),
        Column("site", "ORGANISATION SITE IDENTIFIER (OF TREATMENT)", most=100),
        Column("specialty", "ACTIVITY TREATMENT FUNCTION CODE", most=50),
    ),
    Extract.BEDS: (
        Column("ward", "WARD CODE", needed=True, most=100),
        Column("bay", "BAY CODE", most=100),
        Column("bed", "BED CODE", needed=True, most=100),
    ),
    Extract.CLINICS: (
        Column("code", "CLINIC CODE", needed=True, most=100),
        Column("name", "CLINIC NAME", needed=True),
        Column("site", "ORGANISATION SITE IDENTIFIER (OF TREATMENT)", most=100),
        Column("specialty", "ACTIVITY TREATMENT FUNCTION CODE", most=50),
    ),
    Extract.STAFF: (
        Column("name", "USER NAME", needed=True, most=150),
        Column("role", "ROLE", needed=True, most=20),
        Column("ward", "WARD CODE", most=100),
        Column("clinic", "CLINIC CODE", most=100),
    ),
}
OF_PLACES = frozenset({Extract.WARDS, Extract.BEDS, Extract.CLINICS, Extract.STAFF})
