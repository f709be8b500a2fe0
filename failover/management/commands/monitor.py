"""`manage.py monitor`: watches the PAS and acts by the policy, until told to end. A thin door on failover.services."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import structlog
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection

from failover.selectors import evidence
from failover.services import monitor, way_back
from pasmirror.lib import beat

log = structlog.get_logger()
AWAY = 0.5  # seconds between tries when the database is away
IDLE, BUSY = 0.5, 0.05  # seconds between looks at the way back
BEAT_EVERY = 2.0  # seconds


class Command(BaseCommand):
    """Watch the PAS, decide and act; beside it, walk the way back."""

    help = "Watch the PAS and switch by the policy, until SIGTERM; several may run, one of them decides."

    def handle(self, *args: object, **options: object) -> None:
        """Run until SIGTERM or SIGINT."""
        watching = Watching()

        def end(number: int, frame: FrameType | None) -> None:
            watching.ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        watching.run()
        if watching.fault:
            raise CommandError(f"The monitor ended by a fault of its own: {watching.fault}")


class Watching:
    """Two threads: one beats, one walks the way back, whose questions to the PAS must not hold up the beat."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.fault = ""
        self.memory = monitor.Memory()
        self._beaten = 0.0
        self._begun = time.monotonic()

    def run(self) -> None:
        """Watch until `ended`."""
        threads = [threading.Thread(target=self._loop, args=(work,)) for work in (self._beat, self._way_back)]
        for thread in threads:
            thread.start()
        self.ended.wait()
        self.memory.prober.close()
        for thread in threads:
            thread.join(30.0)

    def _loop(self, work: Callable[[], float]) -> None:
        """Do `work` again and again, waiting as long as it says; the database may come and go."""
        while not self.ended.is_set():
            try:
                pause = work()
            except (DatabaseError, InterfaceError) as fault:
                log.warning("monitor.database_away", work=work.__name__, error=type(fault).__name__)
                if work == self._beat:
                    self.memory.shaken = "the database was away"
                connection.close()
                pause = AWAY
            except Exception as fault:
                self.fault = type(fault).__name__
                log.exception("monitor.fault", work=work.__name__)
                self.ended.set()
                raise
            self.ended.wait(pause)
        connection.close()

    def _beat(self) -> float:
        began = time.monotonic()
        sentence = monitor.one_beat(self.memory)
        if began - self._beaten >= BEAT_EVERY or not self._beaten:
            self._beaten = began
            beat.beat("monitor", sentence)
            if began - self._begun > beat.ALARM_AFTER.total_seconds():  # before that all others seem silent
                beat.watch()
        every = evidence.rules().probe_every
        connection.close_if_unusable_or_obsolete()
        return max(0.0, every - (time.monotonic() - began))

    def _way_back(self) -> float:
        done = way_back.step()
        connection.close_if_unusable_or_obsolete()
        return BUSY if done else IDLE
