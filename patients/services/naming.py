"""Which patient, stay or appointment each number names, retired numbers included, and whether news can be of them.

Knows the tables of numbers; nothing of what the news then changes.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from patients import facts, guard, staleness
from patients.facts import NOBODY, Groups, Kind, Named, News
from patients.identifiers import Identifier
from patients.models import Change, Patient
from patients.services.rows import IDENTIFIERS
from patients.services.taken import Parked
from patients.states import Event

KEEPS_RETIRED = (Kind.PATIENT, Kind.STAY)  # kinds whose retired numbers still name somebody
NHS = "NH"  # HL7 table 0203
FORMERS = 500  # changes of a record that are looked through, at most
STALE = "from before its number was merged or replaced: demographics not taken"
UNDER_RETIRED = "told under a number that was merged away or replaced: taken to the record that has it now"


class Retired(NamedTuple):
    """Whose a number is that is not valid any more, and since when it is not."""

    owner: int
    until: datetime


class Meant(NamedTuple):
    """Whom news means; `until`: all the numbers it gave are retired, since then."""

    patient: Patient
    until: datetime | None = None


class Names:
    """Every number a batch speaks of, and whose it is."""

    def __init__(self, told: Sequence[News], named: Sequence[Named]) -> None:
        """`named`: everybody the batch names, also in messages that are no news."""
        self.owner: dict[tuple[Kind, Identifier], int] = {}
        self.retired: dict[tuple[Kind, Identifier], Retired] = {}
        self.patients: dict[int, Patient] = {}  # the rows, once they are locked
        self.former: dict[int, list[Groups]] = {}  # what this batch has changed of them, oldest first
        everybody = [*named, *(news.prior for news in told), *(news.mother for news in told)]
        self.nhs_numbers = {one.nhs_number for one in everybody if not one.patient_ids} - {""}
        self._find(Kind.PATIENT, {i for one in everybody for i in one.patient_ids})
        self._find(Kind.STAY, {i for news in told for i in (*news.stay_ids, *news.prior_stay_ids)})
        self._find(Kind.APPOINTMENT, {i for news in told for i in news.appointment_ids})

    def _find(self, kind: Kind, said: set[Identifier]) -> None:
        loose = {i.value for i in said if not (i.type and i.authority)}
        self._read(kind, {i.value for i in said}, valid=True)
        missing = loose | {i.value for i in said if (kind, i) not in self.owner}
        if missing and kind in KEEPS_RETIRED:
            self._read(kind, missing, valid=False)

    def _read(self, kind: Kind, values: set[str], *, valid: bool) -> None:
        rows = IDENTIFIERS[kind].objects.filter(value__in=values, until__isnull=valid).order_by("until", "id")  # type: ignore[attr-defined]
        for owner, until, *number in rows.values_list(f"{kind.value}_id", "until", "type", "authority", "value"):
            key = (kind, Identifier(*number))
            if valid:
                self.owner[key] = owner
            elif key not in self.owner:
                self.retired[key] = Retired(owner, until)

    def wanted(self, kind: Kind) -> set[int]:
        """Give the rows of `kind` that these numbers name."""
        named = {pk for (k, _), pk in self.owner.items() if k is kind}
        named |= {retired.owner for (k, _), retired in self.retired.items() if k is kind}
        return named | self._with_nhs_number() if kind is Kind.PATIENT else named

    def _with_nhs_number(self) -> set[int]:
        """Give the patients with the NHS numbers that stand alone, and those they were merged into."""
        found: set[int] = set()
        indexed = ~Q(nhs_number="")
        wanted = indexed & Q(nhs_number__in=self.nhs_numbers) if self.nhs_numbers else None
        while wanted is not None:
            rows = dict(Patient.objects.filter(wanted).values_list("pk", "merged_into_id"))
            found |= set(rows)
            survivors = set(rows.values()) - found - {None}
            wanted = Q(pk__in=survivors) if survivors else None
        return found

    def parties(self, news: News) -> set[int]:
        """Give every patient whom a merge may mean, once the rows are locked."""
        values = {i.value for i in (*news.patient_ids, *news.prior.patient_ids)}
        keys = [(k, i) for k, i in (*self.owner, *self.retired) if k is Kind.PATIENT and i.value in values]
        found = {pk for k, i in keys if (pk := self.of(k, i)) is not None}
        numbers = {news.named.nhs_number, news.prior.nhs_number} - {""}
        return found | {pk for pk, row in self.patients.items() if row.nhs_number in numbers}

    def of(self, kind: Kind, identifier: Identifier) -> int | None:
        """Give whose a number is: the one who has it, else the one it was retired to."""
        if (kind, identifier) in self.owner:
            return self.owner[kind, identifier]
        retired = self.retired.get((kind, identifier))
        return retired.owner if retired else None

    def exact(self, kind: Kind, said: Identifier) -> Identifier | None:
        """Give the number that is meant by one whose blank type or authority stands for any; None if there is none.

        Raises Parked where it could be several people's (or stays').
        """
        if said.type and said.authority:
            return said if self.of(kind, said) is not None else None
        fits = [i for k, i in (*self.owner, *self.retired) if k is kind and _fits(said, i)]
        if len({self.of(kind, i) for i in fits}) > 1:
            raise Parked("ambiguous-number", "A number without authority or type, and more than one record has it")
        return fits[0] if fits else None

    def owners(self, named: Named, *, prior: bool = False) -> dict[int, datetime | None]:
        """Give the patients of these numbers; beside each None, or since when all its numbers among them are retired.

        `prior`: as an MRG names them, where a blank type or authority stands for any.
        """
        found: dict[int, datetime | None] = {}
        for said in named.patient_ids:
            identifier = self.exact(Kind.PATIENT, said) if prior else said
            if identifier is None:
                continue
            if (Kind.PATIENT, identifier) in self.owner:
                found[self.owner[Kind.PATIENT, identifier]] = None
            elif retired := self.retired.get((Kind.PATIENT, identifier)):
                found.setdefault(retired.owner, retired.until)
        if not named.patient_ids and named.nhs_number:
            for patient in [row for row in self.patients.values() if row.nhs_number == named.nhs_number]:
                until = (patient.merged_at or patient.made_at) if patient.merged_into_id else None
                owner = self.survivor(patient).pk
                found[owner] = until if found.get(owner, until) is not None else None
        return found

    def possible(self, named: Named, *, valid: bool = False) -> set[int]:
        """Give everybody whom these numbers may mean, however doubtful; `valid`: by a number that is still theirs."""
        keys = self.owner if valid else (*self.owner, *self.retired)
        loose = [i for i in named.patient_ids if not (i.type and i.authority)]
        exact = {(Kind.PATIENT, i) for i in named.patient_ids}
        fits = {(k, i) for k, i in keys if loose and k is Kind.PATIENT and any(_fits(said, i) for said in loose)}
        found = {self.of(*key) for key in exact | fits if not valid or key in self.owner}
        alone = "" if named.patient_ids else named.nhs_number
        found |= {self.survivor(row).pk for row in list(self.patients.values()) if alone and row.nhs_number == alone}
        return {pk for pk in found if pk is not None}

    def survivor(self, patient: Patient) -> Patient:
        """Follow the merges to the record that stands."""
        while patient.merged_into_id:
            patient = self.patients[patient.merged_into_id]
        return patient

    def meant(self, named: Named, *, prior: bool = False) -> Meant | None:
        """Say who is meant; None for a stranger. Raises Parked where it could be two."""
        owners = self.owners(named, prior=prior)
        if len(owners) > 1:
            raise Parked("two-patients", "The numbers in this message belong to different patients")
        return next((Meant(self.patients[pk], until) for pk, until in owners.items()), None)

    def guarded(
        self, named: Named, said: Groups, sent_at: datetime | None = None, *, trusted: bool = False
    ) -> Meant | None:
        """Say who is meant, as `meant`; Parked as well where what is `said` cannot be of that person.

        News sent before the number was retired is not compared as strictly: it was true of the record it was for. Old
        news is of the same person, too, where it is of who this once was. `trusted`: a person has said it is.
        """
        meant = self.meant(named)
        if meant is None or trusted:
            return meant
        patient, before = meant.patient, meant.until is not None and stale(sent_at, meant.until)
        fresh = meant.until is not None and not before
        why = guard.doubt(facts.of(Kind.PATIENT, patient), said, retired=fresh)
        if why and (before or staleness.is_old(said, sent_at, staleness.known(patient.sent, patient.sent_at))):
            why = why if all(guard.doubt(was, said, retired=fresh) for was in self._formers(patient)) else None
        if why:
            raise Parked(*why)
        return meant

    def _formers(self, patient: Patient) -> Iterator[Groups]:
        """Give who a patient was before each change of the record, and whoever was merged into it.

        Only where it was known by name and birth: nobody is in doubt beside a blank record.
        """
        batch = self.former.get(patient.pk, [])
        was = batch[0] if batch else facts.of(Kind.PATIENT, patient)
        found = list(batch)
        changes = Change.objects.filter(patient=patient.pk, before__has_key=Kind.PATIENT.value).order_by("-id")
        for before in changes.values_list("before", flat=True)[:FORMERS]:
            found.append(was := facts.overlaid(was, before[Kind.PATIENT.value]))
        found += [facts.of(Kind.PATIENT, row) for row in Patient.objects.filter(merged_into=patient.pk)[:FORMERS]]
        yield from (each for each in found if each["birth"]["born"] and each["name"]["family"])

    def forget(self, patient: Patient) -> None:
        """Forget a record that was begun for news which was then not taken: whoever it named is nobody yet."""
        self.patients.pop(patient.pk, None)
        for key in [key for key, owner in self.owner.items() if key[0] is Kind.PATIENT and owner == patient.pk]:
            del self.owner[key]

    def patient(
        self, news: News, at: datetime, keys: Iterator[int], *, park: bool, trusted: bool = False
    ) -> tuple[Meant, tuple[str, ...]]:
        """Say who is meant, making a record if nobody is (`park`: only for a registration); Parked if in doubt."""
        if news.named == NOBODY:
            raise Parked("no-identity", "No number says which patient is meant")
        expected = news.event in (Event.REGISTER, Event.UPDATE)
        meant = self.guarded(news.named, news.patient, news.sent_at, trusted=trusted)
        if meant is not None:
            if meant.until is None:
                return meant, ()
            return meant, (STALE if stale(news.sent_at, meant.until) else UNDER_RETIRED,)
        if park and not expected:
            raise Parked("unknown-patient", "The patient is not known here")
        patient = Patient(pk=next(keys), made_at=at, provisional=not expected)
        self.patients[patient.pk] = patient
        for identifier in news.patient_ids:
            self.owner[Kind.PATIENT, identifier] = patient.pk
        return Meant(patient), () if expected else ("the patient was not known: recorded as provisional",)

    def numbers(self, named: Iterable[Named]) -> tuple[Identifier, ...]:
        """Give every number by which a message names somebody; an NHS number only where it stands alone."""
        return tuple(
            i
            for one in named
            for i in (one.patient_ids or ((Identifier(NHS, "NHS", one.nhs_number),) if one.nhs_number else ()))
        )


def stale(sent_at: datetime | None, until: datetime) -> bool:
    """Say whether news was sent (MSH-7) before its number was retired."""
    return sent_at is not None and sent_at < until


def _fits(said: Identifier, identifier: Identifier) -> bool:
    return said.value == identifier.value and all(
        not mine or mine == theirs for mine, theirs in zip(said[:2], identifier[:2], strict=True)
    )
