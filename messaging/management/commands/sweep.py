"""`manage.py sweep`: does all due work from the database alone, broker or not. A thin door on messaging.services."""

import signal
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import FrameType

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError, connection

from messaging import tasks
from messaging.selectors import age, lanes
from messaging.services import (
    backlogs,
    certificates,
    delivery,
    fidelity,
    gaps,
    incarnation,
    probing,
    rendering,
    resending,
    sequencer,
)
from pasmirror.lib import audit, beat, bell, notices
from pasmirror.lib.away import is_away
from pasmirror.lib.faults import Faults

log = structlog.get_logger()
OVERDUE = 0.5  # seconds a message may wait for the bell before the sweep sends it
BUSY, IDLE, LOOK, AWAY = 0.02, 0.05, 0.1, 1.0  # seconds between rounds
BEAT_EVERY, WARN_EVERY, ANCHOR_EVERY = 3.0, 10.0, 60.0  # seconds
TELL_EVERY = 1.0  # seconds between looks at what the hooks are to be told
FEW, BREATH, DOZE = 5, 0.2, 2.0  # messages compared at a time; seconds after them, and where there are none
LAGS = timedelta(seconds=1)  # an applier that is further behind has the machine first: comparing can wait
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
    said with what the PAS said, one tells the site's hooks of alarms; and one for each lane under way, and a probe.
    """

    def __init__(self, *, overdue: float, anchor: Path) -> None:
        self.overdue, self.anchor = overdue, anchor
        self.ended = threading.Event()
        self.fault = ""
        self._unsure = True  # whether the database is the one it was
        self.numbered = 0
        self._faults = Faults("sweep-fault")
        self._begun = time.monotonic()
        self._beaten = self._anchored = self._warned = 0.0
        self._prober: threading.Thread | None = None
        self._rehearsed = -ANCHOR_EVERY
        self._lanes: dict[str, threading.Thread] = {}
        self._to_ring: set[str] = set()
        self._bell = threading.Event()

    def run(self) -> None:
        """Sweep until `ended`."""
        self._retry(self._be_sure)
        loops = [
            threading.Thread(target=self._loop, args=(work,), name=work.__name__)
            for work in (self._number, self._look, self._ring, self._rehearse, self._tell)
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
        numbered, rendered = sequencer.run_once(), rendering.run_once() + resending.run_once()
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
            self._probe()
        if not self._anchored or now - self._anchored >= ANCHOR_EVERY:
            audit.anchor(self.anchor)
            self._anchored = now
            self._watch(gaps.watch, certificates.watch)
        if not self._warned or now - self._warned >= WARN_EVERY:
            self._warned = now
            settled = now - self._begun > beat.ALARM_AFTER.total_seconds()  # before that all others seem silent
            self._watch(backlogs.watch, *([beat.watch] if settled else []))
        return LOOK

    def _watch(self, *watches: Callable[[], object]) -> None:
        """Say what is amiss with feeds, lanes and processes; a fault in that must not keep messages from leaving."""
        for watch in watches:
            work = watch.__module__.rpartition(".")[2]
            try:
                watch()
                self._faults.went_well(work)
            except (DatabaseError, InterfaceError):
                raise
            except Exception as fault:  # noqa: BLE001 - whatever it is, it is logged and alarmed
                self._faults.caught(work, fault)

    def _probe(self) -> None:
        """Carry out what was ordered, in a thread of its own: a destination may be silent for a while."""
        if (self._prober is None or not self._prober.is_alive()) and probing.waits():
            self._prober = threading.Thread(target=self._probing, name="probe", daemon=True)
            self._prober.start()

    def _probing(self) -> None:
        try:
            while not self.ended.is_set() and probing.run_once():
                pass
            self._faults.went_well("probe")
        except (DatabaseError, InterfaceError) as fault:
            self._away("probe", fault)
        except Exception as fault:  # noqa: BLE001 - likewise
            self._faults.caught("probe", fault)
        finally:
            connection.close()

    def _tell(self) -> float:
        """Tell the site's hooks of alarms; one that does not answer holds up nothing but the others' next turn."""
        try:
            told = notices.run_once()
            self._faults.went_well("notices")
        except (DatabaseError, InterfaceError):
            raise
        except Exception as fault:  # noqa: BLE001 - likewise
            self._faults.caught("notices", fault)
            return ANCHOR_EVERY
        return BUSY if told else TELL_EVERY

    def _rehearse(self) -> float:
        """Compare a few messages of the feed with what we would have said; a fault in that is no other thread's."""
        try:
            if time.monotonic() - self._rehearsed >= ANCHOR_EVERY:
                self._rehearsed = time.monotonic()
                fidelity.watch()
            compared = fidelity.run_once(FEW)
            self._faults.went_well("fidelity")
        except Exception as fault:  # likewise
            if is_away(fault):
                raise
            self._faults.caught("fidelity", fault)
            return ANCHOR_EVERY
        return BREATH if compared and not age.lags(LAGS) else DOZE

    def _deliver(self, code: str) -> None:
        """Deliver one lane until nothing is due; a fault here is this lane's alone."""
        try:
            while not self.ended.is_set() and delivery.run(code, seconds=SLICE).more:
                pass
            self._faults.went_well(f"lane {code}")
        except (DatabaseError, InterfaceError) as fault:
            self._away(code, fault)
        except Exception as fault:  # noqa: BLE001 - likewise
            self._faults.caught(f"lane {code}", fault)
        finally:
            connection.close()
