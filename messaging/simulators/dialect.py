"""How the simulated PAS says what it holds: HL7 v2.4 segments in its own habits; knows no socket and no store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from messaging.simulators.messages import escape, field, moment, now, segment, stamp
from messaging.simulators.record import AUTHORITY, Appointment, Identifier, Patient, Stay

APP = "DEMOPAS"
VERSION = "2.4"
STRUCTURES = {
    "A01": "ADT^A01^ADT_A01",
    "A02": "ADT^A02^ADT_A02",
    "A03": "ADT^A03^ADT_A03",
    "A04": "ADT^A04^ADT_A01",
    "A05": "ADT^A05^ADT_A05",
    "A06": "ADT^A06^ADT_A06",
    "A07": "ADT^A07^ADT_A06",
    "A08": "ADT^A08^ADT_A01",
    "A11": "ADT^A11^ADT_A09",
    "A12": "ADT^A12^ADT_A09",
    "A13": "ADT^A13^ADT_A01",
    "A15": "ADT^A15^ADT_A15",
    "A16": "ADT^A16^ADT_A16",
    "A21": "ADT^A21^ADT_A21",
    "A22": "ADT^A22^ADT_A21",
    "A25": "ADT^A25^ADT_A21",
    "A26": "ADT^A26^ADT_A21",
    "A28": "ADT^A28^ADT_A05",
    "A31": "ADT^A31^ADT_A05",
    "A38": "ADT^A38^ADT_A38",
    "A40": "ADT^A40^ADT_A39",
    "A47": "ADT^A47^ADT_A30",
    "A50": "ADT^A50^ADT_A50",
    "A52": "ADT^A52^ADT_A52",
    "A53": "ADT^A53^ADT_A52",
    "A54": "ADT^A54^ADT_A54",
    "A55": "ADT^A55^ADT_A52",
    "S12": "SIU^S12^SIU_S12",
    "S13": "SIU^S13^SIU_S12",
    "S14": "SIU^S14^SIU_S12",
    "S15": "SIU^S15^SIU_S12",
    "S17": "SIU^S17^SIU_S12",
    "S26": "SIU^S26^SIU_S12",
    "T02": "MDM^T02^MDM_T02",
}
_PLANNED_AT = {"A05": "expected_at", "A15": "next_at", "A16": "leaves_at"}  # EVN-3


def cx(identifiers: Sequence[Identifier]) -> str:
    """Numbers as repeats of one field."""
    return "~".join(field(each.value, "", "", each.authority, each.type) for each in identifiers)


def pid(patient: Patient, identifiers: Sequence[Identifier], set_id: int = 1) -> str:
    """A PID: our number first, address as a HOME one, one telephone."""
    lines = (patient.line1, patient.line2, patient.town, patient.county, patient.postcode)
    return segment(
        "PID",
        {
            1: str(set_id),
            3: cx(identifiers),
            5: field(patient.family, patient.given, patient.middle, "", patient.title),
            7: patient.dob,
            8: patient.sex or "U",
            11: field(*lines, "", "HOME") if any(lines) else "",
            13: field(patient.phone, "PRN", "PH") if patient.phone else "",
        }
        | {int(number): text for number, text in json.loads(patient.more or "{}").items()},
    )


def pd1(patient: Patient) -> str:
    """The practice and the GP."""
    practice = field(patient.practice_name, "", patient.practice) if patient.practice else ""
    gp = field(patient.gp, patient.gp_family, patient.gp_given, "", "", "Dr") if patient.gp else ""
    return segment("PD1", {3: practice, 4: gp})


def _beside(patient: Patient) -> list[str]:
    """What the PAS sends beside the person: kin, allergy and a segment of its own."""
    kin = segment("NK1", {1: "1", 2: field(patient.kin_family, patient.kin_given), 3: patient.kin_relation})
    allergy = segment("AL1", {1: "1", 2: "DA", 3: field("", patient.allergy)})
    return [kin] * bool(patient.kin_family) + [allergy] * bool(patient.allergy)


def zpi(patient: Patient) -> str:
    """The PAS's own segment: letters by post or not, language."""
    return segment("ZPI", {1: "1", 2: "LETTERS^Y" if patient.line1 else "LETTERS^N", 3: "EN"})


