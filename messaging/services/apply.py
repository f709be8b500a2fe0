"""Applies stored frames to the record, in each channel's order and many at once; knows no socket and no screen.

One applier at a time. Frames and outcomes commit together, so a crash repeats nothing and loses nothing.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Exists, Func, IntegerField, OuterRef, QuerySet

from messaging.hl7 import ahead
from messaging.hl7.habits import FeedPolicy
from messaging.hl7.news import news, whose
from messaging.hl7.read import Message, Unreadable
from messaging.models import Channel, Hold, Inbound, Ruling
from messaging.selectors import holds
from messaging.services import grace, samples
from messaging.services.grace import Standing
from messaging.states import SAME_PERSON, Outcome
from pasmirror.lib import clock, crash, locks
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.away import is_away
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from patients.facts import NOBODY, Named, News
from patients.services import feed
from patients.services.taken import Aside, Blocked, Entry, Taken, Torn

log = structlog.get_logger()
FAILED = "apply-failed"
HEAVY = 8_000_000  # bytes of messages in one transaction, or one message
NO_CODES = frozenset[str]()
Read = Entry | Aside | Taken


@dataclass(frozen=True, slots=True)
class _Frame:
    """A stored frame and what was read in it: news, or what already became of it."""

    message: int
    read: Read
    standing: Standing


@dataclass(slots=True)
class Singly:
    """What became of one frame a channel: the channels whose frame went, and the refused messages by channel."""

    went: list[int] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)


def run_once(limit: int = 200, *, without: Collection[int] = ()) -> int:
    """Apply up to about `limit` stored frames in one transaction; gives how many. 0 while another applier works.

    `without`: channels to leave alone. Database faults are raised and nothing has happened then.
    """
    with transaction.atomic():
        if not locks.try_take(Lock.APPLIER):
            return 0
        channels = [channel for channel in _waiting() if channel.pk not in without]
        return _apply(_ready(channels, max(1, limit // max(1, len(channels)))))


def singly(only: Collection[int] | None = None) -> Singly:
    """Apply the oldest frame of every channel, or of `only` these, each in a transaction of its own.

    That is for after a batch has failed: a message that the database refuses holds up its own channel only.
    """
    done = Singly()
    asked = [channel for channel in _waiting() if only is None or channel.pk in only]
    for channel, message in [(one, frame.message) for one in asked for frame in _ready([one], 1)[:1]]:
        try:
            with transaction.atomic():
                if not locks.try_take(Lock.APPLIER):
                    return done
                if _apply(_ready([channel], 1)[:1]):
                    done.went.append(channel.pk)
        except (DatabaseError, InterfaceError) as fault:
            log.warning("apply.refused", message=message, error=type(fault).__name__)
            done.refused[channel.pk] = message
            connection.close()
    return done


def _waiting() -> list[Channel]:
    stored = Inbound.objects.filter(channel=OuterRef("pk"), outcome=Outcome.STORED)
    return list(Channel.objects.filter(Exists(stored)).order_by("pk"))


def _ready(channels: Sequence[Channel], count: int) -> list[_Frame]:
    """Read the oldest stored frames of each channel, without those that wait for another channel; in order of coming.

    The order between channels matters where a message of one had waited behind another's.
    """
    several = grace.several()
    frames = [frame for channel in channels for frame in _oldest(channel, count, several=several)]
    if not several:
        return frames
    frames.sort(key=lambda frame: frame.message)
    policies = {channel.pk: FeedPolicy.of(channel.policy) for channel in channels}
    waits = grace.waits([(frame.standing, frame.read) for frame in frames], policies, now=clock.now())
    told = list(zip(frames, waits, strict=True))
    grace.note(frame.message for frame, waiting in told if waiting and not frame.standing.waits)
    return [frame for frame, waiting in told if not waiting]


def _oldest(channel: Channel, count: int, *, several: bool) -> list[_Frame]:
    """Read the oldest stored frames of a channel; with `several`, those that wait for another one beside them."""
    policy, ruled = FeedPolicy.of(channel.policy), _ruled()
    stored = Inbound.objects.filter(channel=channel, outcome=Outcome.STORED).order_by("number")
    fresh = stored.filter(waiting_since=None) if several else stored
    rows = list(fresh[: _light_enough(fresh, count)].values_list(*_COLUMNS, "raw"))
    reads = {pk: _read(pk, bytes(raw), policy) for _, pk, *_, raw in rows}
    waiting = list(stored.exclude(waiting_since=None).values_list(*_COLUMNS)) if several else []
    reads |= _waiting_reads(channel, [pk for _, pk, *_ in waiting], policy)
    return [
        _Frame(
            pk,
            _under(ruled.get((sender, trigger), NO_CODES), _settled(reads[pk], came, code)),
            Standing(channel.pk, came, since is not None),
        )
        for _, pk, sender, trigger, came, since, code in sorted([*(row[:-1] for row in rows), *waiting])
    ]


_COLUMNS = ("number", "pk", "sender", "trigger", "received_at", "waiting_since", "code")


def _light_enough(frames: QuerySet[Inbound], count: int) -> int:
    """Say how many of the first `count` frames weigh no more than HEAVY together; the first always goes."""
    weight = Func("raw", function="octet_length", output_field=IntegerField())
    weighed = accumulate(frames[:count].values_list(weight, flat=True))
    return max(1, len([total for total in weighed if total <= HEAVY]))


_read_before: dict[int, tuple[FeedPolicy, dict[int, Read]]] = {}  # what waits in each channel need not be read anew


def _waiting_reads(channel: Channel, messages: Sequence[int], policy: FeedPolicy) -> dict[int, Read]:
    """Give what is read in the frames that wait, those of the last look from memory."""
    under, before = _read_before.get(channel.pk, (policy, {}))
    known = {pk: before[pk] for pk in messages if pk in before} if under == policy else {}
    unread = Inbound.objects.filter(pk__in=[pk for pk in messages if pk not in known]).values_list("pk", "raw")
    known |= {pk: _read(pk, bytes(raw), policy) for pk, raw in (unread if len(known) < len(messages) else ())}
    _read_before[channel.pk] = (policy, known)
    return known


def _ruled() -> dict[tuple[str, str], frozenset[str]]:
    """Give by sender and trigger the codes for which a person has ruled that nobody is needed."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    standing = Ruling.objects.filter(ended_at=None, until__gt=clock.now())
    for sender, trigger, code in standing.values_list("sender", "trigger", "code"):
        found[sender, trigger] = found.get((sender, trigger), NO_CODES) | {code}
    return found


