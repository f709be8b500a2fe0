"""What the simulated PAS does with a mirror's replay: its checks, its echo, its word downstream, its backup."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from messaging.simulators.control import Control, ControlRefused
from messaging.simulators.messages import Message
from messaging.simulators.pas import Pas
from messaging.simulators.receiver import Receiver
from messaging.simulators.wire import Client, NoAnswer
from tests.eventually import eventually

Do = Callable[..., Any]
Replay = Callable[..., tuple[str, str]]
PERSON = "PID|1||M900001^^^MIRROR^PI~9990000018^^^NHS^NH||O'BRIEN^Zoe^^^Mrs||19540103|F|||1 High St^^Leeds^^LS1 1AA"
VISIT = "PV1|1|I|{place}^RXX||||C1^SMITH^Ann||||||||||||V290001^^^RXX^VN"
SLOT = "SCH|A390001^RXX|A390001^RXX|||||^Review|FUP|||^^30^20990105090000^20990105093000"


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[dict[str, Receiver]]:
    made = {name: Receiver(name, store=tmp_path / f"{name}.db") for name in ("feed", "pathology", "eprescribing")}
    for receiver in made.values():
        receiver.start()
    yield made
    for receiver in made.values():
        receiver.stop()


@pytest.fixture
def pas(tmp_path: Path, peers: dict[str, Receiver]) -> Iterator[Pas]:
    lanes = {name: ("127.0.0.1", receiver.door.listener.port) for name, receiver in peers.items()}
    made = Pas(store=tmp_path / "pas.db", lanes=lanes)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def do(pas: Pas) -> Do:
    return Control(pas.control.listener.port).do


@pytest.fixture
def replay(pas: Pas) -> Iterator[Replay]:
    client = Client("127.0.0.1", pas.door.listener.port)
    count = 0

    def replayed(
        trigger: str, *lines: str, control_id: str = "", told: str = "", at: str = "20260105083000+0000"
    ) -> Any:
        nonlocal count
        count += 1
        kind = "SIU" if trigger.startswith("S") else "ADT"
        msh = f"MSH|^~\\&|MIRROR|RXX|DEMOPAS|RXX|20260105120000||{kind}^{trigger}|{control_id or f'M{count}'}|P|2.4"
        evn = [f"EVN|{trigger}|20260105120000||||{at}"] * (kind == "ADT")
        answer = Message(client.send("\r".join([msh, *evn, *lines, f"ZPM|E{count}|{told}"]).encode()))
        return answer.field("MSA", 1), answer.component("ERR", 3)

    yield replayed
    client.close()


def settled(do: Do, peers: dict[str, Receiver]) -> dict[str, list[str]]:
    eventually(lambda: do("quiet"), within=10)
    return {name: [str(row["trigger"]) for row in receiver.messages()] for name, receiver in peers.items()}


def whole_story(replay: Replay, told: str = "") -> list[tuple[str, str]]:
    return [
        replay("A28", PERSON, told=told),
        replay("S12", SLOT, PERSON, "AIL|1||CARD^^^RXX", told=told),
        replay("A01", PERSON, VISIT.format(place="WA^A^B01"), told=told, at="20260105083100"),
        replay("A02", PERSON, VISIT.format(place="WB^A^B02"), told=told, at="20260105083200"),
        replay("A03", PERSON, VISIT.format(place="WB^A^B02"), told=told, at="20260105083300"),
        replay("S15", SLOT, PERSON, "AIL|1||CARD^^^RXX", told=told),
        replay("A31", PERSON.replace("1 High St", "2 Low St"), told=told, at="20260105083400"),
    ]


def test_a_whole_outage_is_taken_and_echoed_with_both_numbers(
    do: Do, replay: Replay, peers: dict[str, Receiver]
) -> None:
    assert whole_story(replay, told="pathology") == [("AA", "")] * 7
    story = ["A28", "S12", "A01", "A02", "A03", "S15", "A31"]
    assert settled(do, peers) == {"feed": story, "pathology": [], "eprescribing": story}
    echoes = [Message(str(row["raw"]).encode()) for row in peers["feed"].messages()]
    for echo in echoes:
        assert echo.patient_ids == ["P100001", "9990000018", "M900001"]
        assert echo.control_id.startswith("PAS")
        assert echo.sender == "DEMOPAS|RXX"
    assert echoes[0].field("EVN", 6) == "20260105083000"
    assert echoes[2].field("PV1", 19) == "V290001^^^RXX^VN"
    assert echoes[1].field("SCH", 1) == "A390001^RXX"
    held = do("find", id="M900001")
    assert (held["mrn"], held["line1"]) == ("P100001", "2 Low St")
    assert held["stays"][0]["visit"] == "V290001"
    assert held["stays"][0]["discharged_at"] == "20260105083300"
    assert held["appointments"][0]["status"] == "Cancelled"
    assert [row["event"] for row in do("received")] == [f"E{n}" for n in range(1, 8)]


def test_an_echo_is_the_same_event_for_a_receiver_that_heard_the_mirror(
    do: Do, replay: Replay, peers: dict[str, Receiver]
) -> None:
    pathology = Client("127.0.0.1", peers["pathology"].door.listener.port)
    lines = [
        "MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260105084000||ADT^A01|X1|P|2.4",
        "EVN|A01|20260105084000||||20260105083100",
    ]
    pathology.send("\r".join([*lines, PERSON, VISIT.format(place="WA^A^B01")]).encode())
    pathology.close()
    whole_story(replay)
    settled(do, peers)
    assert [found["event"] for found in peers["pathology"].duplicates_of_events()] == ["A01|V290001|202601050831"]


def test_the_same_message_again_has_no_effect(do: Do, replay: Replay, peers: dict[str, Receiver]) -> None:
    for _ in range(3):
        assert replay("A28", PERSON, control_id="SAME") == ("AA", "")
    assert settled(do, peers)["feed"] == ["A28"]
    assert [row["repeat"] for row in do("received")] == [False, True, True]


def test_a_lost_answer_then_the_same_again(do: Do, replay: Replay, peers: dict[str, Receiver]) -> None:
    do("lose_ack")
    with pytest.raises(NoAnswer):
        replay("A28", PERSON, control_id="SAME")
    assert replay("A28", PERSON, control_id="SAME") == ("AA", "")
    assert settled(do, peers)["feed"] == ["A28"]


def test_real_checks(do: Do, replay: Replay, peers: dict[str, Receiver]) -> None:
    visit, slot = VISIT.format(place="WA^A^B01"), (SLOT, PERSON, "AIL|1||CARD^^^RXX")
    for trigger, lines in (("A01", (PERSON, visit)), ("A02", (PERSON, visit)), ("A03", (PERSON, visit)), ("S12", slot)):
        assert replay(trigger, *lines) == ("AE", "204")
    assert replay("A28", PERSON) == ("AA", "")
    assert replay("A28", PERSON) == ("AE", "205")
    assert replay("A28", PERSON.replace("M900001", "M900002")) == ("AE", "205")  # the same NHS number
    assert replay("A03", PERSON, visit) == ("AE", "204")
    assert replay("A02", PERSON, visit) == ("AE", "204")
    assert replay("A01", PERSON, visit) == ("AA", "")
    assert replay("A01", PERSON, visit) == ("AE", "205")
    assert replay("A03", PERSON, visit.replace("V290001", "V999999")) == ("AE", "204")
    other = do("send", event="A28")["patient"]
    theirs = f"PID|1||{other}^^^RXX^MR"
    assert replay("A01", theirs, visit.replace("V290001", "V290002")) == ("AE", "205")
    assert replay("A01", theirs, visit.replace("B01", "B03")) == ("AE", "205")  # the visit number is used
    assert replay("S12", *slot) == ("AA", "")
    assert replay("S12", SLOT.replace("A390001", "A390002"), theirs, "AIL|1||CARD^^^RXX") == ("AE", "205")
    assert replay("S15", SLOT, theirs) == ("AE", "204")
    assert replay("S15", SLOT, PERSON) == ("AA", "")
    assert replay("S15", SLOT, PERSON) == ("AE", "204")
    assert settled(do, peers)["feed"] == ["A28", "A01", "A28", "S12", "S15"]


@pytest.mark.parametrize(
    ("trigger", "lines", "answer"),
    [
        ("A28", ["PID|1||||SMITH"], ("AE", "101")),
        ("A28", ["PID|1||M1^^^MIRROR"], ("AE", "101")),
        ("A28", [], ("AE", "101")),
        ("A01", [], ("AE", "204")),
        ("A40", [PERSON], ("AE", "101")),
        ("S13", [SLOT, PERSON], ("AE", "204")),
        ("A17", [PERSON], ("AR", "201")),
        ("S23", [SLOT, PERSON], ("AR", "201")),
    ],
)
def test_bad_input_is_answered(do: Do, replay: Replay, trigger: str, lines: list[str], answer: tuple[str, str]) -> None:
    assert replay(trigger, *lines) == answer
    assert do("patients") == []
    assert do("outbox")["depth"] == 0


def test_bad_bookings_and_moves_are_answered(do: Do, replay: Replay) -> None:
    replay("A28", PERSON)
    replay("A01", PERSON, VISIT.format(place="WA^A^B01"))
    ail = "AIL|1||CARD^^^RXX"
    assert replay("S12", "SCH|A1", PERSON, ail) == ("AE", "101")
    assert replay("S12", SLOT, PERSON) == ("AE", "101")
    assert replay("S12", "SCH|A1||||||||||^^30^tomorrow", PERSON, ail) == ("AE", "102")
    assert replay("A02", PERSON, "PV1|1|I") == ("AE", "101")
    assert do("appointments") == []


def test_a_taken_bed_is_taken_only_until_it_is_free(do: Do, replay: Replay) -> None:
    replay("A28", PERSON)
    somebody = do("give_bed_away", ward="WA", bay="A", bed="B01")
    visit = VISIT.format(place="WA^A^B01")
    assert replay("A01", PERSON, visit, control_id="SAME") == ("AE", "205")
    do("send", event="A03", patient=somebody["patient"])
    assert replay("A01", PERSON, visit, control_id="SAME") == ("AA", "")


def test_numbers_of_two_patients_are_refused(do: Do, replay: Replay) -> None:
    replay("A28", PERSON)
    other = do("send", event="A28")["patient"]
    assert replay("A31", f"PID|1||M900001^^^MIRROR~{other}^^^RXX^MR||X") == ("AE", "205")


def test_an_update_deletes_what_it_says_and_leaves_what_it_does_not(do: Do, replay: Replay) -> None:
    replay("A28", PERSON + "||0113 496 0000")
    replay("A31", 'PID|1||M900001^^^MIRROR||O\'BRIEN^""^||""||||2 Low St^^York')
    held = do("find", id="M900001")
    assert (held["given"], held["dob"], held["sex"], held["phone"]) == ("", "", "F", "0113 496 0000")
    assert (held["line1"], held["town"], held["postcode"]) == ("2 Low St", "York", "")


def test_an_update_for_nobody_known_registers(do: Do, replay: Replay, peers: dict[str, Receiver]) -> None:
    assert replay("A31", PERSON) == ("AA", "")
    assert do("find", id="9990000018")["mrn"] == "P100001"
    assert settled(do, peers)["feed"] == ["A28"]


def test_own_numbers_step_over_those_from_the_pools(do: Do, replay: Replay) -> None:
    replay("A28", PERSON)
    replay("A01", PERSON, VISIT.format(place="WA^A^B01").replace("V290001", "V200001"))
    other = do("send", event="A28")["patient"]
    assert do("send", event="A01", patient=other)["visit"] == "V200002"


def test_echo_and_announcement_can_be_switched(do: Do, replay: Replay, peers: dict[str, Receiver]) -> None:
    do("echo", on=False)
    replay("A28", PERSON, told="pathology")
    assert settled(do, peers) == {"feed": [], "pathology": [], "eprescribing": ["A28"]}
    do("echo", on=True)
    do("announce", on=False)
    replay("A31", PERSON)
    assert settled(do, peers) == {"feed": ["A31"], "pathology": [], "eprescribing": ["A28"]}
    do("announce", on=True)
    do("ignore_zpm")
    replay("A31", PERSON, told="pathology~eprescribing")
    assert settled(do, peers) == {"feed": ["A31", "A31"], "pathology": ["A31"], "eprescribing": ["A28", "A31"]}


def test_a_half_dead_pas_refuses_and_forgets(do: Do, replay: Replay) -> None:
    do("refuse_all", code="AE")
    assert replay("A28", PERSON, control_id="SAME") == ("AE", "207")
    do("heal")
    assert replay("A28", PERSON, control_id="SAME") == ("AA", "")
    assert [row["code"] for row in do("received")] == ["AE", "AA"]


def test_restored_from_an_older_backup_it_is_behind(do: Do, replay: Replay, peers: dict[str, Receiver]) -> None:
    with pytest.raises(ControlRefused, match="nothing was backed up"):
        do("restore_backup")
    first = do("send", event="A28")["patient"]
    do("backup")
    replay("A28", PERSON, control_id="SAME")
    before = settled(do, peers)["feed"]
    assert do("restore_backup") == 1
    assert do("find", id="M900001") is None
    assert do("find", id=first)["mrn"] == first
    assert do("received") == []
    assert replay("A28", PERSON, control_id="SAME") == ("AA", "")  # it forgot that it had it
    assert do("find", id="M900001")["mrn"] == "P100003"  # yet gives no number twice
    assert settled(do, peers)["feed"] == [*before, "A28"]
    assert len({str(row["control_id"]) for row in peers["feed"].messages()}) == 3
