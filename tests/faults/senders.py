"""Another sender beside the product's own, and whether the lanes that receivers wait on are empty.

Knows commands, process ids and two tables. The sender is a Celery worker, or the sweep where no broker runs.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil

from pasmirror import tether
from tests.broker import WITHOUT_BROKER
from tests.eventually import eventually
from tests.faults.drill import Drill
from tests.product import ROOT


def another(drill: Drill) -> AbstractContextManager[psutil.Process]:
    """A second worker, or where there is no broker a second sweep, ready to send."""
    return second_sweep(drill) if WITHOUT_BROKER else drill.second_worker()


@contextmanager
def second_sweep(drill: Drill) -> Iterator[psutil.Process]:
    """Another sweep beside the product's own, at work."""
    with (drill.folder / "second.log").open("wb") as said:
        sweep = subprocess.Popen(
            tether.command([sys.executable, "manage.py", "sweep"], on_death=signal.SIGKILL),
            cwd=ROOT,
            env=drill.product.environment | {"PASMIRROR_ROLE": "sweep"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        beaten = "SELECT 1 FROM lib_processbeat WHERE name = 'sweep' AND pid = %s"
        eventually(lambda: drill.ask(beaten, sweep.pid), within=30, every=0.1, why="the second sweep is at work")
        yield psutil.Process(sweep.pid)
    finally:
        sweep.kill()
        sweep.wait(10)


def nothing_waits(drill: Drill) -> bool:
    """Whether all that was saved has been numbered, and no receiver waits for anything."""
    return drill.ask(_WAITS) == [(0, 0)]


_WAITS = """
SELECT (SELECT count(*) FROM patients_journaltail)::int,
       (SELECT count(*) FROM messaging_outbound o JOIN messaging_destination d ON d.id = o.lane_id
        WHERE NOT d.is_pas AND o.leg IN ('queued', 'sending'))::int
"""
