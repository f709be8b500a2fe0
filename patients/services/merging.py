"""Takes news of who somebody is: merges, changed numbers, stays of another patient, links, removals.

What the PAS says is done once and told again is recognised. What cannot be meant raises Parked: a loop, a number of
another patient, news of two people at once. Nothing here touches demographics.
"""

from collections.abc import Sequence
from typing import Any

from patients import facts, guard
from patients.facts import NOBODY, Groups, Kind, Named
from patients.identifiers import Identifier
from patients.models import Patient, Stay
from patients.services import linking
from patients.services.loaded import Loaded
from patients.services.moving import Moving
from patients.services.naming import UNDER_RETIRED, Meant, stale
from patients.services.rows import Written
from patients.services.taken import Entry, Parked, Taken
from patients.states import Event, StayStatus

ALIKE = "the two records that were merged differ in birth date and surname or NHS number"
TWO_STAYS = "the patient has more than one open stay now"


class Merging:
    """One identity news being taken; raises Parked before anything is changed."""

    def __init__(self, entry: Entry, loaded: Loaded, written: Written) -> None:
        self.entry, self.news = entry, entry.news
        self.loaded, self.written, self.names = loaded, written, loaded.names
        self.moving = Moving(loaded, written)
        self.until = entry.news.sent_at or entry.news.occurred_at
        self.warnings: tuple[str, ...] = entry.news.warnings

    def take(self) -> Taken:
        """Carry it out."""
        if self.news.named == NOBODY:
            raise Parked("no-identity", "No number says which patient is meant")
        steps = {
            Event.MERGE: self._merge,
            Event.RENUMBER: self._renumber,
            Event.MOVE_STAY: self._move_stay,
            Event.RENUMBER_STAY: self._renumber_stay,
            Event.LINK: self._link,
            Event.UNLINK: self._link,
            Event.REMOVE: self._remove,
        }
        return steps[Event(self.news.event)]()

    # Who

    def _patient(self) -> Meant | None:
        return self._standing(self._guarded(self.news.named, self.news.patient))

    def _guarded(self, named: Named, said: Groups) -> Meant | None:
        return self.names.guarded(named, said, self.news.sent_at, trusted=self.entry.same_person)

    def _prior(self) -> Meant | None:
        if self.news.prior == NOBODY:
            raise Parked("no-prior-number", "No number in MRG-1 says whose record or number ends")
        return self._standing(self.names.meant(self.news.prior, prior=True))

    def _standing(self, meant: Meant | None) -> Meant | None:
        """Leave out a record that was begun for news which was then only filed."""
        return meant if meant and self.loaded.known_id(meant.patient, self.written) else None

    def _prior_numbers(self, kind: Kind = Kind.PATIENT) -> list[Identifier]:
        told = self.news.prior_stay_ids if kind is Kind.STAY else self.news.prior.patient_ids
        found = (self.names.exact(kind, said) for said in told)
        return [number for number in found if number is not None]

    # Merges

    def _merge(self) -> Taken:
        if set(self.news.patient_ids) & {*self.news.prior.patient_ids, *self._prior_numbers()}:
            raise Parked("merge-into-itself", "A number is to be merged into itself")
        into, out = self._patient(), self._prior()
        if out is None:
            return self._filed("unknown-prior", "The number to be merged is not known here: there is nothing to do")
        if out.until and (into is None or into.patient.pk != out.patient.pk):
            raise Parked("merged-before", "The number to be merged had been merged into another patient before")
        if into is None:
            return self._renumbered(out.patient)
        survivor, loser = into.patient, out.patient
        if survivor.pk == loser.pk:
            return self._merged_before(into, out)
        self.warnings += (UNDER_RETIRED,) if into.until else ()
        return self._joined(survivor, loser)

    def _merged_before(self, into: Meant, out: Meant) -> Taken:
        if out.until:
            return self._already(into.patient)
        if into.until:
            raise Parked("merge-loop", "A record is to be merged into one that was merged into it before")
        self.moving.retire(Kind.PATIENT, into.patient.pk, self._prior_numbers(), self.until)
        return self._applied(into.patient)

    def _joined(self, survivor: Patient, loser: Patient) -> Taken:
        if guard.disagreement(facts.of(Kind.PATIENT, survivor), facts.of(Kind.PATIENT, loser)):
            self.warnings += (ALIKE,)
        theirs = self.loaded.of_object.get((Kind.PATIENT, survivor.pk), [])
        same = {number[:2] for number in theirs}
        mine = self.loaded.of_object.get((Kind.PATIENT, loser.pk), [])
        ended = [n for n in mine if n[:2] in same or n in self._prior_numbers()]
        self._journal(loser, {"merged_into": survivor.pk, "patient_ids": self.loaded.numbers_of(Kind.PATIENT, loser)})
        self.moving.retire(Kind.PATIENT, loser.pk, ended, self.until)
        self.moving.everything(loser, survivor)
        self.moving.add(Kind.PATIENT, survivor, self._new_numbers())
        open_stays = [
            row
            for row in self.loaded.rows[Kind.STAY].values()
            if row.patient_id == survivor.pk and row.status == StayStatus.IN
        ]
        self.warnings += (TWO_STAYS,) if len(open_stays) > 1 else ()
        return self._applied(survivor, merged=loser.pk, prior_ids=[number.as_json() for number in ended])

    # Numbers

    def _renumber(self) -> Taken:
        out = self._prior()
        into = self._standing(self.names.meant(self.news.named))
        if out is None:
            return self._filed("unknown-prior", "The number that ends is not known here: there is nothing to do")
        if into and into.patient.pk != out.patient.pk:
            raise Parked("number-of-another", "The new number already belongs to another patient: is it a merge?")
        if into and out.until and not into.until:
            return self._already(out.patient)
        if out.until or (into and into.until):
            raise Parked("retired-number", "The number was merged away or replaced before")
        return self._renumbered(out.patient)

    def _renumbered(self, patient: Patient) -> Taken:
        """Give a patient the new number; what was told is not demographics, but it must be of that patient."""
        why = guard.doubt(facts.of(Kind.PATIENT, patient), self.news.patient, retired=False)
        if why and not self.entry.same_person:
            raise Parked(*why)
        ended = self._prior_numbers()
        self.moving.retire(Kind.PATIENT, patient.pk, ended, self.until)
        self.moving.add(Kind.PATIENT, patient, self._new_numbers())
        return self._applied(patient, prior_ids=[number.as_json() for number in ended])

    def _new_numbers(self) -> list[Identifier]:
        return [i for i in self.news.patient_ids if (Kind.PATIENT, i) not in self.names.retired]

    # Stays

    def _stays(self) -> list[Stay]:
        if not self.news.prior_stay_ids:
            raise Parked("no-visit-number", "No number in MRG-3 or MRG-5 says which stay is meant")
        found = {self.names.of(Kind.STAY, number) for number in self._prior_numbers(Kind.STAY)}
        return [self.loaded.rows[Kind.STAY][pk] for pk in sorted(pk for pk in found if pk is not None)]

    def _move_stay(self) -> Taken:
        stays, out = self._stays(), self._prior()
        if not stays:
            return self._filed("no-such-stay", "The stay is not known here: there is nothing to move")
        into = self._patient()
        if into and all(stay.patient_id == into.patient.pk for stay in stays):
            return self._already(into.patient)
        if out is None or any(stay.patient_id not in (out.patient.pk, into and into.patient.pk) for stay in stays):
            raise Parked("number-of-another", "The stay belongs to neither of the two patients")
        if self.moving.moved_since(stays, self.news.occurred_at):
            return self._filed("older", "Older than the news by which the stay came to the patient it belongs to")
        park, trusted = self.entry.park_unknown, self.entry.same_person
        new, strange = self.loaded.patient(self.news, self.written.at, park=park, trusted=trusted)
        self.warnings += strange
        begun = self.moving.begin(new.patient, self.news, self.entry.message)
        moved = [stay for stay in stays if stay.patient_id != new.patient.pk]
        for stay in moved:
            self._journal(out.patient, {"moved_to": new.patient.pk}, stay)
            self.moving.stay(stay, new.patient.pk)
        if len(stays) == 1:
            self._number_stay(stays[0])
        self.moving.add(Kind.PATIENT, new.patient, self._new_numbers())
        return self._applied(new.patient, moved[0], known=begun, moved_from=out.patient.pk)

    def _number_stay(self, stay: Stay) -> bool:
        new = [i for i in self.news.stay_ids if self.names.of(Kind.STAY, i) is None]
        if not new:
            return False
        known = self.loaded.of_object.get((Kind.STAY, stay.pk), [])
        same = {number[:2] for number in new}
        self.moving.retire(Kind.STAY, stay.pk, [n for n in known if n[:2] in same], self.until)
        return self.moving.add(Kind.STAY, stay, new)

    def _renumber_stay(self) -> Taken:
        stays, into = self._stays(), self._patient()
        if not stays or into is None:
            return self._filed("no-such-stay", "The stay is not known here: there is nothing to do")
        if not self.news.stay_ids:
            raise Parked("no-visit-number", "No visit number says what the stay is called now")
        if any(stay.patient_id != into.patient.pk for stay in stays):
            raise Parked("number-of-another", "The stay belongs to another patient")
        owners = {self.names.of(Kind.STAY, i) for i in self.news.stay_ids} - {None}
        now = [self.loaded.rows[Kind.STAY][pk] for pk in owners if pk is not None]
        if any(stay.patient_id != into.patient.pk for stay in now):
            raise Parked("number-of-another", "The new visit number belongs to another patient's stay")
        ended = [number.as_json() for number in self._prior_numbers(Kind.STAY)]
        if not now:
            self._number_stay(stays[0])
            return self._applied(into.patient, stays[0], prior_stay_ids=ended)
        absorbed = [stay for stay in stays if stay.pk != now[0].pk]
        for stay in absorbed:
            self.absorb(stay, now[0])
        if not absorbed:
            return self._already(into.patient)
        return self._applied(into.patient, now[0], prior_stay_ids=ended)

    def absorb(self, stay: Stay, now: Stay) -> None:
        """Two stays were one: the other is withdrawn, with its history, and its numbers name the one that stands."""
        numbers = list(self.loaded.of_object.get((Kind.STAY, stay.pk), []))
        self.moving.retire(Kind.STAY, stay.pk, numbers, self.until)
        self.moving.numbers(Kind.STAY, stay.pk, now.pk)
        held = self.loaded.held(Kind.STAY, stay)
        withdrawn = {**held, "times": {**held["times"], "status": StayStatus.CANCELLED.value}}
        self.loaded.hear(Kind.STAY, stay, withdrawn, self.entry.message, self.written.at)
        self.loaded.merge(Kind.STAY, stay, withdrawn, self.written)

    # Links and removals

    def _link(self) -> Taken:
        one, another = self._patient(), self._guarded(self.news.prior, self.news.prior_patient)
        if one is None or another is None:
            return self._filed("unknown-patient", "One of the two patients is not known here: there is nothing to link")
        if one.patient.pk == another.patient.pk:
            raise Parked("link-to-itself", "Both patients named are one record here")
        pair = linking.Pair(one.patient, another.patient, self.loaded.numbers_of)
        if self.news.event == Event.LINK:
            change = linking.link("linked", pair, self.news, self.written, self.entry.source)
        else:
            change = linking.unlink(pair, self.news, self.written, self.entry.source)
        if change is None:
            return self._already(one.patient)
        return Taken("applied", "", "", self.warnings, one.patient.pk, change)

    def _remove(self) -> Taken:
        meant = self._patient()
        if meant is None:
            return self._filed("unknown-patient", "The patient is not known here: there is nothing to mark")
        if meant.until:
            raise Parked("retired-number", "The number was merged away or replaced before")
        if meant.patient.removed_at:
            return self._already(meant.patient)
        if meant.patient.sent_at and stale(self.news.sent_at, meant.patient.sent_at):
            return self._filed("older", "Older than what the PAS has told of this patient since")
        meant.patient.removed_at = self.until
        return self._applied(meant.patient)

    # What became of it

    def _filed(self, code: str, reason: str) -> Taken:
        standing: Sequence[int] = sorted(self.names.possible(self.news.named))
        rows = (self.loaded.rows[Kind.PATIENT][pk] for pk in standing)
        known = [pk for row in rows if (pk := self.loaded.known_id(row, self.written))]
        return Taken("filed", code, reason, self.warnings, known[0] if known else None)

    def _already(self, patient: Patient) -> Taken:
        return Taken("already", "already", "", self.warnings, patient.pk)

    def _applied(
        self,
        patient: Patient,
        stay: Stay | None = None,
        known: dict[Kind, tuple[Groups, Groups]] | None = None,
        **said: Any,
    ) -> Taken:
        self.written.touch(Kind.PATIENT, patient, {})
        patient.heard_at = self.written.at
        full = {"patient_ids": self.loaded.numbers_of(Kind.PATIENT, patient), **said}
        change = self._journal(patient, full, stay, known)
        return Taken("applied", "", "", self.warnings, patient.pk, change)

    def _journal(
        self,
        patient: Patient,
        said: dict[str, Any],
        stay: Stay | None = None,
        known: dict[Kind, tuple[Groups, Groups]] | None = None,
    ) -> int:
        change = next(self.written.change_ids)
        full: dict[str, Any] = {Kind.PATIENT.value: facts.of(Kind.PATIENT, patient), **said}
        objects = {Kind.PATIENT: patient.pk}
        if stay is not None:
            full[Kind.STAY.value] = facts.of(Kind.STAY, stay)
            full["stay_ids"] = self.loaded.numbers_of(Kind.STAY, stay)
            objects[Kind.STAY] = stay.pk
        self.written.journal(
            change=change,
            news=self.news,
            source="feed",
            origin=self.entry.source,
            known=known or {},
            full=full,
            objects=objects,
        )
        return change
