"""The simulated PAS through its doors: its own traffic, its faults, its health page and its queries."""

import random
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hl7
import pytest
from hl7.client import MLLPClient

from messaging.simulators.control import Control, ControlRefused
from messaging.simulators.messages import LONDON, Message, moment, now
from messaging.simulators.pas import Pas
from messaging.simulators.receiver import Receiver
from messaging.simulators.wire import Client, Frames, NoAnswer, wrap
from tests.eventually import eventually

Do = Callable[..., Any]
PROBE = "MSH|^~\\&|MIRROR|RXX|DEMOPAS|RXX|20260105080000||{kind}|{id}|P|2.4\r"


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver("mirror", store=tmp_path / "feed.db")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def pathology(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver("pathology", store=tmp_path / "pathology.db")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def pas(tmp_path: Path, feed: Receiver, pathology: Receiver) -> Iterator[Pas]:
    lanes = {"feed": feed.door.listener.port, "pathology": pathology.door.listener.port}
    made = Pas(store=tmp_path / "pas.db", lanes={name: ("127.0.0.1", port) for name, port in lanes.items()})
    made.start()
    yield made
    made.stop()


@pytest.fixture
def do(pas: Pas) -> Do:
    return Control(pas.control.listener.port).do


@pytest.fixture
def ask(pas: Pas) -> Iterator[Callable[..., Message]]:
    client = Client("127.0.0.1", pas.door.listener.port, timeout=0.4)

    def asked(kind: str, *lines: str, control_id: str = "Q1") -> Message:
        return Message(client.send((PROBE.format(kind=kind, id=control_id) + "\r".join(lines)).encode()))

    yield asked
    client.close()


def heard(receiver: Receiver, count: int) -> list[Message]:
    eventually(lambda: receiver.counts()["effects"] == count, within=10, why=f"{count} effects")
    return [Message(str(row["raw"]).encode()) for row in receiver.messages()]


def quiet(do: Do) -> None:
    eventually(lambda: do("quiet"), within=10)


def test_a_morning_reaches_everyone_in_order_and_is_readable(do: Do, feed: Receiver, pathology: Receiver) -> None:
    said = do("morning", patients=12, seed=4)
    assert said["A28"] == 12
    assert said["A01"] == 4
    assert {"A02", "A03", "S12", "S15", "A31"} <= said.keys()
    quiet(do)
    messages = heard(feed, sum(said.values()))
    ids = [each.control_id for each in messages]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert [row["control_id"] for row in pathology.messages()] == ids
    assert feed.duplicates_of_events() == []
    for row in feed.messages():
        independent = hl7.parse(str(row["raw"]))
        assert str(independent.segment("MSH")[3]) == "DEMOPAS"
        assert str(independent.segment("MSH")[9]).split("^")[2] in {
            "ADT_A05",
            "ADT_A01",
            "ADT_A02",
            "ADT_A03",
            "SIU_S12",
        }
        assert str(independent.segment("PID")[3]).startswith("P1000")
        assert "^^^RXX^MR~999" in str(independent.segment("PID")[3])
    for each in messages:
        if each.field("EVN", 6):
            assert moment(each.field("EVN", 6)) <= moment(now())


def test_the_same_seed_is_the_same_morning(tmp_path: Path) -> None:
    towns = []
    for name in ("one", "two"):
        pas = Pas(store=tmp_path / name, lanes={})
        pas.day.morning(patients=9, seed=7)
        towns.append([(each["family"], each["identifiers"], len(each["stays"])) for each in pas.patients()])
        pas.store.close()
    assert towns[0] == towns[1]


def test_two_mornings_admit_no_more_than_there_are_beds(tmp_path: Path) -> None:
    pas = Pas(store=tmp_path / "pas.db", lanes={})
    for seed in (1, 2):
        pas.day.morning(patients=60, seed=seed)
    places = [stay.place for stay in pas.record.stays() if not stay.discharged_at]
    assert len(places) == len(set(places))
    assert len({each.value for patient in pas.record.patients() for each in pas.record.identifiers(patient.id)}) == 240
    pas.store.close()


def test_a_name_that_needs_escapes(do: Do, feed: Receiver) -> None:
    do("send", event="A28", family="O'BRIEN & Sons^|~\\", given="Zoë", nhs="9990000018", practice_name="Smith & Sons")
    message = heard(feed, 1)[0]
    assert message.component("PID", 5) == "O'BRIEN & Sons^|~\\"
    assert message.component("PID", 5, 2) == "Zoë"
    assert message.field("MSH", 18) == "UNICODE UTF-8"


def test_a_stay_and_a_booking_event_by_event(do: Do, feed: Receiver) -> None:
    patient = do("send", event="A28")["patient"]
    stay = do("send", event="A01", patient=patient, ward="WA", bay="A", bed="B01", at="20260105083000")
    do("send", event="A02", patient=patient, ward="WB", bay="A", bed="B02")
    do("send", event="A03", patient=patient)
    booked = do("send", event="S12", patient=patient, clinic="ORTH", starts_at="20990105090000", minutes=20)
    do("send", event="S15", appointment=booked["appointment"])
    quiet(do)
    _, a01, a02, a03, s12, s15 = heard(feed, 6)
    assert a01.field("PV1", 3) == "WA^A^B01^RXX"
    assert a01.field("PV1", 19) == f"{stay['visit']}^^^RXX^VN"
    assert a01.field("EVN", 6) == a01.field("PV1", 44) == "20260105083000"
    assert (a02.field("PV1", 6), a02.field("PV1", 3)) == ("WA^A^B01^RXX", "WB^A^B02^RXX")
    assert a03.field("PV1", 45)
    assert s12.field("SCH", 11) == "^^20^20990105090000^20990105092000"
    assert (s12.field("SCH", 25), s15.field("SCH", 25)) == ("Booked", "Cancelled")
    assert s12.field("AIL", 3) == "ORTH^^^RXX"
    assert s12.field("SCH", 1) == f"{booked['appointment']}^RXX"


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"event": "A99"}, "no such event"),
        ({"event": "A01", "patient": "P0"}, "no patient of that number"),
        ({"event": "A28", "shoe_size": 9}, "shoe_size"),
        ({"event": "S15", "appointment": "A0"}, "unknown appointment"),
    ],
)
def test_what_the_staff_cannot_do(do: Do, args: dict[str, Any], why: str) -> None:
    with pytest.raises(ControlRefused, match=why):
        do("send", **args)
    assert do("outbox")["depth"] == 0


