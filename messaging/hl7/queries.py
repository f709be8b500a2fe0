"""What the PAS is asked, and its answers as facts: who it knows, their stays, their appointments; pure, no sockets."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from messaging.hl7 import bookings, identity, times
from messaging.hl7.ack import read_answer
from messaging.hl7.dialects import Dialect
from messaging.hl7.fields import Reading
from messaging.hl7.habits import Habits
from messaging.hl7.read import Message, Segment, Unreadable
from messaging.hl7.segments import facts_of
from messaging.hl7.text import components, encode, escape, repetitions, segment
from messaging.hl7.write import header
from patients.facts import Groups
from patients.identifiers import Identifier
from patients.states import AppointmentStatus, StayStatus

Found = tuple[tuple[Identifier, ...], Groups]
ASKED = {  # QPD-3 parameters by the fact they compare
    "hospital_number": "@PID.3.1",
    "nhs_number": "@PID.19",
    "family": "@PID.5.1",
    "given": "@PID.5.2",
    "born": "@PID.7",
    "sex": "@PID.8",
    "postcode": "@PID.11.5",
}
MOST = 20  # candidates asked for
ATTENDANCES = frozenset("EO")  # PV1-2 of whoever is in no bed of a ward


def find_candidates(sought: Mapping[str, str], *, dialect: Dialect, control_id: str, now: datetime) -> bytes:
    """Ask who is known (QBP^Q22): `sought` by the names in `ASKED`; empty values are left out."""
    parameters = [
        components(ASKED[name], escape(value.replace("-", "") if name == "born" else value))
        for name, value in sought.items()
        if value
    ]
    qpd = segment("QPD", {1: "IHE PDQ Query", 2: escape(control_id), 3: repetitions(parameters)})
    msh = header(dialect, message_type="QBP^Q22^QBP_Q21", control_id=control_id, now=now)
    return encode([msh, qpd, segment("RCP", {1: "I", 2: f"{MOST}^RD"})])


def patient_stays(who: Identifier, *, dialect: Dialect, control_id: str, now: datetime) -> bytes:
    """Ask for a patient and their stays (QRY^A19)."""
    msh = header(dialect, message_type="QRY^A19^QRY_A19", control_id=control_id, now=now)
    return encode([msh, _qrd(who, "DEM", dialect=dialect, control_id=control_id, now=now)])


def patient_appointments(who: Identifier, *, dialect: Dialect, control_id: str, now: datetime) -> bytes:
    """Ask for a patient's appointments (SQM^S25)."""
    msh = header(dialect, message_type="SQM^S25^SQM_S25", control_id=control_id, now=now)
    return encode([msh, _qrd(who, "APN", dialect=dialect, control_id=control_id, now=now)])


def _qrd(who: Identifier, what: str, *, dialect: Dialect, control_id: str, now: datetime) -> str:
    """Give a QRD: a deferred reply is never asked for; QRD-8 is the number and, as its ninth part, its authority."""
    subject = components(escape(who.value), "", "", "", "", "", "", "", identity.written(who.authority))
    return segment(
        "QRD",
        {
            1: times.stamp(now, dialect.zone),
            2: "R",
            3: "I",
            4: escape(control_id),
            7: f"{MOST}^RD",
            8: subject,
            9: what,
            10: "ALL",
        },
    )


def read_candidates(raw: bytes, *, habits: Habits) -> list[Found]:
    """Read the answer to `find_candidates`: numbers and facts of each; raises Unreadable, or if it was refused."""
    message, reading = _answered(raw, habits)
    return [_patient(pid, pd1, habits, reading) for pid, pd1 in _pairs(message.segments, "PID", "PD1")]


def read_stays(raw: bytes, *, habits: Habits) -> list[Found]:
    """Read the answer to `patient_stays`: visit number and facts of each stay, with its status."""
    message, reading = _answered(raw, habits)
    found = []
    for pv1, pv2 in _pairs(message.segments, "PV1", "PV2"):
        ids, _ = identity.stay(pv1, None, habits)
        if ids:
            stay = facts_of([pv1], reading)
            status = _standing(stay, expected=bool(pv2 and pv2.get(8, 1)))
            if status is StayStatus.EXPECTED:
                stay.pop("place", None)  # PV1-3 is the bed that is planned
            stay.setdefault("times", {})["status"] = status.value
            found.append((ids, stay))
    return found


def _standing(stay: Groups, *, expected: bool) -> StayStatus:
    """Say where a stay stands: an end, a beginning, the class of an attendance; `expected`: PV2-8 says when."""
    times, kind = stay.get("times", {}), stay.get("admission", {}).get("patient_class")
    if times.get("discharged_at"):
        return StayStatus.OUT
    if expected and not times.get("admitted_at"):
        return StayStatus.EXPECTED
    return StayStatus.ATTENDING if kind in ATTENDANCES else StayStatus.IN


def read_appointments(raw: bytes, *, habits: Habits) -> list[Found]:
    """Read the answer to `patient_appointments`: numbers and facts of each, with its status."""
    message, reading = _answered(raw, habits)
    found = []
    for sch, ail in _pairs(message.segments, "SCH", "AIL"):
        if ids := identity.appointment(sch, habits):
            groups = bookings.read_booking(sch, None, reading)
            if clinic := ail.get(3, 1) if ail else None:
                groups.setdefault("booking", {})["clinic"] = clinic.strip()
            status = bookings.standing(sch.get(25, 1) or "") or AppointmentStatus.BOOKED
            found.append((ids, groups | {"status": {"status": status.value}}))
    return found


def read_patient(raw: bytes, *, habits: Habits) -> Found | None:
    """Read the patient out of the answer to `patient_stays`; None if the PAS knows none."""
    message, reading = _answered(raw, habits)
    pairs = _pairs(message.segments, "PID", "PD1")
    return next((_patient(pid, pd1, habits, reading) for pid, pd1 in pairs), None)


def _patient(pid: Segment, pd1: Segment | None, habits: Habits, reading: Reading) -> Found:
    person = identity.person(pid, habits)
    groups = facts_of([pid, pd1], reading)
    if person.nhs:
        groups["nhs"] = person.nhs
    return tuple(person.ids), groups


def _answered(raw: bytes, habits: Habits) -> tuple[Message, Reading]:
    answer = read_answer(raw)
    if answer.code not in ("AA", "CA"):
        raise Unreadable(f"the question was answered {answer.code}")
    return Message.of(raw), Reading(habits.clock(), [])


def _pairs(segments: Iterable[Segment], head: str, companion: str) -> list[tuple[Segment, Segment | None]]:
    """Give every `head` segment with the first `companion` before the next head."""
    pairs: list[tuple[Segment, Segment | None]] = []
    for each in segments:
        if each.name == head:
            pairs.append((each, None))
        elif each.name == companion and pairs and pairs[-1][1] is None:
            pairs[-1] = (pairs[-1][0], each)
    return pairs
