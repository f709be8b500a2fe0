"""The steps of a stay a clerk makes: where the patient is after each, and what is refused, naming the field."""

from datetime import timedelta
from typing import Any

import pytest

from pasmirror.lib import clock
from patients.models import Change, Clinic, Movement, Patient, Stay
from patients.refusals import Refused
from tests.factories.clerk import (
    A1,
    A2,
    ACTS,
    B1,
    NEXT_WEEK,
    TOMORROW,
    admit,
    admitted,
    at,
    attending,
    expect,
    expected,
    fresh,
    open_desk,
    person,
)

pytestmark = pytest.mark.django_db
SOON, YESTERDAY = clock.now() + timedelta(minutes=10), clock.now() - timedelta(days=1)
DAY_BEFORE = TOMORROW - timedelta(days=2)


@pytest.fixture(autouse=True)
def _desk(db: None) -> None:
    open_desk()


def do(name: str, row: Any = None, **more: Any) -> Stay:
    """Do an act; gives the stay."""
    saved = ACTS[name].do(row or ACTS[name].ready(), **more)
    return Stay.objects.get(pk=saved.stay)


def test_expected_with_a_bed_in_mind_and_then_admitted_as_the_same_stay():
    stay = expected()
    assert (stay.status, stay.ward, stay.pending_ward, stay.pending_bed) == ("expected", "", "WB", "WB1")
    assert stay.admission_expected_at == TOMORROW
    number = stay.identifiers.get().value
    after = do("admit_expected", stay)
    assert (after.pk, after.status, after.bed, after.pending_ward) == (stay.pk, "in", "WA1", "")
    assert after.admission_expected_at is None
    assert after.identifiers.get().value == number


def test_expected_without_a_place():
    stay = Stay.objects.get(pk=expect(person(), place={}).stay)
    assert (stay.status, stay.pending_ward) == ("expected", "")


def test_an_attendance_has_no_bed_and_may_become_an_admission_and_be_one_again():
    stay = attending()
    assert (stay.status, stay.ward, stay.bed, stay.patient_class) == ("attending", "WA", "", "E")
    assert stay.admitted_at == at(0)
    stay = do("to_inpatient", stay)
    assert (stay.status, stay.bed, stay.patient_class, stay.admitted_at) == ("in", "WA1", "I", at(0))
    stay = do("to_outpatient", stay, occurred_at=at(20))
    assert (stay.status, stay.ward, stay.bed, stay.patient_class) == ("attending", "CARD", "", "O")
    assert admit(person(), place=A1, occurred_at=at(30)), "the bed is free again"


def test_an_attendance_of_a_patient_who_is_in_is_another_stay():
    stay = admitted()
    other = do("attend", stay.patient)
    assert (other.pk != stay.pk, fresh(stay).status) == (True, "in")


def test_a_transfer_ends_what_was_planned_and_a_discharge_too():
    stay = admitted()
    do("plan_transfer", stay)
    assert (fresh(stay).pending_bed, fresh(stay).pending_at) == ("WB1", TOMORROW)
    assert do("transfer", stay).pending_bed == ""
    do("plan_discharge", stay)
    do("leave", stay)
    after = do("discharge", stay)
    assert (after.away, after.status) == ("", "out")


def test_on_leave_the_bed_is_kept():
    stay = do("leave")
    assert (stay.away, stay.away_since, stay.back_expected_at, stay.bed) == ("leave", at(30), TOMORROW, "WA1")
    with pytest.raises(Refused, match="just been taken"):
        admit(person(), place=A1)
    back = do("return", stay)
    assert (back.away, back.away_since, back.back_expected_at, back.bed) == ("", None, None, "WA1")


def test_another_doctor_and_details_are_no_step_to_another_place():
    stay = admitted()
    do("change_doctor", stay)
    do("update_stay", stay)
    stay.refresh_from_db()
    assert (stay.consultant, stay.specialty, stay.bed, stay.moved_at) == ("C1", "320", "WA1", at(0))
    assert list(Movement.objects.filter(stay=stay).values_list("event", flat=True)) == ["admit", "change_doctor"]


