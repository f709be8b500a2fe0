"""What a batch of news speaks of, loaded and locked at once: who is meant, what the PAS holds, what we hold."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Model

from pasmirror.lib import clock, copying
from patients import facts, segments, staleness
from patients.facts import Groups, Kind, Named, News
from patients.identifiers import Identifier
from patients.models import Appointment, Clinic, LastSegments, Movement, Patient, Stay, Trunk, Ward
from patients.services.documents import Documents
from patients.services.naming import Meant, Names
from patients.services.rows import IDENTIFIERS, MANY, MODELS, Written, upsert
from patients.services.taken import Parked
from patients.states import Event, StayStatus


class Moved(Exception):
    """Numbers or records changed hands between reading the numbers and having the locks: read anew."""


class Loaded:
    """The rows a batch is about; new ones are made here, with ids of their own, and written by `Written`."""

    def __init__(
        self,
        batch: Sequence[News],
        named: Sequence[Named],
        keys: Mapping[type[Model], Iterator[int]],
        *,
        last: bool = False,
    ) -> None:
        """`named`: everybody the batch names; `keys`: reserved, enough for every row the batch may make.

        Raises Moved, unless this is the `last` try.
        """
        self.names = Names([part for news in batch for part in news.parts], named)
        self.owner = self.names.owner
        self.rows: dict[Kind, dict[int, Any]] = {kind: {} for kind in Kind}
        self.new_ids = {kind: keys[MODELS[kind]] for kind in Kind}
        self.trunk_ids = keys[Trunk]
        self.of_object: dict[tuple[Kind, int], list[Identifier]] = {}
        self._lock_all([part for news in batch for part in news.parts])
        if not last and self._has_moved():
            raise Moved
        self.trunks = {
            (Kind(t.kind), t.object_id): t
            for kind in Kind
            for t in Trunk.objects.filter(kind=kind, object_id__in=self.rows[kind])
        }
        self.heard_trunks: dict[tuple[Kind, int], Trunk] = {}
        newest = LastSegments.objects.filter(patient__in=self.rows[Kind.PATIENT], stay__in={0, *self.rows[Kind.STAY]})
        self.segments: dict[tuple[int, int], list[str]] = {}
        self.kept_at: dict[tuple[int, int], int] = {}  # by which message
        for patient, stay, lines, message in newest.values_list("patient_id", "stay", "segments", "message"):
            self.segments[patient, stay], self.kept_at[patient, stay] = lines, message
        self.heard_segments: dict[tuple[int, int], LastSegments] = {}
        history = Movement.objects.filter(stay__in=self.rows[Kind.STAY]).order_by("pk")
        self.moves = {
            (stay, event, clock.iso(at), ward, bay, bed): pk
            for pk, stay, event, at, ward, bay, bed in history.values_list(
                "pk", "stay_id", "event", "occurred_at", "ward", "bay", "bed"
            )
        }
        self.move_ids = keys[Movement]
        self._open: dict[int, set[int]] | None = None
        self.documents = Documents([part for news in batch for part in news.parts], list(self.rows[Kind.PATIENT]))
        self.places = {
            Ward: set(Ward.objects.values_list("code", flat=True)),
            Clinic: set(Clinic.objects.values_list("code", flat=True)),
        }

    def _lock_all(self, told: Sequence[News]) -> None:
        """Lock patients, then their stays, then their appointments, each by id.

        What belongs to a record that is merged is read only under its patient's lock: a clerk may just be adding to it.
        """
        names = self.names
        stays, booked = names.wanted(Kind.STAY), names.wanted(Kind.APPOINTMENT)
        everyone = names.wanted(Kind.PATIENT)
        everyone |= set(Stay.objects.filter(pk__in=stays).values_list("patient_id", flat=True))
        everyone |= set(Appointment.objects.filter(pk__in=booked).values_list("patient_id", flat=True))
        self._lock(Kind.PATIENT, everyone)
        names.patients = self.rows[Kind.PATIENT]
        joined = {pk for news in told if news.event == Event.MERGE for pk in names.parties(news)}
        if joined:
            stays |= set(Stay.objects.filter(patient__in=joined).values_list("pk", flat=True))
            booked |= set(Appointment.objects.filter(patient__in=joined).values_list("pk", flat=True))
        self._lock(Kind.STAY, stays)
        self._lock(Kind.APPOINTMENT, booked)

    def _has_moved(self) -> bool:
        """Whether somebody else, a load beside the feed say, merged or moved something before we had the locks."""
        patients = self.rows[Kind.PATIENT]
        retired = {owner for (kind, _), (owner, _) in self.names.retired.items() if kind is Kind.PATIENT}
        merged = [(pk, row) for pk, row in patients.items() if row.merged_into_id]
        objects = (*self.rows[Kind.STAY].values(), *self.rows[Kind.APPOINTMENT].values())
        return (
            any(number not in self.of_object.get((kind, pk), ()) for (kind, number), pk in self.owner.items())
            or any(row.merged_into_id not in patients or pk in retired for pk, row in merged)
            or any(row.patient_id not in patients for row in objects)
        )

    def _lock(self, kind: Kind, wanted: set[int]) -> None:
        rows = MODELS[kind].objects.select_for_update().filter(pk__in=wanted).order_by("pk")  # type: ignore[attr-defined]
        self.rows[kind] |= {row.pk: row for row in rows}
        numbers = IDENTIFIERS[kind].objects.filter(**{f"{kind.value}__in": wanted}, until=None).order_by("id")  # type: ignore[attr-defined]
        for owner, *number in numbers.values_list(f"{kind.value}_id", "type", "authority", "value"):
            self.of_object.setdefault((kind, owner), []).append(Identifier(*number))

    def patient(
        self, news: News, at: datetime, *, park: bool = False, trusted: bool = False
    ) -> tuple[Meant, tuple[str, ...]]:
        """Say who is meant, making a record if nobody is (`park`: only for a registration); Parked if in doubt."""
        return self.names.patient(news, at, self.new_ids[Kind.PATIENT], park=park, trusted=trusted)

    def stay(self, news: News, patient: Patient) -> Stay:
        """Give the stay with this visit number, or a new one of this patient."""
        return self._object(Kind.STAY, news.stay_ids, patient)  # type: ignore[no-any-return]

    def appointment(self, news: News, patient: Patient) -> Appointment:
        """Give the appointment with this number, or a new one of this patient."""
        return self._object(Kind.APPOINTMENT, news.appointment_ids, patient)  # type: ignore[no-any-return]

    def _object(self, kind: Kind, said: tuple[Identifier, ...], patient: Patient) -> Any:
        named = {pk for identifier in said if (pk := self.names.of(kind, identifier)) is not None}
        if len(named) > 1:
            raise Parked("number-of-another", f"The {kind} numbers name different ones: one is another's")
        for pk in named:
            return self.rows[kind][pk]
        return MODELS[kind](pk=next(self.new_ids[kind]), patient_id=patient.pk)

    def open_beside(self, stay: Stay) -> bool:
        """Say whether the patient of this stay, which opens now, is in by another one as well."""
        if self._open is None:
            self._open = {}
            known = Stay.objects.filter(patient__in=self.rows[Kind.PATIENT], status=StayStatus.IN)
            for pk, owner in known.values_list("pk", "patient_id"):
                self._open.setdefault(owner, set()).add(pk)
        known_open = self._open.setdefault(stay.patient_id, set())
        others = [self.rows[Kind.STAY].get(pk) for pk in known_open - {stay.pk}]
        known_open.add(stay.pk)
        return any(row is None or (row.patient_id, row.status) == (stay.patient_id, StayStatus.IN) for row in others)

    def trunk(self, kind: Kind, row: Any) -> Trunk:
        """Give the trunk of an object, a new one if the PAS never spoke of it."""
        if (kind, row.pk) not in self.trunks:
            self.trunks[kind, row.pk] = Trunk(pk=next(self.trunk_ids), kind=kind, object_id=row.pk)
        return self.trunks[kind, row.pk]

    def held(self, kind: Kind, row: Any) -> Groups:
        """Give what the PAS is known to hold of an object."""
        return facts.overlaid(facts.blank(kind), self.trunk(kind, row).held)

    def fresh(self, news: News, patient: Patient, rows: Mapping[Kind, Any]) -> News:
        """Give the news without the demographics and segments that are older than those applied already (MSH-7)."""
        newest = patient.sent_at
        if Kind.APPOINTMENT in rows:
            spoken = self.trunk(Kind.APPOINTMENT, rows[Kind.APPOINTMENT]).moved_at
            newest = max((at for at in (newest, spoken) if at), default=None)
        told = staleness.in_order(news, clock.iso(newest))
        return staleness.fresh(told, staleness.known(patient.sent, patient.sent_at))

    def hear(self, kind: Kind, row: Any, after: Groups, message: int, at: datetime) -> bool:
        """Move the trunk to what the PAS now holds; says whether it moved."""
        trunk = self.trunk(kind, row)
        moved: bool = trunk.held != after
        trunk.held, trunk.message, trunk.heard_at = after, message, at
        self.heard_trunks[kind, row.pk] = trunk
        return moved

    def merge(self, kind: Kind, row: Any, told: Groups, written: Written) -> tuple[Groups, Groups]:
        """Put what was told onto the record, except in groups changed here; gives the record before and after."""
        was = facts.of(kind, row)
        branch = self.trunk(kind, row).branch
        now = {group: was[group] if group in branch else values for group, values in told.items()}
        if was != now or row._state.adding:
            written.touch(kind, row, now)
        if was != now and kind is Kind.PATIENT:
            self.names.former.setdefault(row.pk, []).append(was)
        self.rows[kind][row.pk] = row
        return was, now

    def number_all(self, news: News, rows: dict[Kind, Any], written: Written) -> bool:
        """Give every identifier not yet known to its object; says whether there was one."""
        new = False
        for kind, said in (
            (Kind.PATIENT, news.patient_ids),
            (Kind.STAY, news.stay_ids),
            (Kind.APPOINTMENT, news.appointment_ids),
        ):
            known = self.of_object.setdefault((kind, rows[kind].pk), []) if kind in rows else []
            for identifier in said if kind in rows else ():
                if (kind, identifier) in self.names.retired:
                    continue
                self.owner[kind, identifier] = rows[kind].pk
                if identifier not in known:
                    known.append(identifier)
                    written.number(kind, rows[kind], identifier, written.at)
                    new = True
        return new

    def numbers_of(self, kind: Kind, row: Any) -> list[list[str]]:
        """Give an object's numbers as JSON lists."""
        return [i.as_json() for i in self.of_object.get((kind, row.pk), [])]

    def known_id(self, patient: Patient, written: Written) -> int | None:
        """Give the id of a patient that will stand in the database; None for one made for nothing."""
        return None if patient._state.adding and patient.pk not in written.rows[Kind.PATIENT] else patient.pk

    def keep_segments(self, news: News, patient: Patient, stay: Any, message: int) -> None:
        """Keep the segments the PAS sent of this patient and stay, beside those this message does not speak of."""
        if not news.segments:
            return
        now = {0: segments.of_person(self.segments.get((patient.pk, 0), []), news.segments, news.event)}
        if stay is not None:
            now[stay.pk] = segments.of_stay(self.segments.get((patient.pk, stay.pk), []), news.segments)
        for of_stay, kept in now.items():
            self.segments[patient.pk, of_stay], self.kept_at[patient.pk, of_stay] = kept, message
            row = LastSegments(patient_id=patient.pk, stay=of_stay, segments=kept, message=message)
            self.heard_segments[patient.pk, of_stay] = row

    def ground(self, patient: int, stay: int) -> tuple[str, ...]:
        """Give the segments kept of a patient and a stay (0: none) by now, the older first."""
        keys = sorted(dict.fromkeys([(patient, 0), (patient, stay)]), key=lambda key: self.kept_at.get(key, 0))
        return tuple(line for key in keys for line in self.segments.get(key, ()))

    def note_heard(self, patient: Patient, news: News, written: Written) -> None:
        """Note when the feed last spoke of this patient, and how old its newest demographics are."""
        patient.heard_at = written.at
        if staleness.spoken(news):
            patient.sent = staleness.noted(news, staleness.known(patient.sent, patient.sent_at))
        if news.patient and news.sent_at:
            patient.sent_at = max(patient.sent_at or news.sent_at, news.sent_at)
        written.rows[Kind.PATIENT][patient.pk] = patient

    def move_of(self, stay: Any, news: News, place: dict[str, Any]) -> tuple[int, bool]:
        """Give the row of the history that is this step, and whether it stands there already; it does from now on."""
        move = (stay.pk, news.event, clock.iso(news.occurred_at), place["ward"], place["bay"], place["bed"])
        known = move in self.moves
        return self.moves[move] if known else self.moves.setdefault(move, next(self.move_ids)), known

    def moved(self, stay: Stay, trunk: Trunk, at: datetime | None, written: Written) -> None:
        """Note when the movement behind the place happened, in the PAS's line and, if the place is its, in ours."""
        trunk.moved_at = at
        if "place" not in trunk.branch and stay.moved_at != at:
            stay.moved_at = at
            written.rows[Kind.STAY][stay.pk] = stay

    def unlisted(self, full: dict[str, Any]) -> tuple[str, ...]:
        """Record wards and clinics never declared, so that the lists show them; gives a warning for each."""
        stay = full.get("stay", {})
        in_bed = stay.get("times", {}).get("status") in (StayStatus.IN, StayStatus.OUT)  # else PV1-3 may be a clinic
        said: tuple[tuple[Any, str, str], ...] = (
            (Ward, stay.get("place", {}).get("ward", "") if in_bed else "", "ward"),
            (Clinic, full.get("appointment", {}).get("booking", {}).get("clinic", ""), "clinic"),
        )
        warnings = []
        for model, code, word in said:
            if code and code not in self.places[model]:
                model.objects.bulk_create([model(code=code, name=code, listed=False)], ignore_conflicts=True)
                self.places[model].add(code)
                warnings.append(f"{word} not in the site's list: taken as told")
        return tuple(warnings)

    def flush(self) -> None:
        """Write the trunks, the documents and the last segments."""
        self.documents.flush()
        upsert(self.heard_trunks.values())
        kept = list(self.heard_segments.values())
        if len(kept) >= MANY:
            copying.upsert(kept, key=("patient_id", "stay"), updates=("segments", "message"))
            return
        LastSegments.objects.bulk_create(
            kept, update_conflicts=True, unique_fields=["patient", "stay"], update_fields=["segments", "message"]
        )
