"""Merges beside what else goes on: clerks at their desks, any order, repeats; on a database that really commits."""

import uuid
from datetime import UTC, datetime

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messaging.models import Inbound
from messaging.services import apply, parking
from pasmirror.lib.actor import Actor, system
from patients.facts import Named, News
from patients.identifiers import Identifier
from patients.models import Patient, PatientIdentifier, Stay
from patients.services import feed
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories.identity import apply_all, became, hear, hl7, patient, pid, store

pytestmark = pytest.mark.usefixtures("committed")
CLERK = Actor("clerk", "clerk", "password")
T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)


def number(value, authority="RXX"):
    return Identifier("MR", authority, value)


def told(event, into, out=None, **more):
    prior = Named((number(out),)) if out else Named()
    return News(event=event, occurred_at=T0, sent_at=T0, patient_ids=(number(into),), prior=prior, **more)


def take(*news):
    return feed.take([feed.Entry(n, one) for n, one in enumerate(news, 1)], by=system("apply"))


def test_what_a_clerk_is_just_adding_to_the_record_that_is_merged_comes_along():
    take(told("register", "A"), told("register", "B"))
    loser = patient("A")
    with transaction.atomic():
        Patient.objects.select_for_update().get(pk=loser.pk)
        running = Aside(lambda: take(told("merge", "B", "A")))
        eventually(_somebody_waits, within=20)
        Stay.objects.create(patient=loser, status="in", admitted_at=T0)
    assert [t.outcome for t in running.result()] == ["applied"]
    assert Stay.objects.get().patient == patient("B")


def test_merges_the_other_way_round_at_the_same_time_do_not_block_each_other():
    """Two appliers never run at once; a clerk's locks and a merge's are taken in the same order of ids."""
    take(*(told("register", name) for name in "ABCD"))
    for into, out in (("A", "B"), ("D", "C")):
        first, second = sorted((patient(into).pk, patient(out).pk))
        with transaction.atomic():
            Patient.objects.select_for_update().get(pk=first)
            running = Aside(lambda into=into, out=out: take(told("merge", into, out)))
            eventually(_somebody_waits, within=20)
            Patient.objects.select_for_update(nowait=True).get(pk=second)
        assert [t.outcome for t in running.result()] == ["applied"]


def _somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0] > 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=14), st.booleans())
def test_merges_in_any_order_with_repeats_give_one_forest_and_every_number_resolves(merges, together):
    mark = uuid.uuid4().hex[:8]
    names = [f"{mark}-{n}" for n in range(6)]
    stays = [(Identifier("VN", "RXX", name),) for name in names]
    take(*(told("register", name) for name in names))
    take(
        *(
            told("admit", name, stay={"place": {"ward": "WA"}}, stay_ids=ids)
            for name, ids in zip(names, stays, strict=True)
        )
    )
    rows = {name: patient(name).pk for name in names}
    news = [told("merge", names[into], names[out]) for into, out in merges]
    if together:
        take(*news)
    else:
        outcomes = [take(one)[0].outcome for one in news]
        assert outcomes == list(_expected(merges))
    merged = dict(Patient.objects.filter(pk__in=rows.values()).values_list("pk", "merged_into_id"))
    for name, pk in rows.items():
        seen = [pk]
        while (pk := merged[pk]) is not None:
            assert pk not in seen, "a loop"
            seen.append(pk)
        assert PatientIdentifier.objects.get(value=name).patient_id == seen[-1], "every number resolves to its root"
        assert Stay.objects.get(identifiers__value=name).patient_id == seen[-1]
    for root in (pk for pk, into in merged.items() if into is None):
        assert PatientIdentifier.objects.filter(patient=root, until=None).count() == 1


def _expected(merges):
    """What ought to become of each merge, by a forest of our own."""
    parent: dict[int, int] = {}

    def root(n):
        return root(parent[n]) if n in parent else n

    for into, out in merges:
        if into == out:
            yield "parked"
        elif root(into) == root(out):
            yield "already" if out in parent else "parked"
        elif out in parent:
            yield "parked"
        else:
            parent[out] = root(into)
            yield "applied"


def test_a_message_skipped_while_another_is_just_parked_behind_it_lets_that_one_follow():
    """The applier has read who waits; what it parks behind the message meanwhile must not wait for ever."""
    hear(hl7("A28", pid("A")), hl7("A34", pid("A")))
    head, behind = Inbound.objects.get(trigger="ADT^A34"), store(hl7("A31", pid("A")))[0]
    with transaction.atomic():
        assert apply.run_once() == 1
        running = Aside(lambda: parking.skip(message=head.pk, by=CLERK, reason="told again"))
        eventually(_somebody_waits, within=20)
    assert running.result() == 1
    apply_all()
    assert became(behind) == ("already", "already")
