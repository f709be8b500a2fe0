"""What we write: under the PAS's name, and laid over what the PAS sent."""

import hl7
import pytest

from messaging.hl7 import dialects
from messaging.hl7.write import Mark, NoLayout
from tests.factories.written import LAST, PATIENT, field, written


def test_the_header_is_the_one_the_pas_would_have_sent():
    msh = hl7.parse(written("admit").raw.decode()).segment("MSH")
    assert [str(msh[n]) for n in (3, 4, 5, 7)] == ["DEMOPAS", "RXX", "ROUTE", "20260701120000"]
    assert [str(msh[n]) for n in (9, 10, 11, 12)] == ["ADT^A01^ADT_A01", "M01-1-1", "P", "2.4"]


def test_when_it_was_recorded_and_when_it_happened():
    message = written("admit")
    assert message.first("EVN").line == "EVN|A01|20260701120000||||20260701103000"  # type: ignore[union-attr]


def test_the_pas_s_own_number_comes_first():
    assert field(written(), "PID", 3) == "P1^^^RXX^MR~M1^^^PASMIRROR^MR~9990000018^^^NHS^NH"


def test_a_transfer_names_the_prior_place_and_others_do_not():
    assert field(written("transfer"), "PV1", 6) == "WB^B^B2^RXX"
    assert field(written("admit"), "PV1", 6) == ""
    assert field(written("discharge", last=LAST), "PV1", 6) == ""


def test_the_mark_is_for_the_pas_only():
    assert written().first("ZPM") is None
    marked = written(mark=Mark(7, ("pathology", "eprescribing")))
    assert marked.segments[-1].line == "ZPM|7|pathology~eprescribing"


def test_the_character_set_is_named_only_where_it_matters():
    assert written().header.raw(18) == "UNICODE UTF-8"
    plain = written(patient={"name": {**PATIENT["name"], "given": "Zoe"}})
    assert plain.header.raw(18) == ""


def test_what_the_pas_sent_is_sent_again_as_it_came_where_nothing_changed():
    message = written(last=LAST, patient_ids=[["MR", "RXX", "P1"]])
    pid = message.first("PID")
    assert pid is not None
    ours, theirs = pid.line.split("|"), LAST[0].split("|")
    theirs[18] = ""  # an account is of one stay
    theirs += [""] * (len(ours) - len(theirs))
    assert [n for n in range(len(ours)) if ours[n] != theirs[n]] == [32]
    assert message.first("PD1").line == LAST[1]  # type: ignore[union-attr]


def test_one_changed_field_leaves_the_others_as_they_came():
    message = written(last=LAST, patient={"birth": {"born": "1952-03-01"}})
    assert field(message, "PID", 7) == "19520301"
    assert field(message, "PID", 5) == "O'BRIEN^Zoë^Ann^^Mrs^^CURRENT"
    assert field(message, "PID", 12) == "E01"


def test_segments_we_have_no_facts_for_are_carried_along():
    visit = written("admit", last=LAST)
    assert [s.name for s in visit.segments] == ["MSH", "EVN", "PID", "PD1", "NK1", "PV1", "PV2", "AL1", "IN1", "ZPI"]
    person = written("update", last=LAST)
    assert [s.name for s in person.segments] == ["MSH", "EVN", "PID", "PD1", "NK1", "PV1", "AL1", "IN1", "ZPI"]
    assert person.first("PV1").line == "PV1|1|N"  # type: ignore[union-attr]
    booking = written("book", last=LAST)
    assert [s.name for s in booking.segments] == ["MSH", "SCH", "PID", "PV1", "RGS", "AIL", "ZPI"]


def test_a_visit_is_laid_over_the_same_visit_only():
    same = written("transfer", last=LAST)
    assert field(same, "PV1", 15) == "R", "carried"
    assert field(same, "PV1", 3) == "WA^A^A1^RXX", "ours"
    other = written("transfer", last=LAST, stay_ids=[["VN", "RXX", "V2"]])
    assert field(other, "PV1", 15) == ""
    assert field(other, "PV1", 19) == "V2^^^RXX^VN"
    assert other.first("PV2") is None
    assert field(other, "PID", 18) == ""


def test_the_newest_of_two_messages_lends_each_segment_once():
    newer = ("PID|1||P1^^^RXX^MR||O'BRIEN^Zoë", "NK1|1|JONES^Sam|FRD", "NK1|2|JONES^Kim|FRD")
    message = written("admit", last=LAST + newer)
    assert [s.line for s in message.all("NK1")] == list(newer[1:])
    assert [s.line for s in message.all("AL1")] == ["AL1|1|DA|^Penicillin"]


def test_what_belongs_to_an_insurance_stays_behind_it():
    last = ("PID|1||P1^^^RXX^MR", "AL1|1", "IN1|1|a", "IN2|1", "IN3|1", "IN1|2|b", "IN2|2", "NK1|1|X")
    carried = [s.line for s in written("admit", last=last).segments][4:]
    assert carried == ["NK1|1|X", carried[1], "AL1|1", "IN1|1|a", "IN2|1", "IN3|1", "IN1|2|b", "IN2|2"]
    assert carried[1].startswith("PV1")


def test_an_event_without_a_layout_is_refused():
    with pytest.raises(NoLayout, match="the dialect uk24 has no message for the event move_stay"):
        written("move_stay")
    with pytest.raises(dialects.UnknownDialect):
        dialects.get("klingon")
