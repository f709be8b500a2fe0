"""A lot asks by index, whatever the size of the record: no table of people is read from end to end."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.services import grace
from pasmirror.lib import clock
from pasmirror.lib.actor import system
from patients.facts import Named, News
from patients.identifiers import Identifier
from patients.models import Patient
from patients.services import bulk, feed
from patients.services.naming import Names

pytestmark = pytest.mark.django_db
AT = clock.now().replace(microsecond=0) - timedelta(days=1)
MANY = 200  # more than the planner looks through to prove that none of them is empty
NHS_NUMBERS = [f"9{n:09d}" for n in range(MANY)]


def plans(queries):
    """How PostgreSQL would read each of these, if there were any other way than from end to end."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute("EXPLAIN " + query["sql"])
                yield "\n".join(row[0] for row in cursor.fetchall())


def end_to_end(queries):
    return [plan for plan in plans(queries) if any(f"Seq Scan on patients_{table}" in plan for table in TABLES)]


TABLES = ("patient ", "patientidentifier", "stayidentifier", "appointmentidentifier", "change")


def entry(n, event="register", **more):
    said = {"name": {"family": f"F{n}"}, "nhs": {"nhs_number": NHS_NUMBERS[n], "nhs_status": "01"}}
    ids = (Identifier("MR", "RXX", f"P{n}"),)
    news = News(event=event, occurred_at=AT, sent_at=AT, patient_ids=ids, patient=said, **more)
    return feed.Entry(0, news, origin=f"load:x:f.csv:{n}")


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("event", ["register", "admit", "book"])
def test_a_lot_of_an_extract(known, event):
    with CaptureQueriesContext(connection) as asked:
        for _ in range(1 + known):
            rows = [entry(n, event, **_numbers(event, n)) for n in range(MANY)]
            assert len(bulk.take(rows, by=system("load"), load="load:x:")) == MANY
    assert len(asked) > 5
    assert end_to_end(asked.captured_queries) == []


def _numbers(event, n):
    return {
        "register": {},
        "admit": {"stay_ids": (Identifier("VN", "RXX", f"V{n}"),)},
        "book": {"appointment_ids": (Identifier("PLAC", "RXX", f"A{n}"),)},
    }[event]


def test_people_named_by_their_nhs_number_alone():
    Patient.objects.create(family="SMITH", nhs_number=NHS_NUMBERS[7], made_at=AT)
    named = [Named(nhs_number=number) for number in NHS_NUMBERS]
    with CaptureQueriesContext(connection) as asked:
        assert len(Names([], named).wanted(feed.Kind.PATIENT)) == 1
        assert grace._known(named) == {NHS_NUMBERS[7]}
    assert end_to_end(asked.captured_queries) == []
