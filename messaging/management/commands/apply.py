"""`manage.py apply`: applies the feed as it comes, until told to end. A thin door on messaging.services.apply."""

import signal
import threading
import time
from types import FrameType

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from messaging.services import apply
from messaging.services.tries import Tries
from pasmirror.lib import beat

log = structlog.get_logger()
BATCH = 200
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
        run(ended)


def run(ended: threading.Event) -> None:
    """Apply until `ended`; after a fault of the database with smaller batches, at last message by message."""
    pause, limit, done = IDLE_LEAST, BATCH, 0
    clock, tries = _BeatClock(), Tries()
    while not ended.is_set():
        refused: list[int] = []
        try:
            count, refused = apply.singly() if limit == 1 else (apply.run_once(limit), refused)
            tries.note(refused)
            done += count
            clock.beat(f"{done} messages applied since the start")
        except (DatabaseError, InterfaceError) as fault:
            limit = max(1, limit // 2)
            log.warning("apply.database_away", error=type(fault).__name__, batch=limit)
            connection.close()
            pause = _longer(pause)
            ended.wait(pause)
            continue
        if refused:
            pause = _longer(pause)
            ended.wait(pause)
            continue
        limit = min(BATCH, limit * 2)
        if count:
            pause = IDLE_LEAST
        else:
            ended.wait(pause)
            pause = min(IDLE_MOST, pause * 1.5)
    close_old_connections()


def _longer(pause: float) -> float:
    return min(AWAY_MOST, max(AWAY_LEAST, pause * 2))


class _BeatClock:
    """Beats at most once in `BEAT_EVERY` seconds."""

    def __init__(self) -> None:
        self.last = 0.0

    def beat(self, sentence: str) -> None:
        if time.monotonic() - self.last >= BEAT_EVERY:
            beat.beat("apply", sentence)
            self.last = time.monotonic()
