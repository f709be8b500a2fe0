"""Notices that the database is not the one it was: restored, promoted or rolled back; so MSH-10 stays unique for ever.

A new incarnation holds emission and raises an alarm; raising the epoch is for those above.
"""

from pathlib import Path

import structlog
from django.db import OperationalError, connection, transaction

from messaging.models import Incarnation
from messaging.services import emission
from pasmirror.lib import alarms, audit, clock
from pasmirror.lib.actor import system

log = structlog.get_logger()
ALARM = "restored-database"


class AnotherDatabase(OperationalError):
    """The database is not the one it was, and nobody has noted it yet: it counts as away."""


def check(anchor: Path | None = None) -> int:
    """Compare the database with its last incarnation and with `anchor`, the audit heads kept outside it.

    Gives the incarnation now in force. Begins the next one, holds emission and alarms if the cluster or timeline is
    another, or the audit chain is shorter than its anchor; the old anchor file is then kept beside, by number.
    """
    with transaction.atomic():
        identifier, timeline = _database()
        last = Incarnation.objects.select_for_update().order_by("-number").first()
        behind = anchor is not None and _behind(anchor)
        if last and (last.system_identifier, last.timeline) == (identifier, timeline) and not behind:
            return last.number
        number = (last.number if last else 0) + 1
        Incarnation.objects.create(number=number, system_identifier=identifier, timeline=timeline, at=clock.now())
        if last or behind:
            _warn(number, behind=behind)
    if behind and anchor is not None:
        anchor.rename(anchor.with_name(f"{anchor.stem}-before-{number}{anchor.suffix}"))
    return number


def current() -> int:
    """Give the number of the incarnation in force, beginning the first if there is none.

    Raises AnotherDatabase where the next one must begin first: whoever writes or sends a message asks here.
    """
    last = Incarnation.objects.order_by("-number").first()
    if last is None:
        return check()
    if (last.system_identifier, last.timeline) != _database():
        raise AnotherDatabase
    return last.number


def _warn(number: int, *, behind: bool) -> None:
    why = "its audit chain ends before its anchor" if behind else "its system identifier or timeline changed"
    emission.hold(by=system("sweep"), reason=f"The database was restored or promoted: {why}")
    alarms.sound(
        ALARM,
        f"The database is not the one it was: {why}. Emission is held; compare every lane with its destination and "
        "begin a new epoch before opening it.",
        subject=str(number),
    )
    audit.record(action="incarnation", by=system("sweep"), subject=f"incarnation:{number}")
    log.warning("incarnation.begun", number=number, behind=behind)


def _database() -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT system_identifier FROM pg_control_system()), "
            "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"  # at once, where the control file's comes later
        )
        row = cursor.fetchone()
    return int(row[0]), int(row[1], 16)


def _behind(anchor: Path) -> bool:
    anchored = audit.anchored(anchor)
    return bool(anchored) and anchored[-1][0] > audit.head()[0]
