"""Stores what came, once, numbered in its channel, with its answer: all in one transaction, before anything is said.

Knows the tables of the feed and the emission switch; no sockets, and nothing of what a message means to the record.
"""

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction

from messaging import clocks
from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel
from messaging.services import arrivals, emission
from messaging.services.arrivals import Arrival, Frame
from messaging.states import Outcome, Valve
from pasmirror.lib import alarms, clock, crash
from pasmirror.lib.actor import system
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock
from pasmirror.lib.statements import ask

__all__ = ["Frame", "NoSuchChannel", "store"]

log = structlog.get_logger()
TO_THE_SECOND = timedelta(seconds=1)  # MSH-7 is cut to the second: what it says may be that much too early
RECENT = 5000  # messages looked back over for the sender's clock, at most
_seen_open = threading.Event()  # set while the valve was open when we last looked


class NoSuchChannel(LookupError):
    """The channel is not declared in the site file."""


class _ValveIsOpen(Exception):
    """The gate was only shared, and the valve turned out to be open: it has to be passed alone."""


def store(channel_code: str, frames: Sequence[Frame], *, policy: FeedPolicy) -> list[bytes]:
    """Store `frames` in order and give their answers in order; a repeat is given the stored answer.

    Raises NoSuchChannel, or the database's fault: then nothing was stored and nothing may be answered.
    """
    received = [arrivals.read(frame, policy) for frame in frames]
    everything = [arrival for each in received for arrival in each.arrivals]
    try:
        _store(channel_code, everything, alone=_seen_open.is_set())
    except _ValveIsOpen:
        _store(channel_code, everything, alone=True)
    crash.at(Point.INTAKE_COMMITTED)
    return [each.answer() for each in received]


def _store(channel_code: str, everything: Sequence[Arrival], *, alone: bool) -> None:
    """Keep the valve where it is until we have committed: alone if it is open, since we may have to close it.

    Asking for the gate alone while we hold it shared would make two listeners wait for each other; so does asking for
    it with the channel locked, which is why both are let go before it is asked for again.
    """
    with transaction.atomic():
        gate = (_TAKE if alone else _SHARE, [int(Lock.GATE)])
        _, found, fresh = ask(
            gate, (_CHANNEL, [channel_code]), (_KEYS, _columns(arrival.key for arrival in everything))
        )
        if not found:
            raise NoSuchChannel(channel_code)
        at = clock.now()  # after the gate: no sender can open an attempt between this and a hold
        pk, last, received_at, clock_ahead, valve, since = found[0]
        channel = Channel(pk=pk, code=channel_code, last=last, received_at=received_at, clock_ahead=clock_ahead)
        if valve == Valve.OPEN:
            _seen_open.set()
            if not alone:
                raise _ValveIsOpen
        else:
            _seen_open.clear()
        crash.at(Point.INTAKE_KEYED)
        new = _new(everything, fresh)
        for number, arrival in enumerate(new, start=channel.last + 1):
            arrival.number = number
            arrival.answer = arrival.answered(channel.pk)
        taken = [arrival for arrival in new if arrival.outcome == Outcome.STORED]
        if valve == Valve.OPEN:
            _two_masters(channel, taken, since, at)
        else:
            channel.clock_ahead = _clock_ahead(channel, taken, at)
        _write(channel, new, at, spoken=bool(taken))
        _other_bodies(new)
        _repeat([arrival for arrival in everything if not arrival.number])
        crash.at(Point.INTAKE_STORED)


_SHARE = "SELECT pg_advisory_xact_lock_shared(%s)"
_TAKE = "SELECT pg_advisory_xact_lock(%s)"
_CHANNEL = """
SELECT c.id, c.last, c.received_at, c.clock_ahead, coalesce(e.valve, 'held'), e.since FROM messaging_channel c
LEFT JOIN (SELECT valve, since FROM messaging_emission ORDER BY id LIMIT 1) e ON true
WHERE c.code = %s FOR UPDATE OF c
"""
_KEYS = """
WITH said AS MATERIALIZED (
    SELECT nextval((SELECT pg_get_serial_sequence('messaging_inbound', 'id')::regclass)) AS id, u.*
    FROM unnest(%s::text[], %s::text[], %s::bytea[]) WITH ORDINALITY AS u(sender, control_id, digest, place)),
fresh AS (
    INSERT INTO messaging_messagekey (sender, control_id, digest, message, repeats)
    SELECT sender, control_id, digest, id, 0 FROM said ORDER BY place ON CONFLICT DO NOTHING RETURNING message)
SELECT said.place, said.id, said.control_id <> '' AND EXISTS (
    SELECT 1 FROM messaging_messagekey k
    WHERE k.sender = said.sender AND k.control_id = said.control_id AND k.digest <> said.digest)
FROM said JOIN fresh ON fresh.message = said.id ORDER BY said.place
"""
_INSERT = """
INSERT INTO messaging_inbound (id, channel_id, number, received_at, peer, raw, sender, control_id, "trigger", sent_at,
    answer, outcome, code, reason, warnings)
SELECT u.id, %s, u.number, %s, u.peer, u.raw, u.sender, u.control_id, u.t, u.sent_at, u.answer, u.outcome, u.code,
    u.reason, '[]'::jsonb
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bytea[], %s::text[], %s::text[], %s::text[],
    %s::timestamptz[], %s::bytea[], %s::text[], %s::text[], %s::text[])
    AS u(id, number, peer, raw, sender, control_id, t, sent_at, answer, outcome, code, reason)
"""
_LISTENED = "UPDATE messaging_channel SET last = %s, received_at = %s, clock_ahead = %s WHERE id = %s"
_REPEATED = """
WITH said AS (
    SELECT sender, control_id, digest, count(*) AS times
    FROM unnest(%s::text[], %s::text[], %s::bytea[]) AS u(sender, control_id, digest) GROUP BY 1, 2, 3),
counted AS (
    UPDATE messaging_messagekey k SET repeats = repeats + said.times FROM said
    WHERE k.sender = said.sender AND k.control_id = said.control_id AND k.digest = said.digest
    RETURNING k.sender, k.control_id, k.digest, k.message)
SELECT c.sender, c.control_id, c.digest, i.answer FROM counted c JOIN messaging_inbound i ON i.id = c.message
"""


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _new(everything: Sequence[Arrival], fresh: Sequence[tuple[int, int, bool]]) -> list[Arrival]:
    """Give those that had no key before, the others being repeats (of one in this batch, too)."""
    new, named = [], set[tuple[str, str]]()  # the statement does not see its own rows
    for place, pk, other_body in fresh:
        arrival = everything[place - 1]
        arrival.id, arrival.other_body = pk, other_body or arrival.key[:2] in named
        if arrival.control_id:
            named.add(arrival.key[:2])
        new.append(arrival)
    return new


