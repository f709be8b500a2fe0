"""What may be sent again as it was, and for whom the current state goes instead; every message ends in one heap."""

from hypothesis import given
from hypothesis import strategies as st

from messaging.resends import Listed, Marks, mark, sort_out
from messaging.states import Leg

LEGS = st.sampled_from(list(Leg))
ROWS = st.lists(st.tuples(LEGS, st.integers(1, 3), st.booleans()), max_size=8)


def row(change: int, leg: Leg, *, epoch: int = 2, busy: bool = False) -> Listed:
    return Listed(change, change, change, 1, leg, epoch, busy)


def heaps(*rows: Listed, received: int = 0, ahead: int = 0, fenced: int = 1) -> tuple[list[int], ...]:
    found = sort_out(rows, Marks(mark(received), mark(max(received, ahead))), fenced=fenced)
    return tuple([each.pk for each in heap] for heap in (found.own, found.copies, found.current, found.left))


def test_the_newest_received_goes_as_it_was_and_older_ones_as_the_current_state() -> None:
    assert heaps(row(1, Leg.ACCEPTED), row(2, Leg.ACCEPTED), received=2) == ([], [2], [1], [])


def test_what_was_received_waits_for_nothing_later_on_its_way() -> None:
    assert heaps(row(1, Leg.ACCEPTED), received=1, ahead=2) == ([], [], [1], [])


def test_what_was_never_received_keeps_its_number_though_later_ones_wait_behind_it() -> None:
    assert heaps(row(1, Leg.HELD), row(2, Leg.SET_ASIDE), ahead=3) == ([1, 2], [], [], [])


def test_a_received_one_is_not_put_behind_a_later_one_that_keeps_its_number() -> None:
    """The later one goes out first, under its own number: the older would turn the clock back."""
    assert heaps(row(1, Leg.ACCEPTED), row(2, Leg.SET_ASIDE), received=1) == ([], [], [1, 2], [])


def test_nothing_of_a_fenced_epoch_goes_as_it_was() -> None:
    assert heaps(row(1, Leg.ACCEPTED), row(2, Leg.HELD), received=1, fenced=2) == ([], [], [1, 2], [])


def test_a_snapshot_is_later_than_the_change_it_was_made_after() -> None:
    found = sort_out([row(1, Leg.ACCEPTED)], Marks(mark(1, snapshot=True), mark(1, snapshot=True)), fenced=1)
    assert [each.pk for each in found.current] == [1]


def test_what_is_on_its_way_or_never_ours_to_tell_is_left_out() -> None:
    left = (Leg.QUEUED, Leg.SENDING, Leg.UNRELEASED, Leg.LEFT_TO_PAS, Leg.SKIPPED, Leg.SHADOWED)
    rows = [row(n, leg) for n, leg in enumerate(left, start=1)] + [row(9, Leg.ACCEPTED, busy=True)]
    assert heaps(*rows) == ([], [], [], [1, 2, 3, 4, 5, 6, 9])


@given(ROWS, st.integers(0, 9), st.integers(0, 9))
def test_every_message_ends_in_one_heap_and_none_goes_as_it_was_after_a_later_one(
    drawn: list[tuple[Leg, int, bool]], received: int, ahead: int
) -> None:
    rows = [row(n, leg, epoch=epoch, busy=busy) for n, (leg, epoch, busy) in enumerate(drawn, start=1)]
    received = max([received, *(each.change for each in rows if each.leg == Leg.ACCEPTED)])
    own, copies, current, left = heaps(*rows, received=received, ahead=ahead)
    assert sorted(own + copies + current + left) == [each.pk for each in rows]
    assert all(pk >= max(received, ahead) for pk in copies)
    assert all(pk >= received for pk in own)
    assert not own or not (copies or current)
