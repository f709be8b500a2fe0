"""What else the simulated PAS takes: plans, leave, attendances, steps taken back, bookings, merges, documents."""

from collections.abc import Callable
from typing import Any

import pytest

from messaging.simulators import record
from messaging.simulators.messages import Message
from messaging.simulators.receiver import Receiver
from messaging.simulators.store import Store
from tests.doors.test_simulator_replay import PERSON, Do, Replay, do, pas, peers, replay, settled

__all__ = ["do", "pas", "peers", "replay"]
OK = ("AA", "")
UNKNOWN, TAKEN = ("AE", "204"), ("AE", "205")
AIL = "AIL|1||CARD^^^RXX"


def visit(place: str = "WA^A^B01", kind: str = "I", number: str = "V1", **fields: str) -> str:
    """Give a PV1; other fields by number: `visit(f42="WB^A^B02")`."""
    said = {1: "1", 2: kind, 3: f"{place}^RXX" if place else "", 7: "C1^SMITH^Ann", 19: f"{number}^^^RXX^VN"}
    said |= {int(name[1:]): text for name, text in fields.items()}
    return "PV1|" + "|".join(said.get(n, "") for n in range(1, max(said) + 1))


def slot(at: str = "20990105090000", words: str = "Booked") -> str:
    return f"SCH|A1^RXX|A1^RXX||||^why|^Review|FUP|||^^30^{at}" + "|" * 14 + words


@pytest.fixture
def stay(do: Do, replay: Replay) -> Callable[[], dict[str, Any]]:
    """Register one person; gives how to look at their newest stay."""
    assert replay("A28", PERSON) == OK

    def looked() -> dict[str, Any]:
        return dict(do("find", id="M900001")["stays"][-1])

    return looked


def test_somebody_expected_attends_and_is_admitted(replay: Replay, stay: Callable[[], dict[str, Any]]) -> None:
    assert replay("A05", PERSON, visit("WB^A^B02"), "PV2||||||||20990105090000") == OK
    assert (stay()["admitted_at"], stay()["ward"]) == ("", ""), "nobody is in yet"
    assert replay("A05", PERSON, visit()) == TAKEN
    assert replay("A02", PERSON, visit()) == UNKNOWN
    assert replay("A04", PERSON, visit("ED^^", "E")) == OK
    assert (stay()["klass"], stay()["ward"], bool(stay()["admitted_at"])) == ("E", "ED", True)
    assert replay("A06", PERSON, visit("WA^A^B01")) == OK
    assert (stay()["klass"], stay()["bed"]) == ("I", "B01")
    assert replay("A06", PERSON, visit("WA^A^B01")) == UNKNOWN
    assert replay("A07", PERSON, visit("CARD^^", "O")) == OK
    assert replay("A11", PERSON, visit()) == OK
    assert (stay()["klass"], stay()["bed"]) == ("I", "B01"), "one step is taken back"


def test_plans_and_leave_come_and_go(replay: Replay, stay: Callable[[], dict[str, Any]]) -> None:
    assert replay("A15", PERSON, visit(f42="WB^A^B02")) == UNKNOWN
    assert replay("A01", PERSON, visit()) == OK
    assert replay("A15", PERSON, visit(f42="WB^A^B02")) == OK
    assert replay("A16", PERSON, visit(), "PV2|||||||||20990105090000") == OK
    assert '"next_bed": "B02"' in stay()["plans"]
    assert replay("A26", PERSON, visit()) == OK
    assert replay("A25", PERSON, visit()) == OK
    assert stay()["plans"] == "{}"
    assert replay("A25", PERSON, visit()) == UNKNOWN, "nothing is left to take back"
    assert replay("A22", PERSON, visit()) == UNKNOWN
    assert replay("A21", PERSON, visit(f11="HOME"), at="20260105090000") == OK
    assert replay("A21", PERSON, visit()) == TAKEN
    assert replay("A22", PERSON, visit()) == OK
    assert replay("A53", PERSON, visit()) == OK
    assert '"away_since": "20260105090000"' in stay()["plans"]
    assert replay("A52", PERSON, visit()) == OK
    assert stay()["plans"] == "{}"


def test_a_step_is_taken_back_to_where_the_message_says(
    do: Do, replay: Replay, stay: Callable[[], dict[str, Any]], peers: dict[str, Receiver]
) -> None:
    replay("A01", PERSON, visit(), at="20260105083000")
    replay("A02", PERSON, visit("WB^A^B02"), at="20260105084000")
    replay("A54", PERSON, visit("WB^A^B02", f7="C2^JONES^Kim"))
    assert replay("A12", PERSON, visit("WA^A^B03"), at="20260105084000") == OK
    assert (stay()["bed"], stay()["consultant"]) == ("B03", "C2"), "the doctor stays"
    assert replay("A55", PERSON, visit("WA^A^B03")) == OK
    assert stay()["consultant"] == "C1"
    replay("A03", PERSON, visit("WA^A^B03", f36="1", f37="19"), at="20260105085000")
    assert (stay()["discharge_method"], stay()["destination"]) == ("1", "19")
    somebody = do("give_bed_away", ward="WA", bay="A", bed="B03")
    assert replay("A13", PERSON, visit("WA^A^B03")) == TAKEN
    do("send", event="A03", patient=somebody["patient"])
    assert replay("A13", PERSON, visit("WA^A^B03")) == OK
    assert (stay()["discharged_at"], stay()["discharge_method"]) == ("", "")
    assert replay("A11", PERSON, visit("WA^A^B03"), at="20260105083000") == OK
    assert do("find", id="M900001")["stays"] == []
    assert replay("A11", PERSON, visit()) == UNKNOWN
    settled(do, peers)
    told = [Message(str(row["raw"]).encode()) for row in peers["feed"].messages()]
    assert {m.trigger: m.field("EVN", 6) for m in told if m.trigger in ("A11", "A12")} == {
        "A11": "20260105083000", "A12": "20260105084000",
    }  # fmt: skip


