"""The simulated PAS through its doors: its own traffic and its faults towards its peers."""

import random
from pathlib import Path
from typing import Any

import hl7
import pytest

from messaging.simulators.control import Control, ControlRefused
from messaging.simulators.messages import LONDON, moment, now
from messaging.simulators.pas import Pas
from messaging.simulators.receiver import Receiver
from tests.doors.simulated_pas.conftest import Do, heard, quiet
from tests.eventually import eventually


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
