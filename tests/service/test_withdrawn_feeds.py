"""A feed that the site file names no more: nobody listens or waits for it, what it brought is read as it was meant."""

from datetime import timedelta

import pytest

from messaging.models import Channel, FeedHour, Inbound
from messaging.selectors import gaps as selector
from messaging.services import apply, gaps, grace, reception
from pasmirror import site
from pasmirror.lib import alarms, clock
from patients.models import Patient
from tests.service.test_apply import message, store
from tests.service.test_site_apply import BY, DEMO

pytestmark = pytest.mark.django_db
RENAMED = DEMO.replace('channel = "pas"', 'channel = "adt"')


@pytest.fixture(autouse=True)
def declared(db):
    site.apply(DEMO, by=BY, environment={})


def withdraw():
    site.apply(RENAMED, by=BY, environment={})


def test_what_it_brought_before_is_read_by_its_own_habits():
    """The number without an authority is the organisation's, as it was when the message came: nobody new."""
    store(message("ADT^A28", "P9"))
    assert apply.run_once() == 1
    store(message("ADT^A31", "P9").replace("P9^^^RXX^MR", "P9^^^^MR"))
    withdraw()
    assert apply.run_once() == 1
    assert not Inbound.objects.filter(outcome="stored").exists()
    assert Patient.objects.count() == 1


def test_nobody_listens_or_waits_for_it_and_it_may_come_back():
    withdraw()
    assert list(reception.declared()) == ["adt"]
    assert not grace.several(), "one channel is left: its order is the order of events"
    site.apply(DEMO, by=BY, environment={})
    assert list(reception.declared()) == ["pas"]


def test_its_silence_is_no_alarm():
    now = clock.now()
    feed = Channel.objects.get(code="pas")
    Channel.objects.filter(pk=feed.pk).update(received_at=now - timedelta(hours=2))
    for hour in range(168):
        FeedHour.objects.create(channel=feed, hour=hour, longest=[60.0] * 4, learned_at=now)
    gaps.watch(now)
    assert [alarm.code for alarm in alarms.standing()] == ["feed-quiet"]
    withdraw()
    gaps.watch(now)
    assert alarms.standing() == []
    assert [each.channel for each in selector.standing()] == ["adt"]
