"""Listener and applier killed at random while a morning's messages come: what was acknowledged is there, once."""

import os
import random
import signal
from typing import Any

import pytest

from pasmirror import supervise
from tests.eventually import eventually
from tests.faults.conftest import LONG, Make
from tests.faults.drill import Drill

pytestmark = pytest.mark.timeout(1800 if LONG else 300)
MESSAGES = 5_000 if LONG else 1_000
ROUNDS = range(1, 11 if LONG else 2)
QUIET = 600 if LONG else 120  # seconds
KILLS = 6  # of each of the two in one round
LOT = 250  # patients of one morning: the simulator is asked for no more than it makes in a few seconds


@pytest.mark.parametrize("seed", ROUNDS)
def test_listener_and_applier_are_killed_at_random_and_nothing_acknowledged_is_missing_or_applied_twice(
    drilled: Make, seed: int
) -> None:
    drill = drilled(seed=seed)
    chance = random.Random(seed)
    had = stored(drill)
    drill.pas.do("hold_backlog", lane="feed")
    made = 0
    while made < MESSAGES:
        told: Any = drill.pas.do("morning", patients=LOT, seed=1000 * seed + made)
        made += sum(told.values())
    drill.pas.do("send_backlog")
    all_of_it = had + made
    died: list[int] = []
    for kill in range(2 * KILLS):
        # at random points of the work: so many further messages are stored by then
        mark = stored(drill) + chance.randint(1, MESSAGES // (4 * KILLS))
        eventually(lambda mark=mark: stored(drill) >= min(mark, all_of_it), within=60, every=0.01)  # type: ignore[misc]
        died.append(killed(drill, ("listen", "apply")[kill % 2]))
    assert len(set(died)) == 2 * KILLS, f"seed {seed}: the fault did not strike as often as it should"
    eventually(lambda: drill.pas.do("quiet"), within=QUIET, every=0.2, why="the PAS is answered for all of it")
    drill.quiet(within=QUIET)
    assert stored(drill) == all_of_it, f"seed {seed}"
    drill.judged(changes=0)


def stored(drill: Drill) -> int:
    """How many messages are stored."""
    return int(drill.ask("SELECT count(*) FROM messaging_inbound")[0][0])


def killed(drill: Drill, name: str) -> int:
    """Kill -9 one of the product's processes as soon as it runs; gives the process id that died."""
    pid = eventually(lambda: supervise.program_pid(name, var=drill.var), within=30, every=0.05, why=f"{name} runs")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: supervise.program_pid(name, var=drill.var) != pid, within=30, every=0.05, why=f"{name} died")
    return int(pid)
