"""How old the data are said to be: as old as the feed that is furthest behind, not as what was heard last."""

from datetime import timedelta

import pytest

from messaging.models import Channel, Inbound
from messaging.selectors import age
from messaging.selectors.age import Age
from pasmirror import banner
from pasmirror.lib import clock
from tests.factories.identity import apply_all, hl7, pid, store

pytestmark = pytest.mark.django_db


def heard(code, minutes, **more):
    """Give when a feed was last heard, `minutes` ago."""
    at = clock.now() - timedelta(minutes=minutes)
    Channel.objects.create(code=code, received_at=at, **more)
    return at


def came(row, minutes):
    at = clock.now() - timedelta(minutes=minutes)
    Inbound.objects.filter(pk=row.pk).update(received_at=at)
    return at


def test_what_is_not_applied_yet_is_not_in_the_record():
    first, second = store(hl7("A28", pid("A")), hl7("A28", pid("B")))
    Channel.objects.update(received_at=clock.now())
    waiting = came(first, 180)
    came(second, 1)
    assert age.data() == Age(waiting)
    assert banner.now().age == f"Data as at {banner.when(waiting)}"
    apply_all()
    heard_at = Channel.objects.get().received_at
    assert age.data() == Age(heard_at), "all is applied: as new as what came last"


def test_a_dead_feed_does_not_hide_behind_a_live_one():
    dead = heard("adt", 120)
    heard("siu", 0)
    assert age.data() == Age(dead, late="adt")
    assert banner.now().age == f"Data as at {banner.when(dead)} (feed adt)"


def test_feeds_that_are_equally_new_are_not_told_apart():
    """Within the same minute nobody is late."""
    at = clock.now()
    for code in ("adt", "siu"):
        Channel.objects.create(code=code, received_at=at)
    assert age.data() == Age(at)


def test_a_feed_never_heard_is_said_so_beside_one_that_is():
    heard("adt", 0)
    Channel.objects.create(code="siu")
    assert age.data() == Age(None, late="siu")
    assert banner.now().age == "Nothing heard from the PAS yet on feed siu"


def test_a_feed_that_the_site_file_names_no_more_ages_nothing_while_others_are_declared():
    old = heard("old", 9000, declared=False)
    assert age.data() == Age(old), "it is all there is"
    new = heard("adt", 0)
    assert age.data() == Age(new)


def test_nothing_heard_at_all():
    assert age.data() == Age(None)
    for code in ("adt", "siu"):
        Channel.objects.create(code=code)
    assert age.data() == Age(None)
    assert banner.now().age == "Nothing heard from the PAS yet"


def test_it_costs_one_question(django_assert_num_queries):
    store(hl7("A28", pid("A")))
    heard("siu", 3)
    with django_assert_num_queries(1):
        age.data()
