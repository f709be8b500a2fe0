"""Facts onto rows, many at once: ids taken ahead, every table written by one statement; both doors stand on it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection
from django.db.models import Model

from pasmirror.lib import audit, clock, copying
from pasmirror.lib.actor import Actor
from patients import facts
from patients.facts import Groups, Kind, News
from patients.identifiers import Identifier
from patients.models import (
    Appointment,
    AppointmentIdentifier,
    Change,
    Movement,
    Patient,
    PatientIdentifier,
    Stay,
    StayIdentifier,
    Trunk,
)

MODELS: dict[Kind, type[Model]] = {Kind.PATIENT: Patient, Kind.STAY: Stay, Kind.APPOINTMENT: Appointment}
IDENTIFIERS: dict[Kind, type[Model]] = {
    Kind.PATIENT: PatientIdentifier,
    Kind.STAY: StayIdentifier,
    Kind.APPOINTMENT: AppointmentIdentifier,
}
MANY = 20  # rows from which COPY is the quicker way


def insert(rows: Sequence[Any]) -> None:
    """Insert new rows of one model, all by one statement."""
    if len(rows) >= MANY:
        copying.insert(rows)
    elif rows:
        type(rows[0]).objects.bulk_create(rows)


def reserve(counts: dict[type[Model], int]) -> dict[type[Model], Iterator[int]]:
    """Take fresh primary keys, so many of each model, in one question."""
    sequences = ", ".join("pg_get_serial_sequence(%s, 'id')::regclass" for _ in counts)
    each = "SELECT {0}, nextval(named[{0}]) FROM named, generate_series(1, %s)"  # looking one up costs ten keys
    wanted = " UNION ALL ".join(each.format(n) for n in range(1, len(counts) + 1))
    taken: list[list[int]] = [[] for _ in counts]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH named(named) AS MATERIALIZED (SELECT ARRAY[{sequences}]) {wanted}",
            [*(model._meta.db_table for model in counts), *counts.values()],
        )
        for n, key in cursor.fetchall():
            taken[n - 1].append(key)
    return dict(zip(counts, map(iter, taken), strict=True))


def upsert(rows: Iterable[Any]) -> None:
    """Insert or overwrite rows of one model by primary key, all by one statement."""
    by_id = {row.pk: row for row in rows}
    if not by_id:
        return
    if len(by_id) >= MANY:
        copying.upsert(by_id[pk] for pk in sorted(by_id))
        return
    model = type(next(iter(by_id.values())))
    fields = [f.name for f in model._meta.concrete_fields if not f.primary_key]
    model.objects.bulk_create(
        [by_id[pk] for pk in sorted(by_id)], update_conflicts=True, unique_fields=["id"], update_fields=fields
    )


class Written:
    """What one or many events wrote, gathered row by row and flushed together in the caller's transaction."""

    def __init__(self, *, by: Actor, epoch: int, change_ids: Iterator[int], audited: bool = True) -> None:
        """`change_ids`: reserved keys, one for each event that may be gathered before `flush`.

        `audited`: with an audit row for each change; a load writes one for many itself.
        """
        self.audited = audited
        self.by, self.epoch, self.at = by, epoch, clock.now()
        self.change_ids = change_ids
        self.rows: dict[Kind, dict[int, Any]] = {kind: {} for kind in Kind}
        self.trunks: dict[tuple[str, int], Trunk] = {}
        self.numbers: dict[Kind, list[Any]] = {kind: [] for kind in Kind}
        self.movements: list[Movement] = []
        self.changes: list[Change] = []

    def touch(self, kind: Kind, row: Any, after: dict[str, dict[str, facts.Value]]) -> None:
        """Put facts onto a row and count its version up; it is written at the flush."""
        facts.put(kind, row, after)
        if row.pk in self.rows[kind] or not row._state.adding:
            row.version += 1
        self.rows[kind][row.pk] = row

    def number(self, kind: Kind, row: Any, identifier: Identifier, since: Any) -> None:
        """Give an identifier to a patient, stay or appointment."""
        made = IDENTIFIERS[kind](type=identifier.type, authority=identifier.authority, value=identifier.value)
        made.since = since  # type: ignore[attr-defined]
        setattr(made, f"{kind.value}_id", row.pk)
        self.numbers[kind].append(made)

    def move(
        self,
        stay: Stay,
        news: News,
        place: dict[str, facts.Value],
        change: int,
        *,
        pk: int | None = None,
        undoes: Sequence[int] = (),
    ) -> None:
        """Enter a movement in the stay's history; `undoes`: earlier ones that it cancels or tells anew."""
        row = Movement(pk=pk, stay_id=stay.pk, event=news.event, occurred_at=news.occurred_at, change=change, **place)
        row.undoes = list(undoes)
        self.movements.append(row)

    def journal(
        self,
        *,
        change: int,
        news: News,
        source: str,
        origin: str,
        known: dict[Kind, tuple[Groups, Groups]],
        full: dict[str, Any],
        objects: dict[Kind, int],
    ) -> Change:
        """Enter the change: groups before and after per kind, and the facts whole."""
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for kind, (was, now) in known.items():
            differing = facts.changed(was, now)
            if differing:
                before[kind.value] = {group: pair[0] for group, pair in differing.items()}
                after[kind.value] = {group: pair[1] for group, pair in differing.items()}
        made = Change(
            pk=change,
            event=news.event,
            patient_id=objects[Kind.PATIENT],
            stay=objects.get(Kind.STAY),
            appointment=objects.get(Kind.APPOINTMENT),
            before=before,
            after=after,
            facts=full,
            source=source,
            origin=origin,
            actor=self.by.as_json(),
            epoch=self.epoch,
            occurred_at=news.occurred_at,
            recorded_at=self.at,
        )
        self.changes.append(made)
        return made

    def flush(self) -> None:
        """Write everything gathered, parents first, each change with its audit row."""
        for kind in Kind:
            upsert(self.rows[kind].values())
        for kind in Kind:
            insert(self.numbers[kind])
        upsert(self.trunks.values())
        insert(self.changes)
        insert(self.movements)
        if not self.audited:
            return
        audit.record_all(
            audit.new_row(
                action=change.event,
                by=self.by,
                subject=f"patient:{change.patient_id}",
                change=change.pk,
                epoch=self.epoch,
                detail={"origin": change.origin},
            )
            for change in self.changes
        )
