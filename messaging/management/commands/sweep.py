"""`manage.py sweep`: does all due work from the database alone, broker or not. A thin door on messaging.services."""

import signal
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from messaging import tasks
from messaging.selectors import lanes
from messaging.services import certificates, delivery, fidelity, gaps, incarnation, rendering, sequencer
from pasmirror.lib import audit, beat, bell

log = structlog.get_logger()
OVERDUE = 0.5  # seconds a message may wait for the bell before the sweep sends it
BUSY, IDLE, LOOK, AWAY = 0.02, 0.05, 0.1, 1.0  # seconds between rounds
BEAT_EVERY, ANCHOR_EVERY = 3.0, 60.0  # seconds
FEW, BREATH, DOZE = 5, 0.2, 2.0  # messages compared at a time; seconds after them, and where there are none
SLICE = 2.0  # seconds


class Command(BaseCommand):
    """Number, render, and deliver what is overdue."""

    help = "Number and render what was saved and deliver what is overdue, until SIGTERM; needs no broker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The choices."""
        parser.add_argument("--overdue", type=float, default=OVERDUE, help="seconds a message may wait for the bell")

    def handle(self, *args: object, **options: object) -> None:
        """Run until SIGTERM or SIGINT; slices under way are finished."""
        sweep = Sweep(overdue=float(str(options["overdue"])), anchor=settings.VAR / "anchor" / "audit.log")

        def end(number: int, frame: FrameType | None) -> None:
            sweep.ended.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        sweep.run()
        if sweep.fault:
            raise CommandError(f"The sweep ended by a fault of its own: {sweep.fault}")


class Sweep:
    """The threads: one numbers and renders, one looks for overdue lanes, one rings, one compares what we would have
    said with what the PAS said, and one for each lane under way.
    """

    def __init__(self, *, overdue: float, anchor: Path) -> None:
        self.overdue, self.anchor = overdue, anchor
        self.ended = threading.Event()
        self.fault = ""
        self._unsure = True  # whether the database is the one it was
        self.numbered = 0
        self._beaten = self._anchored = 0.0
        self._rehearsed = -ANCHOR_EVERY
        self._lanes: dict[str, threading.Thread] = {}
        self._to_ring: set[str] = set()
        self._bell = threading.Event()

    def run(self) -> None:
        """Sweep until `ended`."""
        self._retry(self._be_sure)
        loops = [
            threading.Thread(target=self._loop, args=(work,), name=work.__name__)
            for work in (self._number, self._look, self._ring, self._rehearse)
        ]
        for thread in loops:
            thread.start()
        self.ended.wait()
        for thread in [*loops, *self._lanes.values()]:
            thread.join(SLICE + 30.0)
        delivery.hang_up()

    def _loop(self, work: Callable[[], float]) -> None:
        """Do `work` again and again, waiting as long as it says; the database may come and go."""
        while not self.ended.is_set():
            try:
                pause = work()
            except (DatabaseError, InterfaceError) as fault:
                self._away(work.__name__, fault)
                pause = AWAY
            except Exception as fault:
                self.fault = type(fault).__name__
                log.exception("sweep.fault", work=work.__name__)
                self.ended.set()
                raise
            self.ended.wait(pause)
        connection.close()

    def _retry(self, work: Callable[[], object]) -> None:
        while not self.ended.is_set():
            try:
                work()
            except (DatabaseError, InterfaceError) as fault:
                self._away("start", fault)
                self.ended.wait(AWAY)
            else:
                return

    def _away(self, work: str, fault: Exception) -> None:
        log.warning("sweep.database_away", work=work, error=type(fault).__name__)
        connection.close()
        self._unsure = True  # another one may answer next

    def _be_sure(self) -> None:
        self._unsure = False
        incarnation.check(self.anchor)

    def _number(self) -> float:
        if self._unsure:
            self._be_sure()
        numbered, rendered = sequencer.run_once(), rendering.run_once()
        self.numbered += numbered
        if rendered:
            self._to_ring.update(lanes.due())
            self._bell.set()
        return BUSY if numbered or rendered else IDLE

    def _ring(self) -> float:
        """Ring by itself, since a frozen broker takes its time to fail."""
        if self._bell.wait(0.5):
            self._bell.clear()
            while self._to_ring:
                bell.ring(self._to_ring.pop())
        return 0.0

    def _look(self) -> float:
        for code in lanes.due(for_seconds=self.overdue):
            under_way = self._lanes.get(code)
            if under_way is None or not under_way.is_alive():
                self._lanes[code] = threading.Thread(target=self._deliver, args=(code,), name=f"lane-{code}")
                self._lanes[code].start()
        now = time.monotonic()
        if not self._beaten or now - self._beaten >= BEAT_EVERY:
            beat.beat("sweep", f"{self.numbered} changes numbered since the start")
            self._beaten = now
            self._to_ring.add(tasks.BEAT)  # the worker's own beat proves that wakes arrive
            self._bell.set()
        if not self._anchored or now - self._anchored >= ANCHOR_EVERY:
            audit.anchor(self.anchor)
            self._anchored = now
            self._watch()
        return LOOK

    def _watch(self) -> None:
        """Say what is amiss with feeds and certificates; a fault in that must not keep messages from leaving."""
        for watch in (gaps.watch, certificates.watch):
            try:
                watch()
            except (DatabaseError, InterfaceError):
                raise
            except Exception:
                log.exception("sweep.watch_fault", watch=watch.__module__)

    def _rehearse(self) -> float:
        """Compare a few messages of the feed with what we would have said; a fault in that is no other thread's."""
        try:
            if time.monotonic() - self._rehearsed >= ANCHOR_EVERY:
                self._rehearsed = time.monotonic()
                fidelity.watch()
            return BREATH if fidelity.run_once(FEW) else DOZE
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            log.exception("sweep.fidelity_fault")
            return ANCHOR_EVERY

    def _deliver(self, code: str) -> None:
        """Deliver one lane until nothing is due; a fault here is this lane's alone."""
        try:
            while not self.ended.is_set() and delivery.run(code, seconds=SLICE).more:
                pass
        except (DatabaseError, InterfaceError) as fault:
            self._away(code, fault)
        except Exception:
            log.exception("sweep.lane_fault", lane=code)
        finally:
            connection.close()
