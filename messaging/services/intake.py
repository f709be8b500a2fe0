"""Stores what came, once, numbered in its channel, with its answer: all in one transaction, before anything is said.

Knows the tables of the feed and the emission switch; no sockets, and nothing of what a message means to the record.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import connection, transaction

from messaging import clocks
from messaging.hl7 import ack, times
from messaging.hl7.habits import FeedPolicy
from messaging.hl7.read import Message, Unreadable
from messaging.models import Channel, Emission
from messaging.services import emission
from messaging.states import Outcome, Valve
from pasmirror.lib import alarms, clock, crash, locks
from pasmirror.lib.actor import system
from pasmirror.lib.crash import Point
from pasmirror.lib.locks import Lock

log = structlog.get_logger()
TO_THE_SECOND = timedelta(seconds=1)  # MSH-7 is cut to the second: what it says may be that much too early
RECENT = 5000  # messages looked back over for the sender's clock, at most


class NoSuchChannel(LookupError):
    """The channel is not declared in the site file."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as received; `fault` says why it cannot be taken, if the door has seen that already."""

    peer: str
    raw: bytes
    fault: str = ""


@dataclass(slots=True)
class Arrival:
    """A frame read as far as its header, and what is to be stored of it."""

    frame: Frame
    message: Message | None
    code: str = ""  # why it is refused: code and reason
    reason: str = ""
    sender: str = ""  # MSH-3 and MSH-4, as long as the column
    control_id: str = ""  # MSH-10, likewise
    trigger: str = ""
    sent_at: datetime | None = None
    key: tuple[str, str, bytes] = ("", "", b"")
    id: int = 0
    number: int = 0
    other_body: bool = False  # the sender has given this MSH-10 to another message
    answer: bytes = b""


def store(channel_code: str, frames: Sequence[Frame], *, policy: FeedPolicy) -> list[bytes]:
    """Store `frames` in order and give their answers in order; a repeat is given the stored answer.

    Raises NoSuchChannel, or the database's fault: then nothing was stored and nothing may be answered.
    """
    arrivals = [_read(frame, policy) for frame in frames]
    with transaction.atomic():
        _pass_the_gate()
        at = clock.now()
        channel, valve = _locked(channel_code)
        new = _keyed(arrivals)
        crash.at(Point.INTAKE_KEYED)
        for number, arrival in enumerate(new, start=channel.last + 1):
            arrival.number = number
            arrival.answer = _answer(arrival, channel.pk)
        _insert(channel, new, at)
        _other_bodies(new)
        _repeat([arrival for arrival in arrivals if not arrival.number])
        crash.at(Point.INTAKE_STORED)
        _listened(channel, new, valve, at)
    crash.at(Point.INTAKE_COMMITTED)
    return [arrival.answer for arrival in arrivals]


def _pass_the_gate() -> None:
    """Keep the valve where it is until we have committed: alone if it is open, since we may have to close it.

    Asking for it alone only once we hold it shared would make two listeners wait for each other.
    """
    if emission.now().valve == Valve.OPEN:
        locks.take(Lock.GATE)
    else:
        locks.share(Lock.GATE)


