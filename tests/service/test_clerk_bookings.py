"""What a clerk does to an appointment after it is booked: moved, arrived, missed, deleted; and what is refused."""

from typing import Any

import pytest

from pasmirror.lib import clock
from patients.models import Appointment, AppointmentIdentifier, Change, Patient, Slot
from patients.refusals import Refused
from tests.factories.clerk import ACTS, NEXT_WEEK, PASSED, TOMORROW, book, booked, fresh, open_desk, person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _desk(db: None) -> None:
    open_desk()


def do(row: Appointment, *names: str, **more: Any) -> Change:
    """Do acts to an appointment; gives the last one's change."""
    saved = [ACTS[name].do(row, **more) for name in names]
    return Change.objects.get(pk=saved[-1].change)


def test_moved_it_is_the_same_booking_at_another_time_and_its_slot_is_free():
    row = booked()
    change = do(row, "reschedule")
    row.refresh_from_db()
    assert (row.starts_at, row.status, row.appointment_type, row.reason) == (NEXT_WEEK, "booked", "NEW", "Review")
    assert AppointmentIdentifier.objects.filter(appointment=row).count() == 1
    assert change.before["appointment"]["booking"]["starts_at"] == clock.iso(TOMORROW)
    assert change.facts["appointment"]["booking"]["starts_at"] == clock.iso(NEXT_WEEK)
    assert change.facts["event_reason"] == "The clinic is full"
    assert book(person(), starts_at=TOMORROW)
    with pytest.raises(Refused, match="just been taken"):
        book(person(), starts_at=NEXT_WEEK)


def test_arrived_and_not_after_all():
    row = booked()
    assert do(row, "arrive").facts["appointment"]["status"] == {"status": "arrived"}
    assert fresh(row).status == "arrived"
    assert do(row, "take_back_arrival").facts["appointment"]["status"] == {"status": "booked"}
    assert fresh(row).status == "booked"


def test_deleted_it_is_cancelled_here_and_its_slot_is_free():
    row = booked()
    assert do(row, "delete").event == "delete_appointment"
    assert fresh(row).status == "cancelled"
    assert book(person())


def test_who_did_not_attend_keeps_no_slot():
    row = booked(PASSED)
    assert do(row, "did_not_attend").facts["appointment"]["status"] == {"status": "did_not_attend"}
    assert do(row, "delete").facts["appointment"]["status"] == {"status": "cancelled"}


def test_that_somebody_did_not_attend_is_taken_back_if_the_slot_is_still_theirs():
    row = booked(PASSED)
    assert do(row, "did_not_attend", "take_back_did_not_attend").facts["appointment"]["status"] == {"status": "booked"}
    do(row, "did_not_attend")
    book(person(), starts_at=PASSED)
    with pytest.raises(Refused, match="just been taken"):
        do(row, "take_back_did_not_attend")
    assert fresh(row).status == "did_not_attend"


NOT_NOW: list[tuple[tuple[str, ...], str, str]] = [
    (("arrive",), "arrive", "The patient has arrived for this appointment"),
    ((), "take_back_arrival", "The patient has not arrived for this appointment"),
    (("arrive",), "reschedule", "The patient has arrived for this appointment"),
    (("arrive",), "did_not_attend", "The patient has arrived: take that back first"),
    (("arrive",), "delete", "The patient has arrived: take that back first"),
    (("did_not_attend",), "did_not_attend", "It is already noted that the patient did not attend"),
    (("did_not_attend",), "arrive", "The patient did not attend this appointment"),
    (("did_not_attend",), "reschedule", "The patient did not attend this appointment"),
    (("did_not_attend",), "cancel_appointment", "The patient did not attend this appointment"),
    ((), "take_back_did_not_attend", "The patient has not arrived for this appointment"),
    (("arrive",), "take_back_did_not_attend", "The patient has arrived for this appointment"),
    (("did_not_attend",), "take_back_arrival", "The patient did not attend this appointment"),
    (("cancel_appointment",), "arrive", "This appointment was cancelled"),
    (("cancel_appointment",), "reschedule", "This appointment was cancelled"),
    (("cancel_appointment",), "did_not_attend", "This appointment was cancelled"),
    (("cancel_appointment",), "delete", "This appointment is already cancelled"),
    (("delete",), "cancel_appointment", "This appointment is already cancelled"),
]


@pytest.mark.parametrize(("names", "name", "why"), NOT_NOW)
def test_what_cannot_be_done_now_is_refused_with_the_reason(names: tuple[str, ...], name: str, why: str):
    row = booked(PASSED)
    for earlier in names:
        do(row, earlier)
    before = Change.objects.count()
    with pytest.raises(Refused) as refused:
        do(row, name)
    assert refused.value.reason == why
    assert Change.objects.count() == before


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("reschedule", {"reason": " "}, "reason", "Enter why it is moved"),
    ("reschedule", {"starts_at": TOMORROW}, "starts_at", "at that time already"),
    ("reschedule", {"clinic": "NO"}, "starts_at", "There is no such slot"),
    ("cancel_appointment", {"reason": ""}, "reason", "Enter why it is cancelled"),
    ("delete", {"reason": ""}, "reason", "Enter why it is deleted"),
    ("delete", {"appointment_id": 10**9}, "", "This appointment no longer exists"),
]


@pytest.mark.parametrize(("name", "wrong", "field", "why"), WRONG)
def test_what_is_wrong_or_missing_is_refused_at_its_field(name: str, wrong: dict[str, Any], field: str, why: str):
    row = booked()
    with pytest.raises(Refused) as refused:
        do(row, name, **wrong)
    assert (refused.value.field, why in refused.value.reason) == (field, True), refused.value.reason


def test_before_its_time_nobody_has_missed_it():
    with pytest.raises(Refused, match="has not begun yet"):
        do(booked(), "did_not_attend")


def test_it_is_not_moved_to_where_the_patient_has_another():
    row = booked()
    patient = Patient.objects.get(pk=row.patient_id)
    Slot.objects.update(places=2)
    book(patient, starts_at=NEXT_WEEK)
    with pytest.raises(Refused, match="an appointment at this time already"):
        do(row, "reschedule")


def test_a_full_slot_is_refused():
    row = booked()
    book(person(), starts_at=NEXT_WEEK)
    with pytest.raises(Refused, match="just been taken"):
        do(row, "reschedule")
