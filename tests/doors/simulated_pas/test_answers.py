"""What the simulated PAS answers: its health page, its queries, its faults at the door, and what it does not take."""

import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from hl7.client import MLLPClient

from messaging.simulators.messages import Message
from messaging.simulators.pas import Pas
from messaging.simulators.receiver import Receiver
from messaging.simulators.wire import Client, Frames, NoAnswer, wrap
from tests.doors.simulated_pas.conftest import Do, heard

PROBE = "MSH|^~\\&|MIRROR|RXX|DEMOPAS|RXX|20260105080000||{kind}|{id}|P|2.4\r"


@pytest.fixture
def ask(pas: Pas) -> Iterator[Callable[..., Message]]:
    client = Client("127.0.0.1", pas.door.listener.port, timeout=0.4)

    def asked(kind: str, *lines: str, control_id: str = "Q1") -> Message:
        return Message(client.send((PROBE.format(kind=kind, id=control_id) + "\r".join(lines)).encode()))

    yield asked
    client.close()


def health(pas: Pas, *, timeout: float = 5) -> tuple[int, str]:
    url = f"http://127.0.0.1:{pas.health.listener.port}/"
    try:
        with urllib.request.urlopen(url, timeout=timeout) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_up_half_dead_and_silent(pas: Pas, do: Do, ask: Callable[..., Message], feed: Receiver) -> None:
    query = "QPD|Q22^Find Candidates^HL7|T1|@PID.3.1^NOBODY"
    assert health(pas) == (200, '{"status":"UP"}')
    do("refuse_all")
    assert health(pas) == (503, '{"status":"DOWN"}')
    refused = ask("QBP^Q22^QBP_Q21", query)
    assert (refused.field("MSA", 1), refused.component("ERR", 3)) == ("AE", "207")
    do("heal")
    do("go_silent")
    with pytest.raises(TimeoutError):
        ask("QBP^Q22^QBP_Q21", query)
    with pytest.raises(TimeoutError):
        health(pas, timeout=0.2)
    do("send", event="A28")
    assert feed.counts()["messages"] == 0
    do("heal")
    heard(feed, 1)
    assert ask("QBP^Q22^QBP_Q21", query).field("MSA", 1) == "AA"
    assert do("fired") == {"refuse_all": 1, "go_silent": 1}


def test_slow_lost_and_closed_doors(do: Do, ask: Callable[..., Message], feed: Receiver) -> None:
    query = ("QBP^Q22^QBP_Q21", "QPD|Q22|T1|@PID.3.1^NOBODY")
    do("slow", seconds=0.1)
    assert ask(*query).field("MSA", 1) == "AA"
    do("heal")
    do("lose_ack")
    with pytest.raises(NoAnswer):
        ask(*query)
    do("stop_listening")
    with pytest.raises(ConnectionRefusedError):
        ask(*query)
    do("send", event="A28")
    heard(feed, 1)  # unreachable, yet its messages still come
    do("start_listening")
    assert ask(*query).field("MSA", 1) == "AA"
    assert do("fired") == {"slow": 1, "lose_ack": 1, "stop_listening": 1}


def test_find_candidates(do: Do, ask: Callable[..., Message]) -> None:
    for given in ("John", "Joan"):
        do("send", event="A28", family="O'BRIEN", given=given, dob="19540103", sex="M")
    do("send", event="A28", family="SMITH", given="John", dob="19540103", nhs="9990000018")

    def hits(*parameters: str) -> tuple[str, str, int]:
        answer = ask("QBP^Q22^QBP_Q21", f"QPD|Q22^Find Candidates^HL7|TAG9|{'~'.join(parameters)}", "RCP|I|50^RD")
        assert answer.field("MSH", 9) == "RSP^K22^RSP_K21"
        assert (answer.field("MSA", 1), answer.field("MSA", 2), answer.field("QAK", 1)) == ("AA", "Q1", "TAG9")
        assert answer.field("QPD", 2) == "TAG9"
        return answer.field("QAK", 2), answer.field("QAK", 4), len(answer.all("PID"))

    assert hits("@PID.5.1^o'brien") == ("OK", "2", 2)
    assert hits("@PID.5.1^O'B*", "@PID.5.2^joan") == ("OK", "1", 1)
    assert hits("@PID.7^19540103") == ("OK", "3", 3)
    assert hits("@PID.3.1^P100003", "@PID.19^9990000018") == ("OK", "1", 1)
    for nothing in ("@PID.3.1^PROBE", "@PID.99^1", "@PID.5.1^", "", "@PID.5.1^[A-Z]*"):
        assert hits(nothing) == ("NF", "0", 0)


