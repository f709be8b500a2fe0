"""Takes the PAS's news into the record, many messages at once: load everything, step by step in memory, write once.

What the PAS says always moves the trunk; it moves the record too, except in groups changed here and not yet
confirmed there (design section 7, reconciliation).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from pasmirror.lib.actor import Actor
from patients import step as steps
from patients.facts import NOBODY, Groups, Kind, Named, News
from patients.models import Appointment, Change, Gate, Patient, Stay, Trunk
from patients.services.loaded import Loaded, Parked
from patients.services.rows import Written, reserve
from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS
from patients.step import Known


@dataclass(frozen=True, slots=True)
class Entry:
    """One message's news; `message` is the inbound message's id. `park_unknown`: news of a stranger is a person's."""

    message: int
    news: News
    park_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Aside:
    """A message that is a person's before it could become news: its code, the reason, and whom it names."""

    message: int
    code: str
    reason: str
    named: Named = NOBODY
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one entry: applied, already (nothing to change), filed or parked; and why."""

    outcome: str
    code: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    patient: int | None = None
    change: int | None = None


def take(entries: Sequence[Entry | Aside], *, by: Actor, blocked: Collection[int] = ()) -> list[Taken]:
    """Take `entries` in order, all in one transaction; `blocked`: patients with a parked message, who wait.

    Raises what the database refuses (a value too long, say), and then nothing was taken: the caller tries them singly.
    """
    with transaction.atomic():
        return _take(entries, by, set(blocked))


def _take(entries: Sequence[Entry | Aside], by: Actor, blocked: set[int]) -> list[Taken]:
    most = len(entries)
    keys = reserve({Patient: most, Stay: most, Appointment: most, Trunk: 3 * most})
    batch = [entry.news for entry in entries if isinstance(entry, Entry)]
    named = [entry.news.named if isinstance(entry, Entry) else entry.named for entry in entries]
    loaded = Loaded(batch, named, keys)
    change_ids = reserve({Change: most})[Change]  # after the patients' locks: changes of a patient are in commit order
    written = Written(by=by, epoch=Gate.objects.get(scope="site").epoch, change_ids=change_ids)
    taken = []
    for entry in entries:
        if isinstance(entry, Aside):
            taken.append(_park(entry, loaded, written))
        else:
            taken.append(_Telling(entry, loaded, written).take(blocked))
        if taken[-1].outcome == "parked" and taken[-1].patient:
            blocked.add(taken[-1].patient)
    written.flush()
    loaded.flush()
    return taken


def _park(aside: Aside, loaded: Loaded, written: Written) -> Taken:
    """Park at the patient it names, so that only that patient's later messages wait."""
    owners = (loaded.rows[Kind.PATIENT][pk] for pk in loaded.owners(aside.named))
    known = [pk for patient in owners if (pk := loaded.known_id(patient, written))]
    return Taken("parked", aside.code, aside.reason, aside.warnings, min(known, default=None))


class _Telling:
    """One entry being taken: who and what it speaks of, and what it changes."""

    def __init__(self, entry: Entry, loaded: Loaded, written: Written) -> None:
        self.entry, self.news = entry, entry.news
        self.loaded, self.written = loaded, written
        self.rows: dict[Kind, Any] = {}
        self.warnings: tuple[str, ...] = entry.news.warnings
        self.strange: tuple[str, ...] = ()

    def take(self, blocked: set[int]) -> Taken:
        """Say who is meant, and apply; what is in doubt is parked."""
        try:
            patient, self.strange = self.loaded.patient(self.news, self.written.at, park=self.entry.park_unknown)
        except Parked as parked:
            return Taken("parked", parked.code, parked.reason, self.warnings, parked.patient)
        known = self.loaded.known_id(patient, self.written)
        if known in blocked:
            return Taken("parked", "waits", "Waits behind an earlier message of this patient", self.warnings, known)
        self.rows[Kind.PATIENT] = patient
        if self.news.event in STAY_EVENTS:
            self.rows[Kind.STAY] = self.loaded.stay(self.news, patient)
        if self.news.event in APPOINTMENT_EVENTS:
            self.rows[Kind.APPOINTMENT] = self.loaded.appointment(self.news, patient)
        for kind, row in self.rows.items():
            if kind is not Kind.PATIENT and row.patient_id != patient.pk:
                reason = f"This {kind} number belongs to another patient"
                return Taken("parked", "number-of-another", reason, self.warnings, known)
        return self._apply(patient)

    def _apply(self, patient: Patient) -> Taken:
        """Step from what the PAS held to what it holds now."""
        held = {kind: self.loaded.held(kind, row) for kind, row in self.rows.items()}
        stay_trunk = self.loaded.trunk(Kind.STAY, self.rows[Kind.STAY]) if Kind.STAY in self.rows else None
        told = self.loaded.fresh(self.news, patient)
        self.warnings += told.warnings[len(self.news.warnings) :]
        outcome = steps.told(held, told, moved_at=stay_trunk.moved_at if stay_trunk else None)
        self.warnings += outcome.warnings
        if isinstance(outcome, steps.Unapplied):
            known = self.loaded.known_id(patient, self.written)
            return Taken("filed", outcome.code, outcome.reason, self.warnings, known)
        self.warnings += self.strange
        self.loaded.note_heard(patient, told, self.written)
        stay = self.rows[Kind.STAY] if outcome.moved else None
        self.loaded.keep_segments(told, patient, stay, self.entry.message)
        return self._write(patient, held, outcome)

    def _write(self, patient: Patient, held: Known, step: steps.Step) -> Taken:
        """Move the trunk, and the record where it is not ours; journal what changed."""
        loaded, written = self.loaded, self.written
        pairs: dict[Kind, tuple[Groups, Groups]] = {}
        full: dict[str, Any] = {}
        heard = False
        for kind, row in self.rows.items():
            heard |= loaded.hear(kind, row, step.after[kind], self.entry.message, written.at)
            was, now = loaded.merge(kind, row, step.after[kind], written)
            full[kind.value] = now
            if was != now:
                pairs[kind] = (was, now)
        numbered = loaded.number_all(self.news, self.rows, written)
        change = next(written.change_ids)
        moved = self._move(change, step, full)
        if not (pairs or numbered or moved):
            outcome, code = ("applied", "beside-ours") if heard else ("already", "already")
            return Taken(outcome, code, "", self.warnings, patient.pk)
        full |= {f"{kind.value}_ids": loaded.numbers_of(kind, row) for kind, row in self.rows.items()}
        full |= {"prior_place": held[Kind.STAY]["place"]} if Kind.STAY in held else {}
        written.journal(
            change=change,
            news=self.news,
            source="feed",
            origin=f"feed:{self.entry.message}",
            known=pairs,
            full=full,
            objects={kind: row.pk for kind, row in self.rows.items()},
        )
        return Taken("applied", "", "", self.warnings + loaded.unlisted(full), patient.pk, change)

    def _move(self, change: int, step: steps.Step, full: dict[str, Any]) -> bool:
        """Enter the step in the stay's history; False if there is no stay or it stands there already."""
        if Kind.STAY not in self.rows:
            return False
        stay = self.rows[Kind.STAY]
        if step.moved:
            self.loaded.moved(stay, self.loaded.trunk(Kind.STAY, stay), self.news, self.written)
        place = {**full[Kind.STAY.value]["place"], **self.news.stay.get("place", {})}
        if not self.loaded.new_move(stay, self.news, place):
            return False
        self.written.move(stay, self.news, place, change)
        return True
