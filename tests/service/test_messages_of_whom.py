"""A person's messages are found by any number of theirs, whatever became of them; and all that a message changed."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.models import Inbound
from messaging.selectors import messages
from messaging.selectors.messages import Sought
from messaging.services import parking
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from patients.models import Change
from tests.factories.identity import JONES, SMITH, apply_all, became, hear, hl7, mrg, pid, pv1, store

pytestmark = pytest.mark.django_db
BY = Actor("data-quality", "data_quality", "password")


def found(**asked):
    return [row.trigger for row in messages.find(Sought(**asked))]


def test_after_a_merge_they_are_found_by_either_number():
    hear(hl7("A28", pid("A")), hl7("A31", pid("A", SMITH, "", "", "1 High St")), hl7("A28", pid("B")))
    hear(hl7("A40", pid("B"), mrg("A"), at="20260303080000"))
    assert found(number="A") == found(number="B") == ["ADT^A40", "ADT^A28", "ADT^A31", "ADT^A28"]


def test_after_two_merges_in_a_row_too():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A28", pid("C")), hl7("A28", pid("D", JONES)))
    hear(hl7("A40", pid("B"), mrg("A"), at="20260303080000"), hl7("A40", pid("C"), mrg("B"), at="20260304080000"))
    assert found(number="A") == ["ADT^A40", "ADT^A40", "ADT^A28", "ADT^A28", "ADT^A28"]
    assert found(number="D") == ["ADT^A28"]


def test_the_case_of_a_number_or_trigger_does_not_matter():
    hear(hl7("A28", pid("RA12")))
    assert found(number="ra12") == found(number="RA12") == found(trigger="adt^a28") == ["ADT^A28"]


@pytest.mark.parametrize("settle", ["skip", "rule"])
def test_one_of_nobody_that_is_settled_is_found_still(settle):
    (head,) = store(hl7("A47", pid("N")))
    apply_all()
    assert became(head) == ("parked", "no-mrg")
    assert found(number="N") == ["ADT^A47"]
    if settle == "skip":
        parking.skip(message=head.pk, by=BY, reason="x")
    else:
        parking.rule(
            sender="DEMOPAS|RXX",
            trigger="ADT^A47",
            code="no-mrg",
            until=clock.now() + timedelta(days=1),
            by=BY,
            reason="x",
        )
    assert Inbound.objects.get().outcome == "filed"
    assert found(number="n") == ["ADT^A47"]


def test_all_that_a_swap_or_a_moved_stay_changed_is_shown():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    hear(hl7("A01", pid("A"), pv1("V1", "WA")), hl7("A01", pid("B", JONES), pv1("V2", "WB")))
    swap = hl7("A17", pid("A"), pv1("V1", "WB"), pid("B", JONES), pv1("V2", "WA"), at="20260302080000")
    moved = hl7("A44", pid("B", JONES), mrg("A", "V1^^^RXX^VISITID"), at="20260304080000")
    for row in store(swap, moved):
        apply_all()
        assert became(row) == ("applied", "")
        made = messages.changes(Inbound.objects.get(pk=row.pk))
        assert len(made) == 2, row.trigger
        assert len({change.patient_id for change in made}) == 2


def test_they_are_looked_up_not_looked_for():
    """A change is found by the message it came with through an index."""
    plan = Change.objects.filter(messages.made_by(7)).explain()
    assert "change_of_message" in plan, plan
    assert "Seq Scan" not in plan


def test_a_number_is_looked_up_through_an_index():
    with CaptureQueriesContext(connection) as asked:
        messages.of_number("A")
    plans = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in asked:
            cursor.execute("EXPLAIN " + query["sql"])
            plans.append("\n".join(row for (row,) in cursor.fetchall()))
    assert len(plans) >= 3
    assert not [plan for plan in plans if "Seq Scan" in plan], plans