def _locked(code: str) -> tuple[Channel, Emission]:
    """Lock the channel and read the valve, in one question: this is asked for every message. Raises NoSuchChannel."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, c.last, c.received_at, c.clock_ahead, e.valve, e.since FROM messaging_channel c "
            "LEFT JOIN (SELECT valve, since FROM messaging_emission ORDER BY id LIMIT 1) e ON true "
            "WHERE c.code = %s FOR UPDATE OF c",
            [code],
        )
        row = cursor.fetchone()
    if row is None:
        raise NoSuchChannel(code)
    pk, last, received_at, clock_ahead, valve, since = row
    channel = Channel(pk=pk, code=code, last=last, received_at=received_at, clock_ahead=clock_ahead)
    return channel, Emission(valve=valve or Valve.HELD, since=since)


def _read(frame: Frame, policy: FeedPolicy) -> Arrival:
    try:
        message: Message | None = Message.of(frame.raw)
        code, reason = _why_not(message, frame, policy) if message else ("", "")
    except Unreadable as error:
        message, code, reason = None, "unreadable", frame.fault or f"Not readable as HL7: {error.reason}"
    arrival = Arrival(frame, message, code, reason)
    if message:
        arrival.sender, arrival.control_id = message.sender[:120], message.control_id[:60]
        arrival.trigger = message.trigger[:20]
        arrival.sent_at = times.moment(message.sent_at_text, policy.habits.clock())
    # One refused is the same again only while it is refused for the same reason.
    named = (f"refused: {code}", "") if code else (arrival.sender, arrival.control_id)
    arrival.key = (*named, hashlib.sha256(frame.raw).digest())
    return arrival


def _why_not(message: Message, frame: Frame, policy: FeedPolicy) -> tuple[str, str]:
    if frame.fault:
        return "unreadable", frame.fault
    if message.headers > 1:
        return "two-messages", "Two messages in one frame"
    if message.processing_id and message.processing_id != policy.processing_id:
        return "processing-id", f"MSH-11 is not {policy.processing_id}, which is what this feed carries"
    return "", ""


def _answer(arrival: Arrival, channel: int) -> bytes:
    control_id = f"ACK{channel}-{arrival.number}"
    if arrival.code:
        err = "202" if arrival.code == "processing-id" else "207"
        return ack.answer(arrival.message, "AR", arrival.reason, err, control_id=control_id)
    return ack.answer(arrival.message, "AA", control_id=control_id)


def _keyed(arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Take a key for each; give those that are new, the others being repeats (of one in this batch, too)."""
    senders, control_ids, digests = (list(column) for column in zip(*(a.key for a in arrivals), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH said AS MATERIALIZED (SELECT nextval(pg_get_serial_sequence('messaging_inbound', 'id')) AS id, u.* "
            "FROM unnest(%s::text[], %s::text[], %s::bytea[]) WITH ORDINALITY AS u(sender, control_id, digest, place) "
            "), fresh AS (INSERT INTO messaging_messagekey (sender, control_id, digest, message, repeats) "
            "SELECT sender, control_id, digest, id, 0 FROM said ORDER BY place "
            "ON CONFLICT DO NOTHING RETURNING message) "
            "SELECT said.place, said.id, said.control_id <> '' AND EXISTS (SELECT 1 FROM messaging_messagekey k "
            "WHERE k.sender = said.sender AND k.control_id = said.control_id AND k.digest <> said.digest) "
            "FROM said JOIN fresh ON fresh.message = said.id ORDER BY said.place",
            [senders, control_ids, digests],
        )
        new, named = [], set[tuple[str, str]]()  # the statement does not see its own rows
        for place, pk, other_body in cursor.fetchall():
            arrival = arrivals[place - 1]
            arrival.id, arrival.other_body = pk, other_body or arrival.key[:2] in named
            if arrival.control_id:
                named.add(arrival.key[:2])
            new.append(arrival)
    return new


def _insert(channel: Channel, new: Sequence[Arrival], at: datetime) -> None:
    if not new:
        return
    columns = zip(
        *(
            (
                a.id,
                a.number,
                a.frame.peer[:60],
                a.frame.raw,
                a.sender,
                a.control_id,
                a.trigger,
                a.sent_at,
                a.answer,
                (Outcome.REFUSED if a.code else Outcome.STORED).value,
                a.code,
                a.reason[:300],
            )
            for a in new
        ),
        strict=True,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO messaging_inbound (id, channel_id, number, received_at, peer, raw, sender, control_id, "
            '"trigger", sent_at, answer, outcome, code, reason, warnings) '
            "SELECT u.id, %s, u.number, %s, u.peer, u.raw, u.sender, u.control_id, "
            "u.t, u.sent_at, u.answer, u.outcome, u.code, u.reason, '[]'::jsonb "
            "FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bytea[], %s::text[], %s::text[], %s::text[], "
            "%s::timestamptz[], %s::bytea[], %s::text[], %s::text[], %s::text[]) "
            "AS u(id, number, peer, raw, sender, control_id, t, sent_at, answer, outcome, code, reason)",
            [channel.pk, at, *(list(column) for column in columns)],
        )


def _other_bodies(new: Sequence[Arrival]) -> None:
    """Sound an alarm for each sender that gave one MSH-10 to two messages; both are kept."""
    for sender in {arrival.sender for arrival in new if arrival.other_body and not arrival.code}:
        alarms.sound(
            "same-id-other-body",
            "A sender used one message id (MSH-10) for different messages; all of them are kept.",
            subject=sender[:60],
        )


def _repeat(arrivals: Sequence[Arrival]) -> None:
    """Count each repeat and give it the answer of the first time."""
    for arrival in arrivals:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE messaging_messagekey k SET repeats = repeats + 1 FROM messaging_inbound i "
                "WHERE k.sender = %s AND k.control_id = %s AND k.digest = %s AND i.id = k.message RETURNING i.answer",
                list(arrival.key),
            )
            row = cursor.fetchone()
        # The message itself may have been cleared away by age; its key, and so this answer, stay.
        arrival.answer = bytes(row[0]) if row else _answer(arrival, 0)


def _listened(channel: Channel, new: Sequence[Arrival], valve: Emission, at: datetime) -> None:
    """Move the channel on: its number, when it last spoke, its clock; and see whether there are two masters."""
    taken = [arrival for arrival in new if not arrival.code]
    if valve.valve == Valve.OPEN:
        _two_masters(channel, taken, valve, at)
    else:
        channel.clock_ahead = _clock_ahead(channel, taken, at)
    channel.last += len(new)
    if taken:
        channel.received_at = at
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_channel SET last = %s, received_at = %s, clock_ahead = %s WHERE id = %s",
            [channel.last, channel.received_at, channel.clock_ahead, channel.pk],
        )


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


def _two_masters(channel: Channel, taken: Sequence[Arrival], valve: Emission, at: datetime) -> None:
    ahead = timedelta(seconds=channel.clock_ahead)
    for arrival in taken:
        made = arrival.sent_at - ahead + TO_THE_SECOND if arrival.sent_at else at
        if made > valve.since:
            reason = f"The PAS spoke while the mirror does (message {arrival.id}): two masters"
            emission.hold(by=system("listen"), reason=reason)
            alarms.sound("two-masters", f"{reason}. Emission is held.", subject=channel.code)
            log.error("intake.two_masters", message=arrival.id, channel=channel.code)
            return
