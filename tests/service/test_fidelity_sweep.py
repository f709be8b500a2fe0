"""The sweep compares a few messages at a time in a thread of its own, and a fault in that is nobody else's."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from messaging.management.commands.sweep import ANCHOR_EVERY, BREATH, DOZE, FEW, Sweep
from messaging.models import FidelitySample, Inbound
from messaging.services import fidelity
from pasmirror.lib import clock
from tests.eventually import eventually
from tests.factories.fidelity import destination, hear, listening
from tests.factories.identity import hl7, pid


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(overdue=0.5, anchor=tmp_path / "audit.log")


@pytest.mark.django_db
def test_a_few_at_a_time_and_then_it_dozes(sweep: Sweep) -> None:
    listening()
    destination()
    hear(*(hl7("A28", pid(f"P{number}")) for number in range(FEW + 2)))
    assert [sweep._rehearse() for _ in range(3)] == [BREATH, BREATH, DOZE]
    assert not FidelitySample.objects.exists()


@pytest.mark.django_db
def test_it_takes_its_time_while_the_applier_is_behind(sweep: Sweep) -> None:
    listening()
    destination()
    hear(*(hl7("A28", pid(f"P{number}")) for number in range(2 * FEW + 1)))
    last = Inbound.objects.order_by("-number")[:1].values("pk")
    behind = {"outcome": "stored", "received_at": clock.now() - timedelta(seconds=2)}
    Inbound.objects.filter(pk__in=last).update(**behind)
    assert sweep._rehearse() == DOZE
    assert FidelitySample.objects.count() == FEW + 1, "a few are compared all the same"
    Inbound.objects.filter(pk__in=last).update(waiting_since=clock.now())
    assert sweep._rehearse() == BREATH, "what waits for another feed is nobody's lag"


@pytest.mark.django_db
def test_a_fault_of_ours_waits_and_a_database_away_is_told(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(limit: int) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(fidelity, "run_once", broken)
    assert sweep._rehearse() == ANCHOR_EVERY
    assert not sweep.fault

    def away(limit: int) -> int:
        raise OperationalError

    monkeypatch.setattr(fidelity, "run_once", away)
    with pytest.raises(OperationalError):
        sweep._rehearse()


@pytest.mark.django_db(transaction=True)
def test_the_running_sweep_does_it(sweep: Sweep) -> None:
    listening()
    destination()
    hear(hl7("A28", pid("A")))
    assert FidelitySample.objects.count() == 1

    def run() -> None:
        sweep.run()
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        eventually(lambda: not FidelitySample.objects.exists(), within=20, why="the sample is compared")
    finally:
        sweep.ended.set()
        thread.join(40)
    assert not thread.is_alive()
    assert not sweep.fault
