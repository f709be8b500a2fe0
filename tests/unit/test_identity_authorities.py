"""Whose number it is: the authority by its name, by its universal id alone, or the feed's own where there is none."""

from datetime import UTC, datetime

import pytest

from messaging.hl7 import dialects, identity
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.identity import person
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.hl7.write import ChangeFacts, write
from patients.facts import News
from patients.identifiers import FILLER, HOSPITAL, PLACER, VISIT, Identifier

NHS = "9449305552"
OID = "1.2.826.0.1.9.9"
HABITS = Habits(default_authority="RXX")
MAPPED = Habits(default_authority="RXX", oids=(f"{OID}=RXX", "1.2.3=RYY"))


def read(*lines: str) -> Message:
    head = "MSH|^~\\&|X|Y|||20260301120000||ADT^A31|1|P|2.4"
    return Message.of("\r".join([head, "EVN|A31|20260301120000", *lines]).encode())


def numbers(text: str, habits: Habits = HABITS, status: str = "") -> identity.Person:
    pid = read(f"PID|1||{text}" + "|" * 29 + status).first("PID")
    assert pid
    return person(pid, habits)


@pytest.mark.parametrize(
    ("cx", "authority"),
    [
        ("A^^^^MR", "RXX"),
        ("A", "RXX"),
        ("A^^^&&^MR", "RXX"),
        ("A^^^RYY^MR", "RYY"),
        (f"A^^^RYY&{OID}&ISO^MR", "RYY"),
        (f"A^^^&{OID}&ISO^MR", OID),
    ],
)
def test_only_a_number_without_any_authority_is_ours(cx, authority):
    assert numbers(cx).ids == [Identifier(HOSPITAL, authority, "A")]


def test_a_universal_id_that_the_site_names_is_that_authority():
    assert numbers(f"A^^^&{OID}&ISO^MR~B^^^&1.2.3&ISO^MR~C^^^{OID}^MR", MAPPED).ids == [
        Identifier(HOSPITAL, "RXX", "A"),
        Identifier(HOSPITAL, "RYY", "B"),
        Identifier(HOSPITAL, "RXX", "C"),
    ]


@pytest.mark.parametrize(
    "authority", ["&2.16.840.1.113883.2.1.4.1&ISO", "2.16.840.1.113883.2.1.4.1", "NHS&2.16.840&ISO"]
)
def test_the_nhs_number_is_known_by_its_universal_id(authority):
    found = numbers(f"P1^^^RXX^MR~{NHS}^^^{authority}", Habits(default_authority="RXX", nhs_authorities=("NHS",)))
    assert found.nhs == {"nhs_number": NHS}
    assert found.ids == [Identifier(HOSPITAL, "RXX", "P1")]


def test_visits_and_bookings_are_told_apart_by_the_universal_id_as_well():
    message = read("PID|1||P1", "PV1|1|I" + "|" * 17 + f"V1^^^&{OID}&ISO", f"MRG|P1||V2^^^&{OID}&ISO")
    pv1, mrg = message.first("PV1"), message.first("MRG")
    assert mrg
    assert identity.stay(pv1, None, HABITS)[0] == (Identifier(VISIT, OID, "V1"),)
    assert identity.stay(pv1, None, MAPPED)[0] == (Identifier(VISIT, "RXX", "V1"),)
    assert identity.prior_stay(mrg, HABITS) == (Identifier(VISIT, OID, "V2"),)
    assert identity.prior(read("MRG|A").first("MRG"), HABITS).ids == [Identifier("", "", "A")]
    sch = read(f"SCH|1^^{OID}^ISO|2").first("SCH")
    assert sch
    assert identity.appointment(sch, HABITS) == (Identifier(PLACER, OID, "1"), Identifier(FILLER, "RXX", "2"))


def test_a_universal_id_is_written_where_it_was_read():
    assert identity.written("RXX") == "RXX"
    assert identity.written(OID) == f"&{OID}&ISO"
    assert numbers(f"A^^^{identity.written(OID)}^MR").ids == [Identifier(HOSPITAL, OID, "A")]


@pytest.mark.parametrize("event", ["update", "book"])
def test_numbers_of_a_universal_id_come_back_from_what_is_written(event):
    numbers = {"patient_ids": [["MR", OID, "A"]], "appointment_ids": [[PLACER, OID, "1"], [FILLER, OID, "2"]]}
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    change = ChangeFacts(change=1, event=event, facts=numbers, occurred_at=at, recorded_at=at)
    dialect = dialects.get("uk24", FeedPolicy(habits=HABITS))
    message = Message.of(write(change, dialect=dialect, control_id="C1", now=at))
    assert message.get("PID-3") == f"A^^^&{OID}&ISO^MR"
    assert message.get("SCH-1") == (f"1^^{OID}^ISO" if event == "book" else None)
    told = news(message, habits=HABITS)
    assert isinstance(told, News)
    assert told.patient_ids == (Identifier(HOSPITAL, OID, "A"),)
    both = (Identifier(PLACER, OID, "1"), Identifier(FILLER, OID, "2"))
    assert told.appointment_ids == (both if event == "book" else ())


def test_habits_with_universal_ids_are_kept_and_read_again():
    policy = FeedPolicy(habits=MAPPED)
    assert FeedPolicy.of(policy.as_json()) == policy


@pytest.mark.parametrize("status", ["AL~NSTS01", "NSTS01~AL", "01"])
def test_the_status_of_the_nhs_number_is_found_among_the_repetitions_of_pid_32(status):
    assert numbers("P1", status=status).nhs == {"nhs_status": "01"}


def test_another_organisations_number_is_no_news_of_our_patient():
    told = news(read(f"PID|1||A^^^&{OID}&ISO^MR||SMITH^Other||19700101|M"), habits=HABITS)
    assert isinstance(told, News)
    assert told.patient_ids == (Identifier(HOSPITAL, OID, "A"),)
