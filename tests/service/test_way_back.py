"""The way back to a real (simulated) PAS: everything told once and confirmed, differences left to a person."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction

from failover.models import Discrepancy, Incident, Replay, Signature
from failover.selectors import ledger
from failover.services import discrepancies, handback, way_back
from failover.services.comparing import take_back_all
from messaging.models import Emission, Outbound
from messaging.services import delivery
from pasmirror.lib import alarms, clock
from pasmirror.lib.actor import Actor
from patients.models import Change, ChangeFate, Gate, Patient, PatientIdentifier, Stay, Trunk
from patients.refusals import NotWritable, Refused
from patients.services import admissions, registration
from patients.services.saving import Saved
from tests.committed import committed  # noqa: F401
from tests.factories import lanes as make
from tests.factories.way_back import WorldOfTest

pytestmark = pytest.mark.usefixtures("committed")
ANN = Actor("ann", "operator", "password")
BOB = Actor("bob", "operator", "password")
End = Replay.End


@pytest.fixture
def world(committed: None, tmp_path: Path) -> Iterator[WorldOfTest]:  # noqa: F811
    made = WorldOfTest(tmp_path, "pathology")
    yield made
    made.close()


def ends() -> list[str]:
    return list(Replay.objects.order_by("change").values_list("end", flat=True))


def ended() -> bool:
    return bool(ends()) and not {End.WAITING, End.SENT} & set(ends())


def outage() -> list[int]:
    """Register, admit, transfer and discharge one patient; gives the changes."""
    saved = make.register()
    stayed = make.admit(saved, bed="WA1")
    stay = Stay.objects.get(pk=stayed.stay)
    place = {"ward": "WB", "bay": "A", "bed": "WB1"}
    admissions.transfer(stay_id=stay.pk, seen=1, place=place, occurred_at=clock.now(), by=make.CLERK, key=uuid.uuid4())
    admissions.discharge(
        stay_id=stay.pk,
        seen=2,
        discharge={"discharge_method": "1", "discharge_destination": "19"},
        occurred_at=clock.now(),
        by=make.CLERK,
        key=uuid.uuid4(),
    )
    return list(Change.objects.filter(source="clerk").order_by("pk").values_list("pk", flat=True))


def known_to_the_pas(world: WorldOfTest, **details: object) -> Patient:
    """A patient the PAS has told us of."""
    told = world.do("send", event="A28", family="JONES", given="Eve", dob="19600102", sex="F", **details)
    world.hear()
    number = str(told["patient"])  # type: ignore[index]
    return PatientIdentifier.objects.get(value=number).patient


def phone(patient: Patient, number: str) -> Saved:
    patient.refresh_from_db()
    return registration.update(
        patient_id=patient.pk,
        seen=patient.version,
        patient={"phones": {"phone": number}},
        by=make.CLERK,
        key=uuid.uuid4(),
    )


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


def test_the_same_field_changed_on_both_sides_is_a_persons(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    world.do("edit_patient", id=_mrn(patient), phone="333")
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
    world.do("edit_patient", id=_mrn(patient), phone="333")
    world.release()
    world.until(ended)
    with pytest.raises(Refused, match="reason"):
        discrepancies.settle(discrepancy_id=Discrepancy.objects.get().pk, decision=decision, by=ANN, reason=" ")
    discrepancies.settle(discrepancy_id=Discrepancy.objects.get().pk, decision=decision, by=ANN, reason="rang them")
    world.until(ended)
    world.hear()
    assert ends() == [end]
    assert Patient.objects.get(pk=patient.pk).phone == here
    assert world.do("find", id=_mrn(patient))["phone"] == there  # type: ignore[index]
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
    world.do("edit_patient", id=_mrn(patient), phone="333")
    make.register("OTHER")
    world.release()
    world.until(lambda: ends() == [End.HELD, End.HELD, End.CONFIRMED])
    assert Replay.objects.get(behind__isnull=False).reason.startswith("waits behind")
    found = Discrepancy.objects.get()
    discrepancies.settle(discrepancy_id=found.pk, decision="keep_pas", by=ANN, reason="rang them")
    world.until(lambda: ends() == [End.SUPERSEDED, End.CONFIRMED, End.CONFIRMED])


def test_what_the_pas_holds_already_is_counted_and_not_sent(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    world.do("edit_patient", id=_mrn(patient), phone="222")
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
    world.do("edit_patient", id=_mrn(patient), line2="Flat 2")
    world.release()
    world.until(lambda: Replay.objects.filter(released_at__isnull=False).exists() or ended())
    assert Replay.objects.get().reason.startswith("soft")


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


def test_a_change_made_on_the_way_back_joins_the_replay(world: WorldOfTest) -> None:
    make.register("FIRST")
    world.release()
    world.until(ended)
    make.register("SECOND")
    world.until(lambda: ends() == [End.CONFIRMED] * 2)


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
    world.do("edit_patient", id=_mrn(patient), phone="333")
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


def test_nothing_leaves_for_an_epoch_that_was_ended(world: WorldOfTest) -> None:
    outage()
    make.number_and_render()
    Gate.objects.update(mode="mirror", epoch=3, fenced=2)
    assert delivery.run("pathology", seconds=0.2).sent == 0
    assert world.receivers["pathology"].messages() == []


def _mrn(patient: Patient) -> str:
    return str(PatientIdentifier.objects.filter(patient=patient, authority="RXX").values_list("value", flat=True)[0])


def _far() -> object:
    from datetime import timedelta

    return clock.now() + timedelta(hours=1)


def test_a_replay_leaves_alone_what_the_pas_changed_meanwhile(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111", postcode="AB1 2CD")
    phone(patient, "222")
    world.do("edit_patient", id=_mrn(patient), title="Dr", line1="1 New Street")
    world.hear()
    world.release()
    world.until(ended)
    assert ends() == [End.CONFIRMED]
    there = world.do("find", id=_mrn(patient))
    assert (there["phone"], there["title"], there["line1"]) == ("222", "Dr", "1 New Street")  # type: ignore[index]


def test_a_soft_replay_keeps_the_neighbour_on_both_sides(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111", postcode="AB1 2CD")
    _town(patient, "LEEDS")
    world.do("edit_patient", id=_mrn(patient), line2="Flat 2")
    world.release()
    world.until(ended)
    there = world.do("find", id=_mrn(patient))
    patient.refresh_from_db()
    assert ends() == [End.CONFIRMED]
    assert (there["town"], there["line2"]) == ("LEEDS", "Flat 2") == (patient.town, patient.line2)  # type: ignore[index]


def test_settling_an_earlier_change_never_erases_a_later_one(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    phone(patient, "444")
    world.do("edit_patient", id=_mrn(patient), phone="333")
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
    assert world.do("find", id=_mrn(patient))["phone"] == "444" == Patient.objects.get(pk=patient.pk).phone  # type: ignore[index]


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


def test_signatures_for_another_difference_do_not_count(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world, phone="111")
    phone(patient, "222")
    world.do("edit_patient", id=_mrn(patient), phone="333")
    world.release()
    world.until(ended)
    for who in (ANN, BOB):
        handback.sign_holds(by=who, reason="the desk will ring her")
    assert len(ledger.signed_holds(world.incident)) == 1
    Discrepancy.objects.update(raised_at=clock.now())
    assert ledger.signed_holds(world.incident) == []


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
