"""Applies stored frames to the record, in each channel's order and many at once; knows no socket and no screen.

One applier at a time. Frames and outcomes commit together, so a crash repeats nothing and loses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef
from psycopg.types.json import Jsonb

from messaging.hl7.habits import FeedPolicy
from messaging.hl7.news import news, whose
from messaging.hl7.read import Message, Unreadable
from messaging.models import Channel, Hold, Inbound, Ruling
from messaging.selectors import holds
from messaging.services import grace
from messaging.services.grace import Standing
from messaging.states import Outcome
from pasmirror.lib import clock, crash, locks
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from patients.facts import NOBODY, Named, News
from patients.services import feed
from patients.services.taken import Aside, Blocked, Entry, Taken, Torn

log = structlog.get_logger()
FAILED = "apply-failed"
NO_CODES = frozenset[str]()


@dataclass(frozen=True, slots=True)
class _Frame:
    """A stored frame and what was read in it: news, or what already became of it."""

    message: int
    read: Entry | Aside | Taken
    standing: Standing


def run_once(limit: int = 200) -> int:
    """Apply up to about `limit` stored frames in one transaction; gives how many. 0 while another applier works.

    Database faults are raised and nothing has happened then.
    """
    with transaction.atomic():
        if not locks.try_take(Lock.APPLIER):
            return 0
        channels = _waiting()
        return _apply(_ready(channels, max(1, limit // max(1, len(channels)))))


def singly() -> tuple[int, list[int]]:
    """Apply the oldest frame of every channel in a transaction of its own, after a batch has failed.

    Gives how many went, and the messages that the database refused: they hold up their own channel only.
    """
    went, refused = 0, list[int]()
    heads = [(channel, frame.message) for channel in _waiting() for frame in _ready([channel], 1)[:1]]
    for channel, message in heads:
        try:
            with transaction.atomic():
                if not locks.try_take(Lock.APPLIER):
                    return went, refused
                went += _apply(_ready([channel], 1)[:1])
        except (DatabaseError, InterfaceError) as fault:
            log.warning("apply.refused", message=message, error=type(fault).__name__)
            refused.append(message)
            connection.close()
    return went, refused


def _waiting() -> list[Channel]:
    stored = Inbound.objects.filter(channel=OuterRef("pk"), outcome=Outcome.STORED)
    return list(Channel.objects.filter(Exists(stored)).order_by("pk"))


def _ready(channels: Sequence[Channel], count: int) -> list[_Frame]:
    """Read the oldest stored frames of each channel, without those that wait for another channel."""
    several = grace.several()
    frames = [frame for channel in channels for frame in _oldest(channel, count, several=several)]
    if not several:
        return frames
    policies = {channel.pk: FeedPolicy.of(channel.policy) for channel in channels}
    waits = grace.waits([(frame.standing, frame.read) for frame in frames], policies, now=clock.now())
    told = list(zip(frames, waits, strict=True))
    grace.note(frame.message for frame, waiting in told if waiting and not frame.standing.waits)
    return [frame for frame, waiting in told if not waiting]


def _oldest(channel: Channel, count: int, *, several: bool) -> list[_Frame]:
    """Read the oldest stored frames of a channel; with `several`, those that wait for another one beside them."""
    policy, ruled = FeedPolicy.of(channel.policy), _ruled()
    stored = Inbound.objects.filter(channel=channel, outcome=Outcome.STORED).order_by("number")
    wanted = (
        [stored.filter(waiting_since=None)[:count], stored.exclude(waiting_since=None)] if several else [stored[:count]]
    )
    columns = ("number", "pk", "raw", "sender", "trigger", "received_at", "waiting_since")
    rows = sorted((row for some in wanted for row in some.values_list(*columns)), key=lambda row: row[0])
    return [
        _Frame(
            pk,
            _under(ruled.get((sender, trigger), NO_CODES), _read(pk, bytes(raw), policy)),
            Standing(channel.pk, came, waits=since is not None),
        )
        for _, pk, raw, sender, trigger, came, since in rows
    ]


def _ruled() -> dict[tuple[str, str], frozenset[str]]:
    """Give by sender and trigger the codes for which a person has ruled that nobody is needed."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    standing = Ruling.objects.filter(ended_at=None, until__gt=clock.now())
    for sender, trigger, code in standing.values_list("sender", "trigger", "code"):
        found[sender, trigger] = found.get((sender, trigger), NO_CODES) | {code}
    return found


