"""Differences on the way back: what was changed on both sides is a person's, and what they settle holds on both."""

import uuid

import pytest

from failover.models import Discrepancy, Incident, Replay
from failover.selectors import ledger
from failover.services import discrepancies, handback
from patients.models import ChangeFate, Gate, Patient, Stay
from patients.refusals import Refused
from patients.services import registration
from tests.factories import lanes as make
from tests.factories.way_back import (
    ANN,
    End,
    WorldOfTest,
    ended,
    ends,
    known_to_the_pas,
    mrn,
    phone,
)

pytestmark = pytest.mark.usefixtures("committed")


def test_the_same_field_changed_on_both_sides_is_a_persons(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    world.do("edit_patient", id=mrn(patient), phone="333")
    world.release()
    world.until(ended)
    found = Discrepancy.objects.get()
    assert ends() == [End.HELD]
    assert [found.trunk["phone"], found.ours["phone"], found.theirs["phone"]] == ["111", "222", "333"]
    assert world.do("received") == [], "nothing wins by itself"
    assert Patient.objects.get(pk=patient.pk).phone == "222"
    assert not ledger.ledger(world.incident).balanced


@pytest.mark.parametrize(
    ("decision", "end", "here", "there"),
    [
        ("keep_mirror", "confirmed", "222", "222"),
        ("keep_pas", "superseded", "333", "333"),
        ("void", "voided", "333", "333"),
    ],
)
def test_a_person_settles_it(world: WorldOfTest, decision: str, end: str, here: str, there: str) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    world.do("edit_patient", id=mrn(patient), phone="333")
    world.release()
    world.until(ended)
    with pytest.raises(Refused, match="reason"):
        discrepancies.settle(discrepancy_id=Discrepancy.objects.get().pk, decision=decision, by=ANN, reason=" ")
    discrepancies.settle(discrepancy_id=Discrepancy.objects.get().pk, decision=decision, by=ANN, reason="rang them")
    world.until(ended)
    world.hear()
    assert ends() == [end]
    assert Patient.objects.get(pk=patient.pk).phone == here
    assert world.do("find", id=mrn(patient))["phone"] == there  # type: ignore[index]
    assert ledger.ledger(world.incident).balanced
    shown = ChangeFate.objects.get(destination="pas").fate
    assert shown == ("confirmed" if decision == "keep_mirror" else "withdrawn"), "the screen never lies"
    with pytest.raises(Refused, match="already"):
        discrepancies.settle(discrepancy_id=Discrepancy.objects.get().pk, decision=decision, by=ANN, reason="again")


def test_later_changes_of_that_patient_wait_and_other_patients_do_not(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    registration.update(
        patient_id=patient.pk,
        seen=Patient.objects.get(pk=patient.pk).version,
        patient={"name": {"title": "Ms"}},
        by=make.CLERK,
        key=uuid.uuid4(),
    )
    world.do("edit_patient", id=mrn(patient), phone="333")
    make.register("OTHER")
    world.release()
    world.until(lambda: ends() == [End.HELD, End.HELD, End.CONFIRMED])
    assert Replay.objects.get(behind__isnull=False).reason.startswith("waits behind")
    found = Discrepancy.objects.get()
    discrepancies.settle(discrepancy_id=found.pk, decision="keep_pas", by=ANN, reason="rang them")
    world.until(lambda: ends() == [End.SUPERSEDED, End.CONFIRMED, End.CONFIRMED])


def test_somebody_alike_in_the_pas_is_not_registered_again(world: WorldOfTest) -> None:
    make.register("TWIN")
    world.do("send", event="A28", family="TWIN", given="Ann", dob="19520301", sex="F")
    world.release()
    world.until(ended)
    assert ends() == [End.HELD]
    assert world.do("received") == []


def test_a_bed_the_pas_gave_to_another_is_a_persons(world: WorldOfTest) -> None:
    saved = make.register()
    make.admit(saved, bed="WA1")
    world.do("give_bed_away", ward="WA", bay="A", bed="WA1")
    world.release()
    world.until(ended, within=40.0)
    assert ends() == [End.CONFIRMED, End.HELD]


def test_settling_an_earlier_change_never_erases_a_later_one(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    phone(patient, "444")
    world.do("edit_patient", id=mrn(patient), phone="333")
    world.release()
    world.until(lambda: set(ends()) == {End.HELD})
    first = Discrepancy.objects.order_by("change").first()
    assert first
    discrepancies.settle(discrepancy_id=first.pk, decision="keep_pas", by=ANN, reason="rang them")
    assert Patient.objects.get(pk=patient.pk).phone == "444"
    world.until(lambda: Discrepancy.objects.filter(decided_at=None).exists() and ended())
    second = Discrepancy.objects.get(decided_at=None)
    discrepancies.settle(discrepancy_id=second.pk, decision="keep_mirror", by=ANN, reason="rang them")
    world.until(ended)
    assert world.do("find", id=mrn(patient))["phone"] == "444" == Patient.objects.get(pk=patient.pk).phone  # type: ignore[index]


def test_a_voided_stay_is_withdrawn_and_its_receivers_are_listed(world: WorldOfTest) -> None:
    saved = make.register()
    make.admit(saved, bed="WA1")
    world.until(lambda: make.legs("pathology") == ["accepted"] * 2)
    world.do("give_bed_away", ward="WA", bay="A", bed="WA1")
    world.release()
    world.until(ended, within=40.0)
    found = Discrepancy.objects.filter(decided_at=None).first()
    assert found
    discrepancies.settle(discrepancy_id=found.pk, decision="void", by=ANN, reason="entered in error")
    assert Stay.objects.get(patient=saved.patient).status == "cancelled"
    assert Patient.objects.get(pk=saved.patient).family == "SMITH", "the person is not blanked"
    handback.begin(by=ANN, reason="done")
    world.until(lambda: Gate.objects.get().mode == "normal")
    assert Incident.objects.get().report["resync_patients"] == [saved.patient]
