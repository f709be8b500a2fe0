"""Statements sent in one go are done in their order, each sees what was committed before it, and none after a fault."""

import threading

import pytest
from django.db import DatabaseError, connection, transaction

from pasmirror.lib import locks
from pasmirror.lib.locks import Lock
from pasmirror.lib.statements import Statement, ask, forget_plans
from patients.models import Gate
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually

pytestmark = pytest.mark.usefixtures("committed")
SHARE: Statement = ("SELECT pg_advisory_xact_lock_shared(%s)", [int(Lock.GATE)])
READ: Statement = ("SELECT epoch FROM patients_gate", [])


def test_each_gives_its_rows() -> None:
    with transaction.atomic():
        found = ask(
            ("UPDATE patients_gate SET epoch = %s", [7]),
            ("SELECT epoch, %(word)s::text FROM patients_gate", {"word": "said"}),
            ("SELECT WHERE false", []),
        )
    assert found == [[], [(7, "said")], []]
    assert Gate.objects.get().epoch == 7


def test_what_is_read_behind_a_lock_is_as_its_last_holder_left_it() -> None:
    """A flip that had the gate before us is seen: the second statement looks when the lock is ours, not before."""
    taken, let_go = threading.Event(), threading.Event()

    def flip() -> None:
        with transaction.atomic():
            locks.take(Lock.GATE)
            taken.set()
            assert let_go.wait(20)
            Gate.objects.update(epoch=9)

    def read() -> object:
        with transaction.atomic():
            return ask(SHARE, READ)[1]

    holder = Aside(flip)
    assert taken.wait(20)
    reader = Aside(read)
    eventually(_somebody_waits, within=20)
    let_go.set()
    holder.result()
    assert reader.result() == [(9,)]


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        return bool(cursor.fetchone()[0])


def test_after_a_fault_nothing_more_is_done_and_the_connection_is_as_before() -> None:
    with pytest.raises(DatabaseError, match="division by zero"), transaction.atomic():
        ask(
            ("UPDATE patients_gate SET epoch = 7", []), ("SELECT 1 / 0", []), ("UPDATE patients_gate SET epoch = 8", [])
        )
    assert Gate.objects.get().epoch == 1
    connection.ensure_connection()
    assert connection.connection.prepare_threshold is None, "as Django has it"
    with transaction.atomic():
        assert ask(READ) == [[(1,)]]


def test_a_statement_is_prepared_once_and_still_asked_after_its_plan_is_forgotten() -> None:
    def asked() -> list[tuple[int]]:
        with transaction.atomic():
            ask(READ)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement = %s", [READ[0]]
            )
            return list(cursor.fetchall())

    first = asked()[0][0]
    forget_plans()
    assert asked() == [(first + 1,)]
