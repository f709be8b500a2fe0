"""The verbs that need root and Debian's packages, on real mounts, clocks and networks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.faults.verbs import clocks, disk
from tests.faults.verbs.network import Namespace

MEGABYTE = 1024 * 1024
TELL = """
import sys, threading, time
for _ in sys.stdin:
    print(time.time(), time.monotonic(), flush=True)
"""
WAIT = """
import threading, time
began = time.clock_gettime(time.CLOCK_MONOTONIC)
time.sleep(0.2)
assert not threading.Event().wait(0.2)
condition = threading.Condition()
with condition:
    assert not condition.wait(0.2)
print(time.clock_gettime(time.CLOCK_MONOTONIC) - began)
"""
SERVE = """
import socket, sys
door = socket.create_server((sys.argv[1], 0))
print(door.getsockname()[1], flush=True)
while True:
    peer, _ = door.accept()
    with peer:
        while said := peer.recv(100):
            print("heard", said.decode(), flush=True)
            peer.sendall(b"did " + said)
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 2) as sock:
    for line in sys.stdin:
        sock.sendall(line.strip().encode())
        try:
            print(sock.recv(100).decode(), flush=True)
        except TimeoutError:
            print("silence", flush=True)
"""


class Clock:
    """A Python whose clock may lie, asked over and over."""

    def __init__(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def lie(self) -> tuple[float, float]:
        """How far its wall and its monotonic clock are from the true ones, in seconds."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        wall, monotonic = map(float, self.process.stdout.readline().split())
        return wall - time.time(), monotonic - time.monotonic()

    def end(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "disk"
    made.mkdir()
    yield made
    assert not made.is_mount(), "something is still mounted"
    assert list(made.iterdir()) == []


def test_a_small_disk_is_full_and_empty_again(folder: Path) -> None:
    with disk.small_disk(folder, 4) as small:
        assert folder.is_mount()
        assert 3 * MEGABYTE < small.fill() <= 4 * MEGABYTE
        with pytest.raises(OSError, match="No space left"):
            (folder / "more").write_bytes(b"x" * 100_000)
        small.free()
        (folder / "more").unlink(missing_ok=True)
        assert small.free_bytes() > 3 * MEGABYTE
        small.fill(leave=MEGABYTE)
        assert MEGABYTE // 2 < small.free_bytes() <= MEGABYTE + disk.BLOCK


def test_a_small_disk_becomes_read_only_and_writable_unless_a_file_is_open(folder: Path) -> None:
    with disk.small_disk(folder, 2) as small:
        small.read_only()
        with pytest.raises(OSError, match="Read-only file system"):
            (folder / "one").write_text("x")
        small.writable()
        with (folder / "one").open("w"), pytest.raises(disk.DiskBusy):
            small.read_only()


def test_a_failing_disk_is_read_only_under_open_files_and_repaired_when_nobody_uses_it(
    folder: Path, tmp_path: Path
) -> None:
    with disk.FailingDisk(folder, 16, image=tmp_path / "image") as failing:
        with (folder / "one").open("wb", buffering=0) as one:
            one.write(b"kept")
            os.fsync(one.fileno())
            failing.read_only()
            with pytest.raises(OSError, match="Read-only file system"):
                one.write(b"refused")
            with pytest.raises(disk.DiskBusy):
                failing.writable()
        failing.writable()
        assert (folder / "one").read_bytes() == b"kept"
        (folder / "two").write_text("written")
        failing.fill()
        with pytest.raises(OSError, match="No space left"):
            (folder / "three").write_bytes(b"x" * MEGABYTE)
    assert not (tmp_path / "image").exists()


def test_a_disk_in_use_at_its_end_goes_all_the_same(folder: Path) -> None:
    with disk.small_disk(folder, 1):
        held = (folder / "held").open("w")
    held.close()


def test_a_clock_jumps_while_its_command_runs_and_the_monotonic_one_stays_true(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock = Clock(**clocks.environment(file))
    try:
        for offset, seconds in (("+0", 0), ("+15m", 900), ("-15m", -900), ("+1h", 3600), ("-1h", -3600)):
            clocks.change(file, offset=offset)
            wall, monotonic = clock.lie()
            assert wall == pytest.approx(seconds, abs=2)
            assert monotonic == pytest.approx(0, abs=2)
        clocks.heal(file)
        assert clock.lie()[0] == pytest.approx(0, abs=2)
    finally:
        clock.end()


def test_a_clock_drifts_at_its_rate_away_from_the_monotonic_one(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    clock = Clock(**clocks.environment(file, rate=3.0))
    try:
        first, began = clock.lie()[0], time.monotonic()
        eventually(lambda: clock.lie()[0] - first > 1.0, within=20)
        took = time.monotonic() - began
        gained, monotonic = clock.lie()
        assert gained - first == pytest.approx(2 * took, abs=0.5 + took / 10)
        assert monotonic == pytest.approx(0, abs=2)
    finally:
        clock.end()


def test_the_monotonic_clock_lies_too_where_that_is_asked_for(tmp_path: Path) -> None:
    clock = Clock(**clocks.environment(tmp_path / "clock", offset="+15m", monotonic=True))
    try:
        wall, monotonic = clock.lie()
        assert wall == pytest.approx(900, abs=2)
        assert abs(monotonic) > 100
    finally:
        clock.end()


def test_a_python_with_a_lying_clock_still_sleeps_and_waits(tmp_path: Path) -> None:
    environment = clocks.environment(tmp_path / "clock", offset="-1h")
    done = subprocess.run(
        [sys.executable, "-c", WAIT], env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 0.6 <= float(done.stdout) < 5


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace() as made:
        near = Path("/sys/class/net", made.cable)
        assert near.exists()
        yield made
    assert not near.exists(), "the cable is still there"
    routes = subprocess.run(["ip", "route", "show"], capture_output=True, text=True, check=True).stdout
    assert made.there not in routes


class Talk:
    """A server at one end of the cable and a client at the other, as processes."""

    def __init__(self, namespace: Namespace) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.server = namespace.start(sys.executable, "-c", SERVE, namespace.there, **pipes)
        assert self.server.stdout
        port = int(self.server.stdout.readline())
        self.client = subprocess.Popen([sys.executable, "-c", ASK, namespace.there, str(port)], **pipes)  # type: ignore[call-overload]

    def says(self, word: str) -> str:
        self.client.stdin.write(f"{word}\n".encode())
        self.client.stdin.flush()
        return str(self.client.stdout.readline().decode().strip())

    def heard(self) -> str:
        assert self.server.stdout
        return self.server.stdout.readline().decode().strip()

    def end(self) -> None:
        for process in (self.client, self.server):
            process.send_signal(signal.SIGKILL)
            process.communicate()


def test_a_hole_at_the_peers_side_drops_its_answers_and_not_our_words(namespace: Namespace) -> None:
    talk = Talk(namespace)
    try:
        assert talk.says("a") == "did a"
        assert talk.heard() == "heard a"
        namespace.blackhole()
        assert talk.says("b") == "silence"
        assert talk.heard() == "heard b"
        assert namespace.swallowed() > 0
        namespace.heal()
        assert namespace.swallowed() == 0
        eventually(lambda: "did b" in talk.says("c"), within=30, why="the answer is sent again")
    finally:
        talk.end()


def test_a_hole_at_our_side_and_the_peer_hears_nothing_until_it_is_healed(namespace: Namespace) -> None:
    talk = Talk(namespace)
    try:
        assert talk.says("a") == "did a"
        assert talk.heard() == "heard a"
        namespace.blackhole(at="here")
        assert talk.says("b") == "silence"
        assert namespace.swallowed("here") > 0
        namespace.heal()
        assert talk.heard() == "heard b"
    finally:
        talk.end()


def test_a_network_cut_both_ways_is_unreachable_from_both_sides(namespace: Namespace) -> None:
    ping = (sys.executable, "-c", "import socket, sys; socket.create_connection((sys.argv[1], 9), 1)")
    reached = namespace.run(*ping, namespace.here)
    assert "ConnectionRefusedError" in reached.stderr, "before, only nobody listens"
    namespace.cut()
    assert "ConnectionRefusedError" not in namespace.run(*ping, namespace.here).stderr
    from_here = subprocess.run([*ping, namespace.there], capture_output=True, text=True, check=False)
    assert "ConnectionRefusedError" not in from_here.stderr
    namespace.heal()
    assert "ConnectionRefusedError" in namespace.run(*ping, namespace.here).stderr


def test_a_peer_with_a_hole_lets_a_new_connection_time_out(namespace: Namespace) -> None:
    talk = Talk(namespace)
    try:
        namespace.blackhole()
        port = subprocess.run(
            [sys.executable, "-c", ASK, namespace.there, "9"], input=b"", capture_output=True, check=False
        )
        assert b"TimeoutError" in port.stderr
        assert namespace.swallowed() > 0
    finally:
        talk.end()
