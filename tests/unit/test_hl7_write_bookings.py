"""Appointments and documents on the wire."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.hl7 import bookings, dialects
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.hl7.write import CannotSay, write
from patients.facts import News
from tests.factories import changes as make

POLICY = FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX", habits=Habits(default_authority="RXX"))


def told(event: str, code: str = "uk24", **more: Any) -> Message:
    change = make.scene(event, **more).change
    return Message.of(write(change, dialect=dialects.get(code, POLICY), control_id="1", now=make.NOW))


def heard(message: Message) -> News:
    said = news(message, habits=POLICY.habits)
    assert isinstance(said, News), said
    return said


@pytest.mark.parametrize(
    ("event", "words", "times"),
    [
        ("book", "Booked", "^^30^20260715090000^20260715093000"),
        ("reschedule", "Booked", "^^20^20260716103000^20260716105000"),
        ("modify_appointment", "Arrived", "^^30^20260715090000^20260715093000"),
        ("cancel_appointment", "Cancelled", "^^30^20260715090000^20260715093000"),
        ("discontinue_appointment", "Cancelled", "^^30^20260715090000^20260715093000"),
        ("delete_appointment", "Deleted", "^^30^20260715090000^20260715093000"),
        ("miss_appointment", "Noshow", "^^30^20260715090000^20260715093000"),
    ],
)
def test_a_booking_says_when_and_where_things_stand(event, words, times):
    sch = told(event, event_reason="Clinic & ward").first("SCH")
    assert sch is not None
    assert (sch.raw(1), sch.raw(2), sch.raw(6)) == ("A9^RXX", "A9^RXX", "^Clinic \\T\\ ward")
    assert (sch.raw(11), sch.raw(25)) == (times, words)


@pytest.mark.parametrize(
    ("status", "words", "said"),
    [
        ("booked", "CONFIRMED", "CONFIRMED"),
        ("cancelled", "Confirmed", "Cancelled"),
        ("cancelled", "CANCELLED BY PATIENT", "CANCELLED BY PATIENT"),
        ("did_not_attend", "DNA", "DNA"),
        ("did_not_attend", "Cancelled", "Noshow"),
        ("arrived", "Booked", "Arrived"),
        ("", "Whatever", "Whatever"),
    ],
)
def test_the_pas_s_word_for_it_is_kept_while_it_is_true(status, words, said):
    assert bookings.write_status("book", status, words) == said  # type: ignore[arg-type]


def test_version_25_says_the_time_in_tq1_too():
    assert told("book", "ihe25").first("TQ1").line == "TQ1|1|||||30^min|20260715090000|20260715093000"  # type: ignore[union-attr]
    assert told("book").first("TQ1") is None


def test_an_appointment_without_a_number_is_not_told():
    with pytest.raises(CannotSay, match="appointment_ids"):
        told("book", appointment_ids=[])


@pytest.mark.parametrize("code", dialects.KNOWN)
def test_a_discharge_summary_comes_back_whole(code):
    message = told("document", code)
    assert [s.name for s in message.segments] == ["MSH", "EVN", "PID", "PV1", "TXA", "OBX", "OBX", "OBX"]
    assert [s.raw(5) for s in message.all("OBX")][1] == "", "a blank line"
    said = heard(message)
    assert said.event == "document"
    assert dict(said.document) == {name: value for name, value in make.DOCUMENT.items() if name != "replaces"}
    assert said.occurred_at == make.BEGAN
    assert message.get("PV1-19.1") == "V1"
    assert message.get("TXA-17") == "AU"


def test_a_document_of_no_stay_has_a_visit_of_none():
    assert told("document", stay_ids=[]).first("PV1").line == "PV1|1|N"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("lacking", "fact"), [({"number": ""}, "number"), ({"text": ""}, "text"), ({"withdrawn": True}, "withdrawn")]
)
def test_a_document_that_cannot_be_told(lacking, fact):
    with pytest.raises(CannotSay, match=fact):
        told("document", document={**make.DOCUMENT, **lacking})
    with pytest.raises(CannotSay):
        told("document", document=None)


LETTERS = st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))
AWKWARD = st.sampled_from([*"&^|~\\\"'éß漢😀 ,", "\t", "\n", "\n\n", "\x0b", "\x1c", "\\.br\\", "MSH|", "OBX|1"])


@given(st.lists(st.one_of(LETTERS, AWKWARD), min_size=1, max_size=30).map("".join), st.sampled_from(dialects.KNOWN))
def test_any_text_of_a_document_and_a_reason_survives(text, code):
    lines = [line for line in text.split("\n") if line.strip() and line != '""']
    text = "\n".join(["first", *lines, "", "last"])
    body = told("document", code, document={**make.DOCUMENT, "text": text})
    assert heard(body).document["text"] == text
    reason = lines[0].strip()[:100] if lines else "a"
    booking = {**make.BOOKING["booking"], "reason": reason}
    held = make.scene("book").change.facts["appointment"]
    said = heard(told("book", code, appointment={**held, "booking": booking}))
    assert said.appointment["booking"]["reason"] == reason
