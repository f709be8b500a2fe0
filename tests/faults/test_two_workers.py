"""Two workers; one is stopped with a lane in hand, past its lease; the other goes on; the first wakes. Rows 14 and 31.

The outcomes allowed are those of the table in docs/delivery.md; the same in one process, in seconds, is
tests/service/test_delivery_takeovers.py. The sweep is stopped meanwhile, so that there are these two senders and no
third; where no broker runs, the two are sweeps.
"""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import psutil
import pytest

from pasmirror.lib.crash import Point
from tests.broker import SENDER, WITHOUT_BROKER
from tests.eventually import eventually
from tests.faults.conftest import Make
from tests.faults.drill import Drill
from tests.faults.outside import RECEIVERS
from tests.faults.senders import another, nothing_waits

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]
SOON = 60.0  # seconds; a lease lasts 11: 2 of the slice, twice the answer's 2, and 5
OTHER_LANES = len(RECEIVERS) - 1  # a process is stopped as a whole: its other lane's thread, wherever that is
REPEATS = {
    # Where it is stopped: the least and the most that the receivers get twice, identical and counted.
    Point.DELIVER_CLAIMED: (0, OTHER_LANES),
    Point.DELIVER_ATTEMPT_COMMITTED: (0, OTHER_LANES),
    Point.SENDER_BYTES_SENT: (1, 1 + OTHER_LANES),
}


def stopped_sender(drill: Drill, point: Point) -> psutil.Process:
    """The sender that came first to `point`, stopped there."""
    drill.strikes.lay(point, "stop", role=SENDER)
    drill.some_saves(3)
    struck = eventually(lambda: drill.strikes.fallen(point), within=SOON, why=f"a sender stops at {point}")
    return psutil.Process(struck[0])


def goes_on(drill: Drill) -> bool:
    """Save once more, so that somebody is woken, and see everything arrive."""
    drill.some_saves(1)
    eventually(lambda: nothing_waits(drill), within=5, every=0.1)
    return True


@contextmanager
def news_for_nobody_else(drill: Drill, other: psutil.Process) -> Iterator[int]:
    """More changes, written and due, while only the sleeper is there to send them; gives the last change before."""
    before = int(drill.ask("SELECT max(id) FROM patients_change")[0][0])

    def written() -> bool:
        drill.some_saves(1)
        eventually(lambda: drill.ask(_UNWRITTEN, list(RECEIVERS)) == [(0,)], within=5, every=0.1)
        return True

    _pause(drill, paused=True)
    eventually(written, within=SOON, why="they are written")
    os.kill(other.pid, signal.SIGSTOP)
    try:
        _pause(drill, paused=False)
        yield before
    finally:
        os.kill(other.pid, signal.SIGCONT)


_UNWRITTEN = """
SELECT count(*)::int FROM patients_change c CROSS JOIN messaging_destination d
LEFT JOIN messaging_outbound o ON o.change = c.id AND o.lane_id = d.id
WHERE c.source = 'clerk' AND d.code = ANY(%s) AND o.body IS NULL
"""


def _pause(drill: Drill, *, paused: bool) -> None:
    drill.ask("UPDATE messaging_destination SET paused = %s WHERE code = ANY(%s) RETURNING 1", paused, list(RECEIVERS))


HARM = {
    # What the woken sender does on a build that asks for no token, so that a test can wait for it.
    Point.DELIVER_CLAIMED: "SELECT 1 FROM messaging_attempt a JOIN messaging_outbound o ON o.id = a.outbound_id "
    "WHERE o.change > %s",
    Point.SENDER_BYTES_SENT: "SELECT 1 FROM messaging_outbound WHERE leg = 'sending' AND change <= %s",
}


