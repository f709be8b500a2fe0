"""Takes the PAS's news into the record, many messages at once: load everything, step by step in memory, write once.

What the PAS says always moves the trunk; it moves the record too, except in groups changed here and not yet
confirmed there (design section 7, reconciliation).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import structlog
from django.db import transaction

from pasmirror.lib.actor import Actor
from patients import step as steps
from patients.facts import NOBODY, Groups, Kind, Named, News
from patients.models import Appointment, Change, Gate, Movement, Patient, Stay, Trunk
from patients.services import linking, turning
from patients.services.loaded import Loaded, Moved
from patients.services.merging import Merging
from patients.services.naming import stale
from patients.services.rows import Written, reserve
from patients.services.taken import WAITS, Aside, Blocked, Entry, Parked, Taken, Torn, together
from patients.states import APPOINTMENT_EVENTS, CANCELS, IDENTITY_EVENTS, STAY_EVENTS, Event
from patients.step import Known

__all__ = ["Aside", "Blocked", "Entry", "Taken", "Torn", "take"]
log = structlog.get_logger()
TRIES = 5  # of a batch, where others merge or move what it speaks of while it waits; the last goes as it stands
SAME_PERSON = "a person has said that it is the same person: the identity guard was not asked"


def take(
    entries: Sequence[Entry | Aside],
    *,
    by: Actor,
    blocked: Blocked | None = None,
    audited: bool = True,
    apart: bool = False,
) -> list[Taken]:
    """Take `entries` in order, all in one transaction; `blocked`: who waits, and behind which message.

    `audited`: with an audit row for each change; else the caller writes one for all of them. `apart`: one that is
    parked holds up no other of these.

    Raises what the database refuses (a value too long, say), or Torn: then nothing was taken, and the caller tries
    them singly.
    """
    for _ in range(TRIES - 1):
        try:
            with transaction.atomic():
                return _take(entries, by, blocked or Blocked(), audited=audited, apart=apart)
        except Moved:
            log.info("feed.moved", entries=len(entries))
    with transaction.atomic():
        return _take(entries, by, blocked or Blocked(), audited=audited, apart=apart, last=True)


def _take(
    entries: Sequence[Entry | Aside], by: Actor, blocked: Blocked, *, audited: bool, apart: bool, last: bool = False
) -> list[Taken]:
    batch = [entry.news for entry in entries if isinstance(entry, Entry)]
    most = sum(len(news.parts) for news in batch)
    keys = reserve({Patient: most, Stay: most, Appointment: most, Trunk: 3 * most, Movement: most})
    named = [part.named for news in batch for part in news.parts]
    named += [entry.named for entry in entries if isinstance(entry, Aside)]
    loaded = Loaded(batch, named, keys, last=last)
    # After the patients' locks: changes of a patient are in commit order. Two for each, since some concern two people.
    change_ids = reserve({Change: 2 * most})[Change]
    written = Written(by=by, epoch=Gate.objects.get(scope="site").epoch, change_ids=change_ids, audited=audited)
    ahead = Blocked(dict(blocked.patients), dict(blocked.numbers))
    taken = []
    for entry in entries:
        outcome = _take_one(entry, loaded, written, ahead)
        if outcome.outcome == "parked" and outcome.code in entry.ruled:
            outcome = replace(outcome, outcome="filed", patients=(), numbers=())
        if not apart:
            ahead.add(entry.message, outcome.patients, outcome.numbers)
        taken.append(outcome)
    written.flush()
    loaded.flush()
    return taken


def _take_one(entry: Entry | Aside, loaded: Loaded, written: Written, blocked: Blocked) -> Taken:
    if isinstance(entry, Aside):
        return _parked(Parked(entry.code, entry.reason), (entry.named,), entry.warnings, loaded, written)
    parts = entry.news.parts
    named = tuple(one for part in parts for one in (part.named, part.prior))
    patients = _standing({pk for one in named for pk in loaded.names.possible(one)}, loaded, written)
    behind = blocked.behind(entry.message, patients, loaded.names.numbers(named))
    if behind.patients or behind.numbers:
        reason = "Waits behind an earlier message of this patient"
        return _parked(Parked(WAITS, reason), named, entry.news.warnings, loaded, written, behind)
    done: list[Taken] = []
    for part in parts:
        try:
            done.append(_Telling(replace(entry, news=part), loaded, written).take())
        except Parked as parked:
            if any(taken.outcome != "filed" for taken in done):
                raise Torn(parked.code, parked.reason) from parked
            return _parked(parked, named, part.warnings, loaded, written)
    return done[0] if len(done) == 1 else together(done)


def _standing(patients: Iterable[int], loaded: Loaded, written: Written) -> list[int]:
    """Give those who will stand in the database: a record begun for news that was then only filed does not."""
    return sorted(pk for pk in patients if loaded.known_id(loaded.rows[Kind.PATIENT][pk], written))


def _parked(
    parked: Parked,
    named: Sequence[Named],
    warnings: tuple[str, ...],
    loaded: Loaded,
    written: Written,
    behind: Blocked | None = None,
) -> Taken:
    """Park at everybody it names, so that only their later messages wait; `behind`: what it waits behind itself.

    A number that is nobody's yet, or not any more, is held by itself: not the patient to whom it was retired.
    """
    names, behind = loaded.names, behind or Blocked()
    everybody = _standing({pk for one in named for pk in names.possible(one)}, loaded, written)
    held = _standing({pk for one in named for pk in names.possible(one, valid=True)}, loaded, written)
    numbers = [i for i in names.numbers(named) if names.owner.get((Kind.PATIENT, i)) not in held]
    return Taken(
        "parked",
        parked.code,
        parked.reason,
        warnings,
        everybody[0] if everybody else None,
        patients=tuple(sorted({*held, *behind.patients})),
        numbers=tuple(dict.fromkeys([*numbers, *behind.numbers])),
    )


class _Telling:
    """One entry being taken: who and what it speaks of, and what it changes."""

    def __init__(self, entry: Entry, loaded: Loaded, written: Written) -> None:
        self.entry, self.news = entry, entry.news
        self.loaded, self.written = loaded, written
        self.rows: dict[Kind, Any] = {}
        self.warnings: tuple[str, ...] = entry.news.warnings
        self.strange: tuple[str, ...] = ()
        self.late = self.marked = False
        self.prior: Stay | None = None

    def take(self) -> Taken:
        """Say who is meant, and apply; raises Parked for what is in doubt."""
        try:
            taken = self._take()
        except Parked:
            self._forget()
            raise
        if taken.outcome == "filed":
            self._forget()
        return replace(taken, warnings=(*taken.warnings, SAME_PERSON)) if self.entry.same_person else taken

    def _forget(self) -> None:
        """Leave nothing of a record that was begun for news which is not taken: the next one begins it."""
        patient = self.rows.get(Kind.PATIENT)
        if patient and self.loaded.known_id(patient, self.written) is None:
            self.loaded.names.forget(patient)

    def _take(self) -> Taken:
        if self.news.event in IDENTITY_EVENTS:
            taken = Merging(self.entry, self.loaded, self.written).take()
            return replace(taken, ground=self._ground(taken)) if self.entry.sampled and taken.change else taken
        park, trusted = self.entry.park_unknown, self.entry.same_person
        meant, self.strange = self.loaded.patient(self.news, self.written.at, park=park, trusted=trusted)
        patient = meant.patient
        if meant.until and stale(self.news.sent_at, meant.until):
            self.late = True
            self.news = replace(self.news, patient={}, segments=())
        self.rows[Kind.PATIENT] = patient
        if self.news.event in STAY_EVENTS and self.news.stay_ids:
            self.prior, doubts = turning.before(self.news, patient, self.loaded)
            self.strange += doubts
            self.rows[Kind.STAY] = turning.meant(self.news, self.prior, patient, self.loaded)
        if self.news.event in APPOINTMENT_EVENTS:
            self.rows[Kind.APPOINTMENT] = self.loaded.appointment(self.news, patient)
        for kind, row in self.rows.items():
            if kind is not Kind.PATIENT and row.patient_id != patient.pk:
                raise Parked("number-of-another", f"This {kind} number belongs to another patient")
        return self._with_mother(self._apply(patient), patient)

    def _with_mother(self, taken: Taken, patient: Patient) -> Taken:
        """Link a newborn to the mother, if we know her."""
        mother = self.news.mother
        if mother == NOBODY or taken.outcome not in ("applied", "already"):
            return taken
        known = _standing(self.loaded.names.owners(mother), self.loaded, self.written)
        if len(known) != 1 or known[0] == patient.pk:
            return replace(taken, warnings=(*taken.warnings, "the mother is not known here: not linked"))
        pair = linking.Pair(patient, self.loaded.rows[Kind.PATIENT][known[0]], self.loaded.numbers_of)
        change = linking.link("mother", pair, self.news, self.written, self.entry.source)
        return replace(taken, outcome="applied", code="", change=taken.change or change) if change else taken

    def _apply(self, patient: Patient) -> Taken:
        """Step from what the PAS held to what it holds now."""
        held = {kind: self.loaded.held(kind, row) for kind, row in self.rows.items()}
        trunk = next((self.loaded.trunk(k, row) for k, row in self.rows.items() if k is not Kind.PATIENT), None)
        told = self.loaded.fresh(self.news, patient, self.rows)
        self.warnings = told.warnings
        self.late |= any(self.news.patient.values()) and not any(told.patient.values())
        outcome = steps.told(held, told, steps=trunk.steps if trunk else (), moved_at=trunk.moved_at if trunk else None)
        self.warnings += outcome.warnings
        if isinstance(outcome, steps.Unapplied):
            known = self.loaded.known_id(patient, self.written)
            return Taken("filed", outcome.code, outcome.reason, self.warnings, known)
        self.warnings += self.strange
        self.marked = self._marked(patient, told)
        if self.news.event != Event.DOCUMENT or patient._state.adding:
            self.loaded.note_heard(patient, told, self.written)
        self.rows = {kind: row for kind, row in self.rows.items() if kind in outcome.after}
        stay = self.rows.get(Kind.STAY) if outcome.moved else None
        timely = told is self.news and (stay is not None or Kind.STAY not in self.rows)
        ground = self.loaded.ground(patient.pk, stay.pk if stay else 0) if self.entry.sampled and timely else None
        self.loaded.keep_segments(told, patient, stay, self.entry.message)
        taken = self._write(patient, held, outcome)
        return replace(taken, ground=ground) if taken.change else taken

    def _ground(self, taken: Taken) -> tuple[str, ...]:
        """Give what is kept of whoever identity news is about: it keeps nothing itself."""
        change = self.written.changes[-1]
        return self.loaded.ground(change.patient_id, change.stay or 0)

    def _marked(self, patient: Patient, told: News) -> bool:
        """End what stood in for the PAS's own word of a person, unless that is old; says whether something did."""
        if told.event not in (Event.REGISTER, Event.UPDATE) or self.late:
            return False
        was = patient.provisional, patient.removed_at
        patient.provisional = False
        if patient.removed_at and not stale(told.sent_at, patient.removed_at):
            patient.removed_at = None
        return was != (patient.provisional, patient.removed_at)

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
        if (stay := self.rows.get(Kind.STAY)) is not None:
            self.warnings += turning.beside(stay, held, step.after, loaded)
            numbered |= bool(self.prior and turning.end(self.prior, stay, self.entry, loaded, written))
        change = next(written.change_ids)
        moved = self._move(change, step, full)
        if self.news.document and (document := loaded.documents.take(self.news, patient, self.entry.message)):
            full["document"] = document
        if not (pairs or numbered or moved or self.marked or "document" in full):
            outcome, code = ("applied", "beside-ours") if heard else ("already", "already")
            return Taken(outcome, code, "", self.warnings, patient.pk)
        full |= {f"{kind.value}_ids": loaded.numbers_of(kind, row) for kind, row in self.rows.items()}
        full |= {"prior_place": held[Kind.STAY]["place"]} if Kind.STAY in held else {}
        written.journal(
            change=change,
            news=self.news,
            source="feed",
            origin=self.entry.source,
            known=pairs,
            full=full,
            objects={kind: row.pk for kind, row in self.rows.items()},
        )
        return Taken("applied", "", "", self.warnings + loaded.unlisted(full), patient.pk, change)

    def _move(self, change: int, step: steps.Step, full: dict[str, Any]) -> bool:
        """Keep the course of the stay, and enter the step in its history; False if there is nothing new for that."""
        if Kind.APPOINTMENT in self.rows:
            self.loaded.trunk(Kind.APPOINTMENT, self.rows[Kind.APPOINTMENT]).moved_at = step.moved_at
        if Kind.STAY not in self.rows:
            return False
        stay = self.rows[Kind.STAY]
        trunk = self.loaded.trunk(Kind.STAY, stay)
        trunk.steps = list(step.steps)
        self.loaded.moved(stay, trunk, step.moved_at, self.written)
        if not step.entered:
            return False
        place = full[Kind.STAY.value]["place"]
        if self.news.event not in CANCELS:
            place = {**place, **self.news.stay.get("place", {})}
        row, known = self.loaded.move_of(stay, self.news, place)
        anew = bool(step.undone) or (step.index is not None and "id" in trunk.steps[step.index])
        if known and anew:
            row = next(self.loaded.move_ids)
        if step.index is not None:
            trunk.steps[step.index] = {**trunk.steps[step.index], "id": row}
        if known and not anew:
            return False
        self.written.move(stay, self.news, place, change, pk=row, undoes=step.undone)
        return True
