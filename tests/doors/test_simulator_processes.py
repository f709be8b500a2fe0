"""The simulators as processes: they start, die, come back on the same store and use no number twice."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from messaging.simulators.control import Control
from messaging.simulators.receiver import Receiver
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., tuple["subprocess.Popen[str]", dict[str, Any]]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(module: str, *args: str) -> tuple["subprocess.Popen[str]", dict[str, Any]]:
        command = [sys.executable, "-m", f"messaging.simulators.{module}", *args]
        environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        with (tmp_path / "stderr").open("a") as stderr:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        started.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline() or "{}")

    yield run
    for process in started:
        process.kill()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver("mirror", store=tmp_path / "feed.db")
    made.start()
    yield made
    made.stop()


def pas(feed: Receiver, tmp_path: Path, *more: str) -> list[str]:
    where = f"127.0.0.1:{feed.door.listener.port}"
    ports = ["--port", "0", "--control", "0", "--health", "0"]
    return ["pas", *ports, "--store", str(tmp_path / "pas.db"), "--feed", where, *more]


@pytest.mark.parametrize("way", ["die", "kill"])
def test_a_dead_pas_comes_back_with_its_backlog_and_uses_no_number_twice(
    start: Start, feed: Receiver, tmp_path: Path, way: str
) -> None:
    process, ports = start(*pas(feed, tmp_path))
    control = Control(ports["control"])
    first = control.do("send", event="A28")
    eventually(lambda: control.do("quiet"), within=10)
    feed.faults.arm("refuse", code="AR", err="207", for_patient="", text="")
    waiting = control.do("send", event="A28")
    if way == "die":
        control.do("die")
    else:
        process.send_signal(signal.SIGKILL)
    assert process.wait(10) != 0
    with pytest.raises(OSError, match=r".*"):
        control.do("quiet")
    feed.faults.heal()

    _, ports = start(*pas(feed, tmp_path))
    control = Control(ports["control"])
    eventually(lambda: control.do("quiet"), within=10)
    third = control.do("send", event="A28")
    eventually(lambda: control.do("quiet"), within=10)
    said = [first, waiting, third]
    assert len({each["patient"] for each in said}) == len({each["control_id"] for each in said}) == 3  # type: ignore[index]
    assert [row["control_id"] for row in feed.effects()] == [each["control_id"] for each in said]  # type: ignore[index]


def test_sigterm_ends_both_at_once(start: Start, feed: Receiver, tmp_path: Path) -> None:
    receiver, _ = start(
        "receiver",
        "--name",
        "pathology",
        "--port",
        "0",
        "--control",
        "0",
        "--store",
        str(tmp_path / "p.db"),
        "--no-dedup",
    )
    simulated, _ = start(*pas(feed, tmp_path, "--downstream", "pathology=127.0.0.1:1"))
    for process in (receiver, simulated):
        process.terminate()
        assert process.wait(10) == 0


def test_a_port_in_use_is_named(start: Start, feed: Receiver, tmp_path: Path) -> None:
    busy = str(feed.door.listener.port)
    process, ports = start(
        "receiver", "--name", "pathology", "--port", busy, "--control", "0", "--store", str(tmp_path / "p.db")
    )
    assert ports == {}
    assert process.wait(10) == 1


def test_bad_arguments_are_named(feed: Receiver, tmp_path: Path) -> None:
    for wrong in ("pathology", "pathology=nowhere", "=127.0.0.1:1"):
        command = [sys.executable, "-m", f"messaging.simulators.{pas(feed, tmp_path)[0]}", *pas(feed, tmp_path)[1:]]
        run = subprocess.run([*command, "--downstream", wrong], cwd=ROOT, capture_output=True, text=True, timeout=20)
        assert run.returncode == 2
        assert "--downstream" in run.stderr


def test_they_stay_small_and_log_no_names(start: Start, feed: Receiver, tmp_path: Path) -> None:
    process, ports = start(*pas(feed, tmp_path))
    control = Control(ports["control"])
    feed.faults.arm("lose_ack", times=1)
    people = control.do("morning", patients=20) and control.do("patients")
    eventually(lambda: control.do("quiet"), within=20)
    rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert pss < 30_000
    logged = (tmp_path / "stderr").read_text()
    assert "PAS0000000001 no answer" in logged
    for person in people:  # type: ignore[attr-defined]
        for name in ("family", "given", "dob", "postcode", "phone", "mrn"):
            assert person[name] not in logged
