"""How a destination stands, one state after another, and what its page counts: bounded, and right."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.models import Destination, Lane, Outbound
from messaging.selectors import destinations as reading
from messaging.selectors.destinations import State
from messaging.services import lanes
from pasmirror.lib import clock
from patients.models import Gate
from tests.factories import lanes as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def pathology() -> Destination:
    make.mirror_mode()
    return make.destination("pathology")


def stands(code: str = "pathology") -> reading.Standing:
    found = reading.standing(code)
    assert found is not None
    return found


def of_lane(**columns: object) -> None:
    Lane.objects.filter(destination__code="pathology").update(**columns)


def declared(**columns: object) -> None:
    Destination.objects.filter(code="pathology").update(**columns)


def captured(*legs: str, **more: object) -> list[Outbound]:
    """One new patient's message at each leg, in order."""
    changes = [make.register().change for _ in legs]
    make.number_and_render()
    for change, leg in zip(changes, legs, strict=True):
        Outbound.objects.filter(change=change, lane__destination__code="pathology").update(leg=leg, **more)
    return [make.of_change(change, "pathology") for change in changes]


def test_each_state_comes_before_those_after_it(pathology: Destination) -> None:
    """From the quietest up: each fact added is the one that is told from then on."""
    soon = clock.now() + timedelta(minutes=5)
    seen = [stands().state]
    captured("queued", "held")
    seen.append(stands().state)
    of_lane(until=soon, holder="somebody")
    seen.append(stands().state)
    declared(holds="lane")
    seen.append(stands().state)
    of_lane(rest_until=soon, failures=3)
    seen.append(stands().state)
    Gate.objects.update(mode="normal")
    seen.append(stands().state)
    declared(shadow=True)
    seen.append(stands().state)
    declared(paused=True)
    seen.append(stands().state)
    lanes.pause("pathology", by=make.OPERATOR, reason="their upgrade")
    seen.append(stands().state)
    declared(declared=False)
    seen.append(stands().state)
    assert seen == [
        State.QUIET, State.WAITING, State.SENDING, State.STOPPED, State.RESTING, State.CLOSED, State.SHADOW,
        State.PAUSED_BY_FILE, State.PAUSED, State.UNDECLARED,
    ]  # fmt: skip
    assert set(seen) == set(State)


def test_a_rest_and_a_lease_that_are_over_count_for_nothing(pathology: Destination) -> None:
    captured("queued")
    past = clock.now() - timedelta(seconds=5)
    of_lane(rest_until=past, failures=3, until=past, holder="somebody")
    assert stands().state == State.WAITING


def test_a_lane_whose_messages_all_need_a_person_says_so(pathology: Destination) -> None:
    captured("held")
    assert (stands().state, stands().says) == (State.WAITING, "What is left needs a person")


def test_a_lease_with_nothing_to_send_is_not_called_sending(pathology: Destination) -> None:
    of_lane(until=clock.now() + timedelta(minutes=5), holder="somebody")
    assert stands().state == State.QUIET


def test_a_sentence_says_who_until_when_and_why(pathology: Destination) -> None:
    of_lane(rest_until=clock.now() + timedelta(minutes=5), failures=1)
    assert "after one try without an answer" in stands().says
    of_lane(failures=4)
    assert "after 4 tries without an answer" in stands().says
    Gate.objects.update(mode="normal")
    assert stands().says == "Emission is held"
    lanes.pause("pathology", by=make.OPERATOR, reason="their upgrade")
    assert stands().says.endswith("by operator: their upgrade")


def test_the_pas_is_told_only_on_the_way_back(pathology: Destination) -> None:
    make.destination("pas", is_pas=True)
    make.register()
    make.number_and_render()
    pas = stands("pas")
    assert (pas.state, pas.says) == (State.CLOSED, "The PAS is told only on the way back")
    assert (pas.unreleased, pas.depth, pas.oldest_at) == (1, 1, None)
    Gate.objects.update(mode="recovery")
    assert stands("pas").state == State.QUIET, "what waits for the comparison is not the lane's to send"


