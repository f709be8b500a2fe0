"""What the PAS sent of a patient long ago is still in what we send: receivers delete what a snapshot leaves out."""

import uuid

import pytest

from messaging.hl7.read import Message
from messaging.models import Outbound
from messaging.services import apply
from pasmirror.lib import clock
from patients.models import LastSegments, Patient, Stay
from patients.services import admissions, registration
from tests.factories import lanes as make
from tests.service.test_apply import message, outcomes, store, visit

NK1 = "NK1|1|SMITH^Pat|SPO"
AL1 = "AL1|1|DA|^Penicillin"


def told(trigger: str, *extra: str, sent: str = "20260301080000") -> str:
    return message(trigger, "P1", extra="\r".join(extra)).replace("||20260301080000||", f"||{sent}||", 1)


def apply_all(*texts: str) -> None:
    store(*texts)
    while apply.run_once():
        pass
    assert {outcome for outcome, _ in outcomes()} <= {"applied", "already"}, outcomes()


def sent_on() -> list[str]:
    make.number_and_render()
    body = Outbound.objects.order_by("-pk")[0].body
    assert body is not None
    return [segment.line for segment in Message.of(bytes(body)).segments]


@pytest.fixture
def speaking(db: None) -> None:
    make.mirror_mode()
    make.destination("pathology")


def edit_address() -> None:
    patient = Patient.objects.get()
    registration.update(
        patient_id=patient.pk,
        seen=patient.version,
        patient={"address": {"line1": "2 New Road"}},
        by=make.CLERK,
        key=uuid.uuid4(),
    )


def move() -> None:
    stay = Stay.objects.get()
    place = {"ward": "WB", "bay": "A", "bed": "WB1"}
    admissions.transfer(
        stay_id=stay.pk, seen=stay.version, place=place, occurred_at=clock.now(), by=make.CLERK, key=uuid.uuid4()
    )


def test_an_allergy_outlives_a_transfer_that_cannot_carry_it(speaking: None) -> None:
    apply_all(
        told("ADT^A28", NK1, AL1, "ZPI|1|LETTERS"),
        told("ADT^A01", visit("V1"), "PV2|||reason", AL1),
        told("ADT^A02", visit("V1", "WB")),
        told("ADT^A03", visit("V1", "WB")),
    )
    edit_address()
    lines = sent_on()
    assert NK1 in lines
    assert AL1 in lines
    assert "ZPI|1|LETTERS" in lines


def test_a_visit_carries_what_the_person_and_the_visit_were_sent_with(speaking: None) -> None:
    apply_all(
        told("ADT^A28", NK1, AL1),
        told("ADT^A01", visit("V1"), "PV2|||reason", AL1),
        told("ADT^A02", visit("V1", "WA")),
    )
    move()
    assert {NK1, AL1, "PV2|||reason"} <= set(sent_on())


def test_what_a_later_snapshot_of_the_person_left_out_is_not_raised_from_an_older_visit(speaking: None) -> None:
    apply_all(told("ADT^A28", NK1, AL1), told("ADT^A01", visit("V1"), NK1, AL1), told("ADT^A31", NK1))
    move()
    lines = sent_on()
    assert NK1 in lines
    assert AL1 not in lines


def test_older_news_leaves_the_kept_segments_as_they_are(speaking: None) -> None:
    apply_all(told("ADT^A31", NK1, AL1, sent="20260301090000"))
    apply_all(told("ADT^A31", "AL1|1|DA|^Latex", sent="20260301070000"))
    edit_address()
    lines = sent_on()
    assert {NK1, AL1} <= set(lines)
    assert "AL1|1|DA|^Latex" not in lines


def test_a_backdated_movement_leaves_the_visit_s_own_segments(speaking: None) -> None:
    late = told("ADT^A02", visit("V1", "WC")).replace("||||20260301080000", "||||20260301075900")
    apply_all(told("ADT^A01", visit("V1")), late)
    assert any("|WA^" in line for line in LastSegments.objects.get(stay=Stay.objects.get().pk).segments)


def test_a_booking_keeps_nothing(speaking: None) -> None:
    booking = "SCH|A1^RXX||||||^Review|FUP|||^^30^20260715090000|||||||||||||||Booked\rAIL|1||CARD"
    apply_all(told("ADT^A28", NK1, AL1), told("SIU^S12", booking))
    assert LastSegments.objects.get().segments[1:] == [NK1, AL1]


def test_what_was_kept_within_one_batch_and_over_several_is_the_same(speaking: None) -> None:
    admitted = told("ADT^A01", visit("V1"), "DG1|1||A00")
    morning = [told("ADT^A28", NK1, AL1), admitted, told("ADT^A02", visit("V1", "WB"))]
    store(*morning)
    apply.run_once()
    at_once = list(LastSegments.objects.order_by("stay").values_list("segments", flat=True))
    LastSegments.objects.all().delete()
    for text in morning:
        apply_all(text.replace("|P|2.4", "X|P|2.4"))
    assert list(LastSegments.objects.order_by("stay").values_list("segments", flat=True)) == at_once


@pytest.mark.django_db
def test_what_is_kept_of_many_at_once_is_kept_of_each() -> None:
    """A whole batch takes the quick way into the table, and the next batch writes over it."""
    many = [f"P{number}" for number in range(30)]
    for day, ward in (("01", "WA"), ("02", "WB")):
        store(*(message("ADT^A31", p, extra=f"NK1|1|{ward}\\E\\{p}").replace("20260301", f"202603{day}") for p in many))
        while apply.run_once():
            pass
    kept = {row.patient_id: row.segments for row in LastSegments.objects.filter(stay=0)}
    assert len(kept) == len(many)
    for patient in Patient.objects.all():
        (number,) = patient.identifiers.values_list("value", flat=True)
        assert [line for line in kept[patient.pk] if line[:3] == "NK1"] == [f"NK1|1|WB\\E\\{number}"]