def _settled(read: Read, came: datetime, code: str) -> Read:
    """Hold news to when it came; `code`: what a person has said of a message that was set aside, if anything."""
    if not isinstance(read, Entry):
        return read
    told, same = ahead.bounded(read.news, came), code == SAME_PERSON
    return replace(read, news=told, same_person=same) if same or told is not read.news else read


def _under(ruled: frozenset[str], read: Read) -> Read:
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


def _read(message: int, raw: bytes, policy: FeedPolicy) -> Read:
    try:
        read = Message.of(raw)
    except Unreadable as fault:
        return Taken(Outcome.PARKED, "unreadable", fault.reason)
    try:
        said = news(read, habits=policy.habits)
    except Exception as fault:  # noqa: BLE001 - one frame that trips the reader must not stop the feed
        return _failed(message, fault, _named(read, policy))
    if isinstance(said, News):
        sampled = samples.wanted(message, policy.fidelity_sample) and said.other is None
        return Entry(message, said, park_unknown=policy.unknown_patient == "park", sampled=sampled)
    if said.parked:
        return Aside(message, said.code, said.reason, said.named, said.warnings)
    return Taken(Outcome.FILED, said.code, said.reason, said.warnings)


def _named(read: Message, policy: FeedPolicy) -> Named:
    try:
        return whose(read, habits=policy.habits)
    except Exception:  # noqa: BLE001 - then it names nobody
        return NOBODY


def _take(reads: Sequence[Read], *, by: Actor) -> list[Taken]:
    """Take the news among `reads`; what already has an outcome keeps it."""
    entries = [read for read in reads if not isinstance(read, Taken)]
    taken = iter(_take_all(entries, holds.standing(), by=by))
    return [read if isinstance(read, Taken) else next(taken) for read in reads]


def _take_all(entries: list[Entry | Aside], blocked: Blocked, *, by: Actor) -> list[Taken]:
    """Take all at once; if that trips over a message, by halves, and in the end that message is set aside."""
    if not entries:
        return []
    try:
        with transaction.atomic():
            return feed.take(entries, by=by, blocked=blocked)
    except Exception as fault:  # any fault at all in one message must not stop the feed
        if is_away(fault):
            raise
        if len(entries) == 1:
            return [_set_aside(entries[0], fault, by=by)]
    middle, taken = len(entries) // 2, list[Taken]()
    for half in (entries[:middle], entries[middle:]):
        settled = _take_all(half, blocked, by=by)
        for entry, one in zip(half, settled, strict=True):
            blocked.add(entry.message, one.patients, one.numbers)
        taken += settled
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


_WRITE = """
UPDATE messaging_inbound SET outcome = u.outcome, code = u.code, reason = u.reason, warnings = u.warnings::jsonb,
    patient = u.patient, change = u.change, applied_at = %s
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])
    AS u(id, outcome, code, reason, warnings, patient, change)
WHERE messaging_inbound.id = u.id
"""


def _write(frames: list[_Frame], taken: list[Taken]) -> None:
    rows: list[tuple[Any, ...]] = [
        (f.message, str(t.outcome), t.code, t.reason[:300], json.dumps(t.warnings), t.patient, t.change)
        for f, t in zip(frames, taken, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [clock.now(), *(list(column) for column in zip(*rows, strict=True))])
    samples.keep((f.message, t) for f, t in zip(frames, taken, strict=True))
    _hold({f.message: t for f, t in zip(frames, taken, strict=True)})


def _hold(settled: dict[int, Taken]) -> None:
    """Let the patients and numbers of parked messages wait behind them; behind the others nobody does any more."""
    Hold.objects.filter(message__in=settled).delete()
    rows = []
    for message, taken in settled.items():
        rows += [Hold(message=message, patient=patient) for patient in taken.patients]
        rows += [Hold(message=message, **number._asdict()) for number in taken.numbers]
    Hold.objects.bulk_create(rows)
