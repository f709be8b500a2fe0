"""The PAS dies, hangs or comes back by itself; the one who watches it is frozen. Rows 1, 2, 8, 12 of the catalogue."""

import os
import signal
import time

import psutil
import pytest

from tests.eventually import eventually
from tests.faults.conftest import Make
from tests.faults.drill import Drill
from tests.hospital import MIRROR, NORMAL

pytestmark = pytest.mark.timeout(240)
OPENS_WITHIN = 20.0  # seconds: down after 3, its probes, a beat; and room for a loaded machine


def test_row_01_the_pas_is_killed_under_load_and_writes_open_within_20_s_and_nothing_is_lost(drilled: Make) -> None:
    drill = drilled()
    users = drill.desk(pace=0.02)
    eventually(lambda: users.done()["ok"] >= 15, within=30, why="the PAS's users work")
    died = drill.outside.kill("pas")
    struck = time.monotonic()
    drill.until(MIRROR, within=OPENS_WITHIN)
    assert time.monotonic() - struck <= OPENS_WITHIN
    assert not psutil.pid_exists(died), "the fault did not strike"
    users.stop()
    drill.some_saves(12)
    drill.back_to_normal()
    drill.judged(changes=12)


def test_row_02_the_pas_accepts_and_never_answers_and_writes_open_within_20_s(drilled: Make) -> None:
    drill = drilled()
    frozen = psutil.Process(drill.outside.pid("pas"))
    os.kill(frozen.pid, signal.SIGSTOP)
    drill.until(MIRROR, within=OPENS_WITHIN)
    assert frozen.status() == psutil.STATUS_STOPPED, "the fault did not strike"
    drill.some_saves(8)
    os.kill(frozen.pid, signal.SIGCONT)
    drill.back_to_normal()
    drill.judged(changes=8)


@pytest.mark.long
def test_row_02_a_pas_behind_a_mute_network_is_seen_within_20_s(drilled: Make) -> None:
    drill = drilled(proxied=("pas", "health"))
    for name in ("pas", "health"):
        drill.proxy[name].timeout()
    drill.until(MIRROR, within=OPENS_WITHIN)
    assert drill.proxy["pas"].fired()["timeout"]
    assert drill.proxy["health"].fired()["timeout"]
    drill.some_saves(5)
    drill.back_to_normal()
    drill.judged(changes=5)


def test_row_08_the_monitor_is_frozen_over_an_outage_and_does_not_flip_on_waking_before_it_has_rested(
    drilled: Make,
) -> None:
    drill = drilled()
    eventually(lambda: drill.ask("SELECT 1 FROM failover_watch WHERE beat_at IS NOT NULL"), within=30, why="it beats")
    monitor = drill.product.pid("monitor")
    with drill.frozen("monitor"):
        drill.outside.kill("pas")
        eventually(lambda: psutil.Process(monitor).status() == psutil.STATUS_STOPPED, within=5, why="it is frozen")
        frozen = time.monotonic()
        eventually(
            lambda: time.monotonic() - frozen > 8.0, within=10, every=0.1
        )  # over two late beats of the fast profile
        assert drill.mode() == NORMAL
        drill.start_pas()  # and it is well again before the monitor wakes
        drill.pas.do("heal")
    woken = time.monotonic()
    eventually(lambda: _tilted(drill), within=5, every=0.05, why="TILT")
    eventually(lambda: not drill.ask("SELECT 1 FROM failover_watch WHERE tilt_until IS NOT NULL"), within=15, every=0.1)
    assert time.monotonic() - woken >= 3.0, "it rested as long as the rules ask"
    assert drill.mode() == NORMAL
    assert drill.ask("SELECT count(*) FROM failover_modemove") == [(0,)], "an outage that is over flips nothing"
    drill.outside.kill("pas")  # and it still does its work
    drill.until(MIRROR, within=OPENS_WITHIN)


def _tilted(drill: Drill) -> bool:
    reason = str(drill.ask("SELECT tilt_reason FROM failover_watch")[0][0])
    return reason.startswith("no beat for")


def test_row_12_the_pas_comes_back_by_itself_and_speaks_and_emission_is_held_with_its_first_message(
    drilled: Make,
) -> None:
    drill = drilled()
    drill.given_mirror()
    drill.some_saves(6)
    drill.quiet()
    drill.start_pas()
    spoke = drill.pas.do("send", event="A28", family="BACKBYITSELF", given="Ann", dob="19610201", sex="F")
    eventually(
        lambda: drill.ask("SELECT 1 FROM messaging_inbound WHERE control_id = %s", spoke["control_id"]),  # type: ignore[index]
        within=15,
        why="the PAS's message is stored",
    )
    # The hold is in the transaction that stored the message: who sees the one sees the other.
    stored, held = drill.ask(
        "SELECT i.xmin::text, e.xmin::text FROM messaging_inbound i, messaging_emission e WHERE i.control_id = %s",
        spoke["control_id"],  # type: ignore[index]
    )[0]
    assert stored == held, "emission was held in another transaction"
    assert drill.ask("SELECT valve FROM messaging_emission") == [("held",)]
    assert drill.ask("SELECT count(*) FROM lib_alarm WHERE code = 'two-masters' AND cleared_at IS NULL") == [(1,)]
    drill.some_saves(4)
    assert drill.ask("SELECT count(*) FROM messaging_attempt a, messaging_emission e WHERE a.opened_at > e.since") == [
        (0,)
    ], "a message left while emission was held"
    drill.back_to_normal()
    drill.judged(changes=10)
