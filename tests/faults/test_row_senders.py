"""Senders frozen with a message in hand, over a hand-back and over the end of their lease. Rows 14 and 31."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import psutil
import pytest
from _pytest.mark import ParameterSet

from pasmirror.lib.crash import Point
from tests.broker import SENDER, WITHOUT_BROKER
from tests.eventually import eventually
from tests.faults.conftest import Make
from tests.faults.drill import Drill
from tests.faults.outside import RECEIVERS
from tests.faults.senders import another
from tests.hospital import NORMAL

pytestmark = pytest.mark.timeout(240)
STAGES = {
    "before the check": Point.DELIVER_CLAIMED,
    "after the check": Point.DELIVER_ATTEMPT_COMMITTED,
    "with its bytes on the wire": Point.SENDER_BYTES_SENT,
}


def frozen_worker(drill: Drill, point: Point) -> psutil.Process:
    """The sender, stopped at `point` with a message of ours in hand; where no broker runs it is a sweep of two."""
    drill.strikes.lay(point, "stop", role=SENDER)
    drill.some_saves(3)
    struck = eventually(lambda: drill.strikes.fallen(point), within=20, why=f"a sender stops at {point}")
    return psutil.Process(struck[0])


@pytest.fixture
def manned(drilled: Make) -> Iterator[Make]:
    """A drill in which somebody else can take the lanes over: the sweep, or where that is the sender a second one."""
    with ExitStack() as stack:

        def make(**choices: Any) -> Drill:
            drill = drilled(**choices)
            if WITHOUT_BROKER:
                stack.enter_context(another(drill))
            return drill

        yield make


IN_CI = "after the check"  # the others take their minute by `make faults`


def stages(*names: str) -> list[ParameterSet]:
    """These stages; all but one of them at length only."""
    return [pytest.param(name, marks=[] if name == IN_CI else pytest.mark.long) for name in names]


@pytest.mark.parametrize("stage", stages(*STAGES))
def test_row_14_a_worker_frozen_over_a_hand_back_puts_out_at_most_the_one_message_it_had_on_each_lane(
    manned: Make, stage: str
) -> None:
    drill = manned()
    drill.given_mirror()
    worker = frozen_worker(drill, STAGES[stage])
    drill.some_saves(3)
    drill.back_to_normal(within=90, healed=False)  # the sweep takes the lanes over when the lease has run out
    assert worker.status() == psutil.STATUS_STOPPED, "the sender did not sleep through the hand-back"
    fenced_at = drill.ask("SELECT now()")[0][0]
    before = {name: drill.frames(name) for name in RECEIVERS}
    os.kill(worker.pid, signal.SIGCONT)
    eventually(partial(drill.beats, SENDER, since=fenced_at, pid=worker.pid), within=30, why="it is at work again")
    late = {name: drill.frames(name) - before[name] for name in RECEIVERS}
    assert max(late.values()) <= 1, f"messages left after the hand-back: {late}"  # its threads hold a lane each
    assert drill.ask("SELECT count(*) FROM messaging_attempt WHERE opened_at > %s", fenced_at) == [(0,)]
    assert drill.mode() == NORMAL
    drill.judged(changes=6)


@pytest.mark.parametrize("stage", stages("after the check", "with its bytes on the wire"))
def test_row_31_a_lane_whose_holder_sleeps_past_its_lease_goes_on_within_30_s_in_order_and_without_a_second_effect(
    manned: Make, stage: str
) -> None:
    drill = manned()
    drill.given_mirror()
    worker = frozen_worker(drill, STAGES[stage])
    drill.some_saves(6)
    drill.quiet(within=30)  # another holder delivers all of it
    assert worker.status() == psutil.STATUS_STOPPED, "the first holder did not sleep past its lease"
    woken = drill.ask("SELECT now()")[0][0]
    tokens = drill.ask("SELECT destination_id, token FROM messaging_lane ORDER BY 1")
    os.kill(worker.pid, signal.SIGCONT)
    drill.some_saves(6)
    eventually(partial(drill.beats, SENDER, since=woken, pid=worker.pid), within=30, why="the first is at work again")
    drill.quiet()
    assert drill.ask("SELECT destination_id, token FROM messaging_lane ORDER BY 1") != tokens
    drill.judged(changes=15)
