"""Applies stored frames to the record, in each channel's order and many at once; knows no socket and no screen.

One applier at a time. Frames and outcomes commit together, so a crash repeats nothing and loses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef
from psycopg.types.json import Jsonb

from messaging.hl7.habits import FeedPolicy
from messaging.hl7.news import NotNews, news
from messaging.hl7.read import Message, Unreadable
from messaging.models import Channel, Inbound
from messaging.states import Outcome
from pasmirror.lib import clock, locks
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.locks import Lock
from patients.services import feed
from patients.services.feed import Entry, Taken

log = structlog.get_logger()
FAILED = "apply-failed"


@dataclass(frozen=True, slots=True)
class _Frame:
    """A stored frame and what was read in it: news, or what already became of it."""

    message: int
    read: Entry | Taken


def run_once(limit: int = 200) -> int:
    """Apply up to about `limit` stored frames in one transaction; gives how many. 0 while another applier works.

    Database faults are raised and nothing has happened then.
    """
    with transaction.atomic():
        if not locks.try_take(Lock.APPLIER):
            return 0
        frames = _stored(limit)
        if frames:
            _write(frames, _take([f.read for f in frames], by=system("apply")))
    return len(frames)


def _stored(limit: int) -> list[_Frame]:
    """Read the oldest stored frames of every channel, a fair share each."""
    waiting = Inbound.objects.filter(channel=OuterRef("pk"), outcome=Outcome.STORED)
    channels = list(Channel.objects.filter(Exists(waiting)).order_by("pk"))
    frames: list[_Frame] = []
    for channel in channels:
        policy = FeedPolicy.of(channel.policy)
        rows = Inbound.objects.filter(channel=channel, outcome=Outcome.STORED).order_by("number")
        for pk, raw in rows.values_list("pk", "raw")[: max(1, limit // len(channels))]:
            frames.append(_Frame(pk, _read(pk, bytes(raw), policy)))
    return frames


def _read(message: int, raw: bytes, policy: FeedPolicy) -> Entry | Taken:
    try:
        said = news(Message.of(raw), habits=policy.habits)
    except Unreadable as fault:
        return Taken(Outcome.PARKED, "unreadable", fault.reason)
    except Exception as fault:  # noqa: BLE001 - one frame that trips the reader must not stop the feed
        return _failed(message, fault)
    if isinstance(said, NotNews):
        return Taken(Outcome.PARKED if said.parked else Outcome.FILED, said.code, said.reason, said.warnings)
    return Entry(message, said, park_unknown=policy.unknown_patient == "park")


def _take(reads: Sequence[Entry | Taken], *, by: Actor) -> list[Taken]:
    """Take the news among `reads`; what already has an outcome keeps it."""
    entries = [read for read in reads if isinstance(read, Entry)]
    parked = Inbound.objects.filter(outcome=Outcome.PARKED, patient__isnull=False)
    blocked = {patient for patient in parked.values_list("patient", flat=True) if patient}
    taken = iter(_take_all(entries, blocked, by=by))
    return [next(taken) if isinstance(read, Entry) else read for read in reads]


def _take_all(entries: list[Entry], blocked: set[int], *, by: Actor) -> list[Taken]:
    """Take all at once; if that trips over a message, one by one, and that message is set aside."""
    if not entries:
        return []
    try:
        with transaction.atomic():
            return feed.take(entries, by=by, blocked=blocked)
    except (OperationalError, InterfaceError):
        raise
    except Exception as fault:  # noqa: BLE001 - any fault at all in one message must not stop the feed
        if len(entries) == 1:
            return [_failed(entries[0].message, fault)]
    taken: list[Taken] = []
    for entry in entries:
        taken += _take_all([entry], blocked, by=by)
        if taken[-1].outcome == Outcome.PARKED and taken[-1].patient:
            blocked.add(taken[-1].patient)
    return taken


def _failed(message: int, fault: Exception) -> Taken:
    log.warning("apply.failed", message=message, error=type(fault).__name__)
    return Taken(Outcome.PARKED, FAILED, f"Could not be applied ({type(fault).__name__})")


def _write(frames: list[_Frame], taken: list[Taken]) -> None:
    at = clock.now()
    rows: list[tuple[Any, ...]] = [
        (str(t.outcome), t.code, t.reason[:300], Jsonb(list(t.warnings)), t.patient, t.change, at, f.message)
        for f, t in zip(frames, taken, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE messaging_inbound SET outcome = %s, code = %s, reason = %s, warnings = %s, patient = %s, "
            "change = %s, applied_at = %s WHERE id = %s",
            rows,
        )
