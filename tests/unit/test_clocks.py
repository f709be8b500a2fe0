"""What messages teach of the sender's clock: right in the end from any wrong start, and nothing from a backlog."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.clocks import LIVE, SLOTS, learned, steady

ANY_START = st.floats(-900, 900)


@pytest.mark.parametrize(
    ("ahead", "heard", "low", "high"),
    [
        (0.0, 10.0, 4.9, 5.1),  # a younger-looking message is believed soon
        (0.0, -10.0, -0.2, 0.0),  # an older-looking one may just be late
        (0.0, -3600.0, 0.0, 0.0),  # backlog
        (600.0, -3600.0, 600.0, 600.0),
        (0.0, 86400.0, 0.0, 0.0),  # a broken clock
        (3600.0, 3600.5, 3600.0, 3600.5),  # one an hour ahead, once it is known
        (400.0, 0.0, 300.0, 399.0),  # live by our own clock: it cannot be that far ahead
    ],
)
def test_what_a_message_teaches(ahead, heard, low, high):
    assert low <= learned(ahead, heard) <= high


@given(ANY_START, st.floats(-60, 60), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_after_many_live_messages_it_is_right_from_any_start(ahead, true, delays):
    for number in range(1000):
        ahead = learned(ahead, true - delays[number % 5])
    assert true - 2 <= ahead <= true + 0.1


@given(ANY_START.filter(lambda start: start < 0), st.floats(0, 900))
def test_a_clock_that_runs_ahead_is_soon_learned(ahead, true):
    for _ in range(20):
        ahead = learned(ahead, true)
    assert abs(ahead - true) < 2


@given(st.lists(st.floats(LIVE + 1, 30 * 86400), max_size=50))
def test_a_backlog_teaches_nothing(ages):
    ahead = 0.0
    for age in ages:
        ahead = learned(ahead, -age)
    assert ahead == 0.0


@given(st.floats(-86400, 86400), st.lists(st.floats(0, 3), min_size=SLOTS, max_size=60))
def test_a_steady_clock_is_read_off_however_wrong_it_is(true, delays):
    settled = steady([true - delay for delay in delays])
    assert settled is not None
    assert true - 3.001 <= settled <= true


@given(st.integers(SLOTS, 60), st.floats(30, 600), st.floats(600, 86400))
def test_a_backlog_that_grows_younger_is_not_steady(count, younger, age):
    assert steady([-age + younger * n for n in range(count)]) is None


def test_a_few_messages_are_not_enough():
    assert steady([-600.0] * (SLOTS - 1)) is None
