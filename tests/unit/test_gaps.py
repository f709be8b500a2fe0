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
    assert list(gaps.hours_of(at(-90), at(0))) == [8, 9, 10]
    assert len(set(gaps.hours_of(MONDAY - timedelta(weeks=5), MONDAY))) == 168


@pytest.mark.parametrize(
    ("first", "inner", "last", "silent"),
    [(5, 60.0, 59, 15 * 60), (1, 60.0, 20, 40 * 60), (1, 1800.0, 59, 1800.0), (None, 0.0, None, 70 * 60)],
)
def test_a_silence_reaches_over_the_edges_of_its_hour(first, inner, last, silent):
    came = [None if minute is None else at(minute) for minute in (first, last)]
    assert gaps.silence(at(-10), MONDAY, came[0], inner, came[1]) == silent


def test_nothing_is_said_before_three_weeks_are_known():
    assert gaps.usual([10.0, 20.0]) is None
    assert gaps.quiet(90_000, [gaps.usual([10.0, 20.0]), None]) is None


def test_one_outage_does_not_teach_that_silence_is_usual():
    assert gaps.usual([200.0, 28_000.0, 180.0]) == 200.0
    assert gaps.quiet(601, [200.0]) == (601, 200.0)
    assert gaps.quiet(600, [200.0]) is None
    assert gaps.quiet(299, [1.0]) is None, "five minutes are never too long"
    assert gaps.quiet(601, [200.0, 3000.0, None]) is None, "the silence spans an hour that is usually quieter"


def test_weeks_fall_out():
    longest = []
    for week in range(20):
        longest = gaps.learned(longest, float(week))
    assert longest == [12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0]


def numbers(*missing, start=100, count=80):
    return [f"M{n:05d}" for n in range(start, start + count) if n not in missing]


def test_a_jump_in_consecutive_numbers_is_found():
    assert gaps.jump(numbers()) is None
    assert gaps.jump(numbers(150)) == ("M00149", 1)
    assert gaps.jump(numbers(150, 160, 161)) == ("M00159", 2), "the newest"


def test_no_jump_is_seen_where_the_numbers_are_not_consecutive():
    assert gaps.jump(numbers(150, count=30)) is None, "too few to know"
    assert gaps.jump([f"M{n * 7}" for n in range(100)]) is None
    assert gaps.jump([f"{n:x}-{n * 31 % 97}" for n in range(100)]) is None


def test_a_sender_that_begins_anew_has_lost_nothing():
    assert gaps.jump([*numbers(), *numbers(start=1)]) is None
    assert gaps.jump([*numbers(), *(f"N{n}" for n in range(5000, 5080))]) is None


@given(st.sets(st.integers(101, 978), max_size=20))
def test_whatever_is_missing_the_newest_hole_is_named(missing):
    found = gaps.jump(numbers(*missing, count=880))
    if not missing:
        assert found is None
    else:
        assert found
        after = int(found.after[1:])
        assert {*range(after + 1, after + 1 + found.missing)} <= missing
        assert after + found.missing == max(missing)


@pytest.mark.parametrize(("seconds", "words"), [(30, "30 s"), (300, "5 min"), (9000, "2.5 hours")])
def test_a_silence_in_words(seconds, words):
    assert gaps.minutes(seconds) == words
