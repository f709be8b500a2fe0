"""The proxy that knows MLLP: ACKs lost, late, held and doubled before real peers, and the frames that passed."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hl7
import pytest

from messaging.simulators.receiver import Receiver
from messaging.simulators.wire import Client, Frames, wrap
from tests.eventually import eventually
from tests.factories import lanes
from tests.faults.proxy import HOST, MllpProxy
from tests.faults.proxy_mllp import Splitter, control_id

SHORT = 0.4  # seconds a sender waits for its ACK


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = lanes.receiver(tmp_path, "pathology")
    yield made
    made.stop()


@pytest.fixture
def proxy(receiver: Receiver) -> Iterator[MllpProxy]:
    with MllpProxy(0, (HOST, lanes.port_of(receiver)), seed=3) as made:
        yield made


@pytest.fixture
def sender(proxy: MllpProxy) -> Iterator[Client]:
    made = Client(HOST, proxy.port, timeout=SHORT)
    yield made
    made.close()


def message(number: int) -> bytes:
    return (
        f"MSH|^~\\&|MIRROR|RXX|LAB|RXX|20260101120000||ADT^A28^ADT_A05|C{number:05d}|T|2.4\r"
        f"EVN|A28|20260101120000\rPID|1||P{number}^^^RXX^MR||FAMILY{number}^ANN||19500101|F\r"
    ).encode()


def acknowledged(answer: bytes) -> str:
    """MSA-2, by a library that shares nothing with the proxy."""
    return str(hl7.parse(answer.decode())["MSA"][0][2])


def test_frames_pass_and_are_seen_by_their_control_ids(proxy: MllpProxy, sender: Client) -> None:
    before = time.time()
    for number in range(3):
        assert acknowledged(sender.send(message(number))) == f"C{number:05d}"
    assert [(way, one) for way, one, _ in proxy.seen()] == [
        (way, f"C{number:05d}") for number in range(3) for way in ("up", "down")
    ]
    assert before <= proxy.seen()[0].at <= proxy.seen()[-1].at <= time.time()
    assert not proxy.fired()


def test_a_lost_ack_is_lost_once_and_the_work_is_done(proxy: MllpProxy, sender: Client, receiver: Receiver) -> None:
    proxy.lose_ack(times=1)
    with pytest.raises(TimeoutError):
        sender.send(message(1))
    assert acknowledged(sender.send(message(1))) == "C00001"
    assert proxy.fired() == {"lose_ack": 1}
    assert [way for way, _, _ in proxy.seen()] == ["up", "up", "down"]
    assert receiver.counts()["repeats"] == 1


def test_a_late_ack_comes_late_and_healing_hurries_it(proxy: MllpProxy) -> None:
    sender = Client(HOST, proxy.port, timeout=10)
    proxy.delay_ack(0.3, times=1)
    began = time.monotonic()
    sender.send(message(1))
    assert time.monotonic() - began >= 0.3
    proxy.delay_ack(600, times=1)
    healer = threading.Thread(
        target=lambda: (eventually(lambda: proxy.fired()["delay_ack"] == 2, within=5), proxy.heal())
    )
    healer.start()
    assert acknowledged(sender.send(message(2))) == "C00002"
    healer.join()
    sender.close()
    assert proxy.fired() == {"delay_ack": 2}


def test_a_held_ack_waits_for_its_release_and_comes_before_the_next(proxy: MllpProxy, receiver: Receiver) -> None:
    proxy.hold_ack(times=1)
    with socket.create_connection((HOST, proxy.port), 5) as sock:
        sock.sendall(wrap(message(1)))
        eventually(lambda: proxy.held() == 1, within=5)
        sock.sendall(wrap(message(2)))
        eventually(lambda: receiver.counts()["effects"] == 2, within=5)
        assert [way for way, _, _ in proxy.seen()] == ["up", "up"]
        proxy.release_ack()
        frames, got = Frames(), []
        while len(got) < 2:
            got += frames.feed(sock.recv(65536))
    assert [acknowledged(one) for one in got] == ["C00001", "C00002"]
    assert proxy.fired() == {"hold_ack": 1}
    assert proxy.held() == 0


def test_an_ack_held_beyond_its_senders_patience_finds_nobody(proxy: MllpProxy, sender: Client) -> None:
    proxy.hold_ack()
    with pytest.raises(TimeoutError):
        sender.send(message(1))
    assert proxy.held() == 1
    proxy.release_ack()
    eventually(lambda: proxy.held() == 0, within=5)
    assert acknowledged(sender.send(message(2))) == "C00002"
    assert proxy.fired() == {"hold_ack": 1}


def test_a_doubled_ack_comes_twice(proxy: MllpProxy) -> None:
    proxy.double_ack(times=1)
    with socket.create_connection((HOST, proxy.port), 5) as sock:
        frames, got = Frames(), []
        for number in (1, 2):
            sock.sendall(wrap(message(number)))
        while len(got) < 3:
            got += frames.feed(sock.recv(65536))
    assert [acknowledged(one) for one in got] == ["C00001", "C00001", "C00002"]
    assert proxy.fired() == {"double_ack": 1}


def test_a_frame_torn_on_its_way_is_not_seen(proxy: MllpProxy, sender: Client, receiver: Receiver) -> None:
    proxy.cut_after(60, direction="up", times=1)
    with pytest.raises(ConnectionError):
        sender.send(message(1))
    assert proxy.seen() == []
    assert receiver.counts()["effects"] == 0
    assert acknowledged(sender.send(message(1))) == "C00001"
    assert proxy.fired() == {"cut_after": 1}


def test_an_ack_torn_on_its_way_is_not_seen(proxy: MllpProxy, sender: Client, receiver: Receiver) -> None:
    proxy.cut_after(10, direction="down", times=1)
    with pytest.raises(ConnectionError):
        sender.send(message(1))
    assert [way for way, _, _ in proxy.seen()] == ["up"]
    assert receiver.counts()["effects"] == 1
    assert proxy.fired() == {"cut_after": 1}


def test_slices_are_put_together_by_the_peer(proxy: MllpProxy, receiver: Receiver) -> None:
    proxy.slice(7, 0.002, direction="up")
    sender = Client(HOST, proxy.port, timeout=10)
    for number in range(3):
        assert acknowledged(sender.send(message(number))) == f"C{number:05d}"
    sender.close()
    assert receiver.counts()["effects"] == 3
    assert proxy.fired() == {"slice": 3}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_splitter_drops_nothing_and_finds_every_frame_however_it_is_cut(size: int) -> None:
    stream = b"junk" + wrap(b"MSH|one") + b"\r\n" + wrap(b"MSH|two") + wrap(b"") + b"\x0btorn\x1c"
    splitter = Splitter()
    pieces = [piece for at in range(0, len(stream), size) for piece in splitter.feed(stream[at : at + size])]
    assert b"".join(pieces) + splitter.rest() == stream
    assert [piece for piece in pieces if piece.startswith(b"\x0b")] == [wrap(b"MSH|one"), wrap(b"MSH|two"), wrap(b"")]


@pytest.mark.parametrize(
    ("way", "body", "found"),
    [
        ("up", b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|X1|P|2.4\rEVN|A01", "X1"),
        ("up", b"MSH#^~\\&#A#B#C#D#20260101##ADT^A01#X2#P#2.4\n", "X2"),
        ("down", b"MSH|^~\\&|A|B|C|D|20260101||ACK|Y|P|2.4\r\nMSA|AA|X1|fine", "X1"),
        ("down", b"MSH|^~\\&|A|B|C|D|20260101||ACK|Y|P|2.4\r", ""),
        ("up", b"MSH|^~\\&|A", ""),
        ("up", b"nonsense", ""),
        ("down", b"", ""),
    ],
)
def test_control_ids_are_read_as_declared(way: str, body: bytes, found: str) -> None:
    assert control_id(way, wrap(body)) == found  # type: ignore[arg-type]
