"""The sender against peers that misbehave: each send ends in exactly one way, and no late answer is ever taken."""

import socket
import threading

import pytest

from messaging.hl7 import ack
from messaging.mllp.sender import Accepted, NoAnswer, Peer, Refused
from messaging.simulators.receiver import Receiver
from tests.eventually import eventually
from tests.factories.scripted import body, heard, says, yes


def test_the_connection_is_kept_and_answers_are_matched(tmp_path):
    receiver = Receiver("pathology", store=tmp_path / "r.db")
    receiver.start()
    peer = Peer("127.0.0.1", receiver.door.listener.port, 5.0)
    try:
        for n in range(5):
            assert isinstance(peer.send(body(f"M{n}"), f"M{n}"), Accepted)
        assert [str(m["control_id"]) for m in receiver.messages()] == [f"M{n}" for n in range(5)]
    finally:
        peer.close()
        receiver.stop()


def test_one_connection_serves_many_sends(peers):
    scripted, peer = peers(says(yes("1"), yes("2", "CA"), yes("3")))
    assert [type(peer.send(body(n), n)) for n in "123"] == [Accepted] * 3
    assert scripted.connections == 1


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_a_refusal_is_told_with_its_code(peers, code):
    _, peer = peers(says(yes("1", code)))
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, Refused)
    assert (ended.code, ended.text) == (code, "why")


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (yes("OTHER"), "wrong_id"),
        (b"\x0bgarbage\x1c\r", "garbage"),
        (b"\x0bMSH|^~\\&|||||||ACK|1|P|2.4\r\x1c\r", "garbage"),
        (b"\x0bMSH|^~\\&|||||||ACK|1|P|2.4\rMSA|AA\r\x1c\r", "wrong_id"),
        (b"MSH|^~\\&|||||||ACK|1|P|2.4\rMSA|AA|1\r", "garbage"),  # without a frame
        (b"\x0b" + b"x" * 2_000_000, "garbage"),
    ],
)
def test_what_is_not_our_answer_is_never_taken_for_it(peers, answer, phase):
    _, peer = peers(says(answer))
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, NoAnswer)
    assert ended.phase == phase
    assert ended.may_have_left


def test_silence_ends_in_time_and_the_late_answer_is_not_taken_for_the_next(peers):
    late = threading.Event()

    def answers_late(sock: socket.socket) -> None:
        heard(sock)
        late.wait(10)
        sock.sendall(yes("1"))

    scripted, peer = peers(answers_late, says(yes("2")), timeout=0.3)
    ended = peer.send(body("1"), "1")
    assert ended == NoAnswer("wait", "timeout") or isinstance(ended, NoAnswer)
    late.set()
    peer.timeout = 5.0
    assert isinstance(peer.send(body("2"), "2"), Accepted)
    assert scripted.connections == 2


def test_a_second_answer_nobody_asked_for_closes_the_connection(peers):
    scripted, peer = peers(says(yes("1") + yes("1")), says(yes("2")))
    assert isinstance(peer.send(body("1"), "1"), Accepted)
    assert isinstance(peer.send(body("2"), "2"), Accepted)
    assert scripted.connections == 2


def test_a_connection_closed_by_the_peer_between_sends_is_opened_anew(peers):
    gone = threading.Event()

    def once(sock: socket.socket) -> None:
        heard(sock)
        sock.sendall(yes("1"))
        sock.close()
        gone.set()

    scripted, peer = peers(once, says(yes("2")))
    assert isinstance(peer.send(body("1"), "1"), Accepted)
    assert gone.wait(5)
    assert isinstance(eventually(lambda: peer.send(body("2"), "2"), within=5), Accepted)
    assert scripted.connections == 2


def test_a_peer_that_closes_without_an_answer_may_have_taken_it(peers):
    _, peer = peers(heard)
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, NoAnswer)
    assert ended.phase == "reset"
    assert ended.may_have_left


def test_nobody_there_means_nothing_left():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    ended = Peer("127.0.0.1", port, 1.0).send(body("1"), "1")
    assert isinstance(ended, NoAnswer)
    assert ended.phase == "connect"
    assert not ended.may_have_left


def test_a_peer_that_never_reads_is_given_up_in_time(peers):
    done = threading.Event()
    _, peer = peers(lambda _: done.wait(10), timeout=0.5)
    ended = peer.send(body("1") + b"NTE|" + b"x" * 20_000_000, "1")
    done.set()
    assert isinstance(ended, NoAnswer)
    assert ended.phase == "write"


def test_an_answer_in_pieces_and_without_its_last_byte_is_read(peers):
    def in_pieces(sock: socket.socket) -> None:
        heard(sock)
        for octet in yes("1")[:-1]:
            sock.sendall(bytes([octet]))
        sock.recv(1)

    _, peer = peers(in_pieces)
    assert isinstance(peer.send(body("1"), "1"), Accepted)


def test_a_question_is_given_its_answer_whatever_the_code(peers):
    _, peer = peers(says(yes("1", "AE")))
    raw = peer.query(body("1"), "1")
    assert isinstance(raw, bytes)
    assert ack.read_answer(raw).code == "AE"
