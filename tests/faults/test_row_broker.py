"""Everything that can happen to the broker and its workers changes latency and nothing else. Rows 27 and 28."""

import os
import signal
from functools import partial

import psutil
import pytest
import redis

from pasmirror import embedded, supervise
from tests.eventually import eventually
from tests.faults.conftest import Make
from tests.faults.drill import Drill
from tests.faults.recorder.clerks import Clerks
from tests.faults.senders import second_sweep

pytestmark = [pytest.mark.timeout(240), pytest.mark.broker("the broker and its workers are what is struck")]


def broker(drill: Drill) -> redis.Redis:
    """A client of the drill's broker."""
    return redis.Redis(unix_socket_path=str(embedded.socket_folder(drill.var) / "valkey.sock"), socket_timeout=2)


def killed(drill: Drill) -> None:
    """Kill -9; supervisord starts it again, empty."""
    died = drill.product.pid("valkey")
    os.kill(died, signal.SIGKILL)
    eventually(lambda: drill.product.pid("valkey") != died, within=20, every=0.1, why="it is started again")


def flushed(drill: Drill) -> None:
    """Everything in it is gone."""
    before = broker(drill).info("commandstats").get("cmdstat_flushall", {}).get("calls", 0)
    broker(drill).flushall()
    assert broker(drill).info("commandstats")["cmdstat_flushall"]["calls"] == before + 1


def full(drill: Drill) -> None:
    """It refuses every write."""
    asked = broker(drill)
    asked.config_set("maxmemory-policy", "noeviction")
    asked.config_set("maxmemory", 1)
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        asked.set("anything", "x")


def emptied(drill: Drill) -> None:
    """Stopped and started again, empty."""
    supervise.stop_program("valkey", var=drill.var)
    supervise.start_program("valkey", var=drill.var)


def frozen(drill: Drill) -> None:
    """Stopped, until clerks have saved on without it and all of that has been sent."""
    pid = drill.product.pid("valkey")
    os.kill(pid, signal.SIGSTOP)
    clerks = drill.clerks(n=2)
    eventually(lambda: clerks.saved() >= 6, within=60, why="clerks save without the broker")
    clerks.stop()
    drill.quiet(within=30)
    assert psutil.Process(pid).status() == psutil.STATUS_STOPPED, "the fault did not strike"
    os.kill(pid, signal.SIGCONT)


def test_row_27_the_broker_is_frozen_killed_flushed_emptied_and_full_and_each_time_all_is_sent_within_30_s(
    drilled: Make,
) -> None:
    drill = drilled()
    drill.given_mirror()
    for fault in (frozen, killed, flushed, emptied, full):
        fault(drill)
        clerks = drill.clerks(n=2)
        _saves(clerks, 5)
        clerks.stop()
        drill.quiet(within=30)
    drill.judged(changes=30)


def test_row_28_workers_are_killed_asked_to_end_and_doubled_and_all_is_sent_once_and_in_order(drilled: Make) -> None:
    drill = drilled()
    drill.given_mirror()
    clerks = drill.clerks(n=3, pace=0.0)
    ended = set()
    for wish in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        had = clerks.saved()
        eventually(lambda had=had: clerks.saved() >= had + 5, within=60)  # type: ignore[misc]
        died = drill.product.pid("work")
        os.kill(died, wish)
        ended.add(died)
        eventually(lambda died=died: _another(drill, died), within=30, every=0.1, why="a new worker")  # type: ignore[misc]
    assert len(ended) == 3, "the workers did not end"
    with drill.second_worker() as second:
        had = clerks.saved()
        eventually(lambda: clerks.saved() >= had + 15, within=90, why="clerks save, and two workers share the lanes")
        clerks.stop()
        drill.quiet()
        assert second.is_running()
    drill.judged(changes=30)


def ended_while_it_fetches(drill: Drill, worker: psutil.Process) -> None:
    """SIGTERM to a worker that has taken wakes out of a full queue and has done nothing with them yet."""
    worker.suspend()
    wakes(drill, 400)
    assert broker(drill).llen("wakes") > 0, "there is nothing to fetch: the fault did not strike"
    worker.terminate()
    worker.resume()
    eventually(lambda: _another(drill, worker.pid), within=60, every=0.1, why="a new worker")


def out_of_memory(drill: Drill, worker: psutil.Process) -> None:
    """It gets no more memory, and whoever else is there has to do its work; then it gets some again."""
    limits = worker.rlimit(psutil.RLIMIT_AS)
    worker.rlimit(psutil.RLIMIT_AS, (1, limits[1]))
    wakes(drill, 400)
    log = drill.var / "log" / "work.log"
    eventually(
        lambda: b"MemoryError" in log.read_bytes() or _another(drill, worker.pid), within=60, why="it lacks memory"
    )
    drill.some_saves(5)
    drill.quiet(within=30)
    if worker.is_running():
        worker.rlimit(psutil.RLIMIT_AS, limits)


@pytest.mark.long
def test_row_28_a_worker_ends_while_it_fetches_another_has_no_memory_two_sweeps_run_and_all_is_sent_within_30_s(
    drilled: Make,
) -> None:
    drill = drilled()
    drill.given_mirror()
    with second_sweep(drill) as second:
        for fault in (ended_while_it_fetches, out_of_memory):
            clerks = drill.clerks(n=2)
            _saves(clerks, 5)
            fault(drill, psutil.Process(drill.product.pid("work")))
            _saves(clerks, clerks.saved() + 5)
            clerks.stop()
            drill.quiet(within=30)
        now = drill.ask("SELECT now()")[0][0]
        for pid in (second.pid, drill.product.pid("sweep")):
            eventually(partial(drill.beats, "sweep", since=now, pid=pid), within=30, why="both sweeps are at work")
    drill.judged(changes=25)


def wakes(drill: Drill, n: int) -> None:
    """So many wakes at once, for every lane."""
    ring = f"for name in ['tail', 'pathology', 'eprescribing', 'pas'] * {n // 4}: bell.ring(name)"
    rung = drill.product.manage("shell", "--no-imports", "-c", f"from pasmirror.lib import bell\n{ring}", within=120)
    assert rung.returncode == 0, rung.stderr


def _saves(clerks: Clerks, n: int) -> None:
    eventually(lambda: clerks.saved() >= n, within=60, why=f"{n} saves")


def _another(drill: Drill, died: int) -> bool:
    return supervise.program_pid("work", var=drill.var) not in (None, died)
