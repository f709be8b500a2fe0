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
    "A11": "ADT^A11^ADT_A09",
    "A28": "ADT^A28^ADT_A05",
    "A31": "ADT^A31^ADT_A05",
    "S12": "SIU^S12^SIU_S12",
    "S15": "SIU^S15^SIU_S12",
}


def pid(patient: Patient, identifiers: Sequence[Identifier], set_id: int = 1) -> str:
    """A PID: our number first, address as a HOME one, one telephone."""
    lines = (patient.line1, patient.line2, patient.town, patient.county, patient.postcode)
    return segment(
        "PID",
        {
            1: str(set_id),
            3: "~".join(field(each.value, "", "", each.authority, each.type) for each in identifiers),
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
    return segment(
        "PV1",
        {
            1: str(set_id),
            2: stay.klass,
            3: field(*stay.place, AUTHORITY),
            4: escape(stay.method),
            6: field(*before.place, AUTHORITY) if before else "",
            7: field(*clinician) if stay.consultant else "",
            10: escape(stay.specialty),
            14: escape(stay.source),
            19: field(stay.visit, "", "", AUTHORITY, "VN"),
            36: escape(stay.discharge_method),
            37: escape(stay.destination),
            44: stay.admitted_at,
            45: stay.discharged_at,
        },
    )


def evn(trigger: str, occurred: str) -> str:
    """Recorded now, occurred then."""
    return segment("EVN", {1: trigger, 2: now(), 6: occurred})


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
    """Segments of an A01, A02, A03 or A11 after the MSH."""
    kin = bool(patient.kin_family)
    beside = _beside(patient)
    head = [evn(trigger, occurred), pid(patient, identifiers), pd1(patient)]
    return [*head, *beside[:kin], pv1(stay, before=before), *beside[kin:], zpi(patient)]


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
    """Segments of an S12 or S15 after the MSH."""
    clinic = segment("PV1", {1: "1", 2: "O", 3: field(appointment.clinic, "", "", AUTHORITY)})
    return [sch(appointment, why=why), pid(patient, identifiers), clinic, "RGS|1", ail(appointment), zpi(patient)]
