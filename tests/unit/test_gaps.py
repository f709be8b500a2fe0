"""When a feed is too quiet for the hour, what one outage teaches, and when numbers are missing; pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import gaps

MONDAY = datetime(2026, 6, 1, 9, tzinfo=UTC)  # 10:00 at the site, summer time


def at(minutes):
    return MONDAY + timedelta(minutes=minutes)


def test_the_hour_is_the_sites():
    assert gaps.hour_of_week(MONDAY) == 10
    assert gaps.hour_of_week(datetime(2026, 1, 4, 23, 30, tzinfo=UTC)) == 167


@pytest.mark.parametrize(
    ("first", "inner", "last", "silent"),
    [(5, 60.0, 59, 15 * 60), (1, 60.0, 20, 40 * 60), (1, 1800.0, 59, 1800.0), (None, 0.0, None, 70 * 60)],
)
def test_a_silence_reaches_over_the_edges_of_its_hour(first, inner, last, silent):
    came = [None if minute is None else at(minute) for minute in (first, last)]
    assert gaps.silence(at(-10), MONDAY, came[0], inner, came[1]) == silent


def test_nothing_is_said_before_three_weeks_are_known():
    assert gaps.usual([10.0, 20.0]) is None
    assert gaps.quiet(90_000, gaps.usual([10.0, 20.0])) is None


def test_one_outage_does_not_teach_that_silence_is_usual():
    assert gaps.usual([200.0, 28_000.0, 180.0]) == 200.0
    assert gaps.quiet(601, 200.0) == (601, 200.0)
    assert gaps.quiet(600, 200.0) is None
    assert gaps.quiet(299, 1.0) is None, "five minutes are never too long"


def test_weeks_fall_out():
    longest = []
    for week in range(20):
        longest = gaps.learned(longest, float(week))
    assert longest == [12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0]


def numbers(*missing, start=100, count=80):
    return [f"M{n:05d}" for n in range(start, start + count) if n not in missing]


def holes(ids, until=MONDAY):
    return [(hole.after, hole.missing) for hole in gaps.holes([(control_id, MONDAY) for control_id in ids], until)]


def test_missing_numbers_are_found_wherever_they_are():
    assert holes(numbers()) == []
    assert holes(numbers(150)) == [("M00149", 1)]
    assert holes(numbers(150, 160, 161, count=800)) == [("M00149", 1), ("M00159", 2)]
    assert holes([*numbers(), *numbers(start=9000)]) == [("M00179", 8820)], "however many"


def test_what_comes_over_several_connections_is_not_missing():
    ids = numbers(count=200)
    ids[60], ids[64] = ids[64], ids[60]
    assert holes(ids) == []


def test_a_number_may_still_come_while_its_follower_is_new():
    assert holes(numbers(150), until=MONDAY - timedelta(seconds=1)) == []


def test_nothing_is_missing_where_the_numbers_are_not_consecutive():
    assert holes(numbers(120, count=30)) == [], "too few to know"
    assert holes([f"M{n * 7}" for n in range(100)]) == []
    assert holes([f"{n:x}-{n * 31 % 97}" for n in range(100)]) == []


def test_a_sender_that_begins_anew_has_lost_nothing():
    assert holes([*numbers(), *numbers(start=1)]) == []
    assert holes([*numbers(), *(f"N{n}" for n in range(5000, 5080))]) == []


@given(st.sets(st.integers(101, 978), max_size=20), st.sets(st.integers(101, 978)))
def test_whatever_is_missing_is_found_and_what_comes_late_is_not_missing_any_more(missing, late):
    found = gaps.holes([(control_id, MONDAY) for control_id in numbers(*missing, count=880)], MONDAY)
    assert {n for hole in found for n in range(hole.first, hole.last + 1)} == missing
    still = [piece for hole in found for piece in gaps.left(hole, (f"M{n:05d}" for n in late))]
    assert {n for hole in still for n in range(hole.first, hole.last + 1)} == missing - late


@pytest.mark.parametrize(("seconds", "words"), [(30, "30 s"), (300, "5 min"), (9000, "2.5 hours")])
def test_a_silence_in_words(seconds, words):
    assert gaps.minutes(seconds) == words
