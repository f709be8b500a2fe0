"""The applier under a load that is not kind: a poisoned batch, heavy letters, one stuck channel, many that wait."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.management.commands import apply as command
from messaging.models import Channel, Inbound
from messaging.services import apply
from pasmirror.lib import clock
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.service import test_apply as one
from tests.service import test_grace as two


def queries(count: int) -> int:
    with CaptureQueriesContext(connection) as asked:
        assert apply.run_once() == count
    return len(asked)


@pytest.mark.django_db
def test_one_poisoned_message_costs_a_few_batches_and_not_one_for_each_message() -> None:
    one.refuse("INSERT")
    one.store(*(one.message("ADT^A28", f"P{n}") for n in range(64)))
    sound = queries(64)
    one.store(*(one.message("ADT^A28", f"Q{n}", family="JINX" if n == 40 else "SMITH") for n in range(64)))
    assert queries(64) < 15 * sound
    assert [outcome for outcome, _ in one.outcomes()].count("applied") == 127
    assert Inbound.objects.get(code="apply-failed").number == 105


@pytest.mark.django_db
def test_a_batch_is_weighed_and_one_heavier_than_all_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "HEAVY", 3000)
    letter = "ZZZ|" + "x" * 1300
    one.store(*(one.message("ADT^A28", f"P{n}", extra=letter) for n in range(3)))
    one.store(one.message("ADT^A28", "P9", extra="ZZZ|" + "x" * 4000), one.message("ADT^A28", "P10"))
    assert [apply.run_once() for _ in range(5)] == [2, 1, 1, 1, 0]


@pytest.mark.usefixtures("committed")
def test_a_stuck_message_leaves_the_other_channels_their_full_pace() -> None:
    one.refuse("INSERT", "PERFORM pg_terminate_backend(pg_backend_pid())")
    one.store(one.message("ADT^A28", "P3", family="JINX"), channel="second")
    ended = threading.Event()
    running = Aside(lambda: command.run(ended))
    try:
        eventually(lambda: command_has_given_up_on("second"), within=30)
        one.store(*(one.message("ADT^A28", f"P{n + 10}") for n in range(100)))
        others = Inbound.objects.filter(channel__code="pas")
        eventually(lambda: not others.exclude(outcome="applied").exists(), within=5)
        assert Inbound.objects.get(channel__code="second").outcome == "stored"
    finally:
        ended.set()
    running.result()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION refuse_jinx CASCADE")


def command_has_given_up_on(code: str) -> bool:
    """A quick message of another channel passes while this one is stuck."""
    if not Inbound.objects.filter(channel__code="pas").exists():
        one.store(one.message("ADT^A28", "P1"))
    return Inbound.objects.filter(channel__code="pas", outcome="applied").exists()


def test_a_channel_rests_longer_each_time_and_is_well_again_once_its_message_goes() -> None:
    suspects = command.Suspects()
    for rest in (0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0):
        suspects.note(apply.Singly(refused={7: 70}), now=-rest)
        assert suspects.due() == [7]
        suspects.note(apply.Singly(), now=0.0)
    assert suspects.refused == {7: 70}
    suspects.note(apply.Singly(went=[7]), now=0.0)
    assert (suspects.refused, suspects.due()) == ({}, [])


@pytest.mark.parametrize(
    ("limit", "count", "seconds", "then"),
    [
        (1, 1, 0.01, 2),  # after a fault: twice as many each time
        (64, 0, 0.0, 128),
        (200, 17, 0.05, 200),  # no more waited
        (200, 200, 0.1, 400),  # all that fitted, and quick
        (800, 800, 0.2, 1000),
        (800, 800, 0.8, 400),
        (400, 400, 4.0, 200),  # a slow machine
        (1000, 30, 0.01, 1000),
    ],
)
def test_more_messages_go_at_once_while_many_wait_and_only_as_they_are_quickly_done(
    limit: int, count: int, seconds: float, then: int
) -> None:
    assert command.paced(limit, count, seconds) == then


@pytest.fixture
def channels(db: None) -> None:
    for place, code in enumerate(("adt", "siu")):
        Channel.objects.create(code=code, policy={"place": place, "port": 2575 + place, "default_authority": "RXX"})


@pytest.mark.usefixtures("channels")
def test_grace_is_not_used_up_by_an_applier_that_lags() -> None:
    others = (two.told("ADT^A28", f"Q{n}", family="JONES") for n in range(20))
    two.store("adt", *others, two.told("ADT^A28", "P1"), ago=100)
    two.store("siu", two.told("SIU^S12", "P1", appointment="A1"), ago=90)
    while apply.run_once(limit=8):
        pass
    assert two.outcomes("siu") == ["applied"]
    warnings = Inbound.objects.get(channel__code="siu").warnings
    assert not [warning for warning in warnings if "was not known" in warning]


@pytest.mark.usefixtures("channels")
def test_what_waits_is_read_once() -> None:
    two.store("siu", *(two.told("SIU^S12", f"P{n}", appointment=f"A{n}") for n in range(5)))
    assert (apply.run_once(), apply.run_once()) == (0, 0)
    with CaptureQueriesContext(connection) as asked:
        assert apply.run_once() == 0
    bodies = [query["sql"] for query in asked if '"raw"' in query["sql"] and "octet_length" not in query["sql"]]
    assert all('"waiting_since" IS NULL' in sql for sql in bodies), bodies
    two.store("adt", two.told("ADT^A28", "P3"))
    assert two.drain() == 2
    Inbound.objects.filter(channel__code="siu").update(received_at=clock.now() - timedelta(hours=1))
    assert two.drain() == 4
