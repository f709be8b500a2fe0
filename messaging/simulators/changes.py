"""The PAS's own rules for people and bookings: who may be registered, merged, renumbered, booked; knows no message."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from messaging.simulators.record import AUTHORITY, DETAILS, Appointment, Identifier, Patient, Record

GOES_TO = {  # an appointment's status by trigger: from which it may go to which
    "S13": (("Booked",), "Booked"),
    "S15": (("Booked", "Arrived"), "Cancelled"),
    "S17": (("Booked", "Noshow"), "Deleted"),
    "S26": (("Booked",), "Noshow"),
}
STOOD = {"Booked": ("Booked", "Arrived", "Noshow"), "Arrived": ("Booked", "Arrived")}  # before an S14 says so


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

    def own(self, name: str, prefix: str, first: int, taken: str) -> str:
        """A number of our own that nothing has; `taken` asks for one."""
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
        mrn = self.own("mrn", "P", 100001, "SELECT 1 FROM identifier WHERE value = ?")
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

    def merge(self, survivor: Patient | None, numbers: Sequence[Identifier], ended: Sequence[Identifier]) -> Patient:
        """Make the record that has the `ended` numbers one with the survivor, whose numbers are given.

        A survivor nobody knows is the same person under a new number (IHE ITI-30); an unknown loser is nothing to do.
        """
        loser = self.owner(ended)
        if survivor is None:
            return self.renumber(loser, numbers, ended)
        if loser is None or loser.id == survivor.id:
            return survivor
        self.store.write("UPDATE identifier SET patient = ?, ended = 1 WHERE patient = ?", survivor.id, loser.id)
        for table in ("stay", "appointment", "document"):
            self.store.write(f"UPDATE {table} SET patient = ? WHERE patient = ?", survivor.id, loser.id)  # noqa: S608
        self.store.write("UPDATE patient SET merged_into = ? WHERE id = ?", survivor.id, loser.id)
        return self.record.patient(survivor.id)

    def renumber(self, patient: Patient | None, numbers: Iterable[Identifier], ended: Sequence[Identifier]) -> Patient:
        """Let a patient have the given numbers instead of the `ended` ones."""
        if patient is None:
            raise Refused("204", "unknown patient")
        self.update(patient, {}, numbers)
        for each in ended:
            self.store.write("UPDATE identifier SET ended = 1 WHERE value = ? AND authority = ?", *each[:2])
        return patient

    def owner(self, numbers: Iterable[Identifier]) -> Patient | None:
        """Whose numbers they are; Refused where they are several people's."""
        owners: set[int] = set()
        for each in numbers:
            owners |= self.record.known_as(each.value, each.authority)
        if len(owners) > 1:
            raise Refused("205", "numbers of several patients")
        return self.record.patient(owners.pop()) if owners else None

    def keep_document(self, patient: Patient, number: str, visit: str, lines: str) -> None:
        """Keep a document, or its newer version, under its number; `lines` are its segments."""
        self.store.write(
            "INSERT INTO document (number, patient, visit, lines) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (number) DO UPDATE SET patient = excluded.patient, lines = excluded.lines",
            number,
            patient.id,
            visit,
            lines,
        )

    def book(self, patient: Patient, placer: str, wanted: Mapping[str, str]) -> Appointment:
        """Book a slot (`clinic`, `starts_at`, `minutes`); an empty placer number takes one of our own."""
        if placer and self.record.appointment(placer):
            raise Refused("205", "appointment number already used")
        if self.record.in_slot(wanted["clinic"], wanted["starts_at"]):
            raise Refused("205", "slot taken")
        placer = placer or self.own("appointment", "A", 300001, "SELECT 1 FROM appointment WHERE placer = ?")
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
        return self.booked(placer)

    def booked(self, placer: str) -> Appointment:
        """The appointment of a placer number; Refused if there is none."""
        appointment = self.record.appointment(placer)
        if appointment is None:
            raise Refused("204", "unknown appointment")
        return appointment

    def rebook(self, trigger: str, placer: str, said: Mapping[str, str], patient: Patient | None = None) -> Appointment:
        """Let an appointment, that patient's where one is given, be as S13, S14, S15, S17 or S26 says."""
        appointment = self.booked(placer)
        if patient and appointment.patient != patient.id:
            raise Refused("204", "appointment of another patient")
        status = said.get("status") or appointment.status
        before, after = GOES_TO.get(trigger, (STOOD.get(status, ()), status))
        if appointment.status not in before:
            raise Refused("204", "appointment not booked")
        told = {name: said[name] for name in ("reason", "kind") if said.get(name)} if trigger in ("S13", "S14") else {}
        if trigger == "S13":
            told |= {name: said[name] for name in ("clinic", "starts_at", "minutes") if said.get(name)}
        slot = (told.get("clinic", appointment.clinic), told.get("starts_at", appointment.starts_at))
        other = self.record.in_slot(*slot) if after in ("Booked", "Arrived") else None
        if other and other.id != appointment.id:
            raise Refused("205", "slot taken")
        for name, value in {**told, "status": after}.items():
            self.store.write(f"UPDATE appointment SET {name} = ? WHERE id = ?", value, appointment.id)  # noqa: S608
        return self.booked(placer)
