"""Appointments as the PAS tells them: by SIU, or by A05 and A38; one live booking whatever is repeated or moved."""

from dataclasses import replace

import pytest

from patients.models import Appointment, Stay
from tests.factories.told import HABITS, PID, adt, clock, pv1, siu, tell, tell_together

pytestmark = pytest.mark.django_db
BY_ADT = replace(HABITS, a05="appointment")


def booked() -> Appointment:
    return Appointment.objects.get()


def live() -> list[Appointment]:
    return list(Appointment.objects.filter(status__in=["booked", "arrived"]))


def a05(visit: str, at: int, when: str, trigger: str = "A05", **fields: str) -> bytes:
    """As one sender writes it: EVN-6 is the time of the appointment itself."""
    line = pv1("RENAL^Renal clinic", visit=visit, **{"f2": "O", **fields})
    return adt(trigger, at, line, "PV2|" + "|" * 7 + when, evn6=when)


def test_trap_40_a_rescheduled_booking_is_the_same_booking():
    tell(siu("S12", 0), siu("S13", 5, starts="20260722103000", clinic="ENT"))
    assert (booked().status, booked().clinic) == ("booked", "ENT")
    assert booked().starts_at.isoformat() == "2026-07-22T09:30:00+00:00"


def test_trap_40_a_booking_repeated_is_one_booking():
    first = siu("S12", 0)
    assert [t.outcome for t in tell(first, first, siu("S12", 3))] == ["applied", "already", "already"]
    assert len(live()) == 1


def test_trap_40_a_booking_repeated_late_does_not_come_back():
    tell(siu("S12", 0), siu("S15", 5))
    (taken,) = tell(siu("S12", 0))
    assert (taken.outcome, taken.code) == ("filed", "older")
    assert booked().status == "cancelled"
    tell(siu("S12", 9))
    assert booked().status == "booked", "booked again afterwards"


def test_trap_40_a38_and_a05_with_another_visit_number_leave_one_live_booking():
    first = a05("B1", 0, "20260715090000")
    tell(first, a05("B1", 5, "20260715090000", "A38"), a05("B2", 5, "20260722090000"), habits=BY_ADT)
    (now,) = live()
    assert now.starts_at.isoformat() == "2026-07-22T08:00:00+00:00"
    assert now.clinic == "RENAL"
    assert list(now.identifiers.values_list("type", "value")) == [("FILL", "B2")]
    assert Appointment.objects.count() == 2
    (taken,) = tell(first, habits=BY_ADT)
    assert taken.code == "older", "the first booking told again does not stand up"


def test_an_a05_of_an_inpatient_stays_a_pre_admission_and_so_does_every_one_where_the_feed_books_by_siu():
    tell(a05("B1", 0, "20260715090000", f2="I"), habits=BY_ADT)
    tell(a05("B2", 0, "20260715090000"))
    assert not Appointment.objects.exists()


@pytest.mark.parametrize("words", ["Cancelled", "Confirmed", ""])
def test_trap_41_s26_is_a_did_not_attend_whatever_its_status_says(words):
    tell(siu("S12", 0, status="Booked"), siu("S26", 60, status=words))
    assert booked().status == "did_not_attend"
    assert booked().status_words == (words or "Booked"), "the words are kept as they came"


@pytest.mark.parametrize(
    ("words", "status"),
    [("Arrived", "arrived"), ("Complete", "attended"), ("Noshow", "did_not_attend"), ("Confirmed", "booked")],
)
def test_a_modified_appointment_says_who_has_arrived_and_who_has_not(words, status):
    tell(siu("S12", 0), siu("S14", 5, status=words))
    assert booked().status == status
    tell(siu("S14", 6, status="Booked", reason="Follow-up"))
    assert (booked().status, booked().reason) == ("booked", "Follow-up"), "un-arrived"


def test_a_modification_with_a_status_nobody_knows_leaves_it_and_warns():
    (_, taken) = tell(siu("S12", 0), siu("S14", 5, status="Xyzzy"))
    assert booked().status == "booked"
    assert "SCH-25: no status of a modified appointment, which stays as it was" in taken.warnings
    tell(siu("S15", 6), siu("S14", 7, status="Xyzzy"))
    assert booked().status == "cancelled", "and no cancelled one comes back by it"


@pytest.mark.parametrize("trigger", ["S15", "S16", "S17"])
def test_the_ends_of_an_appointment(trigger):
    tell(siu("S12", 0), siu(trigger, 5))
    assert booked().status == "cancelled"


@pytest.mark.parametrize("trigger", ["S15", "S16", "S17", "S26"])
def test_the_end_of_an_appointment_never_heard_of_is_filed(trigger):
    assert [(t.outcome, t.code) for t in tell(siu(trigger, 5))] == [("filed", "no-such-appointment")]
    assert not Appointment.objects.exists()


@pytest.mark.parametrize("trigger", ["S13", "S14"])
def test_a_change_of_a_booking_not_heard_is_taken_as_one_with_a_warning(trigger):
    (taken,) = tell(siu(trigger, 5))
    assert booked().status == "booked"
    assert "the booking itself was not heard: taken as a booking" in taken.warnings


def test_a_batch_of_it_all_leaves_one_booking():
    moved = "20260716090000"
    told = [siu("S12", 0), siu("S13", 1, starts=moved), siu("S14", 2, starts=moved, status="Arrived")]
    tell_together(*told, siu("S26", 3, starts=moved))
    assert booked().status == "did_not_attend"
    assert booked().starts_at.isoformat() == "2026-07-16T08:00:00+00:00"


def test_a_booking_made_by_an_a05_at_a_time_that_is_none_is_warned_of():
    raw = a05("B1", 0, "soon").replace(b"|soon\r", b"|" + clock(0).encode() + b"\r")
    (taken,) = tell(raw, habits=BY_ADT)
    assert PID.encode() in raw
    assert "PV2-8: not a time, not taken" in taken.warnings


@pytest.mark.parametrize(("made", "when"), [(0, "20260811090000"), (0, clock(20)), (0, clock(0))])
def test_a_pre_admission_whose_evn_6_is_the_time_of_the_visit_is_cancelled_before_it(made, when):
    first = a05("B1", made, when)
    (taken,) = tell(first)
    assert taken.warnings == tuple(w for w in taken.warnings if not w.startswith("EVN"))
    (taken,) = tell(a05("B1", 10, clock(10), "A38"))
    assert taken.outcome == "applied"
    assert Stay.objects.get().status == "cancelled"
    tell(first)
    assert Stay.objects.get().status == "cancelled", "the first told again does not stand up"
    tell(a05("B1", 15, when))
    assert Stay.objects.get().status == "expected", "told anew"
    tell(a05("B1", 18, when, "A38"))
    assert Stay.objects.get().status == "cancelled"


def test_a_pre_admission_is_cancelled_by_its_visit_number_whatever_the_times():
    tell(adt("A05", 30, pv1("WA"), sent=0, evn6=clock(50)), adt("A38", 20, pv1("WA"), sent=40))
    assert Stay.objects.get().status == "cancelled"
