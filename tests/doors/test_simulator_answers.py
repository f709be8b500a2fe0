"""The receiver's less usual answers: enhanced ones, one patient's alone, without a frame, and over TLS."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import hl7
import pytest

from messaging.simulators.receiver import Receiver
from messaging.simulators.wire import Frames, wrap
from tests.authority import Authority


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver("pathology", store=tmp_path / "pathology.db")
    made.start()
    yield made
    made.stop()


def adt(control_id: str, patient: str = "P1") -> bytes:
    msh = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260105080000||ADT^A28|{control_id}|P|2.4"
    return f"{msh}\rPID|1||{patient}^^^RXX^MR||SMITH^John\r".encode()


def answers(receiver: Receiver, raw: bytes, *, within: float = 0.4) -> list[tuple[str, str]]:
    """MSA-1 and MSA-2 of everything it says to one message; nothing more comes for so many seconds."""
    frames, got = Frames(), []
    with socket.create_connection(("127.0.0.1", receiver.door.listener.port), 5) as sock:
        sock.settimeout(within)
        sock.sendall(wrap(raw))
        try:
            while chunk := sock.recv(65536):
                got += frames.feed(chunk)
        except (TimeoutError, ConnectionResetError):
            pass
    parsed = [hl7.parse(each.decode()).segment("MSA") for each in got]
    return [(str(msa[1]), str(msa[2])) for msa in parsed]


def test_enhanced_is_a_commit_and_then_what_the_application_says(receiver: Receiver) -> None:
    receiver.faults.arm("enhanced")
    assert answers(receiver, adt("1")) == [("CA", "1"), ("AA", "1")]
    receiver.faults.arm("refuse", times=1, code="AE", err="", text="", for_patient="")
    assert answers(receiver, adt("2")) == [("CA", "2"), ("AE", "2")]
    receiver.faults.arm("refuse", times=1, code="CR", err="", text="", for_patient="")
    assert answers(receiver, adt("3")) == [("CR", "3")]
    receiver.faults.arm("lose_application_ack", times=1)
    assert answers(receiver, adt("4")) == [("CA", "4")]
    assert receiver.counts()["effects"] == 2
    assert receiver.faults.fired() == {"enhanced": 3, "refuse": 2, "lose_application_ack": 1}


def test_one_patients_message_alone_fells_it(receiver: Receiver) -> None:
    receiver.faults.arm("reset", for_patient="P7")
    assert answers(receiver, adt("1")) == [("AA", "1")]
    assert answers(receiver, adt("2", "P7")) == []
    assert receiver.faults.fired() == {"reset": 1}
    assert [message["answer"] for message in receiver.messages()] == ["AA", "reset"]


def test_an_answer_without_a_frame_is_one(receiver: Receiver) -> None:
    receiver.faults.arm("unframed_ack", times=1)
    assert answers(receiver, adt("1")) == []
    assert receiver.faults.fired() == {"unframed_ack": 1}
    assert receiver.counts()["effects"] == 1


def test_over_tls_it_speaks_to_whom_it_can_and_goes_on_after_whom_it_cannot(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.certificate("path.example"))
    secured = Receiver("secured", store=tmp_path / "secured.db", tls=context)
    secured.start()
    try:
        assert answers(secured, adt("1")) == [], "plain text"
        with (
            socket.create_connection(("127.0.0.1", secured.door.listener.port), 5) as plain,
            authority.peer().wrap_socket(plain, server_hostname="path.example") as sock,
        ):
            sock.sendall(wrap(adt("2")))
            assert b"MSA|AA|2" in sock.recv(65536)
    finally:
        secured.stop()
