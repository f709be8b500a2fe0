"""Two clerks do the same thing at once, on connections of their own: one wins, the other is told plainly why not."""

import threading
import uuid

import pytest

from patients.models import Change, Patient, Stay
from patients.refusals import Refused
from patients.services import identity_changes
from patients.services.saving import Saved
from tests.committed import Aside, committed  # noqa: F401
from tests.factories.clerk import A1, A2, ACTS, CLERK, PASSED, admitted, at, booked, fresh, open_desk, person

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture(autouse=True)
def _desk(committed: None) -> None:  # noqa: F811
    open_desk()


def race(*work: object) -> list[object]:
    """Do all of it at once; gives what each gave, or the reason why it was refused."""
    start = threading.Barrier(len(work))

    def runner(one: object) -> object:
        start.wait(10)
        try:
            return one()  # type: ignore[operator]
        except Refused as refusal:
            return refusal.reason

    return [one.result() for one in [Aside(lambda one=one: runner(one)) for one in work]]  # type: ignore[misc]


@pytest.mark.parametrize("name", sorted(set(ACTS) - {"summary"}))  # two summaries are two documents
def test_one_wins_and_the_other_is_told_why(name: str):
    act = ACTS[name]
    row = act.ready()
    given = act.given(row)
    before = Change.objects.count()
    ended = race(*(lambda: act.service(**given, by=CLERK, key=uuid.uuid4()) for _ in range(2)))
    assert sum(isinstance(one, Saved) for one in ended) == 1, ended
    assert all(isinstance(one, Saved) or len(str(one)) > 10 for one in ended), ended
    assert Change.objects.count() == before + 1


def test_one_form_sent_twice_at_once_is_one_save():
    act = ACTS["transfer"]
    given, key = act.given(act.ready()), uuid.uuid4()
    one, two = race(*(lambda: act.service(**given, by=CLERK, key=key) for _ in range(2)))
    assert isinstance(one, Saved)
    assert isinstance(two, Saved)
    assert (one.change, {one.repeated, two.repeated}) == (two.change, {True, False})


def test_a_bed_is_not_given_back_and_away_at_once():
    stay, other = admitted(), admitted(A2)
    ACTS["discharge"].do(stay)
    cancel, move = ACTS["cancel_discharge"].given(stay), ACTS["transfer"].given(other)
    ended = race(
        lambda: ACTS["cancel_discharge"].service(**cancel, by=CLERK, key=uuid.uuid4()),
        lambda: ACTS["transfer"].service(**{**move, "place": A1, "occurred_at": at(70)}, by=CLERK, key=uuid.uuid4()),
    )
    assert sum(isinstance(one, Saved) for one in ended) == 1, ended
    assert Stay.objects.filter(status="in", ward="WA", bed="WA1").count() == 1


def test_two_bookings_moved_to_the_last_place_at_once():
    rows = [booked(), booked(PASSED)]
    acts = [ACTS["reschedule"].given(row) for row in rows]
    ended = race(
        *(lambda given=given: ACTS["reschedule"].service(**given, by=CLERK, key=uuid.uuid4()) for given in acts)
    )
    assert sum(isinstance(one, Saved) for one in ended) == 1, ended


def test_two_merges_the_opposite_way_at_once_make_no_loop():
    one, other = person(), person()
    ways = [(one, other), (other, one)]
    ended = race(
        *(
            lambda survivor=survivor, loser=loser: identity_changes.merge(
                survivor_id=survivor.pk, loser_id=loser.pk, seen=1, seen_loser=1, reason="Registered twice",
                by=CLERK, key=uuid.uuid4(),
            )
            for survivor, loser in ways
        )
    )  # fmt: skip
    assert sum(isinstance(one, Saved) for one in ended) == 1, ended
    assert Patient.objects.exclude(merged_into=None).count() == 1


def test_what_is_added_to_a_record_while_it_is_merged_away_is_not_lost():
    survivor, loser = person(), person()
    admission = ACTS["admit"].given(loser)
    ended = race(
        lambda: identity_changes.merge(
            survivor_id=survivor.pk, loser_id=loser.pk, seen=1, seen_loser=1, reason="Twice", by=CLERK, key=uuid.uuid4()
        ),
        lambda: ACTS["admit"].service(**admission, by=CLERK, key=uuid.uuid4()),
    )
    assert isinstance(ended[0], Saved), ended
    owners = set(Stay.objects.values_list("patient_id", flat=True))
    assert owners <= {survivor.pk}, "admitted before the merge, and moved with it; or refused after it"
    assert bool(owners) is isinstance(ended[1], Saved)
    assert fresh(loser).merged_into_id == survivor.pk
