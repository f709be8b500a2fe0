"""Two people decide about the same message at the same moment, and one person's form arrives twice at once."""

from uuid import uuid4

import pytest
from django.db import connection, transaction

from messaging.services import parking
from messaging.services.once import once
from pasmirror.lib import locks
from pasmirror.lib.actor import Actor
from pasmirror.lib.locks import Lock
from pasmirror.lib.models import AuditRow
from patients.refusals import Refused
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories.identity import apply_all, became, hear, hl7, pid, store

pytestmark = pytest.mark.usefixtures("committed")
ANN, BEN = Actor("ann", "data_quality", "password"), Actor("ben", "integration", "password")


def given_one_parked():
    hear(hl7("A28", pid("A")))
    (head,) = store(hl7("A31", pid("A", "SMITT^Ann||19910301|F"), at="20260302080000"))
    apply_all()
    assert became(head) == ("parked", "identity-mismatch")
    return head


def waiting():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def both_at_once(*works):
    """Start each on a connection of its own, hold them until all stand before the same door, then let them go."""
    with transaction.atomic():
        locks.take(Lock.APPLIER)
        started = [Aside(work) for work in works]
        eventually(lambda: waiting() == len(works), within=20, every=0.05, why="all stand before the lock")
    return [one.result() for one in started]


def tried(work):
    def attempt():
        try:
            return work()
        except Refused as refused:
            return refused.reason

    return attempt


def test_of_two_people_one_decides_and_the_other_is_told():
    head = given_one_parked()
    said = both_at_once(
        tried(lambda: parking.skip(message=head.pk, by=ANN, reason="wrong patient")),
        tried(lambda: parking.release(message=head.pk, by=BEN, reason="mended")),
    )
    assert sorted(map(str, said)) == ["0", "This message is not set aside any more"]
    assert AuditRow.objects.filter(action__in=["feed.skip", "feed.release"]).count() == 1


def test_a_form_that_arrives_twice_at_once_decides_once():
    head, key = given_one_parked(), uuid4()

    def skip():
        parking.skip(message=head.pk, by=ANN, reason="wrong patient")
        return "skipped"

    asked = {"verb": "skip", "message": head.pk}
    assert both_at_once(*[lambda: once(key, ANN, asked, skip)] * 2) == ["skipped", "skipped"]
    assert AuditRow.objects.filter(action="feed.skip").count() == 1
    with pytest.raises(Refused, match="used before for something else"):
        once(key, BEN, asked, skip)
