"""When and where an appointment is: SCH-11 or TQ1, how long, the clinic; and what is missing is said."""

import pytest

from messaging.hl7.habits import Habits
from messaging.hl7.news import news
from messaging.hl7.read import Message
from patients.facts import News

ANOTHER = "SCH-11: another time than TQ1 tells, which was taken"
AIL = "AIL|1||CARD^^^RXX"


def booked(sch11="", *lines, trigger="S12", sch9="", sch10="") -> News:
    sch = f"SCH|A1|F1||||||FUP|{sch9}|{sch10}|{sch11}"
    msh = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260701120000||SIU^{trigger}|C1|P|2.8"
    text = "\r".join([msh, sch, "PID|1||P1^^^RXX^MR||SMITH^John", *lines])
    said = news(Message.of(text.encode()), habits=Habits(default_authority="RXX"))
    assert isinstance(said, News), said
    return said


def when(said: News) -> tuple[object, object]:
    booking = said.appointment["booking"]
    return booking.get("starts_at"), booking.get("minutes")


def test_tq1_tells_the_time_where_it_came_and_sch_11_is_another():
    tq1 = "TQ1|||||||20210924093000+0215|20210924102000+0215"
    said = booked("2^^2 hours^202010011126+0215^202010091126+0215", tq1, AIL, sch9="60", sch10="s")
    assert when(said) == ("2021-09-24T07:15:00+00:00", 50)
    assert said.warnings == (ANOTHER,)


def test_tq1_beside_a_sch_11_that_says_the_same_is_no_matter():
    said = booked("^^30^20260715090000", "TQ1|||||||20260715090000|20260715093000", AIL)
    assert (when(said), said.warnings) == (("2026-07-15T08:00:00+00:00", 30), ())


def test_a_tq1_that_ends_days_later_tells_no_length():
    said = booked("", "TQ1|||||||202010041126|202010081126", AIL, sch9="70", sch10="Min")
    assert when(said) == ("2020-10-04T10:26:00+00:00", 70)


def test_a_tq1_that_cannot_be_read_leaves_sch_11():
    said = booked("^^30^20260715090000", "TQ1|||||||soon", AIL)
    assert when(said) == ("2026-07-15T08:00:00+00:00", 30)
    assert said.warnings == ("TQ1-7: not a time, not taken",)


@pytest.mark.parametrize(
    ("sch11", "sch9", "sch10", "minutes"),
    [
        ("^^2 hours^20260715090000", "70", "Min", 70),  # words are no number: SCH-9 is
        ("^^45^20260715090000", "70", "Min", 45),
        ("^^2^20260715090000", "", "HOURS", 120),
        ("^^^20260715090000", "2", "HOURS", 120),
        ("^^^20260715090000", "90", "s", 1),
        ("^^^20260715090000^20260715092000", "", "", 20),
    ],
)
def test_how_long_it_lasts(sch11, sch9, sch10, minutes):
    assert when(booked(sch11, AIL, sch9=sch9, sch10=sch10)) == ("2026-07-15T08:00:00+00:00", minutes)


@pytest.mark.parametrize("trigger", ["S12", "S13", "S14"])
def test_no_time_and_no_clinic_are_warned_of(trigger):
    said = booked("", trigger=trigger)
    assert said.warnings == ("AIL-3: no clinic told", "SCH-11: no time told")
    assert booked("", trigger="S15").warnings == (), "what ends needs neither"


@pytest.mark.parametrize(
    ("ail", "clinic"),
    [
        ("CARD&1.2.3&ISO^Room 1^^RXX", "CARD"),  # an HD: its name is the first part
        ("55&OPD 01&L", "55"),
        ("A&E^^^RXX", "A&E"),  # unescaped: no universal id, so it is a name
        ("A\\T\\E^^^RXX", "A&E"),
        ("&1.2.3&ISO", "1.2.3"),
    ],
)
def test_the_clinic_is_the_name_of_its_place(ail, clinic):
    assert booked("^^30^20260715090000", f"AIL|1||{ail}").appointment["booking"]["clinic"] == clinic
