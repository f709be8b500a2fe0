"""Everything that can happen to the broker and its workers changes latency and nothing else. Rows 27 and 28."""

import os
import signal
from collections.abc import Callable

import psutil
import pytest
import redis

from pasmirror import embedded, supervise
from tests.eventually import eventually
from tests.faults.conftest import Make
from tests.faults.drill import Drill

pytestmark = pytest.mark.timeout(240)


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


@pytest.mark.parametrize("fault", [killed, flushed, full, emptied], ids=lambda fault: fault.__name__)
def test_row_27_the_broker_is_killed_flushed_full_or_emptied_and_all_is_sent_within_30_s(
    drilled: Make, fault: Callable[[Drill], None]
) -> None:
    drill = drilled()
    drill.given_mirror()
    clerks = drill.clerks(n=2, pace=0.02)
    eventually(lambda: clerks.done()["ok"] >= 4, within=60)
    fault(drill)
    had = clerks.done()["ok"]
    eventually(lambda: clerks.done()["ok"] >= had + 6, within=60, why="clerks go on saving")
    clerks.stop()
    drill.quiet(within=30)
    drill.judged(changes=10)


def test_row_27_the_broker_is_frozen_and_saves_go_on_and_all_is_sent_within_30_s(drilled: Make) -> None:
    drill = drilled()
    drill.given_mirror()
    pid = drill.product.pid("valkey")
    os.kill(pid, signal.SIGSTOP)
    clerks = drill.clerks(n=2, pace=0.02)
    eventually(lambda: clerks.done()["ok"] >= 8, within=60, why="clerks save")
    clerks.stop()
    drill.quiet(within=30)
    assert psutil.Process(pid).status() == psutil.STATUS_STOPPED, "the fault did not strike"
    drill.judged(changes=8)


@pytest.mark.parametrize("wish", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "asked to end"])
def test_row_28_workers_end_in_the_middle_of_their_work_and_all_is_sent_once_and_in_order(
    drilled: Make, wish: signal.Signals
) -> None:
    drill = drilled()
    drill.given_mirror()
    clerks = drill.clerks(n=3, pace=0.0)
    ended = set()
    for _ in range(3):
        had = clerks.done()["ok"]
        eventually(lambda had=had: clerks.done()["ok"] >= had + 5, within=60)  # type: ignore[misc]
        died = drill.product.pid("work")
        os.kill(died, wish)
        ended.add(died)
        eventually(lambda died=died: _another(drill, died), within=30, every=0.1, why="a new worker")  # type: ignore[misc]
    clerks.stop()
    assert len(ended) == 3, "the workers did not end"
    drill.quiet()
    drill.judged(changes=15)


def test_row_28_two_workers_share_the_lanes_and_nothing_is_sent_twice_or_out_of_order(drilled: Make) -> None:
    drill = drilled()
    drill.given_mirror()
    with drill.second_worker() as second:
        clerks = drill.clerks(n=4, pace=0.0)
        eventually(lambda: clerks.done()["ok"] >= 25, within=90)
        clerks.stop()
        drill.quiet()
        assert second.is_running()
    drill.judged(changes=25)


def _another(drill: Drill, died: int) -> bool:
    return supervise.program_pid("work", var=drill.var) not in (None, died)