def test_query_of_one_patients_stays(do: Do, ask: Callable[..., Message]) -> None:
    patient = do("send", event="A28", family="SMITH", nhs="9990000018")["patient"]
    do("send", event="A01", patient=patient, ward="WA", bay="A", bed="B01", at="20260101080000")
    do("send", event="A03", patient=patient, at="20260102080000")
    do("send", event="A01", patient=patient, ward="WB", bay="B", bed="B07", at="20260103080000")
    for who in (f"{patient}^^^^^^^^RXX", "9990000018", "9990000018^^^^^^^^NHS"):
        answer = ask("QRY^A19", f"QRD|20260105|R|I|TAG1|||1^RD|{who}|DEM")
        assert answer.field("MSH", 9) == "ADR^A19^ADR_A19"
        assert answer.field("QRD", 4) == answer.field("QAK", 1) == "TAG1"
        assert patient in answer.patient_ids
        stays = answer.all("PV1")
        assert [bool(stay[45:]) for stay in stays] == [True, False]
        assert stays[1][3] == "WB^B^B07^RXX"
    unknown = ask("QRY^A19", "QRD|20260105|R|I|TAG1|||1^RD|NOBODY|DEM")
    assert (unknown.field("MSA", 1), unknown.field("QAK", 2), unknown.all("PID")) == ("AA", "NF", [])


def test_query_of_one_patients_appointments(do: Do, ask: Callable[..., Message]) -> None:
    patient = do("send", event="A28")["patient"]
    for clinic in ("CARD", "ORTH"):
        do("send", event="S12", patient=patient, clinic=clinic, starts_at="20990105090000")
    answer = ask("SQM^S25^SQM_S25", f"QRD|20260105|R|I|TAG2|||1^RD|{patient}|APN")
    assert answer.field("MSH", 9) == "SQR^S25^SQR_S25"
    assert [ail[3] for ail in answer.all("AIL")] == ["CARD^^^RXX", "ORTH^^^RXX"]
    assert len(answer.all("SCH")) == len(answer.all("PID")) == 2
    assert ask("SQM^S25", "QRD|20260105|R|I|TAG2|||1^RD|NOBODY|APN").field("QAK", 2) == "NF"
    assert ask("SQM^S25").field("QAK", 2) == "NF"


def test_what_it_does_not_take_gets_ar(pas: Pas, ask: Callable[..., Message]) -> None:
    for kind in ("ADT^A17^ADT_A17", "QBP^Q99", "ORU^R01", ""):
        answer = ask(kind, "PID|1||P1")
        assert (answer.field("MSA", 1), answer.component("ERR", 3)) == ("AR", "201")
    with MLLPClient("127.0.0.1", pas.door.listener.port) as independent:
        assert b"MSA|AR" in independent.send_message(b"not a message")


def test_two_queries_in_one_packet(pas: Pas) -> None:
    query = (PROBE + "QPD|Q22|T1|@PID.3.1^X").replace("{kind}", "QBP^Q22")
    with socket.create_connection(("127.0.0.1", pas.door.listener.port), 2) as sock:
        sock.sendall(b"".join(wrap(query.format(id=each).encode()) for each in ("Q1", "Q2")))
        frames = Frames()
        got: list[bytes] = []
        while len(got) < 2:
            got += frames.feed(sock.recv(4096))
    assert [Message(raw).field("MSA", 2) for raw in got] == ["Q1", "Q2"]
