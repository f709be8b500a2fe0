"""A line to the broker that dies without a word: the worker notices by itself and takes wakes again. Row 29."""

import pytest

from messaging.simulators.receiver import Receiver
from pasmirror import embedded
from patients.models import JournalTail
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make
from tests.faults.proxy import Proxy
from tests.faults.test_wakes import CODES, Processes, processes, receivers  # noqa: F401

pytestmark = [
    pytest.mark.usefixtures("committed"),
    pytest.mark.timeout(180),
    pytest.mark.long,
    pytest.mark.broker("the line to the broker is what is struck"),
]


def all_told() -> bool:
    return not JournalTail.objects.exists() and all(set(make.legs(code)) == {"accepted"} for code in CODES)


def test_row_29_a_worker_on_a_half_open_line_takes_wakes_again_within_45_s(
    valkey_server: embedded.Valkey,
    processes: Processes,  # noqa: F811
    receivers: list[Receiver],  # noqa: F811
) -> None:
    """No sweep runs, so that nothing but a wake delivers."""
    with Proxy(0, to=valkey_server.socket) as line:
        worker = processes.work(REDIS_URL=f"redis://127.0.0.1:{line.port}/0")
        make.register("BEFORE")
        eventually(all_told, within=15, why="wakes arrive through the line")
        held = line.connections()
        line.half_open(times=held)
        eventually(lambda: line.fired()["half_open"] == held >= 1, within=5, why="every connection is dead")
        asked = 0

        def taken_again() -> bool:
            nonlocal asked
            asked += 1
            make.register(f"AFTER{asked}")
            eventually(all_told, within=5)
            return True

        eventually(taken_again, within=45, why="the worker takes wakes again")
        assert asked > 1, "the fault did not strike"
        assert worker.poll() is None
        assert [len(each.effects()) for each in receivers] == [asked + 1] * len(CODES)
