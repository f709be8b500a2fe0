"""Asks the PAS what it holds of one patient, outside any transaction, and moves the trunk to its answer."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import structlog
from django.db import transaction

from messaging.hl7 import dialects, queries
from messaging.hl7.dialects import Dialect
from messaging.hl7.read import Unreadable
from messaging.mllp.sender import NoAnswer, Peer
from messaging.models import Destination
from messaging.selectors import channels
from messaging.services import peers
from pasmirror.lib import clock
from patients.facts import Groups, Kind
from patients.identifiers import HOSPITAL, Identifier
from patients.models import AppointmentIdentifier, Patient, PatientIdentifier, StayIdentifier
from patients.services import trunk
from patients.states import AppointmentStatus, StayStatus

log = structlog.get_logger()
Found = tuple[tuple[Identifier, ...], Groups]


class PasSilent(Exception):
    """The PAS did not answer, or not in a way that can be read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the PAS said: whether it knows the patient, how many others look alike if not, and whether it has forgotten
    the patient, a stay or an appointment that it once told us of. `merged`: it told us that it has merged the patient
    into another, so there is nobody to ask about.
    """

    known: bool
    alike: int = 0
    forgotten: bool = False
    merged: bool = False


@dataclass(slots=True)
class Line:
    """One conversation with the PAS; a connection of its own, closed at the end."""

    peer: Peer
    dialect: Dialect
    asked: int = field(default=0)

    def ask(self, question: str, **words: object) -> bytes:
        """Put one question of `messaging.hl7.queries`; PasSilent if there is no answer."""
        self.asked += 1
        control_id = f"Q{time.time_ns() // 1000 % 10**15}{self.asked}"[:20]
        body: bytes = getattr(queries, question)(
            *words.values(), dialect=self.dialect, control_id=control_id, now=clock.now()
        )
        answer = self.peer.query(body, control_id)
        if isinstance(answer, NoAnswer):
            raise PasSilent(answer.phase)
        return answer

    def candidates(self, **sought: str) -> list[Found]:
        """Search the PAS."""
        return queries.read_candidates(self.ask("find_candidates", sought=sought), habits=self.dialect.habits)


def patient(patient_id: int) -> Answer | None:
    """Ask about one patient and keep the answer in the trunk; None while the PAS does not answer."""
    ours = Patient.objects.get(pk=patient_id)
    if ours.merged_into_id:
        return Answer(known=False, merged=True)
    numbers = [
        Identifier(i.type, i.authority, i.value)
        for i in PatientIdentifier.objects.filter(patient=ours, type=HOSPITAL, until=None).order_by("id")
    ]
    line = _line()
    if line is None:
        return None
    try:
        found = _by_number(line, numbers)
        if found is None:
            once = trunk.held_if_heard(Kind.PATIENT, patient_id) is not None
            return Answer(known=False, alike=_alike(line, ours), forgotten=once)
        who = next(iter(i for i in found[0] if i.type == HOSPITAL), numbers[0])
        stays = queries.read_stays(line.ask("patient_stays", who=who), habits=line.dialect.habits)
        booked = queries.read_appointments(line.ask("patient_appointments", who=who), habits=line.dialect.habits)
    except (PasSilent, Unreadable) as fault:
        log.info("pas.not_answered", patient=patient_id, error=type(fault).__name__)
        return None
    finally:
        line.peer.close()
    owned = {
        Kind.STAY: _owned(StayIdentifier, "stay_id", stay__patient=patient_id),
        Kind.APPOINTMENT: _owned(AppointmentIdentifier, "appointment_id", appointment__patient=patient_id),
    }
    with transaction.atomic():
        Patient.objects.select_for_update().get(pk=patient_id)
        trunk.heard(Kind.PATIENT, patient_id, found[1])
        lost = _keep(Kind.STAY, stays, owned[Kind.STAY]) | _keep(Kind.APPOINTMENT, booked, owned[Kind.APPOINTMENT])
    return Answer(known=True, forgotten=bool(lost))


def _line() -> Line | None:
    pas = Destination.objects.filter(is_pas=True, declared=True).first()
    if pas is None:
        return None
    return Line(peers.of(pas), dialects.get(pas.dialect, channels.spoken()))


def _by_number(line: Line, numbers: Iterable[Identifier]) -> Found | None:
    """Give the PAS's record that bears one of our numbers."""
    for number in numbers:
        for ids, groups in line.candidates(hospital_number=number.value):
            if number in ids:
                return ids, groups
    return None


def _alike(line: Line, ours: Patient) -> int:
    """Count the PAS's records with this NHS number, or with this name and birth date."""
    found: set[tuple[Identifier, ...]] = set()
    if ours.nhs_number:
        found |= {ids for ids, _ in line.candidates(nhs_number=ours.nhs_number)}
    if ours.family and len(ours.born) == 10:
        found |= {ids for ids, _ in line.candidates(family=ours.family, given=ours.given, born=ours.born)}
    return len(found)


def _owned(model: type[StayIdentifier] | type[AppointmentIdentifier], owner: str, **of: int) -> dict[Identifier, int]:
    """Give every number and whose it is; one replaced here may still be what the PAS calls it by."""
    rows = model.objects.filter(**of).order_by("until").values_list("type", "authority", "value", owner)
    return {Identifier(*row[:3]): row[3] for row in rows}


def _keep(kind: Kind, found: list[Found], owned: dict[Identifier, int]) -> set[int]:
    """Keep what was found of our objects; give those that the PAS once spoke of and did not name now.

    One that it told us is withdrawn need not be named any more.
    """
    named = {owned[i]: groups for ids, groups in found for i in ids if i in owned}
    for object_id, groups in named.items():
        trunk.heard(kind, object_id, _as_told(kind, groups, trunk.held_if_heard(kind, object_id)))
    return {pk for pk in set(owned.values()) - set(named) if _stood(kind, trunk.held_if_heard(kind, pk))}


def _as_told(kind: Kind, said: Groups, held: Groups | None) -> Groups:
    """Give an answer without what it only seems to say: a class that was so before makes nobody leave a ward."""
    if kind is not Kind.STAY or held is None or held["times"]["status"] != StayStatus.IN:
        return said
    told, was = said.get("admission", {}).get("patient_class"), held["admission"]["patient_class"]
    if said["times"]["status"] != StayStatus.ATTENDING or told != was:
        return said
    return {**said, "times": {**said["times"], "status": StayStatus.IN.value}}


def _stood(kind: Kind, held: Groups | None) -> bool:
    """Say whether the PAS has told of an object, and not that it is withdrawn."""
    if held is None:
        return False
    status = held["times"]["status"] if kind is Kind.STAY else held["status"]["status"]
    return status not in (StayStatus.CANCELLED, AppointmentStatus.CANCELLED)
