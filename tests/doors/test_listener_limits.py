"""The feed's door under peers that ask too much: refused before it is buffered, while a good peer is answered."""

import contextlib
import random
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Self

import psutil
import pytest

from messaging.models import Inbound
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.feed_door import END, ROOT, VT, HandWritten, Listening, msa

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(240)]
MEGABYTE = 1_048_576


def message(control_id: str, rest: bytes = b"") -> bytes:
    head = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||ADT^A28^ADT_A05|{control_id}|P|2.4\r"
    return head.encode() + f"PID|1||P{control_id[:9]}^^^RXX^MR||SMITH\r".encode() + rest


@contextlib.contextmanager
def many_files(wanted: int) -> Iterator[None]:
    """Let the test itself have so many connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert before[1] == resource.RLIM_INFINITY or before[1] >= wanted, f"this account may not open {wanted} files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, before[0]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Attack:
    """A thousand peers that begin a frame of 100 KB and then send a byte now and then, and two that send 64 MB."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.huge = 0  # frames of 64 MB that were sent whole, or until we were cut off
        self._ended = threading.Event()
        self._workers = [threading.Thread(target=work) for work in (self._trickle, self._flood, self._flood)]
        self._slow = [HandWritten(port) for _ in range(1000)]

    def __enter__(self) -> Self:
        for peer in self._slow:
            peer.write(VT + message("SLOW", b"X" * 100_000))
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for worker in self._workers:
            worker.join(60)
        for peer in self._slow:
            peer.socket.close()

    def _trickle(self) -> None:
        while not self._ended.wait(0.05):
            for peer in self._slow:
                with contextlib.suppress(OSError):
                    peer.socket.send(b"X")

    def _flood(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(OSError), HandWritten(self.port) as peer:
                peer.write(VT + message("HUGE"), *[b"X" * MEGABYTE] * 64)
            self.huge += 1


def test_a_thousand_slow_peers_and_frames_of_64_megabytes_do_not_keep_a_good_peer_waiting(tmp_path):
    limits = {"connections": 1100, "peer_connections": 1100, "memory_limit": 16 * MEGABYTE, "frame_seconds": 60.0}
    with many_files(4096), Listening(tmp_path / "listen.log", **limits) as door, HandWritten(door.port) as good:
        listener = psutil.Process(door.process.pid)
        assert msa(good.ask(message("FIRST"))) == ("AA", "FIRST")
        before = most = listener.memory_info().rss
        took = []
        with Attack(door.port) as attack:
            for number in range(40):
                began = time.monotonic()
                assert msa(good.ask(message(f"GOOD{number}"))) == ("AA", f"GOOD{number}")
                took.append(time.monotonic() - began)
                most = max(most, listener.memory_info().rss)
            with HandWritten(door.port) as late:
                assert msa(late.ask(message("LATE"))) == ("AA", "LATE"), "and one that comes only now"
            eventually(lambda: attack.huge > 0, within=60, why="no frame of 64 MB was sent")
        assert "together hold too much memory" in door.said(), "the limit was reached"
        assert statistics.quantiles(took, n=10)[8] < 1.0, took
        assert most - before < 64 * MEGABYTE, f"{(most - before) / MEGABYTE:.0f} MB more than before"


def test_a_frame_of_64_megabytes_is_told_why_it_is_refused(tmp_path):
    with Listening(tmp_path / "listen.log") as door, HandWritten(door.port, timeout=30) as peer:
        try:
            peer.write(VT + message("HUGE"), *[b"X" * MEGABYTE] * 64)
            peer.write(END)
        except OSError:
            pytest.fail("a peer that is still sending could not read why it was refused")
        assert msa(peer.answer()) == ("AR", "HUGE")
        assert peer.answer() == b""
    row = Inbound.objects.get()
    assert (row.outcome, len(bytes(row.raw)) <= 4096) == ("refused", True), "only its beginning is kept"


def test_a_message_of_too_many_segments_is_refused_and_the_next_one_taken(tmp_path):
    with Listening(tmp_path / "listen.log", segment_limit=100) as door, HandWritten(door.port) as peer:
        assert msa(peer.ask(message("WIDE", b"NTE|1||x\r" * 101))) == ("AR", "WIDE")
        assert msa(peer.ask(message("FITS", b"NTE|1||x\r\n" * 90))) == ("AA", "FITS")
    assert list(Inbound.objects.order_by("number").values_list("code", flat=True)) == ["too-many-segments", ""]


def test_one_address_cannot_take_all_the_connections(tmp_path):
    with Listening(tmp_path / "listen.log", connections=8, peer_connections=3) as door:
        greedy = [HandWritten(door.port, source="127.0.0.2") for _ in range(3)]
        try:
            for number, peer in enumerate(greedy):
                assert msa(peer.ask(message(f"G{number}"))) == ("AA", f"G{number}")
            with HandWritten(door.port, source="127.0.0.2") as fourth:
                assert fourth.answer() == b""
            with HandWritten(door.port) as other:
                assert msa(other.ask(message("OTHER"))) == ("AA", "OTHER")
            assert msa(greedy[0].ask(message("AGAIN"))) == ("AA", "AGAIN")
        finally:
            for peer in greedy:
                peer.socket.close()
        assert "it has too many connections" in door.said()


def test_a_forgotten_connection_makes_room_for_its_own_peer(tmp_path):
    with Listening(tmp_path / "listen.log", peer_connections=1, frame_seconds=0.5) as door:

        def let_in():
            peer = HandWritten(door.port)
            return peer if msa(peer.ask(message("HERE"))) == ("AA", "HERE") else peer.socket.close()

        forgotten = eventually(let_in, within=10)
        again = eventually(let_in, within=10)
        with again, forgotten:
            assert forgotten.answer() == b"", "it was let go"
            assert msa(again.ask(message("AGAIN"))) == ("AA", "AGAIN")


def test_a_connection_that_brings_no_whole_frame_is_closed_whatever_bytes_it_sends(tmp_path):
    with Listening(tmp_path / "listen.log", idle_seconds=1.0) as door, HandWritten(door.port) as peer:
        assert msa(peer.ask(message("ONE"))) == ("AA", "ONE")
        ended = threading.Event()

        def babble():
            while not ended.wait(0.1):
                with contextlib.suppress(OSError):
                    peer.socket.sendall(b"\r")

        babbling = threading.Thread(target=babble)
        babbling.start()
        try:
            assert peer.answer() == b""
        finally:
            ended.set()
            babbling.join(5)
        assert "it brought nothing for too long" in door.said()


def test_a_peer_that_does_not_take_its_answers_is_cut_off_and_holds_nobody_up(tmp_path):
    """Its answers are long, since they repeat its own message id of 50 KB."""
    with Listening(tmp_path / "listen.log", frame_seconds=1.0) as door, socket.socket() as clogged:
        clogged.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        clogged.settimeout(90)
        clogged.connect(("127.0.0.1", door.port))

        def ask_and_never_listen():
            with contextlib.suppress(OSError):
                while True:
                    clogged.sendall(VT + message("L" * 50_000) + END)

        asking = threading.Thread(target=ask_and_never_listen)
        asking.start()
        eventually(lambda: "it does not take its answers" in door.said(), within=90)
        asking.join(10)
        with HandWritten(door.port) as other:
            assert msa(other.ask(message("OTHER"))) == ("AA", "OTHER")


def test_whatever_bytes_come_the_door_stays_open_and_every_whole_frame_is_answered(tmp_path):
    chance = random.Random(7)
    pieces = [VT, b"\x1c", b"\r", END, b"MSH|^~\\&|", b"FHS|^~\\&|A\r", b"BHS", b"\xff\xfe", b"\0", b"\\X0D\\"]
    with Listening(tmp_path / "listen.log", frame_seconds=2.0) as door:
        for _ in range(30):
            stream = b"".join(chance.choice([*pieces, chance.randbytes(5)]) for _ in range(40))
            with HandWritten(door.port) as peer, contextlib.suppress(OSError):
                peer.write(stream + END + VT + message("AFTER") + END)
                while (told := msa(peer.answer())) != ("AA", "AFTER"):
                    assert told[0] in ("AR", "AA"), "each whole frame before it is answered"
        assert "Traceback" not in door.said()
    assert Inbound.objects.filter(control_id="AFTER", outcome="stored").count() == 1


def test_a_process_with_few_files_asks_for_as_many_as_its_connections_need():
    """Its own soft limit is raised as far as the hard one goes, and no further."""
    script = (
        "import resource, sys\n"
        "from messaging.mllp.doors import raise_file_limit\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (128, 600))\n"
        "for wanted in (100, 500, 5000):\n"
        "    raise_file_limit(wanted)\n"
        "    sys.stdout.write(f'{resource.getrlimit(resource.RLIMIT_NOFILE)[0]} ')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{script}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["128", "500", "600"], done.stderr
    assert "listen.few_files" in done.stderr