def test_details_of_a_stay_that_has_ended_may_be_put_right():
    stay = admitted()
    do("discharge", stay)
    do("update_stay", stay)
    assert (fresh(stay).status, fresh(stay).specialty, fresh(stay).discharge_method) == ("out", "320", "1")


def test_a_summary_is_a_document_of_the_patient_and_names_its_stay():
    stay = admitted()
    saved = ACTS["summary"].do(stay)
    change = Change.objects.get(pk=saved.change)
    document = fresh(stay.patient).documents.get()
    assert document.number == change.facts["document"]["number"] == f"D{change.pk:08d}^PASMIRROR"
    assert (document.kind, document.status, document.form, document.withdrawn) == ("DS", "AU", "text", False)
    assert document.text == change.facts["document"]["text"] == "Well & home.\nNo changes."
    assert set(change.facts["document"]) == {
        "number", "replaces", "kind", "title", "written_at", "author", "status", "form", "text", "withdrawn",
    }  # fmt: skip
    assert (change.stay, change.facts["stay"]["place"]["bed"]) == (stay.pk, "WA1")


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("expect", {"expected_at": DAY_BEFORE}, "expected_at", "The day planned is over"),
    ("expect", {"place": {"ward": "NO"}}, "ward", "There is no such ward"),
    ("expect", {"place": {**B1, "bed": "NO"}}, "bed", "There is no such bed"),
    ("expect", {"stay": {"admission": {"patient_class": ""}}}, "patient_class", "Choose the class"),
    ("expect", {"stay": {"consultant": {"specialty": "1"}}}, "specialty", "no such specialty"),
    ("attend", {"occurred_at": SOON}, "occurred_at", "in the future"),
    ("attend", {"stay": {"place": {"ward": "WA"}}}, "patient_class", "Choose the class"),
    (
        "attend",
        {"stay": {"place": {"ward": "WA"}, "admission": {"patient_class": "I"}}},
        "patient_class",
        "Choose the class",
    ),
    ("attend", {"stay": {"admission": {"patient_class": "E"}}}, "ward", "Choose a ward or clinic"),
    (
        "attend",
        {"stay": {"place": {"ward": "NO"}, "admission": {"patient_class": "E"}}},
        "ward",
        "no such ward or clinic",
    ),
    ("admit_expected", {"stay": {"place": {}}}, "ward", "Choose a ward"),
    ("to_inpatient", {"stay": {"place": {"ward": "WA", "bay": "A", "bed": "NO"}}}, "bed", "There is no such bed"),
    ("to_inpatient", {"occurred_at": at(-5)}, "occurred_at", "before"),
    ("to_inpatient", {"occurred_at": SOON}, "occurred_at", "in the future"),
    ("to_outpatient", {"patient_class": "I"}, "patient_class", "Choose the class"),
    ("to_outpatient", {"place": {}}, "ward", "Choose a ward or clinic"),
    ("to_outpatient", {"occurred_at": at(-5)}, "occurred_at", "before"),
    ("update_stay", {"stay": {"admission": {"patient_class": "?"}}}, "patient_class", "Choose the class"),
    (
        "update_stay",
        {"stay": {"expected": {"discharge_expected_at": "soon"}}},
        "discharge_expected_at",
        "Enter a date and time",
    ),
    ("update_stay", {"stay": {"consultant": {"consultant": "C1"}}}, "", "Nothing has been changed"),
    ("change_doctor", {"consultant": {"specialty": "300"}}, "consultant", "Enter the consultant"),
    ("change_doctor", {"occurred_at": at(-5)}, "occurred_at", "before the stay began"),
    ("transfer", {"place": A1}, "bed", "in that bed already"),
    ("transfer", {"occurred_at": at(-5)}, "occurred_at", "before the patient came to this bed"),
    ("plan_transfer", {"place": A1}, "bed", "in that bed already"),
    ("plan_transfer", {"place": {}}, "ward", "Choose a ward"),
    ("plan_transfer", {"at": DAY_BEFORE}, "pending_at", "The day planned is over"),
    ("plan_discharge", {"at": YESTERDAY}, "discharge_expected_at", "The day planned is over"),
    ("leave", {"back_expected_at": at(20)}, "back_expected_at", "before the leave"),
    ("leave", {"occurred_at": SOON}, "occurred_at", "in the future"),
    ("return", {"occurred_at": at(10)}, "occurred_at", "before the patient went on leave"),
    ("summary", {"title": " "}, "title", "Enter a title"),
    ("summary", {"author": ""}, "author", "Enter who wrote it"),
    ("summary", {"text": "\n"}, "text", "Enter the summary"),
    ("summary", {"text": "x" * 1_000_001}, "text", "longer than"),
    ("summary", {"written_at": SOON}, "written_at", "in the future"),
]


