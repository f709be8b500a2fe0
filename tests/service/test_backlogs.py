"""Alarms of lanes by depth and age: at the site's limits, not while waiting is meant, and gone by themselves."""

from datetime import timedelta

import pytest

from messaging.models import Destination, Emission, Outbound
from messaging.selectors import backlogs as reading
from messaging.services import backlogs, lanes
from pasmirror.lib import alarms, clock
from patients.models import Gate
from tests.factories import lanes as make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def pathology() -> Destination:
    make.mirror_mode()
    Emission.objects.update(since=clock.now() - timedelta(hours=5))
    make.destination("pas", 2, is_pas=True)
    return make.destination("pathology", backlog_limit=10, wait_limit=60.0)


def queued(count: int, *, minutes: float = 0.0, leg: str = "queued") -> None:
    for _ in range(count):
        make.register()
    make.number_and_render()
    Outbound.objects.filter(lane__destination__code="pathology").update(
        leg=leg, queued_at=clock.now() - timedelta(minutes=minutes)
    )


def standing() -> dict[str, str]:
    return {f"{alarm.code} {alarm.subject}": alarm.sentence for alarm in alarms.standing()}


def test_it_counts_what_waits() -> None:
    queued(3, minutes=2)
    Outbound.objects.filter(seq=1, lane__destination__code="pathology").update(leg="held", attempts=2)
    Outbound.objects.filter(seq=2, lane__destination__code="pathology").update(leg="set_aside")
    by = {lane.code: lane for lane in reading.backlogs()}
    seen = by["pathology"]
    assert (seen.queued, seen.held, seen.in_doubt, seen.set_aside, seen.depth, seen.head) == (1, 1, 0, 1, 2, 3)
    assert (seen.attempts, by["pas"].unreleased, by["pas"].depth, by["pas"].oldest_at) == (2, 3, 0, None)


def test_more_than_the_limit_sounds_and_clears_with_a_margin() -> None:
    queued(10)
    backlogs.watch()
    assert standing() == {}
    queued(1)
    backlogs.watch()
    assert standing() == {"destination-backlog pathology": "Pathology: 11 messages wait, and the site's limit is 10."}
    rows = Outbound.objects.filter(lane__destination__code="pathology")
    rows.filter(seq__lte=2).update(leg="accepted")
    backlogs.watch()
    assert standing(), "nine of ten is too near to the limit to clear it"
    rows.filter(seq__lte=3).update(leg="accepted")
    backlogs.watch()
    assert standing() == {}


def test_an_old_message_sounds_with_what_keeps_it() -> None:
    queued(1, minutes=0.5)
    backlogs.watch()
    assert standing() == {}
    queued(0, minutes=3)
    backlogs.watch()
    assert standing() == {"destination-late pathology": "Pathology: its oldest message has waited for 3 min."}
    Outbound.objects.update(leg="accepted")
    backlogs.watch()
    assert standing() == {}
    lanes.pause("pathology", by=make.OPERATOR, reason="their work")
    queued(1, minutes=3)
    backlogs.watch()
    assert standing()["destination-late pathology"].endswith(", since the lane is paused.")


def test_a_held_message_counts_as_waiting() -> None:
    queued(1, minutes=3, leg="held")
    backlogs.watch()
    assert standing()["destination-late pathology"].endswith("; 1 held for a person.")


def test_what_waits_because_emission_is_held_is_not_late_and_is_deep() -> None:
    queued(11, minutes=60)
    Emission.objects.update(valve="held")
    backlogs.watch()
    assert list(standing()) == ["destination-backlog pathology"]
    Emission.objects.update(valve="open", since=clock.now())
    backlogs.watch()
    assert list(standing()) == ["destination-backlog pathology"], "it could not have left before"
    backlogs.watch(clock.now() + timedelta(seconds=61))
    assert sorted(standing()) == ["destination-backlog pathology", "destination-late pathology"]


def test_the_passs_lane_is_late_only_on_the_way_back() -> None:
    Destination.objects.filter(code="pas").update(wait_limit=60.0)
    queued(1)
    old = clock.now() - timedelta(minutes=10)
    Outbound.objects.filter(lane__destination__code="pas").update(leg="queued", queued_at=old)
    Gate.objects.update(since=old)
    backlogs.watch()
    assert standing() == {}
    Gate.objects.update(mode="recovery")
    backlogs.watch()
    assert list(standing()) == ["destination-late pas"]


def test_no_limit_no_alarm_and_none_of_a_destination_declared_no_more() -> None:
    queued(11, minutes=60)
    backlogs.watch()
    assert len(standing()) == 2
    Destination.objects.update(backlog_limit=0, wait_limit=0)
    backlogs.watch()
    assert standing() == {}
    Destination.objects.update(backlog_limit=10, wait_limit=60)
    backlogs.watch()
    assert len(standing()) == 2
    Destination.objects.update(declared=False)
    backlogs.watch()
    assert standing() == {}
