"""Two records made one by a clerk, a number changed, a visit number confirmed: what moves, and what is refused."""

import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pasmirror.lib import clock
from pasmirror.lib.models import AuditRow
from patients.identifiers import Identifier
from patients.models import (
    Alert,
    Appointment,
    Change,
    Gate,
    JournalTail,
    LastSegments,
    Patient,
    PatientIdentifier,
    PatientLink,
    Stay,
    StayIdentifier,
)
from patients.refusals import Refused, Stale
from patients.services import identity_changes, registration
from tests.factories.clerk import ACTS, CLERK, admitted, attending, book, fresh, number_of, open_desk, person
from tests.factories.identity import JONES, hear, hl7, patient, pid, pv1

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _desk(db: None) -> None:
    open_desk()


def merge(survivor: Patient, loser: Patient, **more: Any) -> Change:
    said = {"seen": fresh(survivor).version, "seen_loser": fresh(loser).version, "reason": "Registered twice"}
    ids = {"survivor_id": survivor.pk, "loser_id": loser.pk, "by": CLERK, "key": uuid.uuid4()}
    return Change.objects.get(pk=identity_changes.merge(**{**said, **ids, **more}).change)


def valid(row: Patient) -> set[str]:
    return set(PatientIdentifier.objects.filter(patient=row, until=None).values_list("value", flat=True))


def test_everything_of_the_other_record_is_the_survivors_and_its_numbers_end():
    survivor, stay = person(), attending()
    loser = stay.patient
    booking, alert = book(loser), Alert.objects.create(patient=loser, kind="allergy", code="1", source="PAS")
    link = PatientLink.objects.create(kind="mother", patient=person("BABY"), other=loser, since=clock.now())
    theirs, ended = number_of(survivor), number_of(loser)
    change = merge(survivor, loser)
    assert (change.event, change.patient_id, change.before, change.after) == ("merge", survivor.pk, {}, {})
    assert change.facts["merged"] == loser.pk
    assert change.facts["prior_ids"] == [ended.as_json()]
    assert change.facts["patient_ids"] == [theirs.as_json()]
    assert change.facts["patient"]["name"]["family"] == "SMITH"
    assert (fresh(loser).merged_into_id, bool(fresh(loser).merged_at)) == (survivor.pk, True)
    assert {fresh(stay).patient, Appointment.objects.get(pk=booking.appointment).patient} == {survivor}
    assert fresh(alert).patient == survivor
    assert PatientLink.objects.get(patient=link.patient, until=None).other == survivor
    assert valid(survivor) == {theirs.value}
    retired = PatientIdentifier.objects.get(value=ended.value)
    assert (retired.patient, retired.until is None) == (survivor, False), "it still says whose news it is"
    assert set(AuditRow.objects.filter(change=change.pk).values_list("subject", flat=True)) == {
        f"patient:{survivor.pk}",
        f"patient:{loser.pk}",
    }
    assert JournalTail.objects.filter(pk=change.pk).exists()
    assert Change.objects.filter(source="clerk", event="merge").count() == 1, "one change, one message"


def test_the_survivors_own_details_stand():
    survivor, loser = person(), person()
    details = {"phones": {"phone": "01632 960111"}}
    registration.update(patient_id=loser.pk, seen=1, patient=details, by=CLERK, key=uuid.uuid4())
    merge(survivor, loser)
    assert (fresh(survivor).phone, fresh(loser).phone) == ("", "01632 960111")


def test_the_survivor_may_be_either():
    one, other = person(), person()
    assert merge(other, one).patient_id == other.pk


def test_news_of_the_pas_under_the_old_number_is_the_survivors_now():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A01", pid("A"), pv1("V1")))
    loser, survivor = patient("A"), patient("B")
    merge(survivor, loser)
    kept = LastSegments.objects.get(stay=Stay.objects.get().pk)
    assert (kept.patient, "PID" in {line[:3] for line in kept.segments}) == (survivor, False)
    Gate.objects.update(mode="normal")
    assert hear(hl7("A02", pid("A"), pv1("V1", "WB"), at="20260302080000")) == [("applied", "")]
    assert (Stay.objects.get().patient, Stay.objects.get().ward) == (survivor, "WB")


def test_both_records_are_locked_by_id_whichever_stands():
    one, other = person(), person()
    with CaptureQueriesContext(connection) as asked:
        merge(other, one)
    locking = [query["sql"] for query in asked if "FOR UPDATE" in query["sql"]]
    first = [int(pk) for sql in locking for pk in re.findall(r'"patients_patient"."id" = (\d+)', sql)]
    assert first[:2] == sorted([one.pk, other.pk])


def test_chains_of_merges_and_what_was_merged_is_merged_no_more():
    one, two, three = person(), person(), person()
    merge(two, one)
    merge(three, two)
    assert fresh(two).merged_into_id == three.pk
    for survivor, loser in ((one, three), (three, one), (three, two), (two, three)):
        with pytest.raises(Refused, match="merged into another"):
            merge(survivor, loser)
    assert len(valid(three)) == 1


@pytest.mark.parametrize(
    ("more", "field", "why"),
    [({"reason": " "}, "reason", "Enter why"), ({"seen": 7}, None, "changed"), ({"seen_loser": 7}, None, "changed")],
)
def test_what_is_missing_or_old_is_refused(more: dict[str, Any], field: str | None, why: str):
    survivor, loser = person(), person()
    with pytest.raises(Refused, match=why) as refused:
        merge(survivor, loser, **more)
    assert (refused.value.field == field) is (field is not None)
    assert isinstance(refused.value, Stale) is (field is None)
    assert fresh(loser).merged_into_id is None


