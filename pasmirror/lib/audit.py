"""The audit chain: records rows in the caller's transaction, links them by SHA-256, verifies and anchors them."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from pasmirror.lib import clock, copying
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import AuditLink, AuditRow, AuditTail

START = "0" * 64
CHUNK = 2000  # rows held in memory at a time
MANY = 20  # rows from which COPY is the quicker way


def record(
    *,
    action: str,
    by: Actor,
    subject: str = "",
    change: int | None = None,
    epoch: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Write one audit row as `record_all` does; `detail` holds ids and codes, never a name or number."""
    record_all([new_row(action=action, by=by, subject=subject, change=change, epoch=epoch, detail=detail)])


def new_row(
    *,
    action: str,
    by: Actor,
    subject: str = "",
    change: int | None = None,
    epoch: int | None = None,
    detail: dict[str, Any] | None = None,
) -> AuditRow:
    """Build a row without writing it, for callers that write many at once."""
    return AuditRow(
        at=clock.now(),
        actor=by.as_json(),
        action=action,
        subject=subject,
        change=change,
        epoch=epoch,
        detail=detail or {},
    )


def record_all(rows: Iterable[AuditRow]) -> None:
    """Write many rows and their tail in the caller's transaction, or in one of their own where there is none."""
    rows = list(rows)
    with transaction.atomic(savepoint=False):  # a row that a killed process left without its tail is never linked
        if len(rows) < MANY:
            AuditTail.objects.bulk_create(AuditTail(row=row) for row in AuditRow.objects.bulk_create(rows))
            return
        for row, key in zip(rows, _keys(len(rows)), strict=True):
            row.pk = key
        copying.insert(rows)
        copying.insert_lines(AuditTail, ["row_id"], [str(row.pk) for row in rows])


def _keys(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval((SELECT pg_get_serial_sequence(%s, 'id')::regclass)) FROM generate_series(1, %s)",
            [AuditRow._meta.db_table, count],
        )
        return [row[0] for row in cursor.fetchall()]


def digest(previous: str, row: AuditRow) -> str:
    """Chain `row` to `previous` (hex): SHA-256 over both, the row as canonical JSON."""
    body = json.dumps(
        {
            "id": row.pk,
            "at": clock.iso(row.at),
            "at_us": row.at.microsecond,
            "actor": row.actor,
            "action": row.action,
            "subject": row.subject,
            "change": row.change,
            "epoch": row.epoch,
            "detail": row.detail,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
    )
    return hashlib.sha256((previous + body).encode("ascii")).hexdigest()


def link(limit: int = 2000) -> int:
    """Link the oldest visible unlinked rows; the caller holds the sequencer's lock. Gives how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM lib_audittail WHERE row_id IN (SELECT row_id FROM lib_audittail ORDER BY row_id LIMIT %s) "
            "RETURNING row_id",
            [limit],
        )
        ids = sorted(row[0] for row in cursor.fetchall())
    if not ids:
        return 0
    seq, previous = head()
    links = []
    for row in AuditRow.objects.filter(pk__in=ids).order_by("pk"):
        seq, previous = seq + 1, digest(previous, row)
        links.append(AuditLink(seq=seq, row=row, digest=previous))
    AuditLink.objects.bulk_create(links)
    return len(links)


def head() -> tuple[int, str]:
    """Give the chain's last number and digest (hex); (0, zeros) for an empty chain."""
    last = AuditLink.objects.order_by("-seq").values_list("seq", "digest").first()
    return last or (0, START)


def verify(anchors: Iterable[tuple[int, str]] = ()) -> list[str]:
    """Walk the whole chain; give each fault in a sentence that names the row. Empty means whole."""
    wanted = dict(anchors)
    faults: list[str] = []
    previous, expected = START, 0
    for entry, row in _entries():
        expected += 1
        if entry.seq != expected:
            faults.append(f"audit chain: link {expected} is missing (next is {entry.seq})")
            expected, previous = entry.seq, ""
        if row is None:
            faults.append(f"audit row {entry.row_id} (link {entry.seq}) is gone")
            previous = entry.digest
            continue
        unbroken, previous = bool(previous) or entry.seq == 1, digest(previous, row)
        if not unbroken:
            previous = entry.digest  # what stood before is missing: this row cannot be judged
        if previous != entry.digest:
            faults.append(f"audit row {row.pk} (link {entry.seq}) was changed after it was written")
            previous = entry.digest
        if wanted.pop(entry.seq, entry.digest) != entry.digest:
            faults.append(f"audit chain: link {entry.seq} differs from the anchor written outside the database")
    faults += [f"audit chain: anchored link {seq} is not in the database" for seq in wanted]
    unlinked = AuditRow.objects.exclude(pk__in=AuditLink.objects.values("row")).exclude(
        pk__in=AuditTail.objects.values("row")
    )
    faults += [f"audit row {pk} is neither linked nor waiting to be" for pk in unlinked.values_list("pk", flat=True)]
    return faults


def _entries() -> Iterator[tuple[AuditLink, AuditRow | None]]:
    """Give every link with its row, in order; None for a row that is gone."""
    links = AuditLink.objects.order_by("seq").iterator(chunk_size=CHUNK)
    while chunk := list(islice(links, CHUNK)):
        rows = AuditRow.objects.in_bulk([entry.row_id for entry in chunk])
        for entry in chunk:
            yield entry, rows.get(entry.row_id)


def anchor(file: Path) -> None:
    """Append the chain's head to `file`, outside the database: one line `seq digest time`."""
    seq, last = head()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="ascii") as out:
        out.write(f"{seq} {last} {clock.iso(clock.now())}\n")


def anchored(file: Path) -> list[tuple[int, str]]:
    """Read the anchors back: (seq, digest) each; an empty chain's and unreadable lines are passed over."""
    if not file.exists():
        return []
    parts = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    return [(int(p[0]), p[1]) for p in parts if len(p) == 3 and p[0].isdigit() and int(p[0]) > 0]
