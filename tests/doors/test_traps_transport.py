"""The traps of transport, 1 to 12 and 25, each by its number: what real senders and receivers do to a connection."""

import socket
import threading
from pathlib import Path

import hl7
import pytest

from messaging.mllp.sender import Accepted, NoAnswer, Peer
from messaging.models import Channel, Inbound, MessageKey
from messaging.services import delivery
from messaging.states import Outcome
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make
from tests.feed_door import END, VT, HandWritten, Listening, msa

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(180)]


def message(control_id: str, *, family: bytes = b"SMITH", trigger: str = "ADT^A28^ADT_A05", charset: str = "") -> bytes:
    head = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||{trigger}|{control_id}|P|2.4||||||{charset}".rstrip("|")
    return head.encode() + b"\rEVN|A28|20260301120000\rPID|1||P%s^^^RXX^MR||%s\r" % (control_id.encode(), family)


@pytest.fixture
def door(tmp_path: Path, committed: None):  # noqa: F811
    with Listening(tmp_path / "listen.log", frame_seconds=1.0, frame_limit=100_000) as listening:
        yield listening


def stored() -> list[str]:
    return list(Inbound.objects.order_by("number").values_list("control_id", flat=True))


def test_trap_01_two_frames_in_one_packet_and_one_in_many(door):
    raw = VT + message("SPLIT") + END
    with HandWritten(door.port) as peer:
        peer.write(VT + message("A") + END + VT + message("B") + END + raw[:1], *(bytes([octet]) for octet in raw[1:]))
        assert [msa(peer.answer()) for _ in range(3)] == [("AA", "A"), ("AA", "B"), ("AA", "SPLIT")]
    assert stored() == ["A", "B", "SPLIT"]


@pytest.mark.parametrize("cut", [1, 5, 60, -2])
def test_trap_02_a_peer_that_is_gone_in_the_middle_of_a_frame_leaves_nothing(door, cut):
    """But for its last CR (or with FS alone behind it, at its closing) a frame is whole."""
    raw = VT + message("TORN") + END
    with HandWritten(door.port) as peer:
        peer.write(raw[:cut])
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(message("WHOLE"))) == ("AA", "WHOLE")
    assert stored() == ["WHOLE"]


def test_trap_03_junk_before_a_frame_and_no_cr_behind_it(door):
    with HandWritten(door.port) as peer:
        peer.write(b"\r\n junk \r" + VT + message("A") + b"\x1c")
        assert msa(peer.answer()) == ("AA", "A")
        peer.write(b"\r\r" + VT + message("B") + b"\x1c\n" + VT + message("C") + b"\x1c")
        assert [msa(peer.answer()), msa(peer.answer())] == [("AA", "B"), ("AA", "C")]
    assert stored() == ["A", "B", "C"]
    assert "listen.junk" in door.said(), "the operator can see it"


def test_trap_04_a_long_frame_a_slow_one_and_many_connections(door):
    """The same on a larger scale, with memory and time measured, is in test_listener_limits.py."""
    with HandWritten(door.port) as long, HandWritten(door.port) as slow, HandWritten(door.port) as good:
        long.write(VT + message("LONG"), b"X" * 200_000)
        slow.write(VT + b"M")
        assert msa(long.answer()) == ("AR", "LONG")
        assert slow.answer() == b"", "not whole within a second, however its bytes come"
        assert msa(good.ask(message("GOOD"))) == ("AA", "GOOD")
    crowd = [HandWritten(door.port) for _ in range(20)]
    try:
        assert sum(peer.answer() == b"" for peer in crowd[-2:]) == 2, "more than the limit are closed"
    finally:
        for peer in crowd:
            peer.socket.close()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r", b"\n\r"])
def test_trap_05_other_line_ends_are_read_and_kept(door, end):
    raw = message("ENDS").replace(b"\r", end)
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(raw)) == ("AA", "ENDS")
    row = Inbound.objects.get()
    assert (row.trigger, bytes(row.raw)) == ("ADT^A28", raw)


@pytest.mark.parametrize(
    ("charset", "family"),
    [("8859/1", b"Jos\xe9"), ("UNICODE UTF-8", "José".encode()), ("", b"Jos\xe9"), ("UNICODE UTF-8", b"\xff\xfe\x92")],
)
def test_trap_06_any_character_set_is_answered_and_kept(door, charset, family):
    raw = message("SET", family=family, charset=charset)
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(raw)) == ("AA", "SET")
    assert bytes(Inbound.objects.get().raw) == raw


def test_trap_07_two_messages_in_one_frame_are_refused_together_and_a_batch_is_answered_one_by_one(door):
    batch = b"BHS|^~\\&|DEMOPAS|RXX|ROUTE||20260301||||B7\r" + message("A") + message("B") + b"BTS|2\r"
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(message("ONE") + message("TWO")))[0] == "AR"
        answer = peer.ask(batch)
    (read,) = hl7.parse_file(answer.decode())
    assert [str(each.segment("MSA")[n]) for each in read for n in (1, 2)] == ["AA", "A", "AA", "B"]
    assert str(read.header[12]) == "B7"
    rows = Inbound.objects.order_by("number").values_list("outcome", "control_id", "code")
    assert list(rows) == [
        (Outcome.REFUSED, "ONE", "two-messages"),
        (Outcome.STORED, "A", ""),
        (Outcome.STORED, "B", ""),
        (Outcome.FILED, "B7", "batch"),
    ]


