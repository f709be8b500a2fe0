"""The way back to a real (simulated) PAS: everything told once and confirmed, differences left to a person."""

import uuid

import pytest
from django.db import transaction

from failover.models import Replay
from failover.selectors import ledger
from failover.services import way_back
from failover.services.comparing import take_back_all
from messaging.models import Emission, Outbound
from messaging.services import delivery
from patients.models import Change, Gate, Patient, PatientIdentifier, Trunk
from patients.services import registration
from tests.factories import lanes as make
from tests.factories.way_back import (
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


def test_everything_is_replayed_in_order_confirmed_and_balances(world: WorldOfTest) -> None:
    changes = outage()
    world.until(lambda: make.legs("pathology") == ["accepted"] * 4)
    world.release()
    world.until(ended)
    assert ends() == [End.CONFIRMED] * 4
    received = world.do("received")
    assert [one["trigger"] for one in received] == ["A28", "A01", "A02", "A03"]  # type: ignore[index]
    book = ledger.ledger(world.incident)
    assert (book.captured, book.confirmed, book.balanced) == (4, 4, True)
    assert not Trunk.objects.exclude(branch={}).exists(), "nothing is left that the PAS does not hold"
    assert Change.objects.filter(source="clerk").count() == len(changes), "the echo is no news"
    assert PatientIdentifier.objects.filter(patient=Patient.objects.get()).count() == 2, "the PAS's number is linked"
    world.hear()
    assert len(world.receivers["pathology"].effects()) == 4, "each event once, whoever spoke it"


def test_a_second_walk_tells_nothing_twice(world: WorldOfTest) -> None:
    outage()
    world.release()
    world.until(ended)
    assert ends() == [End.CONFIRMED] * 4
    assert len(world.do("received")) == 4  # type: ignore[arg-type]
    for _ in range(3):
        world.step()
    assert len(world.do("received")) == 4  # type: ignore[arg-type]


def test_what_we_never_told_a_receiver_is_left_to_the_pas(world: WorldOfTest) -> None:
    world.release()  # emission is held before anything could leave
    Gate.objects.update(mode="mirror")
    outage()
    world.release()
    world.until(ended)
    assert set(make.legs("pathology")) == {"left_to_pas"}
    assert set(Outbound.objects.filter(lane__destination__code="pathology").values_list("speaker", flat=True)) == {
        "pas"
    }
    world.until(lambda: len(world.receivers["pathology"].effects()) == 4)
    assert world.receivers["pathology"].duplicates_of_events() == []


def test_what_the_pas_holds_already_is_counted_and_not_sent(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    world.do("edit_patient", id=mrn(patient), phone="222")
    world.release()
    world.until(ended)
    assert ends() == [End.ALREADY]
    assert world.do("received") == []


def test_another_field_of_the_same_contact_group_is_replayed_soft(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111", postcode="AB1 2CD")
    patient.refresh_from_db()
    address = {
        name: getattr(patient, name) for name in ("line1", "line2", "town", "county", "postcode", "gp", "practice")
    }
    registration.update(
        patient_id=patient.pk,
        seen=patient.version,
        patient={"address": {**address, "town": "LEEDS"}},
        by=make.CLERK,
        key=uuid.uuid4(),
    )
    world.do("edit_patient", id=mrn(patient), line2="Flat 2")
    world.release()
    world.until(lambda: Replay.objects.filter(released_at__isnull=False).exists() or ended())
    assert Replay.objects.get().reason.startswith("soft")


def test_a_change_made_on_the_way_back_joins_the_replay(world: WorldOfTest) -> None:
    make.register("FIRST")
    world.release()
    world.until(ended)
    make.register("SECOND")
    world.until(lambda: ends() == [End.CONFIRMED] * 2)


def test_nothing_leaves_for_an_epoch_that_was_ended(world: WorldOfTest) -> None:
    outage()
    make.number_and_render()
    Gate.objects.update(mode="mirror", epoch=3, fenced=2)
    assert delivery.run("pathology", seconds=0.2).sent == 0
    assert world.receivers["pathology"].messages() == []


def test_a_replay_leaves_alone_what_the_pas_changed_meanwhile(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111", postcode="AB1 2CD")
    phone(patient, "222")
    world.do("edit_patient", id=mrn(patient), title="Dr", line1="1 New Street")
    world.hear()
    world.release()
    world.until(ended)
    assert ends() == [End.CONFIRMED]
    there = world.do("find", id=mrn(patient))
    assert (there["phone"], there["title"], there["line1"]) == ("222", "Dr", "1 New Street")  # type: ignore[index]


def test_a_soft_replay_keeps_the_neighbour_on_both_sides(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111", postcode="AB1 2CD")
    _town(patient, "LEEDS")
    world.do("edit_patient", id=mrn(patient), line2="Flat 2")
    world.release()
    world.until(ended)
    there = world.do("find", id=mrn(patient))
    patient.refresh_from_db()
    assert ends() == [End.CONFIRMED]
    assert (there["town"], there["line2"]) == ("LEEDS", "Flat 2") == (patient.town, patient.line2)  # type: ignore[index]


def test_a_pas_that_has_forgotten_a_patient_is_not_told_of_them_as_new(world: WorldOfTest) -> None:
    world.do("backup")
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    world.do("restore_backup")
    world.release()
    world.until(ended)
    assert ends() == [End.HELD]
    assert world.do("received") == []


def test_a_pas_that_dies_again_has_not_taken_over_what_it_was_never_told(world: WorldOfTest) -> None:
    saved = make.register()
    world.release()
    make.number_and_render()
    way_back.step()  # released: the receiver's copy is left to the PAS, and the PAS dies before it is told
    assert make.legs("pathology") == ["left_to_pas"]
    with transaction.atomic():
        take_back_all()
    Gate.objects.update(mode="mirror", epoch=3)
    Emission.objects.update(valve="open")
    make.admit(saved, bed="WA1")
    world.until(lambda: make.legs("pathology") == ["accepted"] * 2)
    assert ends() == [End.WAITING]


def _town(patient: Patient, town: str) -> None:
    patient.refresh_from_db()
    names = ("line1", "line2", "town", "county", "postcode", "gp", "practice")
    address = {name: getattr(patient, name) for name in names}
    registration.update(
        patient_id=patient.pk,
        seen=patient.version,
        patient={"address": {**address, "town": town}},
        by=make.CLERK,
        key=uuid.uuid4(),
    )