def test_local_edits_go_out(do: Do, feed: Receiver) -> None:
    patient = do("send", event="A28")["patient"]
    do("edit_patient", id=patient, phone="07700900999")
    other = do("give_bed_away", ward="WA", bay="B", bed="B07")
    with pytest.raises(ControlRefused, match="bed taken"):
        do("give_bed_away", ward="WA", bay="B", bed="B07")
    do("cancel_stay", visit=other["visit"])
    quiet(do)
    assert [each.trigger for each in heard(feed, 5)] == ["A28", "A31", "A28", "A01", "A11"]
    assert do("find", id=patient)["phone"] == "07700900999"
    assert do("stays") == []
    assert len(do("patients")) == 2


def test_traffic_runs_until_told_otherwise(do: Do, feed: Receiver) -> None:
    do("traffic", per_second=100)
    eventually(lambda: len(do("spoken")) >= 40, within=15)
    do("traffic", per_second=0)
    quiet(do)
    assert feed.counts()["repeats"] == 0


def test_something_always_happens(tmp_path: Path) -> None:
    pas = Pas(store=tmp_path / "pas.db", lanes={"feed": ("127.0.0.1", 1)})
    chance = random.Random(5)
    for _ in range(150):
        pas.day.something(chance)
    assert pas.outbox.depth()["depth"] == 150
    assert {str(row["trigger"]) for row in pas.outbox.spoken()} == {"A28", "A31", "A01", "A02", "A03", "S12", "S15"}
    pas.store.close()


def test_unanswered_messages_are_resent_until_aa(do: Do, feed: Receiver, pathology: Receiver) -> None:
    feed.faults.arm("lose_ack", times=1)
    pathology.faults.arm("refuse", times=2, code="AE", err="207", for_patient="", text="")
    do("send", event="A28")
    quiet(do)
    assert feed.counts() == {"messages": 2, "effects": 1, "repeats": 1, "triggers": {"A28": 1}}
    assert [row["answer"] for row in pathology.messages()] == ["AE", "AE", "AA"]
    assert len({str(row["raw"]) for row in pathology.messages()}) == 1


@pytest.mark.parametrize("fault", ["wrong_msa", "garbage_ack", "no_msa", "reset", "cut_after"])
def test_an_answer_that_is_not_one_settles_nothing(do: Do, feed: Receiver, fault: str) -> None:
    Control(feed.control.listener.port).do(fault)
    do("send", event="A28")
    quiet(do)
    assert feed.faults.fired() == {fault: 1}
    assert [row["attempts"] for row in do("spoken") if row["lane"] == "feed"] == [2]
    assert feed.counts()["effects"] == 1


def test_a_peer_that_is_away_holds_up_only_its_own_lane(do: Do, feed: Receiver, pathology: Receiver) -> None:
    feed.door.stop_listening()
    for _ in range(3):
        do("send", event="A28")
    heard(pathology, 3)
    assert do("outbox")["lanes"] == {"feed": 3, "pathology": 0}
    feed.door.listener.start()
    quiet(do)
    assert [row["control_id"] for row in feed.messages()] == [row["control_id"] for row in pathology.messages()]


def test_the_backlog_can_be_held_and_sent(do: Do, feed: Receiver, pathology: Receiver) -> None:
    do("hold_backlog", lane="feed")
    do("send", event="A28")
    heard(pathology, 1)
    assert do("outbox") == {"depth": 1, "lanes": {"feed": 1, "pathology": 0}, "held": ["feed"]}
    assert not do("quiet")
    do("send_backlog")
    heard(feed, 1)


def test_a_wrong_clock_shows_in_msh_7_alone(do: Do, feed: Receiver) -> None:
    do("clock_offset", seconds=-3600)
    do("send", event="A28")
    message = heard(feed, 1)[0]
    behind = moment(message.field("EVN", 2)) - moment(message.field("MSH", 7))
    assert 3595 < behind.total_seconds() < 3605
    assert moment(message.field("MSH", 7)).tzinfo is LONDON


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
