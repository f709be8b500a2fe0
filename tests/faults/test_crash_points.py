"""Every crash point in turn: a process is killed there while clerks save, the PAS feeds, lanes deliver, the mode flips,
the replay and the hand-back run. supervisord starts it again, and the judge finds nothing. Rows 16 and 38.

One drill serves all of it. Each test brings about what it needs, kills at the points of its phase one after the other,
and has everything judged that has happened so far.
"""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPException

import pytest

from pasmirror import supervise
from pasmirror.demo.browser import PageRefused
from pasmirror.lib.crash import Point
from tests.broker import SENDER, WITHOUT_BROKER
from tests.eventually import eventually
from tests.faults.conftest import LONG
from tests.faults.drill import Drill
from tests.faults.prepared import Prepared
from tests.hospital import MIRROR, NORMAL, RECOVERY

pytestmark = pytest.mark.timeout(1800 if LONG else 600)
PASSINGS = (1, 3, 7) if LONG else (1,)  # of a process at the point it is killed at
WITHIN = 60.0  # seconds for somebody to come by, on a busy machine; usually it is one or two
ABSENT = "work" if WITHOUT_BROKER else ""
BACK_WITHIN = 60.0  # seconds for supervisord to have everybody running again

FEED = {
    "listen": (Point.INTAKE_KEYED, Point.INTAKE_STORED, Point.INTAKE_COMMITTED, Point.INTAKE_ANSWERED),
    "apply": (Point.APPLY_TAKEN, Point.APPLY_WRITTEN),
}
FLIP = {
    "monitor": (
        *(Point.FLIP_GATE_MOVED, Point.FLIP_RECORDED, Point.FLIP_COMMITTED),
        *(Point.EMISSION_MOVED, Point.EMISSION_RECORDED, Point.EMISSION_COMMITTED),
    )
}
SAVE = {
    "web": (
        *(Point.SAVE_GATE_PASSED, Point.SAVE_KEY_CLAIMED, Point.SAVE_ROWS_LOCKED, Point.SAVE_JOURNALLED),
        *(Point.SAVE_TAILED, Point.SAVE_KEY_SETTLED, Point.SAVE_COMMITTED),
    )
}
DELIVERY = {
    "anyone": (
        *(Point.NUMBER_TAIL_TAKEN, Point.NUMBER_NUMBERED, Point.NUMBER_LINKED, Point.NUMBER_COMMITTED),
        *(Point.RENDER_STORED, Point.DELIVER_CLAIMED, Point.DELIVER_ATTEMPT_COMMITTED),
        *(Point.DELIVER_ANSWER_HEARD, Point.DELIVER_SETTLED),
    ),
    SENDER: (Point.SENDER_BYTES_SENT,),  # the monitor's probes come by there too
}
REPLAY = {
    "monitor": (
        *(Point.REPLAY_ENLISTED, Point.REPLAY_PAS_ASKED, Point.REPLAY_LEFT_TO_PAS, Point.REPLAY_RELEASED),
        *(Point.REPLAY_STEPPED, Point.REPLAY_CONFIRMED),
    )
}
HANDBACK = {
    "web": (Point.HANDBACK_BEGUN,),
    "monitor": (Point.HANDBACK_DRAINED, Point.HANDBACK_FENCED, Point.HANDBACK_CLOSED, Point.HANDBACK_COMMITTED),
}
Phase = dict[str, tuple[Point, ...]]


def test_every_point_is_swept() -> None:
    phases = (FEED, FLIP, SAVE, DELIVERY, REPLAY, HANDBACK)
    swept = [point for phase in phases for points in phase.values() for point in points]
    assert sorted(swept) == sorted(Point)


