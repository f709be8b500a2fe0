"""What the pages say of a stay and of appointments as the PAS tells them: planned, away, expected, not attended."""

import re

import pytest
from django.urls import reverse

from patients.models import Clinic, Patient
from tests.factories.desk import signed_in
from tests.factories.lanes import mirror_mode
from tests.factories.told import WA, WB, adt, clock, pv1, siu, tell

pytestmark = pytest.mark.django_db


def page(*messages: bytes) -> str:
    """The patient's page as it reads, without its markup."""
    mirror_mode()
    tell(*messages)
    answer = signed_in("clerk").get(reverse("record", args=[Patient.objects.get().pk]))
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_a_patient_on_leave_with_a_bed_planned_and_a_day_to_go_home():
    plans = adt("A15", 5, pv1(WA, f42=WB), evn3=clock(60))
    home = adt("A16", 6, pv1(WA), "PV2|" + "|" * 8 + "20260704120000")
    text = page(adt("A01", 0, pv1(WA)), plans, home, adt("A21", 10, pv1(WA)))
    assert "On leave , since 01-Jul-2026 10:10" in text
    assert re.search(r"To move to [^.]*bed B2, 01-Jul-2026 11:00", text)
    assert "Expected to leave 04-Jul-2026 12:00" in text


def test_somebody_in_the_emergency_department_is_not_said_to_be_elsewhere():
    text = page(adt("A04", 0, pv1("ED", f2="E")))
    assert "Not in hospital" not in text
    assert "Attending ED since 01-Jul-2026 10:00" in text


def test_somebody_expected_is_said_to_be():
    text = page(adt("A05", 0, pv1(WA), "PV2|" + "|" * 7 + "20260705090000"))
    assert "Not in hospital" in text
    assert re.search(r"Expected on [^.]*, 05-Jul-2026 09:00", text)


def test_an_appointment_not_attended_is_said_in_words():
    text = page(siu("S12", 0), siu("S26", 5))
    assert "Did not attend" in text
    assert "did_not_attend" not in text


def test_a_clinic_counts_who_is_still_to_come_and_says_who_did_not():
    mirror_mode()
    tell(siu("S12", 0), siu("S12", 0, number="A2"), siu("S26", 5))
    clinic = reverse("clinic", args=[Clinic.objects.get(code="CARD").pk])
    listed = signed_in("clerk").get(clinic, {"day": "2026-07-15"}).content.decode()
    assert "1 booked." in listed
    assert "Did not attend" in listed
