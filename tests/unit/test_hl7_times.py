"""HL7 times: the precision that was given, offsets, the site's zone, and the night the clocks change."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.hl7.times import happens_twice, moment, partial_date, stamp


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("20260115083000", "2026-01-15T08:30:00+00:00"),
        ("20260715083000", "2026-07-15T07:30:00+00:00"),  # summer time
        ("202607150830", "2026-07-15T07:30:00+00:00"),
        ("20260715", "2026-07-14T23:00:00+00:00"),
        ("20260715083000.1234", "2026-07-15T07:30:00+00:00"),
        ("20260715083000637", "2026-07-15T07:30:00+00:00"),  # one sender leaves out the point
        ("20260715083000+0000", "2026-07-15T08:30:00+00:00"),
        ("20260715083000-0530", "2026-07-15T14:00:00+00:00"),
        ("2026-07-15T08:30:00Z", "2026-07-15T08:30:00+00:00"),
        ("2026-07-15 08:30", "2026-07-15T07:30:00+00:00"),
        ("20260115240000", "2026-01-16T00:00:00+00:00"),
        ("20261025013000", "2026-10-25T00:30:00+00:00"),  # happens twice: the first
        ("20261025013000+0000", "2026-10-25T01:30:00+00:00"),
    ],
)
def test_moments(text, iso):
    at = moment(text)
    assert at is not None
    assert at.isoformat() == iso


@pytest.mark.parametrize(
    "text", ["", None, "2026", "202607", "20260732", "20261301", "2026071525", "x", "20260715246000", "99991231", '""']
)
def test_what_is_no_moment(text):
    assert moment(text) is None


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("1954", "1954"),
        ("195411", "1954-11"),
        ("19541103", "1954-11-03"),
        ("1954-11-03", "1954-11-03"),
        ("195411030815", "1954-11-03"),
        ("19760121+", "1976-01-21"),
        ("19000101", "1900-01-01"),
        ("195413", None),
        ("19540230", None),
        ("99991231", None),
        ("", None),
        ("unknown", None),
    ],
)
def test_dates_keep_their_precision(text, date):
    assert partial_date(text) == date


def test_the_hour_that_happens_twice_is_known_and_is_written_with_its_offset():
    assert happens_twice("20261025013000")
    assert not happens_twice("20261025013000+0000")
    assert not happens_twice("20261025023000")
    assert not happens_twice("20260329013000")  # that hour never happens
    assert not happens_twice("20261025")
    assert stamp(datetime(2026, 10, 25, 0, 30, tzinfo=UTC)) == "20261025013000+0100"
    assert stamp(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) == "20261025013000+0000"
    assert stamp(datetime(2026, 7, 1, 12, 0, tzinfo=UTC)) == "20260701130000"


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_what_is_stamped_reads_back(at):
    assert moment(stamp(at)) == at.replace(microsecond=0)


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_none(text):
    moment(text)
    partial_date(text)
    happens_twice(text)
