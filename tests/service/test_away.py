"""A transaction that PostgreSQL gives up for its age: the database is away, and neither message nor program errs."""

import pytest
from django.db import InternalError, ProgrammingError, connection, transaction
from django.test import RequestFactory

from messaging.models import Channel, Inbound
from messaging.services import apply, reception
from messaging.states import Outcome
from pasmirror.lib.away import is_away
from pasmirror.lib.models import Alarm
from pasmirror.middleware import DatabaseAway
from patients.models import Patient
from tests.service.test_reception import POLICY, frame

pytestmark = pytest.mark.django_db(transaction=True)


def given_up_after(milliseconds: int) -> None:
    """Let this connection's transactions grow no older; the next connection has the time of the settings again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('transaction_timeout', %s, false)", [str(milliseconds)])


def slow(on: str) -> None:
    """Make each row of a table take longer than a transaction may."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION slow() RETURNS trigger AS "
            "$$ BEGIN PERFORM pg_sleep(0.3); RETURN NEW; END $$ LANGUAGE plpgsql;"
            f"CREATE TRIGGER slow BEFORE INSERT ON {on} FOR EACH ROW EXECUTE FUNCTION slow()"
        )


@pytest.fixture
def channel():
    yield Channel.objects.create(code="pas", policy=POLICY.as_json())
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION IF EXISTS slow CASCADE")


def old(statement: str) -> InternalError:
    given_up_after(50)
    with pytest.raises(InternalError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()
    return caught.value


def test_whoever_saves_is_told_that_the_database_did_not_answer():
    fault = old("SELECT pg_sleep(2)")
    assert is_away(fault)
    answer = DatabaseAway(lambda request: request).process_exception(RequestFactory().post("/patients/"), fault)
    assert answer is not None
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_a_fault_within_the_database_is_none_of_its_being_away():
    with pytest.raises(ProgrammingError) as wrong, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT nothing")
    assert not is_away(wrong.value)
    assert not is_away(InternalError("an index is broken"))
    assert not is_away(None)


def test_a_frame_is_stored_on_a_new_connection_and_no_alarm_says_that_it_cannot_be(channel):
    slow("messaging_inbound")
    given_up_after(100)
    assert None not in reception.receive(POLICY, [frame("A1", 1)])
    assert Inbound.objects.get().control_id == "A1"
    assert not Alarm.objects.exists()


def test_a_message_is_not_set_aside_for_it(channel):
    reception.receive(POLICY, [frame("A1", 1)])
    slow("patients_patient")
    given_up_after(100)
    with pytest.raises(InternalError) as fault:
        apply.run_once()
    assert is_away(fault.value)
    connection.close()
    assert Inbound.objects.get().outcome == Outcome.STORED
    apply.run_once()
    assert Inbound.objects.get().outcome == Outcome.APPLIED
    assert Patient.objects.count() == 1
