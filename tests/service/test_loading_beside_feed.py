"""A load beside the feed: what one merges while the other waits for its locks is seen, and neither stops the other."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction

from pasmirror.lib.actor import system
from patients.facts import Named, News
from patients.identifiers import Identifier
from patients.models import Patient, PatientIdentifier
from patients.services import bulk, feed
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually

pytestmark = pytest.mark.usefixtures("committed")
T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)
LOAD = "load:x:f.csv:"


def number(value):
    return Identifier("MR", "RXX", value)


def told(event, into, out=None, **more):
    prior = Named((number(out),)) if out else Named()
    return News(event=event, occurred_at=T0, sent_at=T0, patient_ids=(number(into),), prior=prior, **more)


def take(*news):
    return feed.take([feed.Entry(n, one) for n, one in enumerate(news, 1)], by=system("apply"))


def load(*news):
    entries = [feed.Entry(0, one, origin=f"{LOAD}{n}") for n, one in enumerate(news, 1)]
    return bulk.take(entries, by=system("load"), load=LOAD)


def waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


def owner(value):
    """Whose a number is, and whether it is still valid."""
    (row,) = PatientIdentifier.objects.filter(value=value)
    return row.patient, row.until is None


@pytest.mark.parametrize("door", [take, load])
def test_news_of_a_number_that_is_merged_while_it_waits_goes_to_the_survivor(door):
    take(told("register", "A"), told("register", "B"))
    one, other = owner("A")[0], owner("B")[0]
    with transaction.atomic():
        take(told("merge", "B", "A"))
        running = Aside(lambda: door(told("update", "A", patient={"name": {"family": "NEW"}})))
        eventually(waits, within=20)
    (taken,) = running.result()
    assert taken.patient == other.pk
    assert owner("A") == (other, False), "not brought back to life"
    one.refresh_from_db()
    assert (one.merged_into, one.family) == (other, "")


def test_a_number_that_gets_its_first_patient_while_the_load_waits_is_not_given_to_two():
    take(told("register", "A"))
    with transaction.atomic():
        take(told("update", "A", patient={"sex": {"sex": "F"}}), told("renumber", "N", "A"))
        running = Aside(lambda: load(told("update", "A", patient={"name": {"family": "NEW"}})))
        eventually(waits, within=20)
    running.result()
    assert Patient.objects.count() == 1
    assert (owner("A")[1], owner("N")[1]) == (False, True)


def test_a_load_of_several_rounds_locks_its_patients_at_once_in_the_order_of_all():
    """The second row of B comes in a second round, and names A, whose id is lower."""
    take(told("register", "A"), told("register", "B"))
    one, other = owner("A")[0], owner("B")[0]
    rows = [told("register", "B"), replace(told("register", "B"), patient_ids=(number("B"), number("A")))]
    with transaction.atomic():
        Patient.objects.select_for_update().get(pk=one.pk)
        running = Aside(lambda: load(*rows))
        eventually(waits, within=20)
        Patient.objects.select_for_update(nowait=True).get(pk=other.pk)
    assert [taken.code for taken in running.result()] == ["already", "two-patients"]