def test_a_record_is_not_merged_with_itself():
    one = person()
    with pytest.raises(Refused, match="one and the same"):
        merge(one, one)


def test_a_record_that_is_not_there_is_refused():
    one = person()
    with pytest.raises(Refused, match="no longer exists"):
        merge(one, one, loser_id=10**9)


def test_two_who_look_like_two_people_are_merged_only_by_one_who_says_so():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    with pytest.raises(Refused, match="look like two people") as refused:
        merge(patient("A"), patient("B"))
    assert refused.value.field == "although_different"
    assert merge(patient("A"), patient("B"), although_different=True).facts["merged"]


def test_two_who_are_both_admitted_are_not_merged():
    one, other = admitted(), admitted({"ward": "WA", "bay": "A", "bed": "WA2"})
    with pytest.raises(Refused, match="Both are admitted"):
        merge(one.patient, other.patient)
    ACTS["cancel_admit"].do(other)
    assert merge(one.patient, other.patient)


def test_somebody_without_a_hospital_number_cannot_be_merged():
    one, other = person(), person()
    PatientIdentifier.objects.filter(patient=other).update(until=clock.now())
    with pytest.raises(Refused, match="no hospital number"):
        merge(one, other)


def test_a_changed_number_names_the_patient_and_the_old_one_still_says_whose_news_it_is():
    row = person()
    before = number_of(row)
    change = Change.objects.get(pk=ACTS["renumber"].do(row).change)
    assert change.facts["prior_ids"] == [before.as_json()]
    assert change.facts["patient_ids"] == [["MR", "RXX", "777001"]]
    assert valid(row) == {"777001"}
    Gate.objects.update(mode="normal")
    hear(hl7("A01", pid("777001"), pv1("V1")), hl7("A01", pid(before.value + f"^^^{before.authority}^MR"), pv1("V2")))
    assert set(Stay.objects.values_list("patient", flat=True)) == {row.pk}
    assert Stay.objects.count() == 2


def test_other_numbers_stay():
    row = person()
    PatientIdentifier.objects.create(patient=row, type="MR", authority="RXX", value="P1", since=clock.now())
    change = Change.objects.get(pk=ACTS["renumber"].do(row, number=Identifier("MR", "RYY", "9")).change)
    assert change.facts["patient_ids"] == [["MR", "RXX", "P1"], ["MR", "RYY", "9"]]


def test_a_confirmed_visit_number_takes_the_place_of_ours():
    stay = admitted()
    ours = number_of(stay)
    change = Change.objects.get(pk=ACTS["link_stay_number"].do(stay).change)
    assert (change.event, change.stay) == ("renumber_stay", stay.pk)
    assert change.facts["prior_stay_ids"] == [ours.as_json()]
    assert change.facts["stay_ids"] == [["VN", "RXX", "V777"]]
    assert change.facts["stay"]["place"]["bed"] == "WA1"
    later = Change.objects.get(pk=ACTS["transfer"].do(stay).change)
    assert later.facts["stay_ids"] == [["VN", "RXX", "V777"]], "what follows is told under the PAS's number"
    assert StayIdentifier.objects.get(value=ours.value).until


NUMBERS: list[tuple[str, dict[str, Any], str, str]] = [
    ("renumber", {"reason": ""}, "reason", "Enter why"),
    ("renumber", {"number": Identifier("MR", "RXX", "  ")}, "number", "Enter the number"),
    ("renumber", {"number": Identifier("MR", "RXX", "x" * 51)}, "number", "That is no number"),
    ("renumber", {"ends": Identifier("MR", "RXX", "nobody's")}, "ends", "not valid any more"),
    ("renumber", {"number": Identifier("MR", "RXX", "TAKEN")}, "number", "belongs to another patient: is it one"),
    ("renumber", {"number": Identifier("MR", "RXX", "MERGED")}, "number", "belongs to another patient: is it one"),
    ("link_stay_number", {"reason": ""}, "reason", "Enter how"),
    ("link_stay_number", {"number": Identifier("VN", "RXX", "")}, "number", "Enter the number"),
    ("link_stay_number", {"number": Identifier("VN", "RXX", "TAKEN")}, "number", "belongs to another stay"),
    ("link_stay_number", {"stay_id": 10**9}, "", "no longer exists"),
]


@pytest.mark.parametrize(("name", "wrong", "field", "why"), NUMBERS)
def test_a_number_that_cannot_be_meant_is_refused(name: str, wrong: dict[str, Any], field: str, why: str):
    row, other = ACTS[name].ready(), attending()
    for value, until in (("TAKEN", None), ("MERGED", clock.now())):
        PatientIdentifier.objects.create(
            patient=other.patient, type="MR", authority="RXX", value=value, since=clock.now(), until=until
        )
    StayIdentifier.objects.create(stay=other, type="VN", authority="RXX", value="TAKEN", since=clock.now())
    before = Change.objects.count()
    with pytest.raises(Refused) as refused:
        ACTS[name].do(row, **wrong)
    assert (refused.value.field, why in refused.value.reason) == (field, True), refused.value.reason
    assert Change.objects.count() == before


def test_its_own_number_and_one_it_had_are_refused():
    row = person()
    first = number_of(row)
    with pytest.raises(Refused, match="has already"):
        ACTS["renumber"].do(row, number=first)
    ACTS["renumber"].do(row)
    with pytest.raises(Refused, match="replaced before"):
        ACTS["renumber"].do(row, number=first)
