"""Hand-back: refused while anything is open, watched until the end, and begun anew where it takes too long."""

import pytest

from failover.models import Discrepancy, Incident, Signature
from failover.selectors import ledger
from failover.services import handback
from messaging.models import Outbound
from pasmirror.lib import alarms, clock
from patients.models import Gate
from patients.refusals import NotWritable, Refused
from tests.factories import lanes as make
from tests.factories.way_back import (
    ANN,
    BOB,
    End,
    WorldOfTest,
    ended,
    ends,
    known_to_the_pas,
    mrn,
    outage,
    phone,
)

pytestmark = pytest.mark.usefixtures("committed")


def test_hand_back_ends_the_epoch_and_closes_the_incident(world: WorldOfTest) -> None:
    outage()
    world.release()
    world.until(ended)
    handback.begin(by=ANN, reason="done")
    with pytest.raises(NotWritable):
        make.register("LATE")
    world.until(lambda: Gate.objects.get().mode == "normal")
    gate, incident = Gate.objects.get(), Incident.objects.get()
    assert (gate.epoch, gate.fenced) == (3, 2)
    assert incident.closing == "handback"
    assert incident.report["ledger"]["balanced"]
    assert Signature.objects.get(purpose="handback").by["subject"] == "ann"
    with pytest.raises(NotWritable):
        make.register("LATE")


def test_hand_back_is_refused_while_anything_is_open(world: WorldOfTest) -> None:
    outage()
    with pytest.raises(Refused):
        handback.begin(by=ANN, reason="too early")
    world.release()
    with pytest.raises(Refused, match="on their way"):
        handback.begin(by=ANN, reason="too early")


def test_open_items_need_two_different_signatures(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    world.do("edit_patient", id=mrn(patient), phone="333")
    world.release()
    world.until(ended)
    for who in (ANN, ANN):
        handback.sign_holds(by=who, reason="the desk will ring her")
    with pytest.raises(Refused, match="two people"):
        handback.begin(by=ANN, reason="done")
    handback.sign_holds(by=BOB, reason="the desk will ring her")
    handback.begin(by=ANN, reason="done")
    world.until(lambda: Gate.objects.get().mode == "normal")
    assert Incident.objects.get().report["ledger"]["signed"] == 1


def test_a_hand_back_that_takes_too_long_reopens_the_way_back(world: WorldOfTest) -> None:
    outage()
    world.release()
    world.until(ended)
    handback.begin(by=ANN, reason="done")
    ours = Outbound.objects.filter(lane__destination__code="pathology")
    ours.update(leg="sending", attempts=1, due_at=_far())
    world.until(lambda: Gate.objects.get().mode == "recovery", within=15.0)
    assert "handback-reopened" in {alarm.code for alarm in alarms.standing()}
    make.register("AGAIN")
    ours.filter(leg="sending").update(leg="accepted")
    world.until(lambda: ends() == [End.CONFIRMED] * 5)
    handback.begin(by=ANN, reason="done")
    world.until(lambda: Gate.objects.get().mode == "normal")
    assert "handback-reopened" not in {alarm.code for alarm in alarms.standing()}


def _far() -> object:
    from datetime import timedelta

    return clock.now() + timedelta(hours=1)


def test_a_pas_restored_from_an_older_backup_is_noticed_before_hand_back(world: WorldOfTest) -> None:
    world.do("backup")
    outage()
    world.release()
    world.until(ended)
    world.do("restore_backup")
    handback.begin(by=ANN, reason="done")
    world.until(lambda: alarms.standing() and Gate.objects.get().mode == "recovery", within=20.0)
    assert "pas-behind" in {alarm.code for alarm in alarms.standing()}
    assert set(ends()) == {End.HELD}


def test_signatures_for_another_difference_do_not_count(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    world.do("edit_patient", id=mrn(patient), phone="333")
    world.release()
    world.until(ended)
    for who in (ANN, BOB):
        handback.sign_holds(by=who, reason="the desk will ring her")
    assert len(ledger.signed_holds(world.incident)) == 1
    Discrepancy.objects.update(raised_at=clock.now())
    assert ledger.signed_holds(world.incident) == []
