"""Keeps intake going through faults: a lost connection is tried once more, one bad frame costs no other its answer."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import structlog
from django.db import DatabaseError, InterfaceError, connection

from messaging.hl7.habits import FeedPolicy
from messaging.selectors import channels
from messaging.services import intake
from messaging.services.arrivals import Frame
from pasmirror.lib import alarms, beat
from pasmirror.lib.away import is_away

log = structlog.get_logger()


def receive(policy: FeedPolicy, frames: Sequence[Frame]) -> Sequence[bytes | None]:
    """Store frames and give their answers; None for one that could not be stored.

    Raises the database's fault if it is away: then nothing may be answered.
    """
    try:
        return _twice(policy, frames)
    except Exception as fault:  # whatever it is, it must not cost the others their answer
        if is_away(fault):
            connection.close()
            raise
        if len(frames) > 1:
            return _singly(policy, frames)
        log.error("intake.not_stored", channel=policy.channel, fault=type(fault).__name__)
        alarms.sound(
            "not-stored",
            f"A message could not be stored ({type(fault).__name__}) and got no answer; the feed may stand still.",
            subject=policy.channel,
        )
        return [None]


def _singly(policy: FeedPolicy, frames: Sequence[Frame]) -> list[bytes | None]:
    """Store one by one, but nothing that a connection brought behind a frame that failed: it sends both again."""
    failed = set[int]()
    answers: list[bytes | None] = []
    for frame in frames:
        answers += [None] if frame.connection in failed else receive(policy, [frame])
        if answers[-1] is None and frame.connection:
            failed.add(frame.connection)
    return answers


def _twice(policy: FeedPolicy, frames: Sequence[Frame]) -> list[bytes]:
    """Try again on a new connection: harmless, since whatever was stored is then a repeat."""
    try:
        return intake.store(policy.channel, frames, policy=policy)
    except (DatabaseError, InterfaceError) as fault:
        if not is_away(fault):
            raise
        connection.close()
    return intake.store(policy.channel, frames, policy=policy)


@contextlib.contextmanager
def _afresh() -> Iterator[None]:
    """Let go of a connection on which something failed: the next call has a new one."""
    try:
        yield
    except (DatabaseError, InterfaceError):
        connection.close()
        raise


def part() -> None:
    """Let go of the calling thread's connection: it asks nothing more."""
    connection.close()


@_afresh()
def declared() -> dict[str, FeedPolicy]:
    """Give the policy of every declared feed, by channel code."""
    return channels.declared()


@_afresh()
def tell(code: str, sentences: Mapping[str, str]) -> None:
    """Sound alarm `code` for each channel with a sentence, and clear those that stand for others."""
    for channel, sentence in sentences.items():
        alarms.sound(code, sentence, subject=channel)
    for alarm in alarms.standing():
        if alarm.code == code and alarm.subject not in sentences:
            alarms.clear(code, subject=alarm.subject)


@_afresh()
def alive(sentence: str) -> None:
    """Write the heartbeat of the listening process."""
    beat.beat("listen", sentence)
