"""Reception through faults: one bad frame costs others nothing, but what its own connection brought behind it waits."""

import pytest
from django.db import connection

from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel, Inbound
from messaging.services import reception
from messaging.services.intake import Frame

POLICY = FeedPolicy()
pytestmark = pytest.mark.django_db


def frame(control_id, connection_number):
    head = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||ADT^A28|{control_id}|P|2.4"
    return Frame("127.0.0.1", f"{head}\rPID|1||P1^^^RXX^MR\r".encode(), "", connection_number)


@pytest.fixture
def tripping(db):
    """The database itself refuses the message called BAD, until it is told to take it."""
    Channel.objects.create(code="pas", policy=POLICY.as_json())
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION trip() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'tripped'; END $$ LANGUAGE plpgsql;"
            "CREATE TRIGGER trip BEFORE INSERT ON messaging_inbound FOR EACH ROW "
            "WHEN (NEW.control_id = 'BAD') EXECUTE FUNCTION trip()"
        )


def stored():
    return list(Inbound.objects.order_by("number").values_list("control_id", flat=True))


def test_what_one_connection_brought_behind_a_frame_that_failed_does_not_overtake_it(tripping):
    frames = [frame("A1", 1), frame("BAD", 1), frame("B1", 2), frame("A2", 1), frame("B2", 2), frame("A3", 1)]
    answers = reception.receive(POLICY, frames)
    assert [answer is not None for answer in answers] == [True, False, True, False, True, False]
    assert stored() == ["A1", "B1", "B2"]
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER trip ON messaging_inbound")
    again = reception.receive(POLICY, [each for each in frames if each.connection == 1])
    assert None not in again
    assert stored() == ["A1", "B1", "B2", "BAD", "A2", "A3"], "as its peer sent them"
