"""Beds and slots on the way back: who takes one is told to the PAS after who left it, whoever was told first."""

import uuid
from datetime import timedelta

import pytest

from failover.models import Discrepancy, Replay
from failover.services import discrepancies, handback
from pasmirror.lib import clock
from patients.models import Appointment, Clinic, Gate, NumberPool, Slot, Stay
from patients.services import admissions, appointments
from patients.services.saving import Saved
from tests.factories import lanes as make
from tests.factories.way_back import ANN, End, WorldOfTest, ended, ends

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def slot(world: WorldOfTest) -> Slot:
    NumberPool.objects.create(kind="appointment", type="PLAC", authority="RXX", prefix="A9", next=1, last=999999)
    clinic = Clinic.objects.create(code="CARD", name="Cardiology", site="RXX")
    at = (clock.now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    return Slot.objects.create(clinic=clinic, starts_at=at, minutes=30, places=1)


def answers(world: WorldOfTest) -> list[tuple[str, str, str]]:
    """Trigger, our change, and the PAS's answer, in the order it was told."""
    return [(one["trigger"], one["event"], one["code"]) for one in world.do("received")]  # type: ignore[attr-defined]


def move(saved: Saved, bed: str) -> Saved:
    stay = Stay.objects.get(patient=saved.patient, status="in")
    place = {"ward": bed[:2], "bay": "A", "bed": bed}
    return admissions.transfer(
        stay_id=stay.pk, seen=stay.version, place=place, occurred_at=clock.now(), by=make.CLERK, key=uuid.uuid4()
    )


def leave(saved: Saved) -> Saved:
    stay = Stay.objects.get(patient=saved.patient, status="in")
    home = {"discharge_method": "1", "discharge_destination": "19"}
    return admissions.discharge(
        stay_id=stay.pk, seen=stay.version, discharge=home, occurred_at=clock.now(), by=make.CLERK, key=uuid.uuid4()
    )


def book(saved: Saved, slot: Slot, reason: str = "Review") -> Saved:
    return appointments.book(
        patient_id=saved.patient,
        seen=1,
        clinic=slot.clinic.code,
        starts_at=slot.starts_at,
        appointment_type="FUP",
        reason=reason,
        by=make.CLERK,
        key=uuid.uuid4(),
    )


def cancel(booked: Saved, reason: str = "Cannot come") -> Saved:
    assert booked.appointment is not None
    return appointments.cancel(
        appointment_id=booked.appointment, seen=1, reason=reason, by=make.CLERK, key=uuid.uuid4()
    )


def test_who_takes_a_bed_is_told_after_who_had_it_in_the_same_outage(world: WorldOfTest) -> None:
    first = make.register("FIRST")
    make.admit(first, bed="WA1")
    left = leave(first)
    second = make.register("SECOND")
    took = make.admit(second, bed="WA1")
    world.release()
    world.until(ended, within=60.0)
    assert ends() == [End.CONFIRMED] * 5
    told = answers(world)
    assert {code for _, _, code in told} == {"AA"}, "the PAS refused nothing"
    order = [event for _, event, _ in told]
    assert order.index(str(left.change)) < order.index(str(took.change))


def test_who_takes_a_slot_is_told_after_who_gave_it_up_in_the_same_outage(world: WorldOfTest, slot: Slot) -> None:
    first = make.register("FIRST")
    second = make.register("SECOND")
    given_up = cancel(book(first, slot))
    took = book(second, slot)
    world.release()
    world.until(ended, within=60.0)
    assert ends() == [End.CONFIRMED] * 5
    told = answers(world)
    assert {code for _, _, code in told} == {"AA"}, "the PAS refused nothing"
    order = [event for _, event, _ in told]
    assert order.index(str(given_up.change)) < order.index(str(took.change))


def test_two_patients_who_change_beds_crosswise_do_not_wait_for_each_other(world: WorldOfTest) -> None:
    one, other = make.register("ONE"), make.register("OTHER")
    make.admit(one, bed="WA1")
    make.admit(other, bed="WA2")
    move(one, "WB1")
    move(other, "WA1")
    move(one, "WA2")
    world.release()
    world.until(ended, within=60.0)
    assert ends() == [End.CONFIRMED] * 7
    assert {code for _, _, code in answers(world)} == {"AA"}


def test_a_patient_moved_there_and_back_is_not_taken_for_lost_at_hand_back(world: WorldOfTest) -> None:
    there = make.register()
    make.admit(there, bed="WA1")
    move(there, "WA2")
    move(there, "WA1")
    world.release()
    world.until(ended, within=60.0)
    handback.begin(by=ANN, reason="done")
    world.until(lambda: Gate.objects.get().mode != "handback")
    assert Gate.objects.get().mode == "normal"
    assert ends() == [End.CONFIRMED] * 4


def test_what_takes_a_bed_is_held_behind_a_held_patient_who_left_it_and_goes_when_that_is_settled(
    world: WorldOfTest,
) -> None:
    world.do("send", event="A28", family="TWIN", given="Ann", dob="19520301", sex="F")
    world.hear()
    twin = make.register("TWIN")
    make.admit(twin, bed="WA1")
    leave(twin)
    other = make.register("OTHER")
    make.admit(other, bed="WA1")
    move(other, "WA2")
    world.release()
    world.until(lambda: ended() and ends().count(End.HELD) == 5)
    assert ends() == [End.HELD, End.HELD, End.HELD, End.CONFIRMED, End.HELD, End.HELD]
    assert set(Replay.objects.filter(end=End.HELD).values_list("behind", flat=True)) == {None, twin.change}
    found = Discrepancy.objects.get()
    discrepancies.settle(discrepancy_id=found.pk, decision="keep_mirror", by=ANN, reason="another person")
    world.until(ended, within=60.0)
    assert ends() == [End.CONFIRMED] * 6
    assert {code for _, _, code in answers(world)} == {"AA"}


def test_a_slot_with_two_places_is_not_closed_by_a_held_booking(world: WorldOfTest, slot: Slot) -> None:
    Slot.objects.update(places=2)
    world.do("send", event="A28", family="TWIN", given="Ann", dob="19520301", sex="F")
    world.hear()
    book(make.register("TWIN"), slot)
    other = book(make.register("OTHER"), slot)
    world.release()
    world.until(lambda: ended() and Replay.objects.get(change=other.change).end == End.CONFIRMED)
    assert ends() == [End.HELD, End.HELD, End.CONFIRMED, End.CONFIRMED]


def test_a_cancellation_says_why_and_leaves_the_reason_of_the_booking_alone(world: WorldOfTest, slot: Slot) -> None:
    booked = book(make.register("FIRST"), slot, reason="Review")
    cancel(booked, reason="Cannot come")
    made = Appointment.objects.get()
    assert (made.status, made.reason) == ("cancelled", "Review")
    world.until(lambda: make.legs("pathology") == ["accepted"] * 3)
    world.release()
    world.until(ended)
    assert ends() == [End.CONFIRMED] * 3
    (held,) = world.do("appointments")  # type: ignore[misc]
    assert (held["status"], held["reason"]) == ("Cancelled", "Review")
    told = [str(each["raw"]) for each in world.receivers["pathology"].messages() if each["trigger"] == "S15"]
    sch = next(line.split("|") for line in told[0].split("\r") if line.startswith("SCH"))
    assert (sch[6], sch[7]) == ("^Cannot come", "^Review")


def test_a_bed_the_pas_gave_to_another_is_a_persons_at_the_first_refusal(world: WorldOfTest) -> None:
    admitted = make.admit(make.register(), bed="WA1")
    world.do("give_bed_away", ward="WA", bay="A", bed="WA1")
    world.release()
    world.until(ended)
    assert ends() == [End.CONFIRMED, End.HELD]
    assert make.of_change(admitted.change, "pas").attempts == 1
    assert Discrepancy.objects.first()
