"""`manage.py apply`: applies the feed as it comes, until told to end. A thin door on messaging.services.apply."""

import signal
import threading
import time
from types import FrameType

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from messaging.services import apply
from messaging.services.apply import Singly
from messaging.services.tries import Tries
from pasmirror.lib import beat, garbage

log = structlog.get_logger()
BATCH, MOST = 200, 1000  # messages in one transaction: to begin with, and while many wait
AIM = 0.4  # seconds a transaction of more than BATCH should hold its locks: a clerk waits 3 at most
IDLE_LEAST, IDLE_MOST = 0.02, 0.2  # seconds between looks when there is nothing to apply
AWAY_LEAST, AWAY_MOST = 0.2, 5.0  # seconds between tries when the database is away
BEAT_EVERY = 3.0  # seconds


class Command(BaseCommand):
    """Apply stored messages to the record in order."""

    help = "Apply the PAS's messages to the record as they come, until SIGTERM; the batch under way is finished."

    def handle(self, *args: object, **options: object) -> None:
        """Run until SIGTERM or SIGINT."""
        ended = threading.Event()

        def end(number: int, frame: FrameType | None) -> None:
            ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        garbage.seldom()
        run(ended)


def run(ended: threading.Event) -> None:
    """Apply until `ended`; after a fault of the database message by message, and with larger batches again.

    A channel whose oldest message is refused alone is tried by itself, ever later, while the others go on.
    """
    pause, limit, done = IDLE_LEAST, BATCH, 0
    clock, tries, suspects = _BeatClock(), Tries(), Suspects()
    while not ended.is_set():
        began = time.monotonic()
        try:
            alone = apply.singly() if limit == 1 else apply.singly(due) if (due := suspects.due()) else Singly()
            suspects.note(alone, now=time.monotonic())
            if alone.went or alone.refused or not suspects.refused:
                tries.note(suspects.refused.values())
            count = len(alone.went) + (apply.run_once(limit, without=suspects.refused) if limit > 1 else 0)
            done += count
            clock.beat(f"{done} messages applied since the start")
        except (DatabaseError, InterfaceError) as fault:
            log.warning("apply.database_away", error=type(fault).__name__, batch=limit)
            limit = 1
            connection.close()
            pause = min(AWAY_MOST, max(AWAY_LEAST, pause * 2))
            ended.wait(pause)
            continue
        limit = paced(limit, count, time.monotonic() - began)
        if count:
            pause = IDLE_LEAST
        else:
            ended.wait(pause)
            pause = min(IDLE_MOST, pause * 1.5)
    close_old_connections()


def paced(limit: int, count: int, seconds: float) -> int:
    """Choose how many go next: more where so many waited and were quickly done, and never less than BATCH for long."""
    fitting = int(count * AIM / max(seconds, 0.001)) if count >= limit else limit
    return min(2 * limit, max(BATCH, min(MOST, fitting)))


class Suspects:
    """Channels whose oldest message the database has refused, by their key: which one, and when it is tried again."""

    def __init__(self) -> None:
        self.refused: dict[int, int] = {}
        self._rests: dict[int, tuple[float, float]] = {}  # seconds it rests, and until when

    def due(self) -> list[int]:
        """Give the channels whose rest is over."""
        now = time.monotonic()
        return [channel for channel, (_, until) in self._rests.items() if until <= now]

    def note(self, alone: Singly, *, now: float) -> None:
        """Let those rest that were refused, each time longer; one that went is no suspect any more."""
        for channel in alone.went:
            self.refused.pop(channel, None)
            self._rests.pop(channel, None)
        for channel, message in alone.refused.items():
            rest = min(AWAY_MOST, 2 * self._rests[channel][0]) if channel in self._rests else AWAY_LEAST
            self.refused[channel], self._rests[channel] = message, (rest, now + rest)


class _BeatClock:
    """Beats at most once in `BEAT_EVERY` seconds."""

    def __init__(self) -> None:
        self.last = 0.0

    def beat(self, sentence: str) -> None:
        if time.monotonic() - self.last >= BEAT_EVERY:
            beat.beat("apply", sentence)
            self.last = time.monotonic()
