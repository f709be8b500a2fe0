"""Finds mirror, PAS and receivers apart after all is healed, quiet and handed back (I13); pure.

Left out: patients with a signed hold or a parked message; and at receivers those on the list to be resynced.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.faults.checker import hl7
from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import History
from tests.faults.checker.rows import Destination, Numbers, Place, Receiver

_VISITS = {"A01": "in", "A02": "in", "A13": "in", "A12": "in", "A03": "out", "A11": "cancelled"}
_BOOKINGS = {"S12": "booked", "S13": "booked", "S15": "cancelled"}


def check(history: History) -> Iterator[Finding]:
    """Give every difference, once control is with the PAS and no incident is open."""
    if history.gate.mode != "normal" or any(each.closed_at is None for each in history.incidents):
        return
    open_ones = {each.patient for each in history.replays if each.end == "held"}
    open_ones |= {each.patient for each in history.inbound if each.outcome == "parked" and each.patient}
    yield from _patients(history, open_ones)
    yield from _stays(history, open_ones)
    yield from _appointments(history, open_ones)
    resync = {patient for each in history.incidents for patient in each.report.get("resync_patients", [])}
    for to, receiver in history.receiver_lanes():
        if not (to.events or to.wards or to.clinics or to.sites):
            yield from _at_receiver(history, to, receiver, open_ones | resync)


def _differs(what: str, where: str, patient: int, ours: object, theirs: object) -> Finding:
    return finding(
        Kind.DIVERGENCE, f"{what} differs between the mirror and {where}", patient=patient, ours=ours, theirs=theirs
    )


def _patients(history: History, open_ones: set[int]) -> Iterator[Finding]:
    theirs = {number: each for each in history.pas.record.patients for number in each.numbers}
    met = set[int]()
    for ours in history.record.patients:
        twins = {theirs[number].id: theirs[number] for number in ours.numbers if number in theirs}
        met |= twins.keys()
        if ours.id in open_ones:
            continue
        if len(twins) != 1:
            yield finding(
                Kind.DIVERGENCE,
                "A patient of the mirror is not one patient in the PAS",
                patient=ours.id,
                found=len(twins),
            )
        for twin in twins.values():
            if twin.family.casefold() != ours.family.casefold():
                yield finding(Kind.DIVERGENCE, "A family name differs between the mirror and the PAS", patient=ours.id)
    parked = b"\n".join(each.raw for each in history.inbound if each.outcome == "parked")
    for each in history.pas.record.patients:
        values = [number.partition("^")[2].encode() for number in each.numbers]
        if each.id not in met and not any(value in parked for value in values):
            yield finding(Kind.DIVERGENCE, "A patient of the PAS is unknown to the mirror", pas_patient=each.id)


def _stays(history: History, open_ones: set[int]) -> Iterator[Finding]:
    theirs = {number: each for each in history.pas.record.stays for number in each.numbers}
    known = {number for each in history.record.stays for number in each.numbers}
    for ours in history.record.stays:
        if ours.patient in open_ones:
            continue
        twin = next((theirs[number] for number in sorted(ours.numbers) if number in theirs), None)
        stood = (twin.status, twin.place) if twin else ("cancelled", ours.place)
        if ours.status != stood[0] or (ours.status == "in" and ours.place != stood[1]):
            yield _differs("A stay", "the PAS", ours.patient, (ours.status, ours.place), stood)
    yield from _unknown("stay", known, set(theirs), history)


def _appointments(history: History, open_ones: set[int]) -> Iterator[Finding]:
    theirs = {number: each.status for each in history.pas.record.appointments for number in each.numbers}
    known = {number for each in history.record.appointments for number in each.numbers}
    for ours in history.record.appointments:
        stood = next((theirs[number] for number in sorted(ours.numbers) if number in theirs), "cancelled")
        if ours.patient not in open_ones and ours.status != stood:
            yield _differs("An appointment", "the PAS", ours.patient, ours.status, stood)
    yield from _unknown("appointment", known, set(theirs), history)


def _unknown(what: str, known: set[str], theirs: set[str], history: History) -> Iterator[Finding]:
    parked = b"\n".join(each.raw for each in history.inbound if each.outcome == "parked")
    for number in sorted(theirs - known):
        if number.encode() not in parked:
            kind = "An appointment" if what == "appointment" else "A stay"
            yield finding(Kind.DIVERGENCE, f"{kind} of the PAS is unknown to the mirror", number=number)


@dataclass(slots=True)
class _Told:
    """What a receiver was last told: of a person by number, of a stay by visit, of a booking by its number."""

    families: dict[str, tuple[int, str]] = field(default_factory=dict)
    stays: dict[str, tuple[str, Place]] = field(default_factory=dict)
    appointments: dict[str, str] = field(default_factory=dict)

    def family(self, numbers: Numbers) -> str | None:
        """The newest name under any of a person's numbers."""
        found = [self.families[number] for number in numbers if number in self.families]
        return max(found)[1] if found else None


def _told(receiver: Receiver) -> _Told:
    told = _Told()
    for each in receiver.arrivals:
        if each.answer not in ("AA", "CA"):
            continue
        family = hl7.components(each.raw, "PID", 5)[0]
        for number in hl7.numbers(each.raw, "PID", 3):
            told.families[number] = (each.id, family)
        visit, placer = hl7.components(each.raw, "PV1", 19)[0], hl7.components(each.raw, "SCH", 1)[0]
        if each.trigger in _VISITS and visit:
            said = ["" if part == hl7.DELETED else part for part in hl7.components(each.raw, "PV1", 3)]
            ward, bay, bed = [*said, "", "", ""][:3]
            told.stays[visit] = (_VISITS[each.trigger], (ward, bay, bed))
        if each.trigger in _BOOKINGS and (number := placer or hl7.components(each.raw, "SCH", 2)[0]):
            told.appointments[number] = _BOOKINGS[each.trigger]
    return told


def _at_receiver(history: History, to: Destination, receiver: Receiver, left_out: set[int]) -> Iterator[Finding]:
    told = _told(receiver)
    for patient in history.record.patients:
        if patient.id not in left_out and (told.family(patient.numbers) or "").casefold() != patient.family.casefold():
            yield finding(
                Kind.DIVERGENCE, f"A family name differs between the mirror and {to.code}", patient=patient.id
            )
    for stay in history.record.stays:
        last = next((told.stays[number] for number in sorted(stay.numbers) if number in told.stays), None)
        stood = last or ("cancelled", stay.place)
        if stay.patient not in left_out and (
            stay.status != stood[0] or (stay.status == "in" and stay.place != stood[1])
        ):
            yield _differs("A stay", to.code, stay.patient, (stay.status, stay.place), stood)
    for booked in history.record.appointments:
        said = next((told.appointments[n] for n in sorted(booked.numbers) if n in told.appointments), "cancelled")
        if booked.patient not in left_out and booked.status != said:
            yield _differs("An appointment", to.code, booked.patient, booked.status, said)
