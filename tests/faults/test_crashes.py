"""The whole product killed in mirror mode, while clerks save: it comes back as it was, and nothing is lost."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from pasmirror.demo import cast
from pasmirror.demo.browser import PageRefused
from pasmirror.demo.clerk import Clerk
from tests.eventually import eventually
from tests.hospital import MIRROR, Hospital

pytestmark = [pytest.mark.timeout(240), pytest.mark.long]  # rows 16 and 19 strike the same in every run
SAVES = 12  # acknowledged before the fault strikes
BACK_WITHIN = 30.0  # seconds


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    with Hospital(tmp_path / "var") as started:
        started.given_mirror()
        yield started


class Saving(threading.Thread):
    """A clerk who registers people through the real screens until the fault strikes, and notes what he was told."""

    def __init__(self, hospital: Hospital) -> None:
        super().__init__(daemon=True)
        self.clerk = Clerk("127.0.0.1", hospital.screens, name=cast.clerk_name(), password=cast.PASSWORD)
        self.acknowledged: list[int] = []
        self.unknown = 0
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        number = 0
        while not self.over.is_set():
            number += 1
            try:
                self.clerk.register(family=f"CRASH{number:04d}", given="Ann", born=str(1930 + number % 80), sex="F")
            except (OSError, HTTPException, PageRefused):
                self.unknown += 1
                self.over.wait(0.2)
            else:
                self.acknowledged.append(self.clerk.patient)

    def stop(self) -> None:
        self.over.set()
        self.join(30)


def everything_killed(hospital: Hospital) -> int:
    """Kill -9 every process of the run but the receivers, as a loss of power does; gives how many there were."""
    doomed = [each for each in hospital.product.everyone() if "simulators.receiver" not in " ".join(each.cmdline())]
    for process in doomed:
        process.kill()
    assert hospital.product.up
    hospital.product.up.wait(20)
    psutil.wait_procs(doomed, timeout=20)
    return len(doomed)


def standing(hospital: Hospital) -> tuple[str, str]:
    """Mode and epoch, as `manage.py status` tells them."""
    said = hospital.product.manage("status", "--json")
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    return told["mode"], str(told["epoch"])


def test_power_lost_in_mirror_mode_and_back_in_the_same_mode_and_epoch_with_every_save(hospital: Hospital) -> None:
    saving = Saving(hospital)
    eventually(lambda: len(saving.acknowledged) >= SAVES, within=60, every=0.1, why="clerks save")
    before = standing(hospital)
    assert everything_killed(hospital) > 8, "the fault did not strike"
    eventually(lambda: saving.unknown, within=20, every=0.1, why="the clerk notices")
    saving.stop()
    hospital.product.start()  # the receivers too: they died with their supervisor's tether
    eventually(lambda: hospital.mode() == MIRROR, within=BACK_WITHIN, every=0.2, why="mirror mode after boot")
    assert standing(hospital) == before
    everything_acknowledged_is_there_and_told(hospital, saving)


def test_database_crashed_under_saving_and_nothing_acknowledged_is_lost(hospital: Hospital) -> None:
    saving = Saving(hospital)
    eventually(lambda: len(saving.acknowledged) >= SAVES, within=60, every=0.1, why="clerks save")
    note = hospital.product.var / "postgres" / "postmaster.pid"
    os.kill(int(note.read_text().splitlines()[0]), signal.SIGQUIT)  # pg_ctl stop -m immediate
    eventually(lambda: saving.unknown, within=20, every=0.1, why="the clerk notices")
    had = len(saving.acknowledged)
    eventually(lambda: len(saving.acknowledged) > had + 3, within=60, every=0.1, why="clerks save again by themselves")
    saving.stop()
    everything_acknowledged_is_there_and_told(hospital, saving)


def everything_acknowledged_is_there_and_told(hospital: Hospital, saving: Saving) -> None:
    """Every acknowledged record opens, every receiver holds it once and in order, and `verify` finds nothing."""
    assert len(saving.acknowledged) >= SAVES
    browser = hospital.signed_in(cast.clerk_name())
    for patient in saving.acknowledged:
        assert browser.open(f"/patients/{patient}/").path == f"/patients/{patient}/"
    assert len(set(saving.acknowledged)) == len(saving.acknowledged)
    eventually(lambda: whole(hospital), within=60, every=0.5, why="lanes drain and all is whole")
    for name, receiver in hospital.receivers.items():
        told = [effect for effect in receiver.do("effects") if effect["trigger"] == "A28"]  # type: ignore[attr-defined]
        ours = [effect["patient_ids"][0] for effect in told if effect["patient_ids"][0].startswith("M")]
        assert len(ours) >= len(saving.acknowledged), f"{name} was not told of every save"
        assert len(set(ours)) == len(ours), f"{name} was told of one twice"
        assert ours == sorted(ours), f"{name} was told out of order"


def whole(hospital: Hospital) -> bool:
    """Nothing waits on the receivers' lanes, and `verify` finds nothing."""
    told = json.loads(hospital.product.manage("status", "--json").stdout)
    waiting = sum(lane["queued"] + lane["in_doubt"] + lane["held"] for lane in told["lanes"] if not lane["is_pas"])
    return waiting == 0 and hospital.product.manage("verify").returncode == 0
