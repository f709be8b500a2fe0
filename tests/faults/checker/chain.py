"""Finds an audit chain that does not verify, and changes without their audit row (I10, I9); computes it anew; pure.

A link is SHA-256 over the link before (hex, 64 zeros at the start) and the row as JSON with sorted keys.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC

from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import History
from tests.faults.checker.rows import AuditRow

START = "0" * 64


def check(history: History) -> Iterator[Finding]:
    """Give every fault of the chain, of its anchors, and every change nobody accounts for."""
    yield from _links(history)
    yield from _anchors(history)
    yield from _unlinked(history)
    yield from _unaudited(history)


def digest(previous: str, row: AuditRow) -> str:
    """One link's digest (hex)."""
    body = {
        "id": row.id,
        "at": row.at.astimezone(UTC).replace(microsecond=0).isoformat(),
        "at_us": row.at.microsecond,
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "change": row.change,
        "epoch": row.epoch,
        "detail": row.detail,
    }
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256((previous + text).encode("ascii")).hexdigest()


def _links(history: History) -> Iterator[Finding]:
    rows = {row.id: row for row in history.audit}
    previous, expected = START, 1
    for link in sorted(history.links, key=lambda each: each.seq):
        whole = link.seq == expected
        if not whole:
            yield finding(Kind.BROKEN_CHAIN, "Links of the audit chain are missing", expected=expected, found=link.seq)
        row = rows.get(link.row)
        if row is None:
            yield finding(Kind.BROKEN_CHAIN, "An audit row is gone", row=link.row, link=link.seq)
        elif whole and digest(previous, row) != link.digest:
            yield finding(Kind.BROKEN_CHAIN, "An audit row is not as it was linked", row=link.row, link=link.seq)
        previous, expected = link.digest, link.seq + 1


def _anchors(history: History) -> Iterator[Finding]:
    digests = {link.seq: link.digest for link in history.links}
    for anchor in history.anchors:
        if digests.get(anchor.seq) != anchor.digest:
            known = "differs from" if anchor.seq in digests else "is missing for"
            yield finding(
                Kind.BROKEN_CHAIN, f"The chain {known} an anchor written outside the database", link=anchor.seq
            )


def _unlinked(history: History) -> Iterator[Finding]:
    linked, waiting = {link.row for link in history.links}, set(history.audit_tail)
    for row in history.audit:
        if row.id not in linked and row.id not in waiting:
            yield finding(Kind.BROKEN_CHAIN, "An audit row is neither linked nor waiting to be", row=row.id)


def _unaudited(history: History) -> Iterator[Finding]:
    told = {(row.change, row.action) for row in history.audit}
    for change in history.by_clerks():
        if (change.id, change.event) not in told:
            yield finding(Kind.BROKEN_CHAIN, "A clerk's change has no audit row", change=change.id)