def pv1(stay: Stay, *, before: Stay | None = None, set_id: int = 1) -> str:
    """A PV1 of a stay; `before` gives the prior place of a transfer."""
    clinician = (stay.consultant, stay.consultant_family, stay.consultant_given, "", "", "Dr")
    expected = stay.state == "expected"
    place = stay.bed_to_come if expected else stay.place
    return segment(
        "PV1",
        {
            1: str(set_id),
            2: stay.klass,
            3: field(*place, AUTHORITY) if any(place) else "",
            4: escape(stay.method),
            6: field(*before.place, AUTHORITY) if before else "",
            7: field(*clinician) if stay.consultant else "",
            10: escape(stay.specialty),
            11: field(stay.plan("away_to")),
            14: escape(stay.source),
            19: field(stay.visit, "", "", AUTHORITY, "VN"),
            36: escape(stay.discharge_method),
            37: escape(stay.destination),
            42: "" if expected else field(*stay.bed_to_come),
            44: stay.admitted_at,
            45: stay.discharged_at,
        },
    )


def pv2(stay: Stay) -> list[str]:
    """A PV2 with what is planned, where something is."""
    plans = {8: "expected_at", 9: "leaves_at", 47: "back_at"}
    said = {number: stay.plan(name) for number, name in plans.items() if stay.plan(name)}
    return [segment("PV2", said)] if said else []


def evn(trigger: str, occurred: str, planned: str = "") -> str:
    """Recorded now, planned for, occurred then."""
    return segment("EVN", {1: trigger, 2: now(), 3: planned, 6: occurred})


def person(trigger: str, patient: Patient, identifiers: Sequence[Identifier], occurred: str) -> list[str]:
    """Segments of an A28 or A31 after the MSH."""
    pseudo_visit = "PV1|1|N"
    return [
        evn(trigger, occurred),
        pid(patient, identifiers),
        pd1(patient),
        *_beside(patient)[: bool(patient.kin_family)],
        pseudo_visit,
        *_beside(patient)[bool(patient.kin_family) :],
        zpi(patient),
    ]


def visit(
    trigger: str,
    patient: Patient,
    identifiers: Sequence[Identifier],
    stay: Stay,
    occurred: str,
    *,
    before: Stay | None = None,
) -> list[str]:
    """Segments of a message about a step of a stay after the MSH."""
    kin = bool(patient.kin_family)
    beside = _beside(patient)
    planned = stay.plan(_PLANNED_AT[trigger]) if trigger in _PLANNED_AT else ""
    head = [evn(trigger, occurred, planned), pid(patient, identifiers), pd1(patient)]
    return [*head, *beside[:kin], pv1(stay, before=before), *pv2(stay), *beside[kin:], zpi(patient)]


def identity(
    trigger: str,
    patient: Patient,
    identifiers: Sequence[Identifier],
    ended: Sequence[Identifier],
    occurred: str,
) -> list[str]:
    """Segments of an A40 or A47 after the MSH: who stands, and the numbers that end."""
    return [evn(trigger, occurred), pid(patient, identifiers), segment("MRG", {1: cx(ended)})]


def renumbered_stay(
    patient: Patient, identifiers: Sequence[Identifier], stay: Stay, ended: str, occurred: str
) -> list[str]:
    """Segments of an A50 after the MSH: the visit number now in PV1-19, the one that ends in MRG-5."""
    mrg = segment("MRG", {1: cx(identifiers[:1]), 5: field(ended, "", "", AUTHORITY, "VN")})
    return [evn("A50", occurred), pid(patient, identifiers), pd1(patient), mrg, pv1(stay)]


def document(
    patient: Patient, identifiers: Sequence[Identifier], stay: Stay | None, lines: Sequence[str], occurred: str
) -> list[str]:
    """Segments of a T02 after the MSH: the document's own as they are kept."""
    return [evn("T02", occurred), pid(patient, identifiers), pv1(stay) if stay else "PV1|1|N", *lines]


def sch(appointment: Appointment, *, why: str = "") -> str:
    """An SCH: filler as placer, why it is sent in SCH-6, start and end in SCH-11, the status in words."""
    ends_at = stamp(moment(appointment.starts_at) + timedelta(minutes=appointment.minutes))
    number = field(appointment.placer, AUTHORITY)
    return segment(
        "SCH",
        {
            1: number,
            2: number,
            6: field("", why),
            7: field("", appointment.reason),
            8: field(appointment.kind),
            11: f"^^{appointment.minutes}^{appointment.starts_at}^{ends_at}",
            25: appointment.status,
        },
    )


def ail(appointment: Appointment) -> str:
    """The clinic as a location resource."""
    return segment("AIL", {1: "1", 3: field(appointment.clinic, "", "", AUTHORITY)})


def booking(
    patient: Patient, identifiers: Sequence[Identifier], appointment: Appointment, *, why: str = ""
) -> list[str]:
    """Segments of a message about an appointment after the MSH."""
    clinic = segment("PV1", {1: "1", 2: "O", 3: field(appointment.clinic, "", "", AUTHORITY)})
    return [sch(appointment, why=why), pid(patient, identifiers), clinic, "RGS|1", ail(appointment), zpi(patient)]