def serve(*scripts):
    """A peer of the sender's, each of whose connections plays the next script; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def run():
        with server:
            for script in scripts:
                sock, _ = server.accept()
                with sock:
                    sock.settimeout(10)
                    script(sock)

    threading.Thread(target=run, daemon=True).start()
    return server.getsockname()[1]


def hear(sock):
    held = b""
    while not held.endswith(END):
        held += sock.recv(65536)


def yes(control_id):
    return b"MSH|^~\\&|X||||||ACK|K|P|2.4\rMSA|AA|%s\r" % control_id.encode()


def test_trap_08_a_late_answer_is_not_taken_for_the_next_message():
    late = threading.Event()

    def too_late(sock):
        hear(sock)
        assert late.wait(10)
        sock.sendall(VT + yes("N") + END)

    def in_time(sock):
        hear(sock)
        sock.sendall(VT + yes("N1") + END)

    peer = Peer("127.0.0.1", serve(too_late, in_time), 0.3)
    ended = peer.send(message("N"), "N")
    assert isinstance(ended, NoAnswer)
    assert ended.may_have_left
    late.set()
    peer.timeout = 10.0
    assert isinstance(peer.send(message("N1"), "N1"), Accepted), "on a connection of its own"
    peer.close()


def test_trap_09_an_answer_in_two_packets_is_read_and_one_without_a_frame_is_none():
    def in_two(sock):
        hear(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (VT + yes("A")[:20], yes("A")[20:] + END):
            sock.sendall(piece)
        hear(sock)
        sock.sendall(yes("B"))

    peer = Peer("127.0.0.1", serve(in_two), 10.0)
    assert isinstance(peer.send(message("A"), "A"), Accepted)
    ended = peer.send(message("B"), "B")
    assert isinstance(ended, NoAnswer)
    assert ended.phase == "garbage"


@pytest.mark.parametrize("trigger", ["ADT^Z99", "ZZZ^Z01^ZZZ_Z01", "ADT", "ORU^R01^ORU_R01"])
def test_trap_10_an_unknown_trigger_is_accepted_and_the_connection_stays(door, trigger):
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(message("ODD", trigger=trigger))) == ("AA", "ODD")
        assert msa(peer.ask(message("NEXT"))) == ("AA", "NEXT")


def test_trap_11_a_message_sent_again_because_its_answer_was_lost_is_stored_once(door):
    with HandWritten(door.port) as peer:
        peer.write(VT + message("LOST") + END)
        eventually(lambda: stored() == ["LOST"], within=10)
    with HandWritten(door.port) as peer:
        assert msa(peer.ask(message("LOST"))) == ("AA", "LOST")
        again = peer.ask(message("LOST"))
    assert again == bytes(Inbound.objects.get().answer)
    assert MessageKey.objects.get().repeats == 2


def test_trap_12_an_unreachable_destination_holds_up_no_other_and_drains_in_order_on_its_return(tmp_path):
    make.mirror_mode()
    well, ill = make.receiver(tmp_path, "pathology"), make.receiver(tmp_path, "radiology")
    make.destination("pathology", make.port_of(well))
    away = make.destination("radiology", 1)
    for name in ("ADAMS", "BAKER", "CLARK"):
        make.register(name)
    make.number_and_render()
    stuck = Aside(lambda: delivery.run("radiology"))
    assert delivery.run("pathology").sent == 3
    stuck.result()
    assert make.received(ill) == []
    away.port = make.port_of(ill)
    away.save()

    def drained():
        delivery.run("radiology", seconds=0.5)
        return set(make.legs("radiology")) == {"accepted"}

    try:
        eventually(drained, within=20)
        assert [each[-1] for each in make.received(ill)] == ["1", "2", "3"]
    finally:
        delivery.hang_up()
        for peer in (well, ill):
            peer.stop()


def test_trap_25_after_a_restart_of_ours_numbers_and_answers_go_on_and_the_senders_own_sequence_is_let_be(tmp_path):
    """MSH-13 is off: the sender begins again at 1, sends a number twice, leaves one out."""

    def numbered(control_id, sequence):
        return message(control_id).replace(b"|P|2.4", b"|P|2.4|%s" % sequence)

    own = []
    for run, sequences in enumerate(((b"1", b"2", b"2"), (b"1", b"9", b"-1", b"0"))):
        with Listening(tmp_path / "listen.log") as door, HandWritten(door.port) as peer:
            for turn, sequence in enumerate(sequences):
                answer = peer.ask(numbered(f"R{run}-{turn}", sequence))
                assert msa(answer) == ("AA", f"R{run}-{turn}")
                own.append(answer.split(b"|")[9])
            door.end()
    assert len(set(own)) == 7
    assert list(Inbound.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 8))
    assert Channel.objects.get().last == 7