def _named(a: Arrival) -> tuple[Any, ...]:
    return a.sender, a.control_id, a.trigger, a.sent_at, a.answer, str(a.outcome), a.code, a.reason[:300]


def _write(channel: Channel, new: Sequence[Arrival], at: datetime, *, spoken: bool) -> None:
    """Insert what is new, and move the channel on: its number, when it last spoke, its clock."""
    if not new:
        return
    rows = ((a.id, a.number, a.peer[:60], a.raw, *_named(a)) for a in new)
    heard = at if spoken else channel.received_at
    ask(
        (_INSERT, [channel.pk, at, *_columns(rows)]),
        (_LISTENED, [channel.last + len(new), heard, channel.clock_ahead, channel.pk]),
    )


def _other_bodies(new: Sequence[Arrival]) -> None:
    """Sound an alarm for each sender that gave one MSH-10 to two messages; both are kept."""
    for sender in {arrival.sender for arrival in new if arrival.other_body and arrival.outcome == Outcome.STORED}:
        alarms.sound(
            "same-id-other-body",
            "A sender used one message id (MSH-10) for different messages; all of them are kept.",
            subject=sender[:60],
        )


def _repeat(repeats: Sequence[Arrival]) -> None:
    """Count each repeat and give it the answer of the first time."""
    if not repeats:
        return
    (rows,) = ask((_REPEATED, _columns(arrival.key for arrival in repeats)))
    answers = {(sender, control_id, bytes(digest)): bytes(answer) for sender, control_id, digest, answer in rows}
    for arrival in repeats:
        # The message itself may have been cleared away by age; its key, and so this answer, stay.
        arrival.answer = answers.get(arrival.key) or arrival.answered(0)


def _clock_ahead(channel: Channel, taken: Sequence[Arrival], at: datetime) -> float:
    """Learn from what came; and once in a while from what the last minutes agree on."""
    ahead = channel.clock_ahead
    for arrival in taken:
        if arrival.sent_at:
            ahead = clocks.learned(ahead, (arrival.sent_at - at).total_seconds())
    before = channel.received_at
    if taken and before and int(before.timestamp() // clocks.SLOT) != int(at.timestamp() // clocks.SLOT):
        settled = clocks.steady(_newest_looking(channel, at))
        ahead = ahead if settled is None else settled
    return ahead


def _newest_looking(channel: Channel, at: datetime) -> list[float]:
    """Give how far ahead the newest-looking message was, for each stretch of the last minutes in which any came."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(extract(epoch FROM sent_at - received_at))::float FROM messaging_inbound "
            "WHERE channel_id = %s AND number > %s AND received_at > %s AND sent_at IS NOT NULL AND outcome <> %s "
            "GROUP BY floor(extract(epoch FROM received_at) / %s) ORDER BY min(received_at)",
            [
                channel.pk,
                channel.last - RECENT,
                at - timedelta(seconds=clocks.WINDOW),
                Outcome.REFUSED.value,
                clocks.SLOT,
            ],
        )
        return [row[0] for row in cursor.fetchall()]


def _two_masters(channel: Channel, taken: Sequence[Arrival], since: datetime, at: datetime) -> None:
    ahead = timedelta(seconds=channel.clock_ahead)
    for arrival in taken:
        made = arrival.sent_at - ahead + TO_THE_SECOND if arrival.sent_at else at
        if made > since:
            reason = f"The PAS spoke while the mirror does (message {arrival.id}): two masters"
            emission.hold(by=system("listen"), reason=reason)
            alarms.sound("two-masters", f"{reason}. Emission is held.", subject=channel.code)
            log.error("intake.two_masters", message=arrival.id, channel=channel.code)
            return
