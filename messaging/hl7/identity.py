"""Whose message it is: the numbers of patient, stay and appointment, and the NHS number in all the places it is sent.

Pure. Knows the shapes seen in UK feeds (PID-2, PID-3, PID-19; CX.4 or CX.5), not what the record does with them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from messaging.hl7.habits import Habits
from messaging.hl7.lengths import LONGEST_TYPE
from messaging.hl7.read import Segment
from messaging.hl7.text import escape
from patients.facts import NOBODY, Named, Value
from patients.identifiers import FILLER, HOSPITAL, PLACER, VERIFIED, VISIT, Identifier, nhs_digits, why_not_nhs_number

ACCOUNT_WARNING = "no visit number in PV1-19: the account number of PID-18 was taken"
MOTHER = frozenset({"MTH", "MOTHER"})  # NK1-3, HL7 table 0063
NHS_OID = "2.16.840.1.113883.2.1.4.1"  # the universal id of the NHS number
_STATUS = re.compile(r"(?:NSTS)?(0[1-8])")
_OID = re.compile(r"\d+(?:\.\d+)+")


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
    _numbers(pid, 3, habits, found)
    _numbers(pid, 2, habits, found, only_nhs=True)
    if ssn := (pid.get(19, 1) or "").strip():
        _nhs(ssn, "PID-19", found)
    elif pid.get(19) == "" and "nhs_number" not in found.nhs:
        found.nhs["nhs_number"] = ""
    for repetition in range(pid.repeats(32)):
        if status := _STATUS.fullmatch(pid.get(32, 1, repetition=repetition) or ""):
            found.nhs["nhs_status"] = status.group(1)
            break
    return found


def prior(mrg: Segment, habits: Habits) -> Person:
    """Read whose record or number ends: MRG-1, or MRG-4 where that is empty. What it leaves out stays blank."""
    found = Person()
    _numbers(mrg, 1, habits, found, bare=True)
    if found.named == NOBODY:
        _numbers(mrg, 4, habits, found, bare=True)
    return found


def mother(child: Person, pid: Segment, relatives: Iterable[Segment], habits: Habits) -> Named:
    """Read who a newborn's mother is: PID-21, else the NK1 called mother. Her numbers are taken out of the child's."""
    found = Person()
    _numbers(pid, 21, habits, found)
    for nk1 in relatives if found.named == NOBODY else ():
        if (nk1.get(3, 1) or "").strip().upper() in MOTHER:
            _numbers(nk1, 33, habits, found)
    number = found.nhs.get("nhs_number")
    if any(identifier in child.ids for identifier in found.ids) or (number and number == child.nhs.get("nhs_number")):
        child.warnings.append("PID-3 repeats a number of the mother: not taken as the child's")
        child.ids = [identifier for identifier in child.ids if identifier not in found.ids]
        child.nhs = {} if number == child.nhs.get("nhs_number") else child.nhs
    return found.named


def _numbers(
    segment: Segment, number: int, habits: Habits, found: Person, *, only_nhs: bool = False, bare: bool = False
) -> None:
    for repetition in range(segment.repeats(number)):
        _number(segment, number, repetition, habits, found, only_nhs=only_nhs, bare=bare)


def _number(
    segment: Segment, number: int, repetition: int, habits: Habits, found: Person, *, only_nhs: bool, bare: bool
) -> None:
    """Read one CX; `bare`: a type or authority that it leaves out stays blank."""
    value = segment.get(number, 1, repetition=repetition)
    authority = _authority(segment, number, habits, repetition)
    kind, _, glued = (segment.get(number, 5, repetition=repetition) or "").strip().partition("{")
    if len(kind) > LONGEST_TYPE:
        found.warnings.append(f"{segment.name}-{number}: too long to be a type of number, left out")
        kind = ""
    is_nhs = (
        authority.upper() in habits.nhs_authorities
        or authority == NHS_OID
        or kind.upper() in habits.nhs_types
        or (kind.upper() in habits.nhs_types_if_valid and bool(value) and not why_not_nhs_number(value or ""))
    )
    if is_nhs:
        for text in (segment.get(number, 2, repetition=repetition) or "", glued.removeprefix("status:").rstrip("}")):
            if status := _STATUS.fullmatch(text):
                found.nhs["nhs_status"] = status.group(1)
            elif text == "V":  # one PAS says so that it is verified
                found.nhs["nhs_status"] = VERIFIED
        if value:
            _nhs(value, f"{segment.name}-{number}", found)
        elif value == "":
            found.nhs.setdefault("nhs_number", "")
    elif not only_nhs and value and value.strip():
        hospital = kind.upper() in habits.hospital_types and bool(kind or not bare)
        authority = authority if bare else authority or habits.default_authority
        identifier = Identifier(HOSPITAL if hospital else kind, authority, value.strip())
        if identifier not in found.ids:
            found.ids.append(identifier)


def _authority(segment: Segment, number: int, habits: Habits, repetition: int = 0) -> str:
    """Give whose a CX is: the name in CX.4 (HD), else its universal id, or what the site calls that; "" if neither."""
    name = (segment.get(number, 4, 1, repetition) or "").strip()
    return habits.named(name or (segment.get(number, 4, 2, repetition) or "").strip())


def written(authority: str) -> str:
    """Give an authority as CX.4: a universal id stands behind its name, which is not known."""
    return f"&{authority}&ISO" if _OID.fullmatch(authority) else escape(authority)


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
            authority = _authority(segment, number, habits)
            if number == 19 and _is_doctor(segment):
                warning = "PV1-19: the same as the doctor of PV1-7, taken as the visit number"
            return (Identifier(VISIT, authority or habits.default_authority, value),), warning
    return (), ""


def _is_doctor(pv1: Segment) -> bool:
    """Whether PV1-19 repeats PV1-7, and says nothing that would make it a number: neither whose nor of what type."""
    return pv1.get(19, 1) == pv1.get(7, 1) and not pv1.get(19, 4) and not pv1.get(19, 5)


def prior_stay(mrg: Segment, habits: Habits) -> tuple[Identifier, ...]:
    """Give the visit number that ends or moves: MRG-5, else the account of MRG-3; a blank authority stays blank."""
    for number in (5, 3):
        if value := (mrg.get(number, 1) or "").strip():
            return (Identifier(VISIT, _authority(mrg, number, habits), value),)
    return ()


def appointment(sch: Segment, habits: Habits) -> tuple[Identifier, ...]:
    """Give the placer (SCH-1) and filler (SCH-2) numbers there are."""
    found = []
    for number, kind in ((1, PLACER), (2, FILLER)):
        if value := (sch.get(number, 1) or "").strip():
            authority = habits.named((sch.get(number, 2) or sch.get(number, 3) or "").strip())  # EI, not CX
            found.append(Identifier(kind, authority or habits.default_authority, value))
    return tuple(found)
