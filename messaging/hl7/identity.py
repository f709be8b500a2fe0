"""Whose message it is: the numbers of patient, stay and appointment, and the NHS number in all the places it is sent.

Pure. Knows the shapes seen in UK feeds (PID-2, PID-3, PID-19; CX.4 or CX.5), not what the record does with them.
"""

import re
from dataclasses import dataclass, field

from messaging.hl7.habits import Habits
from messaging.hl7.read import Segment
from patients.facts import Named, Value
from patients.identifiers import FILLER, HOSPITAL, PLACER, VISIT, Identifier, nhs_digits, why_not_nhs_number

ACCOUNT_WARNING = "no visit number in PV1-19: the account number of PID-18 was taken"
_STATUS = re.compile(r"(?:NSTS)?(0[1-8])")


@dataclass(slots=True)
class Person:
    """The numbers a PID carries: hospital numbers, and what it says of the NHS number (absent: nothing)."""

    ids: list[Identifier] = field(default_factory=list)
    nhs: dict[str, Value] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def named(self) -> Named:
        """Whom these numbers name."""
        return Named(tuple(self.ids), str(self.nhs.get("nhs_number", "")))


def person(pid: Segment, habits: Habits) -> Person:
    """Read every number of a PID; an NHS number with a wrong check digit is kept out and warned of."""
    found = Person()
    for number in (3, 2):
        for repetition in range(pid.repeats(number)):
            _person_number(pid, number, repetition, habits, found)
    if ssn := (pid.get(19, 1) or "").strip():
        _nhs(ssn, "PID-19", found)
    elif pid.get(19) == "" and "nhs_number" not in found.nhs:
        found.nhs["nhs_number"] = ""
    if status := _STATUS.fullmatch(pid.get(32, 1) or ""):
        found.nhs["nhs_status"] = status.group(1)
    return found


def _person_number(pid: Segment, number: int, repetition: int, habits: Habits, found: Person) -> None:
    value = pid.get(number, 1, repetition=repetition)
    authority = (pid.get(number, 4, 1, repetition) or "").strip()
    kind, _, glued = (pid.get(number, 5, repetition=repetition) or "").strip().partition("{")
    is_nhs = (
        authority.upper() in habits.nhs_authorities
        or kind.upper() in habits.nhs_types
        or (kind.upper() in habits.nhs_types_if_valid and bool(value) and not why_not_nhs_number(value or ""))
    )
    if is_nhs:
        for text in (pid.get(number, 2, repetition=repetition) or "", glued.removeprefix("status:").rstrip("}")):
            if status := _STATUS.fullmatch(text):
                found.nhs["nhs_status"] = status.group(1)
        if value:
            _nhs(value, f"PID-{number}", found)
        elif value == "":
            found.nhs.setdefault("nhs_number", "")
    elif number == 3 and value and value.strip():
        kind = HOSPITAL if kind.upper() in habits.hospital_types else kind
        identifier = Identifier(kind, authority or habits.default_authority, value.strip())
        if identifier not in found.ids:
            found.ids.append(identifier)


def _nhs(text: str, place: str, found: Person) -> None:
    if why_not_nhs_number(text):
        found.warnings.append(f"{place}: not a valid NHS number, not taken")
        return
    digits = nhs_digits(text)
    if found.nhs.get("nhs_number") not in (None, "", digits):
        found.warnings.append(f"{place}: a second NHS number, not taken")
        return
    found.nhs["nhs_number"] = digits


def stay(pv1: Segment | None, pid: Segment | None, habits: Habits) -> tuple[tuple[Identifier, ...], str]:
    """Give the visit number (PV1-19, else PID-18) and a warning if it had to be PID-18; empty if there is none."""
    for segment, number, warning in ((pv1, 19, ""), (pid, 18, ACCOUNT_WARNING)):
        value = ((segment.get(number, 1) if segment else "") or "").strip()
        if segment and value:
            authority = (segment.get(number, 4, 1) or "").strip()
            return (Identifier(VISIT, authority or habits.default_authority, value),), warning
    return (), ""


def appointment(sch: Segment, habits: Habits) -> tuple[Identifier, ...]:
    """Give the placer (SCH-1) and filler (SCH-2) numbers there are."""
    found = []
    for number, kind in ((1, PLACER), (2, FILLER)):
        if value := (sch.get(number, 1) or "").strip():
            authority = (sch.get(number, 2) or "").strip()
            found.append(Identifier(kind, authority or habits.default_authority, value))
    return tuple(found)
