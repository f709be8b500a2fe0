"""Wakes that nobody takes, and wakes beyond all measure: the sweep delivers, and nothing is doubled. Rows 29 and 30."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.eventually import eventually
from tests.faults.conftest import Make
from tests.faults.drill import Drill
from tests.faults.test_row_broker import broker
from tests.product import ROOT

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.long,
    pytest.mark.broker("a worker that takes no wakes, and wakes beyond measure, are the fault itself"),
]
WAKES = 1000
RING = """
import random
from pasmirror.lib import bell
names = ["tail", "pathology", "eprescribing", "pas"] * ({wakes} // 4)
random.Random({seed}).shuffle(names)
for name in names:
    bell.ring(name)
"""


def told_the_worker(drill: Drill, verb: str) -> None:
    """Tell the running worker, by Celery's own remote control, about its queue."""
    celery = Path(sys.executable).parent / "celery"
    done = subprocess.run(
        [str(celery), "-A", "pasmirror", "control", "--timeout", "20", verb, "wakes"],
        cwd=ROOT,
        env=drill.product.environment | {"PASMIRROR_ROLE": "work"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert "OK" in done.stdout, done.stdout


def silent(drill: Drill) -> bool:
    """Whether `manage.py status` says that the worker has fallen silent."""
    done = drill.product.manage("status", "--json")
    assert done.returncode == 0, done.stderr
    return any(row["name"] == "work" and row["silent"] for row in json.loads(done.stdout)["processes"])


def test_row_29_a_worker_that_lives_and_takes_no_wakes_is_named_and_the_sweep_delivers_within_30_s(
    drilled: Make,
) -> None:
    drill = drilled()
    drill.given_mirror()
    eventually(lambda: not silent(drill), within=30, why="the worker beats")
    worker = psutil.Process(drill.product.pid("work"))
    told_the_worker(drill, "cancel_consumer")
    before = drill.ask("SELECT now()")[0][0]
    drill.some_saves(8)
    drill.quiet(within=30)
    eventually(lambda: silent(drill), within=60, every=1.0, why="it is said that the worker takes no wakes")
    assert worker.is_running(), "the worker died: that is another fault"
    assert worker.pid == drill.product.pid("work")
    lying = broker(drill).llen("wakes")
    assert lying, "somebody took the wakes: the fault did not strike"
    drill.some_saves(4)
    drill.quiet(within=30)
    assert not drill.ask("SELECT 1 FROM lib_processbeat WHERE name = 'work' AND at > %s + interval '20 s'", before)
    told_the_worker(drill, "add_consumer")
    eventually(lambda: not silent(drill), within=60, every=1.0, why="it takes wakes again")
    drill.judged(changes=12)


def test_row_30_a_thousand_wakes_shuffled_and_doubled_amid_saves_change_nothing_but_the_hurry(drilled: Make) -> None:
    drill = drilled()
    drill.given_mirror()
    asked = broker(drill)
    pushed = int(asked.info("commandstats").get("cmdstat_lpush", {}).get("calls", 0))
    clerks = drill.clerks(n=2)
    rung = drill.product.manage("shell", "--no-imports", "-c", RING.format(wakes=WAKES, seed=drill.seed), within=120)
    assert rung.returncode == 0, rung.stderr
    eventually(lambda: clerks.saved() >= 12, within=60, why="clerks save all the while")
    clerks.stop()
    assert int(asked.info("commandstats")["cmdstat_lpush"]["calls"]) - pushed >= WAKES, "the wakes were not sent"
    drill.quiet(within=60)
    repeats = drill.ask("SELECT count(*) FROM messaging_outbound WHERE attempts > 1")
    assert repeats == [(0,)], "a wake made somebody send again"
    drill.judged(changes=12)
