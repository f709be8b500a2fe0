"""Enhanced acknowledgement: the commit, then the application's answer; a message is received when both have come."""

import threading

import pytest

from messaging.hl7 import ack
from messaging.hl7.read import Message
from messaging.mllp.sender import Accepted, NoAnswer, Refused
from tests.factories.scripted import body, heard, says, yes

SHORT = 0.3  # seconds


def asks_for_a_commit(control_id):
    plain = yes(control_id).strip(b"\x0b\x1c\r") + b"\r"
    return b"\x0b" + ack.asking_for_both(plain) + b"\x1c\r"


@pytest.mark.parametrize("together", [True, False])
def test_commit_and_answer_are_one_acceptance(peers, together):
    def talk(sock):
        for n in "12":
            heard(sock)
            if together:
                sock.sendall(yes(n, "CA") + yes(n))
            else:
                sock.sendall(yes(n, "CA"))
                sock.sendall(yes(n))
        sock.recv(1)

    scripted, peer = peers(talk, application_timeout=5.0)
    for n in "12":
        ended = peer.send(body(n), n)
        assert isinstance(ended, Accepted)
        assert b"MSA|AA|" in ended.answer
    assert scripted.connections == 1


@pytest.mark.parametrize("code", ["CE", "CR"])
def test_what_is_not_committed_is_refused_at_once(peers, code):
    _, peer = peers(says(yes("1", code)), application_timeout=5.0)
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, Refused)
    assert ended.code == code


@pytest.mark.parametrize("code", ["AE", "AR"])
def test_what_is_committed_may_still_be_refused_by_the_application(peers, code):
    _, peer = peers(says(yes("1", "CA") + yes("1", code)), application_timeout=5.0)
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, Refused)
    assert ended.code == code


def test_a_commit_alone_is_no_acceptance_and_the_late_answer_is_nobodys(peers):
    late = threading.Event()

    def talk(sock):
        heard(sock)
        sock.sendall(yes("1", "CA"))
        late.wait(10)
        sock.sendall(yes("1"))

    scripted, peer = peers(talk, says(yes("2", "CA") + yes("2")), application_timeout=SHORT)
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, NoAnswer)
    assert (ended.phase, ended.may_have_left) == ("application", True)
    assert b"MSA|CA|1" in (ended.answer or b"")
    late.set()
    peer.application_timeout = 5.0
    assert isinstance(peer.send(body("2"), "2"), Accepted)
    assert scripted.connections == 2


@pytest.mark.parametrize(
    "second",
    [yes("OTHER"), b"\x0bgarbage\x1c\r", b"\x0bMSH|^~\\&|||||||ACK|1|P|2.4\r\x1c\r", b"no frame at all, and long"],
)
def test_after_the_commit_too_only_our_own_answer_counts(peers, second):
    _, peer = peers(says(yes("1", "CA") + second), application_timeout=5.0)
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, NoAnswer)
    assert ended.phase == "application"


def test_a_connection_cut_after_the_commit_leaves_it_in_doubt(peers):
    def talk(sock):
        heard(sock)
        sock.sendall(yes("1", "CA"))

    _, peer = peers(talk, application_timeout=5.0)
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, NoAnswer)
    assert ended.phase == "application"


def test_a_second_commit_is_passed_over_and_a_peer_of_the_original_mode_is_understood(peers):
    _, peer = peers(says(yes("1", "CA") + yes("1", "CA") + yes("1"), yes("2")), application_timeout=5.0)
    assert isinstance(peer.send(body("1"), "1"), Accepted)
    assert isinstance(peer.send(body("2"), "2"), Accepted)


def test_in_original_mode_the_commit_settles_and_what_follows_meets_nothing(peers):
    scripted, peer = peers(says(yes("1", "CA") + yes("1", "AE")), says(yes("2")))
    assert isinstance(peer.send(body("1"), "1"), Accepted)
    assert isinstance(peer.send(body("2"), "2"), Accepted)
    assert scripted.connections == 2


def test_an_application_that_asks_for_it_is_committed_to(peers):
    got = []

    def talk(sock):
        heard(sock)
        sock.sendall(yes("1", "CA") + asks_for_a_commit("1"))
        got.append(sock.recv(65536))

    scripted, peer = peers(talk, application_timeout=5.0)
    assert isinstance(peer.send(body("1"), "1"), Accepted)
    peer.close()
    scripted.close()
    said = ack.read_answer(got[0].strip(b"\x0b\x1c\r"))
    assert (said.code, said.control_id) == ("CA", "A1")


def test_our_message_asks_for_both_answers():
    written = ack.asking_for_both(body("1"))
    message = Message.of(written)
    assert (message.get("MSH-15"), message.get("MSH-16")) == ("AL", "AL")
    assert (message.control_id, message.version) == ("1", "2.4")
    assert written.split(b"\r", 1)[1] == body("1").split(b"\r", 1)[1]
    with_country = body("1").replace(b"|P|2.4", b"|P|2.4|||||GBR")
    assert Message.of(ack.asking_for_both(with_country)).get("MSH-17") == "GBR"
