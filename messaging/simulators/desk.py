"""Events of the PAS: each changes the record and says so; call inside `store.writing()`; knows no received message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from messaging.simulators import dialect
from messaging.simulators.changes import Changes
from messaging.simulators.outbox import Outbox
from messaging.simulators.record import Identifier, Patient, Record, Stay

Lanes = Sequence[str] | None


class Desk:
    """What can happen at the PAS; `lanes` says who is told (None: everyone)."""

    def __init__(self, record: Record, outbox: Outbox) -> None:
        self.record = record
        self.changes = Changes(record)
        self.outbox = outbox

    def register(
        self, details: Mapping[str, str], identifiers: Iterable[Identifier], at: str, lanes: Lanes = None
    ) -> tuple[Patient, str]:
        """A28; returns the patient and the control id."""
        patient = self.changes.register(details, identifiers)
        return patient, self._say_person("A28", patient, at, lanes)

    def update(
        self,
        patient: Patient,
        details: Mapping[str, str],
        identifiers: Iterable[Identifier],
        at: str,
        lanes: Lanes = None,
    ) -> str:
        """A31."""
        return self._say_person("A31", self.changes.update(patient, details, identifiers), at, lanes)

    def _say_person(self, trigger: str, patient: Patient, at: str, lanes: Lanes) -> str:
        segments = dialect.person(trigger, patient, self.record.identifiers(patient.id), at)
        return self.outbox.speak(trigger, segments, lanes=lanes)

    def _say_visit(
        self, trigger: str, patient: Patient, stay: Stay, at: str, lanes: Lanes, before: Stay | None = None
    ) -> str:
        identifiers = self.record.identifiers(patient.id)
        segments = dialect.visit(trigger, patient, identifiers, stay, at, before=before)
        return self.outbox.speak(trigger, segments, lanes=lanes)

    def admit(
        self, patient: Patient, visit: str, details: Mapping[str, str], at: str, lanes: Lanes = None
    ) -> tuple[Stay, str]:
        """A01; an empty visit number takes the PAS's own."""
        stay = self.changes.admit(patient, visit, at, details)
        return stay, self._say_visit("A01", patient, stay, at, lanes)

    def transfer(self, patient: Patient, visit: str, details: Mapping[str, str], at: str, lanes: Lanes = None) -> str:
        """A02, with the prior place."""
        before, after = self.changes.transfer(patient, visit, details)
        return self._say_visit("A02", patient, after, at, lanes, before)

    def discharge(
        self, patient: Patient, visit: str, at: str, lanes: Lanes = None, *, method: str = "", destination: str = ""
    ) -> str:
        """A03."""
        stay = self.changes.discharge(patient, visit, at, method=method, destination=destination)
        return self._say_visit("A03", patient, stay, at, lanes)

    def cancel_stay(self, visit: str, lanes: Lanes = None) -> str:
        """A11, with the time of the admission it takes back."""
        stay = self.changes.cancel_stay(visit)
        return self._say_visit("A11", self.record.patient(stay.patient), stay, stay.admitted_at, lanes)

    def book(self, patient: Patient, placer: str, wanted: Mapping[str, str], lanes: Lanes = None) -> tuple[str, str]:
        """S12; returns the placer number and the control id."""
        appointment = self.changes.book(patient, placer, wanted)
        segments = dialect.booking(patient, self.record.identifiers(patient.id), appointment)
        return appointment.placer, self.outbox.speak("S12", segments, lanes=lanes)

    def cancel_booking(self, placer: str, patient: Patient | None = None, lanes: Lanes = None, *, why: str = "") -> str:
        """S15, saying why it was called off; the booking's own reason stays."""
        appointment = self.changes.cancel_booking(placer, patient)
        owner = patient or self.record.patient(appointment.patient)
        segments = dialect.booking(owner, self.record.identifiers(owner.id), appointment, why=why)
        return self.outbox.speak("S15", segments, lanes=lanes)