@pytest.mark.parametrize(("name", "wrong", "field", "why"), WRONG)
def test_what_is_wrong_or_missing_is_refused_at_its_field(name: str, wrong: dict[str, Any], field: str, why: str):
    row = ACTS[name].ready()
    before = Change.objects.count()
    with pytest.raises(Refused) as refused:
        ACTS[name].do(row, **wrong)
    assert (refused.value.field, why in refused.value.reason) == (field, True), refused.value.reason
    assert Change.objects.count() == before


NOT_NOW = [
    (admitted, ("leave",), "leave", "The patient is on leave already"),
    (admitted, (), "return", "The patient is not on leave"),
    (admitted, (), "to_inpatient", "The patient is an inpatient already"),
    (admitted, (), "admit_expected", "The patient is already admitted"),
    (admitted, (), "attend_expected", "The patient is already admitted"),
    (admitted, ("discharge",), "transfer", "The patient has already been discharged"),
    (admitted, ("discharge",), "leave", "The patient has already been discharged"),
    (admitted, ("discharge",), "plan_discharge", "The patient has already been discharged"),
    (admitted, ("discharge",), "change_doctor", "The patient has already been discharged"),
    (admitted, ("cancel_admit",), "update_stay", "This stay was withdrawn"),
    (admitted, ("cancel_admit",), "summary", "The stay has not begun, or was withdrawn"),
    (admitted, ("to_outpatient",), "admit_attending", "The patient was admitted in this stay before: make it an"),
    (attending, (), "to_outpatient", "The patient is no inpatient"),
    (attending, (), "transfer", "The patient attends, and is not admitted"),
    (attending, (), "plan_transfer", "The patient attends, and is not admitted"),
    (attending, (), "leave", "The patient attends, and is not admitted"),
    (attending, (), "cancel_transfer", "The patient attends, and is not admitted"),
    (expected, (), "to_inpatient", "The patient is expected: admit them instead"),
    (expected, (), "discharge", "The patient is expected, and not admitted yet"),
    (expected, (), "change_doctor", "The patient is expected, and not admitted yet"),
    (expected, (), "summary", "The stay has not begun, or was withdrawn"),
]


@pytest.mark.parametrize(("ready", "names", "name", "why"), NOT_NOW)
def test_what_cannot_be_done_now_is_refused_with_the_reason(ready: Any, names: tuple[str, ...], name: str, why: str):
    stay = ready()
    for earlier in names:
        ACTS[earlier].do(stay)
    given = {"occurred_at": at(90)} if "occurred_at" in ACTS[name].said else {}
    with pytest.raises(Refused) as refused:
        ACTS[name].do(stay, **given)
    assert refused.value.reason.startswith(why), refused.value.reason


@pytest.mark.parametrize("name", ["expect", "attend", "admit", "book"])
def test_nothing_begins_for_somebody_who_has_died(name: str):
    patient = person()
    Patient.objects.filter(pk=patient.pk).update(dead=True)
    with pytest.raises(Refused, match="recorded as having died"):
        ACTS[name].do(patient)


def test_the_same_thing_is_not_begun_twice_for_one_patient():
    patient = expected().patient
    with pytest.raises(Refused, match="expected at that time already"):
        expect(patient)
    assert expect(patient, expected_at=NEXT_WEEK)
    patient = attending().patient
    with pytest.raises(Refused, match="attends there already"):
        ACTS["attend"].do(patient, stay={"place": {"ward": "WA"}, "admission": {"patient_class": "E"}})
    assert ACTS["attend"].do(patient), "in a clinic as well"
    assert Clinic.objects.filter(code="CARD").exists()


def test_where_the_patient_is_cannot_be_changed_as_a_detail():
    with pytest.raises(KeyError):
        ACTS["update_stay"].do(admitted(), stay={"place": A2})
