"""The PAS's own rules: what may be registered, admitted, moved, discharged, booked; knows no message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from messaging.simulators.record import AUTHORITY, DETAILS, Appointment, Identifier, Patient, Record, Stay

PLACE = ("ward", "bay", "bed")
STAY_DETAILS = (*PLACE, "consultant", "consultant_family", "consultant_given", "specialty", "method", "source")


def laid_over(kept: str, said: str) -> str:
    """Fields kept as they came with those that came now laid over; one that came as `""` is gone."""
    both = {**json.loads(kept or "{}"), **json.loads(said or "{}")}
    return json.dumps({number: text for number, text in both.items() if text != '""'})


class Refused(Exception):
    """A rule was broken: `err` is a code of HL7 table 0357, the text says which rule and names nobody."""

    def __init__(self, err: str, text: str) -> None:
        super().__init__(text)
        self.err = err
        self.text = text


class Changes:
    """Writes of the record; each must run inside `store.writing()`, and raises Refused without having written."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.store = record.store

    def _own(self, name: str, prefix: str, first: int, taken: str) -> str:
        while True:
            value = f"{prefix}{self.store.next_number(name, first=first)}"
            if not self.store.row(taken, value):
                return value

    def register(self, details: Mapping[str, str], identifiers: Iterable[Identifier]) -> Patient:
        """A new patient under a number of our own, the given ones beside it."""
        given = list(identifiers)
        if any(self.record.known_as(each.value, each.authority) for each in given):
            raise Refused("205", "identifier already known")
        columns = {name: details.get(name, "") for name in DETAILS}
        row = self.store.write(
            f"INSERT INTO patient ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608
            *columns.values(),
        )
        mrn = self._own("mrn", "P", 100001, "SELECT 1 FROM identifier WHERE value = ?")
        self._identify(row, [Identifier(mrn, AUTHORITY, "MR"), *given])
        return self.record.patient(row)

    def _identify(self, patient: int, identifiers: Iterable[Identifier]) -> None:
        for each in identifiers:
            self.store.write(
                "INSERT INTO identifier (patient, value, authority, type) VALUES (?, ?, ?, ?)", patient, *each
            )

    def update(self, patient: Patient, details: Mapping[str, str], identifiers: Iterable[Identifier] = ()) -> Patient:
        """Change the given details, add the numbers not yet known; a new NHS number replaces the old one."""
        fresh = []
        for each in identifiers:
            owners = self.record.known_as(each.value, each.authority)
            if owners - {patient.id}:
                raise Refused("205", "identifier of another patient")
            if not owners:
                fresh.append(each)
        if any(each.authority == "NHS" for each in fresh):
            self.store.write("DELETE FROM identifier WHERE patient = ? AND authority = 'NHS'", patient.id)
        self._identify(patient.id, fresh)
        if "phone" in details and "more" not in details:
            details = {**details, "more": json.dumps({"13": '""'})}
        if "more" in details:
            details = {**details, "more": laid_over(patient.more, details["more"])}
        for name in DETAILS:
            if name in details:
                self.store.write(f"UPDATE patient SET {name} = ? WHERE id = ?", details[name], patient.id)  # noqa: S608
        return self.record.patient(patient.id)

    def admit(self, patient: Patient, visit: str, at: str, details: Mapping[str, str]) -> Stay:
        """Open a stay; an empty visit number takes one of our own."""
        if self.record.open_stay(patient.id):
            raise Refused("205", "already admitted")
        if visit and self.record.stay(visit):
            raise Refused("205", "visit number already used")
        self._bed_free(details, None)
        visit = visit or self._own("visit", "V", 200001, "SELECT 1 FROM stay WHERE visit = ?")
        columns = {name: details.get(name, "") for name in STAY_DETAILS} | {
            "visit": visit,
            "patient": patient.id,
            "class": details.get("class") or "I",
            "admitted_at": at,
            "discharged_at": "",
            "discharge_method": "",
            "destination": "",
            "cancelled": 0,
        }
        self.store.write(
            f"INSERT INTO stay ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608
            *columns.values(),
        )
        return self._stay(visit)

    def _bed_free(self, details: Mapping[str, str], mine: Stay | None) -> None:
        place = (details.get("ward", ""), details.get("bay", ""), details.get("bed", ""))
        other = self.record.in_bed(place) if place[2] else None
        if other and (mine is None or other.id != mine.id):
            raise Refused("205", "bed taken")

    def _stay(self, visit: str) -> Stay:
        stay = self.record.stay(visit)
        if stay is None:
            raise Refused("204", "unknown visit")
        return stay

    def open_stay(self, patient: Patient, visit: str) -> Stay:
        """The open stay of a patient, which must be the visit where one is named."""
        stay = self.record.open_stay(patient.id)
        if stay is None:
            raise Refused("204", "no open stay")
        if visit and stay.visit != visit:
            raise Refused("204", "the open stay is another visit")
        return stay

    def transfer(self, patient: Patient, visit: str, details: Mapping[str, str]) -> tuple[Stay, Stay]:
        """Move the open stay; returns it before and after."""
        stay = self.open_stay(patient, visit)
        self._bed_free(details, stay)
        moved = {name: details[name] for name in STAY_DETAILS if name in details}
        if details.get("ward"):
            moved |= {name: details.get(name, "") for name in PLACE}
        for name, value in moved.items():
            self.store.write(f"UPDATE stay SET {name} = ? WHERE id = ?", value, stay.id)  # noqa: S608
        return stay, self._stay(stay.visit)

    def discharge(self, patient: Patient, visit: str, at: str, *, method: str = "", destination: str = "") -> Stay:
        """Close the open stay."""
        stay = self.open_stay(patient, visit)
        self.store.write(
            "UPDATE stay SET discharged_at = ?, discharge_method = ?, destination = ? WHERE id = ?",
            at,
            method,
            destination,
            stay.id,
        )
        return self._stay(stay.visit)

    def cancel_stay(self, visit: str) -> Stay:
        """Take an admission back; the row stays, so that its number is never used again."""
        stay = self._stay(visit)
        if stay.cancelled:
            raise Refused("204", "already cancelled")
        self.store.write("UPDATE stay SET cancelled = 1 WHERE id = ?", stay.id)
        return self._stay(visit)

    def book(self, patient: Patient, placer: str, wanted: Mapping[str, str]) -> Appointment:
        """Book a slot (`clinic`, `starts_at`, `minutes`); an empty placer number takes one of our own."""
        if placer and self.record.appointment(placer):
            raise Refused("205", "appointment number already used")
        if self.record.in_slot(wanted["clinic"], wanted["starts_at"]):
            raise Refused("205", "slot taken")
        placer = placer or self._own("appointment", "A", 300001, "SELECT 1 FROM appointment WHERE placer = ?")
        minutes = wanted.get("minutes") or "30"
        self.store.write(
            "INSERT INTO appointment (placer, patient, clinic, starts_at, minutes, status, reason, kind)"
            " VALUES (?, ?, ?, ?, ?, 'Booked', ?, ?)",
            placer,
            patient.id,
            wanted["clinic"],
            wanted["starts_at"],
            int(minutes) if minutes.isdigit() else 30,
            wanted.get("reason", ""),
            wanted.get("kind", ""),
        )
        return self._appointment(placer)

    def _appointment(self, placer: str) -> Appointment:
        appointment = self.record.appointment(placer)
        if appointment is None:
            raise Refused("204", "unknown appointment")
        return appointment

    def cancel_booking(self, placer: str, patient: Patient | None = None) -> Appointment:
        """Cancel an appointment, which must be that patient's where one is given."""
        appointment = self._appointment(placer)
        if patient and appointment.patient != patient.id:
            raise Refused("204", "appointment of another patient")
        if appointment.status != "Booked":
            raise Refused("204", "appointment not booked")
        self.store.write("UPDATE appointment SET status = 'Cancelled' WHERE id = ?", appointment.id)
        return self._appointment(placer)