def test_a_booking_moves_and_ends_in_its_own_ways(do: Do, replay: Replay, stay: object) -> None:
    assert replay("S26", slot(), PERSON, AIL) == UNKNOWN
    assert replay("S12", slot(), PERSON, AIL) == OK
    assert replay("S13", slot("20990105100000"), PERSON, AIL) == OK
    assert replay("S14", slot("20990105100000", "Arrived"), PERSON, AIL) == OK
    assert replay("S26", slot(), PERSON, AIL) == UNKNOWN, "somebody who has come has not stayed away"
    assert replay("S14", slot("20990105100000", "Whatever"), PERSON, AIL) == UNKNOWN
    assert replay("S14", slot("20990105100000", "Booked"), PERSON, AIL) == OK
    assert replay("S26", slot(), PERSON, AIL) == OK
    (booked,) = do("appointments")
    assert (booked["status"], booked["starts_at"], booked["reason"]) == ("Noshow", "20990105100000", "Review")
    assert replay("S17", slot(), PERSON, AIL) == OK
    assert [one["status"] for one in do("appointments")] == ["Deleted"]


def test_numbers_end_and_records_become_one(do: Do, replay: Replay, stay: object, peers: dict[str, Receiver]) -> None:
    other = do("send", event="A28")["patient"]
    replay("A01", f"PID|1||{other}^^^RXX^MR", visit())
    assert replay("A40", PERSON, "MRG|X9^^^RXX^MR") == OK, "an unknown loser is nothing to do"
    assert replay("A40", PERSON, f"MRG|{other}^^^RXX^MR") == OK
    assert do("find", id=other)["mrn"] == do("find", id="M900001")["mrn"]
    assert [one["visit"] for one in do("find", id="M900001")["stays"]] == ["V1"]
    assert len(do("patients")) == 1
    assert replay("A50", PERSON, f"MRG|{other}^^^RXX^MR||||V1^^^RXX^VN", visit(number="V7")) == OK
    assert replay("A50", PERSON, f"MRG|{other}^^^RXX^MR||||V1^^^RXX^VN", visit(number="V8")) == UNKNOWN
    renumbered = PERSON.replace("M900001", "M900002")
    assert replay("A47", renumbered, "MRG|M900001^^^MIRROR^PI") == OK
    assert replay("A47", "PID|1||Z1^^^RXX^MR", "MRG|Z2^^^RXX^MR") == UNKNOWN
    assert "M900001" not in {one["value"] for one in do("find", id="M900002")["identifiers"]}
    assert settled(do, peers)["feed"][-4:] == ["A40", "A40", "A50", "A47"]


def test_a_document_is_kept_and_told_as_it_came(
    do: Do, replay: Replay, stay: object, peers: dict[str, Receiver]
) -> None:
    lines = ("TXA|1|DS|TX|20260105||||||||D1^MIRROR|||||AU", "OBX|1|TX|DS^Summary||Well \\T\\ home||||||F")
    assert replay("T02", PERSON, "PV1|1|N", lines[0]) == ("AE", "101")
    assert replay("T02", PERSON, "PV1|1|N", *lines) == OK
    settled(do, peers)
    assert [line for line in str(peers["feed"].messages()[-1]["raw"]).split("\r") if line[:3] in ("TXA", "OBX")] == [
        *lines
    ]


def test_a_pas_may_take_some_events_only(do: Do, replay: Replay) -> None:
    assert do("takes", only="A28") == ["A28"]
    assert replay("A28", PERSON) == OK
    assert replay("A31", PERSON) == ("AR", "201")
    assert "A53" in do("takes")
    assert replay("A31", PERSON) == OK


def test_a_store_from_before_these_events_is_taken_on(tmp_path: Any) -> None:
    old = record.SCHEMA
    for column in record.GROWN.values():
        old = old.replace(f", {column}", "")
    store = Store(tmp_path / "old.db", old)
    store.write("INSERT INTO identifier (patient, value, authority, type) VALUES (1, 'P1', 'RXX', 'MR')")
    held = record.Record(store)
    assert [one.value for one in held.identifiers(1)] == ["P1"]
    assert (held.patients(), held.stays()) == ([], [])
    store.close()