def test_what_it_counts(pathology: Destination) -> None:
    legs = ("accepted", "sending", "queued", "held", "set_aside", "queued", "left_to_pas", "skipped", "shadowed")
    rows = captured(*legs)
    now = clock.now()
    Outbound.objects.filter(pk=rows[0].pk).update(settled_at=now)
    Outbound.objects.filter(pk=rows[1].pk).update(queued_at=now - timedelta(hours=2))
    Outbound.objects.filter(pk=rows[4].pk).update(queued_at=now - timedelta(hours=9))
    of_lane(filtered=7)
    one = stands()
    assert (one.queued, one.in_doubt, one.held, one.unreleased, one.set_aside, one.depth) == (2, 1, 1, 0, 1, 4)
    assert (one.oldest_at, one.last_ack_at, one.lane.filtered) == (now - timedelta(hours=2), now, 7)
    assert not one.more


def test_the_rate_is_of_the_last_minute(pathology: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = captured(*["accepted"] * 4)
    now = clock.now()
    for row, age in zip(rows, (600, 30, 20, 10), strict=True):
        Outbound.objects.filter(pk=row.pk).update(settled_at=now - timedelta(seconds=age))
    assert stands().per_minute == 3
    monkeypatch.setattr(reading, "RECENT", 2)
    assert 5 <= stands().per_minute <= 6, "two in the last twenty seconds"


def test_another_lanes_messages_are_not_its_own(pathology: Destination) -> None:
    make.destination("radiology")
    rows = captured("held", "set_aside", "accepted")
    Outbound.objects.filter(pk=rows[2].pk).update(settled_at=clock.now())
    mine, other = stands(), stands("radiology")
    assert (mine.held, mine.set_aside, mine.queued, mine.per_minute) == (1, 1, 0, 1)
    assert (other.held, other.set_aside, other.queued, other.per_minute) == (0, 0, 3, 0)
    assert other.last_ack_at is None


def test_no_more_is_counted_than_is_bearable_and_that_is_said(
    pathology: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    captured("set_aside", "set_aside", "set_aside", "accepted", "queued", "queued", "queued")
    monkeypatch.setattr(reading, "MOST", 2)
    monkeypatch.setattr(reading, "REACH", 3)
    one = stands()
    assert (one.depth, one.more, one.set_aside, one.last_ack_at) == (2, True, 2, None)


def test_the_undeclared_come_last_and_each_costs_the_same_few_queries(pathology: Destination) -> None:
    make.destination("abacus")
    with CaptureQueriesContext(connection) as two:
        assert [one.to.code for one in reading.standings()] == ["abacus", "pathology"]
    captured("queued", "held", "accepted")
    with CaptureQueriesContext(connection) as full:
        reading.standings()
    assert len(full) == len(two) <= 5
    Destination.objects.filter(code="abacus").update(declared=False)
    assert [one.to.code for one in reading.standings()] == ["pathology", "abacus"]
    assert reading.standing("nowhere") is None


def test_lists_are_in_order_and_followed_page_by_page(pathology: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    captured("held", "queued", "set_aside", "accepted", "sending", "held")
    monkeypatch.setattr(reading, "PAGE", 2)

    def pages(name: str) -> list[list[int]]:
        found, past = [], None
        while not found or past is not None:
            listing = reading.LISTS[name](pathology.pk, past=past)
            found.append([row.seq for row in listing.rows])
            past = listing.last
        return found

    assert pages("waiting") == [[1, 2], [5, 6]]
    assert pages("person") == [[6, 3], [1]]
    assert pages("newest") == [[6, 5], [4, 3], [2, 1]]


def test_a_message_is_found_by_its_number_or_control_id(pathology: Destination) -> None:
    first, second = captured("queued", "accepted")
    assert reading.named("pathology", "2") == second.pk
    assert reading.named("pathology", first.control_id.lower()) == first.pk
    for nothing in ("3", "0", "9" * 19, "M01-ZZ-1", "²"):
        assert reading.named("pathology", nothing) is None, nothing


def test_a_message_knows_who_goes_before_it_and_who_comes_behind(pathology: Destination) -> None:
    saved = make.register()
    later = make.update(saved, 1, "1")
    other = make.register("JONES")
    make.number_and_render()
    first, second, third = (make.of_change(each.change, "pathology") for each in (saved, later, other))
    assert [(one.ahead, one.behind) for one in map(reading.life, (first.pk, second.pk, third.pk)) if one] == [
        (None, 1), (first.pk, 0), (None, 0),
    ]  # fmt: skip
    Outbound.objects.filter(pk=first.pk).update(leg="set_aside")
    after = reading.life(second.pk)
    assert after is not None
    assert after.ahead is None
    assert reading.life(2**40) is None
