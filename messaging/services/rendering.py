"""Renders numbered messages to bytes, stored before anything is sent, so that every resend is the same bytes.

Receivers' messages are rendered as soon as they are numbered; the PAS's when they are released, since their mark says
who had been told by then. One that cannot be written is held, with an alarm, and holds up its own patient only.
"""

import os
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from django.db import connection, transaction

from messaging.hl7 import dialects
from messaging.hl7.ack import asking_for_both
from messaging.hl7.dialects import Dialect
from messaging.hl7.habits import FeedPolicy
from messaging.hl7.write import CannotSay, ChangeFacts, Mark, Moved, Rendered
from messaging.hl7.write import render as rendered
from messaging.models import Outbound
from messaging.selectors import channels, moved
from messaging.services import incarnation, snapshots
from messaging.states import AckMode, Leg
from pasmirror.lib import alarms, clock, crash
from pasmirror.lib.crash import Point
from patients.models import Change, Fate, LastSegments
from patients.services import fates

log = structlog.get_logger()
ALARM = "render-failed"
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def run_once(limit: int = 200) -> int:
    """Render up to `limit` receivers' messages that have no bytes yet, in order of number; gives how many."""
    with transaction.atomic():
        rows = list(
            Outbound.objects.select_for_update(of=("self",), skip_locked=True)
            .select_related("lane__destination")
            .filter(body=None, leg=Leg.QUEUED)
            .order_by("pk")[:limit]
        )
        if rows:
            desk = _Desk.open(rows)
            _store([(row, desk.body(row)) for row in rows])
            crash.at(Point.RENDER_STORED)
    return len(rows)


def render(row: Outbound, *, told: Sequence[str] = (), facts: Mapping[str, Any] | None = None) -> bool:
    """Render one message and store its bytes, in the caller's transaction; False if it cannot be written (then held).

    `told`: the destinations that already had the event from us, for the mark; only the PAS's messages bear one.
    `facts`: what to say instead of the change's own facts, by kind.
    """
    desk = _Desk.open([row])
    body = desk.body(row, told=told, facts=facts)
    _store([(row, body)])
    return body is not None


def write(rows: Sequence[Outbound]) -> None:
    """Render messages and store their bytes, in the caller's transaction; those that cannot be written are held."""
    desk = _Desk.open(rows)
    _store([(row, desk.body(row)) for row in rows])


def control_id(row: Outbound, number: int) -> str:
    """Give MSH-10, unique for ever: incarnation, lane, number; at most 20 characters."""
    return f"M{_base36(number):0>2}-{_base36(row.lane_id)}-{row.seq}"


def another(written: str) -> str:
    """Give the MSH-10 of a message written anew after a refusal: it says something else, so it is another message."""
    base, _, times = written.partition(".")
    return f"{base}.{int(times or 1) + 1}"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = DIGITS[rest] + digits
    return digits or "0"


@dataclass(slots=True)
class _Desk:
    """Everything some messages need to be written, loaded at once."""

    incarnation: int
    policy: FeedPolicy
    changes: dict[int, Change]
    segments: dict[tuple[int, int], LastSegments]
    dialects: dict[str, Dialect] = field(default_factory=dict)
    moved: dict[int, Moved] | None = None  # asked for by the first dialect that has movements
    rendered: dict[tuple[int, str], Rendered] = field(default_factory=dict)  # by change and dialect, for all lanes

    @classmethod
    def open(cls, rows: Iterable[Outbound]) -> "_Desk":
        """Load the changes and the segments the PAS last sent of their patients."""
        rows = list(rows)
        changes = Change.objects.in_bulk([row.change for row in rows])
        patients = {change.patient_id for change in changes.values()} | {row.patient for row in rows if row.snapshot}
        last = LastSegments.objects.filter(patient__in=patients)
        return cls(
            incarnation=incarnation.current(),
            policy=channels.spoken(),
            changes=changes,
            segments={(kept.patient_id, kept.stay): kept for kept in last},
        )

    def body(self, row: Outbound, *, told: Sequence[str] = (), facts: Mapping[str, Any] | None = None) -> bytes | None:
        """Write one message; None if it cannot be written. Gives the row its control id."""
        row.control_id = another(row.control_id) if row.control_id else control_id(row, self.incarnation)
        try:
            if row.change not in self.changes:
                raise CannotSay(f"change {row.change} is not in the journal")
            change, to = self.changes[row.change], row.lane.destination
            mark = Mark(change.pk, tuple(told)) if to.is_pas else None
            shared = self._rendered(change, to.dialect, facts, row if row.snapshot else None)
            body = shared.message(control_id=row.control_id, now=clock.now(), mark=mark)
            return asking_for_both(body) if to.ack_mode == AckMode.ENHANCED else body
        except CannotSay as fault:
            log.warning("rendering.refused", outbound=row.pk, change=row.change)
            row.reason = f"cannot be written: {fault}"[:300]
            return None
        except Exception as fault:  # noqa: BLE001 - a message that cannot be written must not stop the others
            log.warning("rendering.failed", outbound=row.pk, change=row.change, error=type(fault).__name__)
            row.reason = f"cannot be written: a fault of PAS Mirror, {type(fault).__name__} in {_place(fault)}"
            return None

    def _rendered(
        self, change: Change, code: str, facts: Mapping[str, Any] | None, snapshot: Outbound | None = None
    ) -> Rendered:
        """Render a change in a dialect, once for all destinations that are spoken to in it; what is so now for one."""
        dialect = self.dialects.get(code) or dialects.get(code, self.policy)
        self.dialects[code] = dialect
        own = bool(facts) or snapshot is not None
        if (known := self.rendered.get((change.pk, code))) and not own:
            return known
        if dialect.movements and self.moved is None:
            self.moved = moved.of(self.changes.values())
        said, patient = ChangeFacts.of(change), change.patient_id
        if snapshot:
            patient = snapshot.patient
            said = snapshots.said(snapshot.event, change, patient=patient, now=clock.now())
        made = rendered(
            replace(said, facts={**said.facts, **facts}) if facts else said,
            dialect=dialect,
            last_segments=self._last(patient, change.stay or 0),
            moved=(self.moved or {}).get(change.pk),
        )
        if not own:
            self.rendered[change.pk, code] = made
        return made

    def _last(self, patient: int, stay: int) -> tuple[str, ...]:
        """Give what the PAS last sent of a patient and a stay, the older first."""
        kept = [self.segments.get((patient, each)) for each in {0, stay}]
        heard = sorted((one for one in kept if one), key=lambda one: one.message)
        return tuple(segment for one in heard for segment in one.segments)


def _store(rendered: list[tuple[Outbound, bytes | None]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE messaging_outbound SET control_id = %s, body = %s WHERE id = %s",
            [(row.control_id, body, row.pk) for row, body in rendered if body is not None],
        )
    for row, body in rendered:
        row.body = body
        if body is None:
            _hold(row)


def _place(fault: Exception) -> str:
    """Name the file and line of ours that a fault came from; never what it says, which may be a patient's."""
    frames = traceback.extract_tb(fault.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}messaging{os.sep}" in frame.filename] or frames
    return f"{os.path.basename(ours[-1].filename)}, line {ours[-1].lineno}"


def _hold(row: Outbound) -> None:
    code = row.lane.destination.code
    Outbound.objects.filter(pk=row.pk).update(leg=Leg.HELD, reason=row.reason)
    fates.tell([(row.change, code, Fate.HELD, row.reason)])
    alarms.sound(ALARM, f"A message to {code} cannot be written (change {row.change}).", subject=str(row.pk))