def played(drill: Drill, point: Point, *, harmed: bool = False) -> None:
    """All of it: stopped at `point`, taken over, woken with more due; at the end everybody is at work again."""
    drill.given_mirror()
    drill.quiet()
    with ExitStack() as stack:
        second = stack.enter_context(another(drill))
        third = ExitStack()
        stack.callback(third.close)
        third.enter_context(nullcontext() if WITHOUT_BROKER else drill.frozen("sweep"))
        sleeper = stopped_sender(drill, point)
        own = psutil.Process(drill.product.pid(SENDER))
        other = second if sleeper.pid == own.pid else own
        assert {sleeper.pid, other.pid} == {own.pid, second.pid}
        eventually(lambda: goes_on(drill), within=SOON, why="the other has taken the lanes over")
        drill.some_saves(4)
        eventually(lambda: nothing_waits(drill), within=SOON, every=0.1, why="the other sends all there is")
        assert sleeper.status() == psutil.STATUS_STOPPED, "it did not sleep past its lease"
        with news_for_nobody_else(drill, other) as before:
            woken = drill.ask("SELECT now()")[0][0]
            os.kill(sleeper.pid, signal.SIGCONT)
            if harmed:
                done = partial(drill.ask, HARM[point], before)
                eventually(done, within=SOON, every=0.1, why="it goes on as the holder")
            third.close()
            back = partial(drill.beats, SENDER, since=woken, pid=sleeper.pid)
            eventually(back, within=SOON, why="it is at work again")
        drill.quiet()


def came(drill: Drill) -> Iterator[tuple[str, list[str]]]:
    """By receiver: MSH-10 of every frame it took, in order."""
    for code in RECEIVERS:
        messages: Any = drill.receivers[code].do("messages")
        yield code, [each["control_id"] for each in messages]


def breaches(drill: Drill) -> set[str]:
    """What the receivers and the attempts show, of order, count and token."""
    found = set()
    for code, arrived in came(drill):
        told = drill.ask(
            "SELECT o.control_id, o.patient, o.seq, o.attempts FROM messaging_outbound o "
            "JOIN messaging_destination d ON d.id = o.lane_id WHERE d.code = %s AND o.control_id <> ''",
            code,
        )
        rows = {row[0]: row[1:] for row in told}
        newest: dict[int, int] = {}
        for patient, seq, _ in (rows[name] for name in arrived if name in rows):
            if seq < newest.get(patient, 0):
                found.add("one came after a later one of its patient")
            newest[patient] = max(seq, newest.get(patient, 0))
        times = Counter(arrived)
        if any(times[name] > attempts for name, (_, _, attempts) in rows.items()):
            found.add("one left more often than was counted")
        tokens = [
            row[0]
            for row in drill.ask(
                "SELECT a.token FROM messaging_attempt a JOIN messaging_outbound o ON o.id = a.outbound_id "
                "JOIN messaging_destination d ON d.id = o.lane_id WHERE d.code = %s ORDER BY a.id",
                code,
            )
        ]
        if tokens != sorted(tokens):
            found.add("an attempt was opened under an old token")
    return found


@pytest.mark.parametrize("point", REPEATS, ids=str)
def test_one_worker_sleeps_past_its_lease_and_the_other_goes_on_in_order_and_without_a_silent_duplicate(
    drilled: Make, point: Point
) -> None:
    drill = drilled()
    played(drill, point)
    assert breaches(drill) == set()
    repeats = sum(times - 1 for _, arrived in came(drill) for times in Counter(arrived).values())
    least, most = REPEATS[point]
    assert least <= repeats <= most
    drill.judged(changes=10)


@pytest.mark.parametrize(
    ("point", "breach"),
    [
        (Point.DELIVER_CLAIMED, "an attempt was opened under an old token"),
        (Point.SENDER_BYTES_SENT, "one came after a later one of its patient"),
    ],
    ids=str,
)
def test_with_the_token_taken_out_the_same_is_found(drilled: Make, point: Point, breach: str) -> None:
    """Not where the attempt is committed: there the lease's own end, asked before the first byte, holds it back."""
    drill = drilled(broken="no_fencing_token")
    played(drill, point, harmed=True)
    assert breach in breaches(drill)
