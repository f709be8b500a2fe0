"""Events of the PAS: each changes the record and says so; call inside `store.writing()`; knows no received message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from messaging.simulators import dialect
from messaging.simulators.changes import Changes
from messaging.simulators.outbox import Outbox
from messaging.simulators.record import Identifier, Patient, Record, Stay
from messaging.simulators.stays import UNDOES, Stays

Lanes = Sequence[str] | None


class Desk:
    """What can happen at the PAS; `lanes` says who is told (None: everyone)."""

    def __init__(self, record: Record, outbox: Outbox) -> None:
        self.record = record
        self.changes = Changes(record)
        self.stays = Stays(record, self.changes)
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

    def begin(
        self, trigger: str, patient: Patient, visit: str, said: Mapping[str, str], at: str, lanes: Lanes = None
    ) -> tuple[Stay, str]:
        """A01, A04 or A05; an empty visit number takes the PAS's own."""
        stay = self.stays.begin(trigger, patient, visit, at, said)
        return stay, self._say_visit(trigger, patient, stay, at, lanes)

    def step(
        self, trigger: str, patient: Patient, visit: str, said: Mapping[str, str], at: str, lanes: Lanes = None
    ) -> str:
        """Any other step of a stay: A02 with the prior place, A03, A06, A07, A08, A15, A16, A21, A22, A54."""
        held = {each.id: each for each in self.record.stays(patient.id)}
        stay = self.stays.step(trigger, patient, visit, at, said)
        return self._say_visit(trigger, patient, stay, at, lanes, held[stay.id] if trigger == "A02" else None)

    def take_back(
        self, trigger: str, visit: str, at: str = "", lanes: Lanes = None, said: Mapping[str, str] | None = None
    ) -> str:
        """A11, A12, A13, A25, A26, A38, A52, A53 or A55, with the time of the step that it takes back."""
        held = self.record.stay(visit)
        began = next((row["at"] for row in self._steps(held) if row["trigger"] in UNDOES[trigger][0]), "")
        stay = self.stays.cancel(trigger, visit, said)
        told = held if held and stay.cancelled else stay  # what is withdrawn is told as it was
        patient = self.record.patient(stay.patient)
        return self._say_visit(trigger, patient, told, at or began or stay.admitted_at, lanes)

    def _steps(self, stay: Stay | None) -> list[Mapping[str, str]]:
        found = self.record.store.rows("SELECT * FROM step WHERE stay = ? ORDER BY id DESC", stay.id) if stay else []
        return [dict(row) for row in found]

    def book(self, patient: Patient, placer: str, wanted: Mapping[str, str], lanes: Lanes = None) -> tuple[str, str]:
        """S12; returns the placer number and the control id."""
        appointment = self.changes.book(patient, placer, wanted)
        segments = dialect.booking(patient, self.record.identifiers(patient.id), appointment)
        return appointment.placer, self.outbox.speak("S12", segments, lanes=lanes)

    def rebook(
        self,
        trigger: str,
        placer: str,
        said: Mapping[str, str],
        patient: Patient | None = None,
        lanes: Lanes = None,
        *,
        why: str = "",
    ) -> str:
        """S13, S14, S15, S17 or S26, saying why; the booking's own reason stays where no other is said."""
        appointment = self.changes.rebook(trigger, placer, said, patient)
        owner = self.record.patient(appointment.patient)
        segments = dialect.booking(owner, self.record.identifiers(owner.id), appointment, why=why)
        return self.outbox.speak(trigger, segments, lanes=lanes)

    def merge(
        self,
        survivor: Patient | None,
        numbers: Sequence[Identifier],
        ended: Sequence[Identifier],
        at: str,
        lanes: Lanes = None,
    ) -> str:
        """A40."""
        stands = self.changes.merge(survivor, numbers, ended)
        return self._say_identity("A40", stands, ended, at, lanes)

    def renumber(
        self,
        patient: Patient,
        numbers: Sequence[Identifier],
        ended: Sequence[Identifier],
        at: str,
        lanes: Lanes = None,
    ) -> str:
        """A47."""
        return self._say_identity("A47", self.changes.renumber(patient, numbers, ended), ended, at, lanes)

    def _say_identity(self, trigger: str, patient: Patient, ended: Sequence[Identifier], at: str, lanes: Lanes) -> str:
        segments = dialect.identity(trigger, patient, self.record.identifiers(patient.id), ended, at)
        return self.outbox.speak(trigger, segments, lanes=lanes)

    def renumber_stay(self, patient: Patient, visit: str, ended: str, at: str, lanes: Lanes = None) -> str:
        """A50."""
        stay = self.stays.renumber(patient, visit, ended)
        segments = dialect.renumbered_stay(patient, self.record.identifiers(patient.id), stay, ended, at)
        return self.outbox.speak("A50", segments, lanes=lanes)

    def keep_document(
        self, patient: Patient, number: str, visit: str, lines: Sequence[str], at: str, lanes: Lanes = None
    ) -> str:
        """T02; `lines` are the document's own segments, kept and told as they came."""
        self.changes.keep_document(patient, number, visit, "\r".join(lines))
        stay = self.record.stay(visit) if visit else None
        segments = dialect.document(patient, self.record.identifiers(patient.id), stay, lines, at)
        return self.outbox.speak("T02", segments, lanes=lanes)