@pytest.fixture(scope="module")
def drill(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    with Drill(prepared, tmp_path_factory.mktemp("sweep")) as started:
        yield started


def kills(drill: Drill, phase: Phase, *, passings: Iterable[int] = PASSINGS) -> None:
    """Kill at each point of the phase, one after the other, while somebody works; then all processes are back."""
    for nth in passings:
        for role, points in phase.items():
            for point in points:
                with struck(drill, {role: (point,)}, nth=nth):
                    pass
    everybody_is_back(drill)


@contextmanager
def struck(drill: Drill, phase: Phase, *, nth: int = 1) -> Iterator[None]:
    """Lay a strike at each point of the phase; at the end all of them have fallen."""
    expected: dict[Point, int] = {}
    for role, points in phase.items():
        for point in points:
            expected[point] = len(drill.strikes.fallen(point)) + 1
            drill.strikes.lay(point, "kill", nth=nth, role=role)
    yield
    for point, times in expected.items():
        eventually(lambda p=point, n=times: len(drill.strikes.fallen(p)) >= n, within=WITHIN, why=f"killed at {point}")  # type: ignore[misc]


def everybody_is_back(drill: Drill) -> None:
    """All processes run, by no hand but supervisord's."""

    def running() -> bool:
        states = supervise.states(var=drill.var)
        return all(state == "RUNNING" for name, (state, _) in states.items() if name != ABSENT)

    eventually(running, within=BACK_WITHIN, every=0.2, why="all processes run again")


def tried(drill: Drill, verb: str) -> bool:
    """Do something on the console; whether it was said to be done. Its worker may die over it."""
    try:
        drill.act(verb)
    except (PageRefused, OSError, HTTPException):
        return False
    return True


def test_killed_while_the_pas_feeds(drill: Drill) -> None:
    drill.given_normal()
    desk = drill.desk()
    kills(drill, FEED)
    desk.stop()
    drill.judged(changes=0)


@pytest.mark.long
def test_killed_while_the_monitor_opens_mirror_mode_and_emission(drill: Drill) -> None:
    drill.given_normal()
    with struck(drill, FLIP):
        drill.kill_pas()
    everybody_is_back(drill)
    drill.until(MIRROR)
    assert drill.ask("SELECT epoch FROM patients_gate") == [(2,)], "the outage was opened more than once"
    assert drill.ask("SELECT count(*) FROM failover_incident") == [(1,)]
    drill.given_mirror()


def test_row_16_killed_at_each_step_of_a_save_and_the_clerk_presses_again(drill: Drill) -> None:
    drill.given_mirror()
    clerks = drill.clerks(n=3)
    kills(drill, SAVE)
    had = clerks.saved()
    eventually(lambda: clerks.saved() >= had + 5, within=WITHIN, why="clerks save again by themselves")
    clerks.stop()
    assert clerks.done()["unknown"] >= len(SAVE["web"]) // 2, "the clerks have noticed too little"
    drill.judged(changes=5)


@pytest.mark.long
def test_killed_while_lanes_are_numbered_written_and_delivered(drill: Drill) -> None:
    drill.given_mirror()
    clerks = drill.clerks(n=2, pace=0.2)
    kills(drill, DELIVERY)
    clerks.stop()
    drill.judged(changes=20)


@pytest.mark.long
def test_row_38_killed_at_each_step_of_the_replay(drill: Drill) -> None:
    drill.given_mirror()
    clerks = drill.clerks(n=1, pace=0.3)
    drill.start_pas()
    eventually(lambda: drill.mode() == RECOVERY or tried(drill, "release"), within=WITHIN, every=0.5, why="released")
    kills(drill, REPLAY)
    clerks.stop()
    drill.judged(changes=20)


@pytest.mark.long
def test_killed_at_each_step_of_the_hand_back(drill: Drill) -> None:
    drill.given_recovery()
    drill.quiet()

    def handed_back() -> bool:
        with contextlib.suppress(OSError, HTTPException):
            drill.handed_over()
        return drill.mode() == NORMAL

    with struck(drill, HANDBACK):
        eventually(handed_back, within=5 * WITHIN, every=0.5, why="control is handed back")
    everybody_is_back(drill)
    drill.judged(changes=20)
    assert drill.mode() == NORMAL
