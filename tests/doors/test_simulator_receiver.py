"""The receiver as a TCP peer, asked by python-hl7's client and by hand-written sockets."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hl7
import pytest
from hl7.client import MLLPClient

from messaging.simulators.control import Control, ControlRefused, main
from messaging.simulators.messages import Message
from messaging.simulators.receiver import Receiver
from messaging.simulators.wire import Client, Frames, NoAnswer, wrap
from tests.eventually import eventually

Do = Callable[..., Any]


def adt(control_id: str, *, trigger: str = "A28", patient: str = "P1", sender: str = "DEMOPAS") -> bytes:
    lines = [
        f"MSH|^~\\&|{sender}|RXX|ROUTE||20260105080000||ADT^{trigger}|{control_id}|P|2.4",
        f"EVN|{trigger}|20260105080000",
        f"PID|1||{patient}^^^RXX^MR||SMITH^John",
        "PV1|1|I|WA^A^B01^RXX" + "|" * 16 + f"V-{patient}",
    ]
    return "\r".join(lines).encode()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver("pathology", store=tmp_path / "pathology.db")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def do(receiver: Receiver) -> Do:
    return Control(receiver.control.listener.port).do


@pytest.fixture
def port(receiver: Receiver) -> int:
    return receiver.door.listener.port


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    made = Client("127.0.0.1", port, timeout=0.4)
    yield made
    made.close()


def msa(raw: bytes) -> tuple[str, str]:
    answer = hl7.parse(raw.decode())
    return str(answer.segment("MSA")[1]), str(answer.segment("MSA")[2])


def test_python_hl7_is_answered(port: int, do: Do) -> None:
    with MLLPClient("127.0.0.1", port) as independent:
        answer = independent.send_message(adt("X1"))
    assert answer.startswith(b"\x0b")
    assert answer.endswith(b"\x1c\r")
    assert msa(answer[1:-2]) == ("AA", "X1")
    assert do("messages")[0]["raw"] == adt("X1").decode()


def test_two_frames_in_one_packet_and_one_in_many(port: int, do: Do) -> None:
    with socket.create_connection(("127.0.0.1", port), 2) as sock:
        frames = Frames()
        got: list[bytes] = []
        sock.sendall(wrap(adt("X1")) + wrap(adt("X2", patient="P2")))
        split = wrap(adt("X3", patient="P3"))
        for at in range(0, len(split), 11):
            sock.sendall(split[at : at + 11])
        while len(got) < 3:
            got += frames.feed(sock.recv(4096))
    assert [msa(raw) for raw in got] == [("AA", "X1"), ("AA", "X2"), ("AA", "X3")]
    assert do("counts")["effects"] == 3


def test_a_repeat_is_kept_without_effect(client: Client, do: Do) -> None:
    for raw in (adt("X1"), adt("X1"), adt("X1", sender="OTHER", patient="P2")):
        assert msa(client.send(raw))[0] == "AA"
    assert do("counts") == {"messages": 3, "effects": 2, "repeats": 1, "triggers": {"A28": 2}}


def test_without_deduplication_a_repeat_has_its_effect_again(client: Client, do: Do) -> None:
    do("deduplicate", on=False)
    client.send(adt("X1"))
    client.send(adt("X1"))
    assert do("counts")["effects"] == 2
    assert do("duplicates_of_events") == [{"event": "A28|P1", "effects": [["DEMOPAS", "X1"], ["DEMOPAS", "X1"]]}]


def test_one_event_from_two_speakers_is_found(client: Client, do: Do) -> None:
    client.send(adt("X1", trigger="A01"))
    client.send(adt("Y1", trigger="A01", sender="MIRROR"))
    client.send(adt("X2", trigger="A03"))
    assert [found["event"] for found in do("duplicates_of_events")] == ["A01|V-P1|202601050800"]
    assert {row["speaker"] for row in do("effects")} == {"DEMOPAS", "MIRROR"}


def test_an_unreadable_frame_gets_ar_and_is_kept(client: Client, do: Do) -> None:
    answer = hl7.parse(client.send(b"no message at all").decode())
    assert str(answer.segment("MSA")[1]) == "AR"
    assert do("counts")["effects"] == 0
    assert do("messages")[0]["answer"] == "AR"


def test_a_restart_on_the_same_store_goes_on(tmp_path: Path) -> None:
    for _ in range(2):
        receiver = Receiver("pathology", store=tmp_path / "kept.db")
        receiver.start()
        client = Client("127.0.0.1", receiver.door.listener.port)
        client.send(adt("X1"))
        client.close()
        counts = receiver.counts()
        receiver.stop()
    assert (counts["messages"], counts["effects"]) == (2, 1)


def test_forget(client: Client, do: Do) -> None:
    client.send(adt("X1"))
    do("forget")
    assert do("counts")["messages"] == 0


def test_go_silent_then_heal(client: Client, do: Do) -> None:
    do("go_silent")
    with pytest.raises(TimeoutError):
        client.send(adt("X1"))
    assert do("heal") == ["go_silent"]
    assert msa(client.send(adt("X1"))) == ("AA", "X1")
    assert do("fired") == {"go_silent": 1}
    assert do("counts")["effects"] == 1


def test_accept_but_never_read(client: Client, do: Do) -> None:
    do("accept_but_never_read")
    with pytest.raises(TimeoutError):
        client.send(adt("X1"))
    assert do("counts")["messages"] == 0
    do("heal")
    assert msa(client.send(adt("X1")))[0] == "AA"
    assert do("fired") == {"accept_but_never_read": 1}


@pytest.mark.parametrize("code", ["AE", "AR", "CE"])
def test_refuse_so_many_times(client: Client, do: Do, code: str) -> None:
    do("refuse", code=code, err="206", times=2)
    answers = [client.send(adt("X1")) for _ in range(3)]
    assert [msa(raw)[0] for raw in answers] == [code, code, "AA"]
    assert Message(answers[0]).component("ERR", 3) == "206"
    assert do("fired") == {"refuse": 2}
    assert [row["answer"] for row in do("messages")] == [code, code, "AA"]


def test_refuse_one_patient_for_ever(client: Client, do: Do) -> None:
    do("refuse", for_patient="P9")
    assert [msa(client.send(adt(f"X{n}", patient=f"P{n}")))[0] for n in (8, 9, 9, 7)] == ["AA", "AE", "AE", "AA"]


def test_lose_ack_keeps_the_message(client: Client, do: Do) -> None:
    do("lose_ack")
    with pytest.raises(NoAnswer):
        client.send(adt("X1"))
    assert do("counts")["effects"] == 1
    assert msa(client.send(adt("X1"))) == ("AA", "X1")
    assert do("counts")["effects"] == 1


def test_cut_after_so_many_bytes(client: Client, do: Do) -> None:
    do("cut_after", bytes=30)
    with pytest.raises(OSError, match=r".*"):
        client.send(adt("X1"))
    assert do("counts")["messages"] == 0
    assert do("fired") == {"cut_after": 1}
    assert msa(client.send(adt("X1")))[0] == "AA"


def test_late_ack_comes_after_the_senders_patience(port: int, do: Do) -> None:
    do("late_ack", seconds=0.3)
    with socket.create_connection(("127.0.0.1", port), 0.1) as sock:
        sock.sendall(wrap(adt("X1")))
        with pytest.raises(TimeoutError):
            sock.recv(1)
        sock.settimeout(5)
        sock.sendall(wrap(adt("X2", patient="P2")))
        assert msa(Frames().feed(sock.recv(4096))[0]) == ("AA", "X1")
    assert do("fired") == {"late_ack": 1}


def test_wrong_msa_garbage_and_no_msa(client: Client, do: Do) -> None:
    do("wrong_msa")
    assert msa(client.send(adt("X1"))) == ("AA", "SOMEONE-ELSE")
    do("garbage_ack")
    assert client.send(adt("X2")) == b"this is no HL7"
    do("no_msa")
    assert b"MSA" not in client.send(adt("X3"))
    assert msa(client.send(adt("X4"))) == ("AA", "X4")
    assert do("fired") == {"wrong_msa": 1, "garbage_ack": 1, "no_msa": 1}


def test_two_acks(port: int, do: Do) -> None:
    do("two_acks", first="AR")
    with socket.create_connection(("127.0.0.1", port), 2) as sock:
        sock.sendall(wrap(adt("X1")))
        frames = Frames()
        got: list[bytes] = []
        while len(got) < 2:
            got += frames.feed(sock.recv(4096))
    assert [msa(raw) for raw in got] == [("AR", "X1"), ("AA", "X1")]


def test_reset_breaks_the_connection(client: Client, do: Do) -> None:
    do("reset")
    with pytest.raises(ConnectionResetError):
        client.send(adt("X1"))
    assert do("counts")["effects"] == 0
    assert do("fired") == {"reset": 1}


def test_stop_and_start_listening(client: Client, do: Do, port: int) -> None:
    client.send(adt("X1"))
    do("stop_listening")
    with pytest.raises(OSError, match=r".*"):
        client.send(adt("X2"))
    with pytest.raises(ConnectionRefusedError):
        client.send(adt("X2"))
    do("start_listening")
    assert msa(client.send(adt("X2")))[0] == "AA"
    assert do("fired") == {"stop_listening": 1}


def test_slow_is_slow_and_heals_at_once(port: int, do: Do) -> None:
    do("slow", seconds=30)
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(wrap(adt("X1")))
        eventually(lambda: do("fired").get("slow") == 1, within=5)
        began = time.monotonic()
        do("heal")
        assert msa(Frames().feed(sock.recv(4096))[0])[0] == "AA"
    assert time.monotonic() - began < 5


def test_bad_control_lines_are_answered(do: Do, receiver: Receiver) -> None:
    with pytest.raises(ControlRefused, match=r"no such verb; there are .*go_silent"):
        do("explode")
    with pytest.raises(ControlRefused, match="lose_ack has no colour"):
        do("lose_ack", colour="red")
    with pytest.raises(ControlRefused, match="counts"):
        do("counts", x=1)
    with socket.create_connection(("127.0.0.1", receiver.control.listener.port), 2) as sock, sock.makefile("rwb") as io:
        for line in (b"not json\n", b"[]\n", b'{"verb": 3}\n', b'{"verb": "counts", "args": 7}\n'):
            io.write(line)
            io.flush()
            assert json.loads(io.readline())["ok"] is False


def test_the_command_line(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"127.0.0.1:{receiver.control.listener.port}"
    assert main([where, "refuse", "code=AR", "times=1"]) == 0
    assert json.loads(capsys.readouterr().out)["times"] == 1
    assert main([where, "explode"]) == 1
    assert "no such verb" in capsys.readouterr().err
    assert main(["nowhere"]) == 2
    receiver.control.listener.stop()
    assert main([where, "counts"]) == 1
