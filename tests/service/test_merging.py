"""Merges, changed numbers and moved stays in the record: what moves, what stays, and who is locked meanwhile."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from messaging.models import Channel, Inbound
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from patients.facts import News
from patients.models import (
    Alert,
    Appointment,
    Change,
    Gate,
    LastSegments,
    Patient,
    PatientIdentifier,
    PatientLink,
    Stay,
    Trunk,
)
from patients.refusals import Refused
from patients.selectors import patients
from patients.services import admissions, registration
from patients.services.saving import Order, save
from tests.factories.identity import JONES, SMITH, hear, hl7, mrg, patient, pid, pv1

pytestmark = pytest.mark.django_db
CLERK = Actor("clerk", "clerk", "password")
T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)
NEXT_DAY = "20260302080000"


def test_everything_of_the_merged_record_moves_but_its_facts_and_history():
    hear(hl7("A28", pid("A^^^RXX^MR~K^^^RYY^MR")), hl7("A28", pid("B")), hl7("A01", pid("A"), pv1("V1")))
    hear(hl7("S12", "SCH|B1^RXX||||||||||^^30^20260401100000", pid("A"), "AIL|1||CARD"))
    loser, survivor = patient("A"), patient("B")
    Alert.objects.create(patient=loser, kind="allergy", code="1", source="PAS")
    baby = hl7("A28", pid("T", "SMITH^Baby||20260301|F") + "|" * 13 + "A^^^RXX^MR")
    assert hear(baby, hl7("A40", pid("B"), mrg("A"))) == [("applied", "")] * 2
    loser.refresh_from_db()
    assert (loser.merged_into, loser.family, bool(loser.merged_at)) == (survivor, "SMITH", True)
    assert Stay.objects.get().patient == Appointment.objects.get().patient == Alert.objects.get().patient == survivor
    assert PatientLink.objects.get(until=None).other == survivor
    valid = survivor.identifiers.filter(until=None).values_list("authority", "value")
    assert set(valid) == {("RXX", "B"), ("RYY", "K")}, "the number of another authority is still good"
    assert not loser.identifiers.exists()
    kept = LastSegments.objects.get(stay=Stay.objects.get().pk)
    assert (kept.patient, "PID" in {line[:3] for line in kept.segments}) == (survivor, False)
    assert LastSegments.objects.filter(patient=loser, stay=0).exists()
    changes = Change.objects.filter(event="merge").order_by("pk")
    assert {change.patient_id for change in changes} == {loser.pk, survivor.pk}
    assert changes.get(patient=survivor).facts["merged"] == loser.pk
    assert changes.get(patient=survivor).facts["prior_ids"] == [["MR", "RXX", "A"]]
    assert Change.objects.filter(patient=loser, event="admit").exists(), "its history stays"


def test_a_merged_record_is_found_by_its_old_number_and_points_to_the_one_that_stands():
    hear(hl7("A28", pid("A1")), hl7("A28", pid("B1")), hl7("A28", pid("C1")))
    first, second = patient("A1").pk, patient("B1").pk
    hear(hl7("A40", pid("B1"), mrg("A1")), hl7("A40", pid("C1"), mrg("B1")))
    (found,) = patients.find("A1")
    assert (found.patient, found.hospital_number) == (patient("C1"), "C1")
    for merged in (first, second):
        record = patients.record(merged)
        assert record is not None
        assert record.stands == patient("C1")
    Gate.objects.update(mode="mirror", epoch=2)
    with pytest.raises(Refused, match="merged into another"):
        registration.update(
            patient_id=first, seen=Patient.objects.get(pk=first).version, patient={"phones": {"phone": "1"}},
            by=CLERK, key=uuid.uuid4(),
        )  # fmt: skip


def test_a_merge_in_one_batch_with_what_came_before_and_after():
    outcomes = hear(
        hl7("A28", pid("A")), hl7("A01", pid("A"), pv1("V1")), hl7("A28", pid("B")), hl7("A40", pid("B"), mrg("A")),
        hl7("A02", pid("A"), pv1("V1", "WB"), at=NEXT_DAY), hl7("A47", pid("N"), mrg("B")), hl7("A31", pid("N")),
    )  # fmt: skip
    assert [outcome for outcome, _ in outcomes] == ["applied"] * 6 + ["already"]
    stay = Stay.objects.get()
    assert (stay.ward, stay.patient) == ("WB", patient("N"))
    assert patient("A") == patient("B") == patient("N")
    assert list(patient("N").identifiers.filter(until=None).values_list("value", flat=True)) == ["N"]


def test_what_clerks_changed_stays_ours_through_a_merge():
    """The stay's branch goes with the stay; the merged person's own branch stays with that record."""
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", SMITH, "", "", "2 High St")), hl7("A01", pid("A"), pv1("V1")))
    Gate.objects.update(mode="mirror", epoch=2)
    loser, stay = patient("A"), Stay.objects.get()
    place = {"ward": "WB", "bay": "", "bed": ""}
    now, phones = clock.now(), {"phones": {"phone": "01632 960111"}}
    admissions.transfer(stay_id=stay.pk, seen=stay.version, place=place, occurred_at=now, by=CLERK, key=uuid.uuid4())
    loser.refresh_from_db()
    registration.update(patient_id=loser.pk, seen=loser.version, patient=phones, by=CLERK, key=uuid.uuid4())
    assert hear(hl7("A40", pid("B"), mrg("A")), hl7("A02", pid("B"), pv1("V1", "WC"))) == [("applied", "")] * 2
    stay.refresh_from_db()
    assert (stay.patient, stay.ward) == (patient("B"), "WB"), "the PAS's news moves the trunk only"
    held = Trunk.objects.get(kind="stay")
    assert (held.held["place"]["ward"], set(held.branch)) == ("WC", {"place"})
    assert set(Trunk.objects.get(kind="patient", object_id=loser.pk).branch) == {"phones"}
    assert patient("B").phone == ""


def test_a_merge_takes_no_demographics():
    hear(hl7("A28", pid("A", SMITH, "", "", "1 Low St")), hl7("A28", pid("B", SMITH, "", "", "2 High St")))
    hear(hl7("A40", pid("B", SMITH, "", "", "3 Mid St"), mrg("A"), at=NEXT_DAY))
    assert patient("B").line1 == "2 High St"


def test_old_news_under_a_merged_number_does_not_turn_the_survivor_back():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", SMITH, "", "", "2 High St")))
    hear(hl7("A40", pid("B"), mrg("A"), at="20260305080000"))
    assert (
        hear(hl7("A31", pid("A", "SMITH^Anne||19520301|F", "", "", "1 Low St"), at="20260304080000"))[0][0] == "already"
    )
    assert (patient("B").line1, patient("B").given) == ("2 High St", "Ann")
    assert "from before" in Inbound.objects.latest("pk").warnings[-1]


def test_several_merges_in_one_message_are_taken_whole_or_not_at_all():
    hear(*(hl7("A28", pid(name)) for name in "ABCD"), hl7("A28", pid("E", JONES)))
    hear(hl7("A40", pid("E", JONES), mrg("D")))
    both = hl7("A40", pid("B"), mrg("A"), pid("C"), mrg("D"))
    assert hear(both) == [("parked", "merged-before")]
    assert patient("A").merged_into is None
    assert patient("A") != patient("B"), "nothing of it was kept"
    assert [code for _, code in hear(*(hl7("A31", pid(n)) for n in "ABC"))] == ["waits"] * 3
    assert "two records that were merged differ" in str(
        Inbound.objects.get(trigger="ADT^A40", outcome="applied").warnings
    )


def test_a36_merges_the_patient_and_the_stay():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A01", pid("A"), pv1("V1")))
    told_account = hl7("A36", pid("B", SMITH + "|" * 10 + "V2^^^RXX"), mrg("A", "V1^^^RXX^VISITID"))
    assert hear(told_account) == [("applied", "")]
    assert hear(hl7("A02", pid("B"), pv1("V2", "WB"), at=NEXT_DAY)) == [("applied", "")]
    assert (Stay.objects.get().ward, Stay.objects.get().patient) == ("WB", patient("B"))


def test_a35_makes_two_stays_one_and_both_numbers_name_it():
    hear(hl7("A28", pid("A")), hl7("A01", pid("A"), pv1("V1")), hl7("A01", pid("A"), pv1("V2", "WB")))
    assert hear(hl7("A35", pid("A", SMITH + "|" * 10 + "V2^^^RXX"), mrg("", "V1^^^RXX^VISITID"))) == [("applied", "")]
    assert sorted(Stay.objects.values_list("status", flat=True)) == ["cancelled", "in"]
    assert hear(hl7("A02", pid("A"), pv1("V1", "WC"), at=NEXT_DAY)) == [("applied", "")]
    assert Stay.objects.get(status="in").ward == "WC"


def test_a_number_that_is_anothers_is_no_new_number():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    assert hear(hl7("A47", pid("B", JONES), mrg("A"))) == [("parked", "number-of-another")]
    assert hear(hl7("A28", pid("C")), hl7("A47", pid("D", JONES), mrg("C")))[1] == ("parked", "identity-mismatch")


def test_a_stay_of_a_third_patient_is_moved_by_nobody():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)), hl7("A28", pid("C")), hl7("A01", pid("C"), pv1("V1")))
    assert hear(hl7("A44", pid("B", JONES), mrg("A", "V1^^^RXX^VISITID"))) == [("parked", "number-of-another")]
    assert hear(hl7("A44", pid("D", JONES), mrg("NOBODY", "V1^^^RXX"))) == [("parked", "number-of-another")]
    assert Stay.objects.get().patient == patient("C")
    assert hear(hl7("A02", pid("C"), pv1("V1", "WB"), at=NEXT_DAY)) == [("applied", "")], "C is not concerned"


@pytest.mark.parametrize(
    ("policy", "became"), [("provisional", ("applied", "")), ("park", ("parked", "unknown-patient"))]
)
def test_a_stay_moved_to_a_stranger_follows_the_feeds_policy(policy, became):
    hear(hl7("A28", pid("A")), hl7("A01", pid("A"), pv1("V1")))
    channel = Channel.objects.get()
    Channel.objects.update(policy={**channel.policy, "unknown_patient": policy})
    assert hear(hl7("A44", pid("N", JONES), mrg("A", "V1^^^RXX^VISITID"))) == [became]
    assert Patient.objects.filter(provisional=True).count() == (policy == "provisional")
    assert (Stay.objects.get().patient == patient("A")) == (policy == "park")


def test_linked_and_unlinked_records_stay_two():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    both = (pid("A"), pid("B", JONES))
    assert hear(hl7("A24", *both), hl7("A24", *both)) == [("applied", ""), ("already", "already")]
    assert PatientLink.objects.get().until is None
    assert hear(hl7("A37", *reversed(both)), hl7("A37", *both)) == [("applied", ""), ("already", "already")]
    assert PatientLink.objects.get().until
    assert hear(hl7("A24", pid("A"), pid("X")), hl7("A24", pid("A"))) == [
        ("filed", "unknown-patient"),
        ("parked", "no-second-pid"),
    ]
    assert Patient.objects.count() == 2


def test_a_removed_person_is_marked_and_comes_back_with_news():
    hear(hl7("A28", pid("A")), hl7("A01", pid("A"), pv1("V1")))
    assert hear(hl7("A29", pid("A")), hl7("A29", pid("A")), hl7("A29", pid("X"))) == [
        ("applied", ""),
        ("already", "already"),
        ("filed", "unknown-patient"),
    ]
    assert patient("A").removed_at
    assert Stay.objects.get().patient == patient("A")
    hear(hl7("A31", pid("A"), at=NEXT_DAY))
    assert patient("A").removed_at is None


def test_a_provisional_record_is_one_no_more_once_the_pas_says_who_it_is():
    hear(hl7("A01", pid("A"), pv1("V1")))
    assert patient("A").provisional
    hear(hl7("A31", pid("A"), at=NEXT_DAY))
    assert not patient("A").provisional


def test_a_clerk_cannot_save_a_stay_for_the_patient_it_has_just_left():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)), hl7("A01", pid("A"), pv1("V1")))
    former, stay = patient("A").pk, Stay.objects.get()
    hear(hl7("A44", pid("B", JONES), mrg("A", "V1^^^RXX^VISITID")))
    Gate.objects.update(mode="mirror", epoch=2)
    news = News(event="transfer", occurred_at=clock.now(), stay={"place": {"ward": "WB", "bay": "", "bed": ""}})
    with pytest.raises(Refused, match="another patient"):
        save(Order(news=news, by=CLERK, key=uuid.uuid4(), screen="transfer", patient_id=former, stay_id=stay.pk))
    assert not Change.objects.filter(source="clerk").exists()


def test_the_time_a_number_was_good_is_kept():
    hear(hl7("A28", pid("A")), hl7("A47", pid("N"), mrg("A"), at=NEXT_DAY))
    old = PatientIdentifier.objects.get(value="A")
    assert old.until == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert old.since
    assert old.until - T0 == timedelta(days=1)
