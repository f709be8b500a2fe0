"""What is rewritten when records become one, a stay changes hands or a number ends; decides nothing.

A merged record keeps its own facts, trunk and history. What moves: numbers, stays, appointments, documents, alerts and
links.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Q

from patients import facts
from patients.facts import Groups, Kind, News
from patients.identifiers import Identifier
from patients.models import Alert, Change, LastSegments, Patient, Stay
from patients.services import linking
from patients.services.loaded import Loaded
from patients.services.naming import Retired
from patients.services.rows import IDENTIFIERS, Written
from patients.states import Event


class Moving:
    """Moves what a batch has loaded; numbers, alerts and links in the database, the rest with the batch's flush."""

    def __init__(self, loaded: Loaded, written: Written) -> None:
        self.loaded, self.written = loaded, written

    def retire(self, kind: Kind, owner: int, numbers: Iterable[Identifier], until: datetime) -> None:
        """End numbers; they still name whoever has them."""
        names, known = self.loaded.names, self.loaded.of_object.get((kind, owner), [])
        for number in [n for n in numbers if n in known]:
            known.remove(number)
            names.owner.pop((kind, number), None)
            names.retired[kind, number] = Retired(owner, until)
            for row in self.written.numbers[kind]:
                if Identifier(row.type, row.authority, row.value) == number:
                    row.until = until
            IDENTIFIERS[kind].objects.filter(  # type: ignore[attr-defined]
                type=number.type, authority=number.authority, value=number.value, until=None
            ).update(until=until)

    def numbers(self, kind: Kind, loser: int, survivor: int) -> None:
        """Give all numbers of one row, valid and retired, to another."""
        names, column = self.loaded.names, f"{kind.value}_id"
        moved = self.loaded.of_object.pop((kind, loser), [])
        self.loaded.of_object.setdefault((kind, survivor), []).extend(moved)
        for key, owner in list(names.owner.items()):
            if key[0] is kind and owner == loser:
                names.owner[key] = survivor
        for key, retired in list(names.retired.items()):
            if key[0] is kind and retired.owner == loser:
                names.retired[key] = retired._replace(owner=survivor)
        for row in self.written.numbers[kind]:
            if getattr(row, column) == loser:
                setattr(row, column, survivor)
        IDENTIFIERS[kind].objects.filter(**{column: loser}).update(**{column: survivor})  # type: ignore[attr-defined]

    def add(self, kind: Kind, row: Patient | Stay, numbers: Iterable[Identifier]) -> bool:
        """Give new numbers to a row; says whether there was one it did not have."""
        known, new = self.loaded.of_object.setdefault((kind, row.pk), []), False
        for number in numbers:
            self.loaded.owner[kind, number] = row.pk
            if number not in known:
                known.append(number)
                self.written.number(kind, row, number, self.written.at)
                new = True
        return new

    def stay(self, stay: Stay, owner: int) -> None:
        """Make a stay another patient's, with the segments the PAS sent of it; its PID was the former owner's."""
        former = stay.patient_id
        stay.patient_id = owner
        self.written.touch(Kind.STAY, stay, {})
        self.loaded.heard_segments.pop((former, stay.pk), None)
        LastSegments.objects.filter(patient_id=former, stay=stay.pk).delete()
        kept = [line for line in self.loaded.segments.pop((former, stay.pk), []) if line[:3] != "PID"]
        if kept:
            self.loaded.segments[owner, stay.pk] = kept
            moved = LastSegments(patient_id=owner, stay=stay.pk, segments=kept)
            self.loaded.heard_segments[owner, stay.pk] = moved

    def moved_since(self, stays: Sequence[Stay], at: datetime) -> bool:
        """Say whether news of later than `at` has brought one of these stays to the patient it belongs to."""
        owners = {(stay.patient_id, stay.pk) for stay in stays}
        of_stays = Q(*[Q(patient=owner, stay=stay) for owner, stay in owners], _connector=Q.OR)
        moves = [row for row in self.written.changes if (row.patient_id, row.stay) in owners]
        moves += Change.objects.filter(of_stays, event=Event.MOVE_STAY)
        return any(row.event == Event.MOVE_STAY and row.occurred_at > at for row in moves)

    def begin(self, patient: Patient, news: News, message: int) -> dict[Kind, tuple[Groups, Groups]]:
        """Let a record that was made for this news say what it says of the person; gives it before and after."""
        if self.loaded.known_id(patient, self.written):
            return {}
        told = facts.overlaid(self.loaded.held(Kind.PATIENT, patient), news.patient)
        self.loaded.hear(Kind.PATIENT, patient, told, message, self.written.at)
        pair = self.loaded.merge(Kind.PATIENT, patient, told, self.written)
        self.loaded.note_heard(patient, news, self.written)
        return {Kind.PATIENT: pair}

    def everything(self, loser: Patient, survivor: Patient) -> None:
        """Move all that was one patient's to another, whose record stands from now on."""
        self.numbers(Kind.PATIENT, loser.pk, survivor.pk)
        for stay in [row for row in self.loaded.rows[Kind.STAY].values() if row.patient_id == loser.pk]:
            self.stay(stay, survivor.pk)
        for booked in [row for row in self.loaded.rows[Kind.APPOINTMENT].values() if row.patient_id == loser.pk]:
            booked.patient_id = survivor.pk
            self.written.touch(Kind.APPOINTMENT, booked, {})
        Alert.objects.filter(patient_id=loser.pk).update(patient_id=survivor.pk)
        self.loaded.documents.follow(loser.pk, survivor.pk)
        linking.follow(loser.pk, survivor.pk, self.written)
        loser.merged_into_id, loser.merged_at = survivor.pk, self.written.at
        self.written.touch(Kind.PATIENT, loser, {})
