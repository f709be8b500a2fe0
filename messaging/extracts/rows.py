"""Rows of patients, stays and appointments as news: what the PAS would have told of each; pure.

A row tells a story of one or two events (admitted, and discharged); where what the first begins is known already, only
the last is to be told, and one that says nothing new only there. Its demographics are as old as the extract.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from messaging.extracts import cells
from messaging.extracts.cells import CellFault
from messaging.extracts.columns import Extract
from messaging.extracts.sheets import Read, Row, RowFault, Sheet
from pasmirror.lib import clock
from patients.facts import Groups, Kind, News
from patients.identifiers import HOSPITAL, PLACER, VISIT, Identifier, nhs_digits, why_not_nhs_number
from patients.states import AppointmentStatus, Event

NOT_NHS = "NHS NUMBER: not a valid NHS number (check digit), not taken"
ATTENDANCES = {  # ATTENDED OR DID NOT ATTEND CODE to what is told behind the booking
    **dict.fromkeys("24", Event.CANCEL_APPOINTMENT),
    **dict.fromkeys("37", Event.MISS_APPOINTMENT),
    **dict.fromkeys("56", Event.MODIFY_APPOINTMENT),
    "0": Event.MODIFY_APPOINTMENT,  # still to come: says nothing of who came to one that is known
}
ATTENDED = frozenset("56")
OF_VISITORS = frozenset({"E", "O"})  # classes that attend and are not admitted


@dataclass(frozen=True, slots=True)
class Taking:
    """How a sheet's rows are taken: when the extract was made, whose numbers bear no authority, the zone of times.

    `visits`, `bookings`: whose the numbers of stays and of appointments are ("": as those of patients); these by type.
    """

    as_of: datetime
    authority: str
    zone: ZoneInfo = clock.SITE
    visits: str = ""
    bookings: str = ""
    booking_type: str = PLACER


def stories(sheet: Sheet, row: Row, taking: Taking) -> list[News]:
    """Give a row's events in the order they happened. Raises RowFault."""
    read = sheet.read(row)
    told = _person(read, taking)
    try:
        if sheet.extract == Extract.STAYS:
            return _stay(told, read, taking)
        if sheet.extract == Extract.APPOINTMENTS:
            return _appointment(told, read, taking)
    except _Fault as fault:
        names = {column.key: column.name for column in sheet.columns.values()}
        raise RowFault(f"{names.get(fault.key, fault.key)} {fault.why}") from None
    return [told]


class _Fault(Exception):
    """What is wrong with which cell."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(key)
        self.key, self.why = key, why


def _person(read: Read, taking: Taking) -> News:
    patient, others = read.facts[Kind.PATIENT], read.others
    warnings: tuple[str, ...] = ()
    if number := others.get("nhs_number"):
        if number == '""':
            patient.setdefault("nhs", {})["nhs_number"] = ""
        elif _is_nhs_number(number):
            patient.setdefault("nhs", {})["nhs_number"] = nhs_digits(number)
        else:
            warnings = (NOT_NHS,)
    if (death := patient.get("death")) and death.get("died_at") and "dead" not in death:
        death["dead"] = True
    return News(
        event=Event.REGISTER,
        occurred_at=taking.as_of,
        sent_at=taking.as_of,
        patient_ids=(Identifier(HOSPITAL, others.get("authority") or taking.authority, others["number"]),),
        patient=patient,
        warnings=warnings,
    )


@lru_cache(maxsize=8192)
def _is_nhs_number(text: str) -> bool:
    return not why_not_nhs_number(text)


def _stay(told: News, read: Read, taking: Taking) -> list[News]:
    began, ended = _moment(read, "starts", taking), _moment(read, "ends", taking)
    if began is None:
        raise _Fault("starts", "is empty")
    if ended and ended < began:
        raise _Fault("ends", "is before the start")
    stay = read.facts[Kind.STAY]
    leaving = stay.pop("discharge", {})
    stay["times"] = {"admitted_at": clock.iso(began)}
    number = (Identifier(VISIT, taking.visits or taking.authority, read.others["visit"]),)
    attends = stay.get("admission", {}).get("patient_class") in OF_VISITORS
    event = Event.ATTEND if attends else Event.ADMIT
    admitted = replace(told, event=event, occurred_at=began, stay=stay, stay_ids=number)
    if ended is None:
        return [admitted]
    whole = {**stay, "times": {**stay["times"], "discharged_at": clock.iso(ended)}}
    whole |= {"discharge": leaving} if leaving else {}
    return [admitted, replace(admitted, event=Event.DISCHARGE, occurred_at=ended, stay=whole)]


def _appointment(told: News, read: Read, taking: Taking) -> list[News]:
    at = _moment(read, "starts", taking)
    if at is None:
        raise _Fault("starts", "is empty")
    booking = read.facts[Kind.APPOINTMENT].setdefault("booking", {})
    booking["starts_at"] = clock.iso(at)
    attended = read.others.get("attended", "0")
    if attended not in ATTENDANCES:
        raise _Fault("attended", f"must be one of {', '.join(sorted(ATTENDANCES))}")
    number = (Identifier(taking.booking_type, taking.bookings or taking.authority, read.others["placer"]),)
    booked = replace(told, event=Event.BOOK, appointment={"booking": booking}, appointment_ids=number)
    said: Groups = {"booking": booking}
    if attended in ATTENDED:
        said["status"] = {"status": AppointmentStatus.ATTENDED.value}
    return [booked, replace(booked, event=ATTENDANCES[attended], appointment=said)]


def _moment(read: Read, key: str, taking: Taking) -> datetime | None:
    day = read.others.get(key)
    if not day:
        return None
    try:
        return cells.moment(day, read.others.get(f"{key}_time", ""), taking.zone)
    except CellFault as fault:
        raise _Fault(key, str(fault)) from None
