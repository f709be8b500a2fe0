"""Absent leaves, two quotes delete, and neither is made of something else: separators, blanks, fillers."""

from zoneinfo import ZoneInfo

import pytest

from messaging.hl7.fields import RULES, Reading, Writing
from messaging.hl7.read import Segment
from messaging.hl7.segments import facts_of
from messaging.hl7.text import STANDARD

ZONE = ZoneInfo("Europe/London")
NOTHING = ["^^^", "&", "^^&^", " ", " ^ ^", "^^~^"]


def segment(name, **fields):
    row = [""] * 50
    for number, text in fields.items():
        row[int(number[1:]) - 1] = text
    return Segment(f"{name}|" + "|".join(row), STANDARD)


def read(name, group, **fields):
    reading = Reading(ZONE, [])
    said = facts_of((segment(name, **fields),), reading).get(group, {})
    return said, reading.warnings


@pytest.mark.parametrize("nothing", NOTHING)
@pytest.mark.parametrize(
    ("name", "number"),
    [("PV1", 3), ("PV1", 7), ("PV1", 10), ("PV1", 2), ("PID", 5), ("PID", 11), ("PID", 13), ("PD1", 3), ("PD1", 4)],
)
def test_a_field_of_nothing_but_separators_says_nothing(name, number, nothing):
    assert facts_of((segment(name, **{f"f{number}": nothing}),), Reading(ZONE, [])) == {}


@pytest.mark.parametrize("nothing", [" ", "^^"])
@pytest.mark.parametrize("number", [7, 8, 29, 30])
def test_a_single_value_of_blanks_says_nothing(number, nothing):
    assert read("PID", "sex", **{f"f{number}": nothing}) == ({}, [])
    assert read("PID", "birth", **{f"f{number}": nothing}) == ({}, [])
    assert read("PID", "death", **{f"f{number}": nothing}) == ({}, [])


def test_two_quotes_still_delete_all_of_a_field_or_one_part_of_it():
    assert read("PV1", "place", f3='""')[0] == {"ward": "", "bay": "", "bed": "", "site": ""}
    assert read("PV1", "place", f3='WA^""^')[0] == {"ward": "WA", "bay": "", "bed": "", "site": ""}
    assert read("PID", "name", f5='""')[0]["family"] == ""


@pytest.mark.parametrize("filler", ["99991231", "00000000", "N", "unknown"])
def test_a_filler_in_the_date_of_death_does_not_make_anybody_dead(filler):
    assert read("PID", "death", f29=filler) == ({}, ["PID-29: not a date, not taken"])


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ({"f29": "20260228"}, {"dead": True, "died_at": "2026-02-28"}),
        ({"f29": "202602"}, {"dead": True, "died_at": "2026-02"}),
        ({"f29": '""'}, {"dead": False, "died_at": ""}),
        ({"f30": "Y"}, {"dead": True}),
        ({"f29": "99991231", "f30": "Y"}, {"dead": True}),
        ({"f29": '""', "f30": "Y"}, {"dead": True, "died_at": ""}),
        ({"f29": "20260228", "f30": "Y"}, {"dead": True, "died_at": "2026-02-28"}),
        ({"f30": "N"}, {"dead": False, "died_at": ""}),
        ({"f29": "99991231", "f30": "N"}, {"dead": False, "died_at": ""}),
        ({"f30": '""'}, {"dead": False, "died_at": ""}),
        ({"f30": "U"}, {}),
        ({"f29": "20260228", "f30": "U"}, {"dead": True, "died_at": "2026-02-28"}),
    ],
)
def test_who_is_dead_and_since_when(said, taken):
    assert read("PID", "death", **said)[0] == taken


def test_an_indicator_of_death_that_is_neither_yes_nor_no_is_warned_of():
    assert read("PID", "death", f30="U")[1] == ["PID-30: neither yes nor no, not taken"]


def test_a_mobile_in_pid_14_survives_the_deletion_of_pid_13():
    said, _ = read("PID", "phones", f13='""', f14="07700900001^PRN^CP")
    assert said == {"phone": "", "mobile": "07700900001", "email": ""}


@pytest.mark.parametrize(
    "names",
    [
        "SMITH^JOHN^^^MR",
        "ALIAS^X^^^^^A~SMITH^JOHN^^^MR^^L",
        "SMITH^JOHN^^^MR^^L~MAIDEN^X^^^^^M",
        "MAIDEN^X^^^^^M~SMITH^JOHN^^^MR",
        "^^^^^^A~SMITH^JOHN^^^MR^^L",
        "NICK^X^^^^^N~SMITH^JOHN^^^MR^^D",
    ],
)
def test_the_legal_name_is_read_wherever_it_stands_and_written_there(names):
    said, _ = read("PID", "name", f5=names)
    assert said == {"family": "SMITH", "given": "JOHN", "middle": "", "title": "MR"}
    rule = next(rule for rule in RULES["PID"] if rule.group == "name")
    ours = {**said, "family": "JONES"}
    written = rule.write(Writing(ours, frozenset(), ZONE, segment("PID", f5=names)))[5]
    assert written == names.replace("SMITH", "JONES")


def test_an_alias_alone_is_read_for_want_of_another():
    assert read("PID", "name", f5="ALIAS^X^^^^^A")[0]["family"] == "ALIAS"