def _under(ruled: frozenset[str], read: Entry | Aside | Taken) -> Entry | Aside | Taken:
    """Put a message under the rulings on such messages."""
    if not ruled:
        return read
    if not isinstance(read, Taken):
        return replace(read, ruled=ruled)
    return replace(read, outcome=Outcome.FILED) if read.outcome == Outcome.PARKED and read.code in ruled else read


def _apply(frames: list[_Frame]) -> int:
    if frames:
        taken = _take([frame.read for frame in frames], by=system("apply"))
        crash.at(Point.APPLY_TAKEN)
        _write(frames, taken)
        crash.at(Point.APPLY_WRITTEN)
    return len(frames)


def _read(message: int, raw: bytes, policy: FeedPolicy) -> Entry | Aside | Taken:
    try:
        read = Message.of(raw)
    except Unreadable as fault:
        return Taken(Outcome.PARKED, "unreadable", fault.reason)
    try:
        said = news(read, habits=policy.habits)
    except Exception as fault:  # noqa: BLE001 - one frame that trips the reader must not stop the feed
        return _failed(message, fault, _named(read, policy))
    if isinstance(said, News):
        return Entry(message, said, park_unknown=policy.unknown_patient == "park")
    if said.parked:
        return Aside(message, said.code, said.reason, said.named, said.warnings)
    return Taken(Outcome.FILED, said.code, said.reason, said.warnings)


def _named(read: Message, policy: FeedPolicy) -> Named:
    try:
        return whose(read, habits=policy.habits)
    except Exception:  # noqa: BLE001 - then it names nobody
        return NOBODY


def _take(reads: Sequence[Entry | Aside | Taken], *, by: Actor) -> list[Taken]:
    """Take the news among `reads`; what already has an outcome keeps it."""
    entries = [read for read in reads if not isinstance(read, Taken)]
    taken = iter(_take_all(entries, holds.standing(), by=by))
    return [read if isinstance(read, Taken) else next(taken) for read in reads]


def _take_all(entries: list[Entry | Aside], blocked: Blocked, *, by: Actor) -> list[Taken]:
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
            return [_set_aside(entries[0], fault, by=by)]
    taken: list[Taken] = []
    for entry in entries:
        taken += _take_all([entry], blocked, by=by)
        blocked.add(entry.message, taken[-1].patients, taken[-1].numbers)
    return taken


def _set_aside(entry: Entry | Aside, fault: Exception, *, by: Actor) -> Taken:
    """Park a message that could not be taken, at its patient if that much can be said."""
    if isinstance(entry, Aside):  # its own numbers trip us
        return Taken(Outcome.PARKED, entry.code, entry.reason, entry.warnings)
    named = Named(
        tuple(i for part in entry.news.parts for one in (part.named, part.prior) for i in one.patient_ids),
        entry.news.named.nhs_number,
    )
    if isinstance(fault, Torn):
        aside = Aside(entry.message, fault.code, fault.reason, named, entry.news.warnings, entry.ruled)
    else:
        aside = replace(_failed(entry.message, fault, named), ruled=entry.ruled)
    (taken,) = _take_all([aside], Blocked(), by=by)
    return taken


def _failed(message: int, fault: Exception, named: Named) -> Aside:
    log.warning("apply.failed", message=message, error=type(fault).__name__)
    return Aside(message, FAILED, f"Could not be applied ({type(fault).__name__})", named)


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
    _hold({f.message: t for f, t in zip(frames, taken, strict=True)})


def _hold(settled: dict[int, Taken]) -> None:
    """Let the patients and numbers of parked messages wait behind them; behind the others nobody does any more."""
    Hold.objects.filter(message__in=settled).delete()
    rows = []
    for message, taken in settled.items():
        rows += [Hold(message=message, patient=patient) for patient in taken.patients]
        rows += [Hold(message=message, **number._asdict()) for number in taken.numbers]
    Hold.objects.bulk_create(rows)
