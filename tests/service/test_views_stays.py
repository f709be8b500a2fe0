"""The clerk's pages of stays and bookings: saved by the form as shown, refused in the form, nothing lost."""

from datetime import timedelta

import pytest
from django.urls import reverse

from pasmirror.lib import clock
from patients.models import Appointment, Stay, Ward
from tests.factories import lanes
from tests.factories.desk import Fields, signed_in
from tests.factories.forms import admit_form, admitted, book_form, filled, free_slot, registered, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk():
    lanes.mirror_mode()
    return signed_in("clerk")


@pytest.fixture
def slot():
    return free_slot()


def test_admit_transfer_and_discharge(clerk):
    patient = registered(clerk)
    stay = admitted(clerk, patient, consultant="C1234567", consultant_name="SMITH, Ann (Dr)", specialty="300")
    assert (stay.ward, stay.bay, stay.bed) == ("WA", "A", "WA1")
    address = reverse("transfer", args=[patient.pk, stay.pk])
    assert clerk.post(address, filled(clerk, address, ward="WB", bed="A^WB2")).status_code == 302
    stay.refresh_from_db()
    assert (stay.ward, stay.bed) == ("WB", "WB2")
    address = reverse("discharge", args=[patient.pk, stay.pk])
    said = filled(clerk, address, discharge_method="1", discharge_destination="19")
    assert clerk.post(address, said).status_code == 302
    stay.refresh_from_db()
    assert stay.status == "out"
    assert "Not in hospital" in text_of(clerk.get(reverse("record", args=[patient.pk])))


def test_a_bed_taken_meanwhile_is_refused_in_the_form(clerk):
    first, second = registered(clerk), registered(clerk, family="Byron", nhs_number="")
    form = admit_form(clerk, second)
    admitted(clerk, first)
    refused = clerk.post(reverse("admit", args=[second.pk]), form)
    assert 'href="#bed"' in text_of(refused)
    assert "choose another" in text_of(refused)
    assert Stay.objects.count() == 1


def test_the_beds_follow_the_ward_with_and_without_script(clerk):
    patient = registered(clerk)
    admitted(clerk, registered(clerk, family="Byron", nhs_number=""))
    address = reverse("admit", args=[patient.pk])
    form = {**Fields(clerk.get(address).content.decode()).values, "ward": "WA", "show_beds": "1", "consultant": "C7"}
    page = text_of(clerk.post(address, form))
    part = text_of(clerk.post(address, form, headers={"HX-Request": "true", "HX-Target": "beds"}))
    for text in (page, part):
        assert "A^WA2" in text
        assert "A^WA1" not in text
    assert Fields(page).values["consultant"] == "C7"
    assert "There is a problem" not in page
    assert "<html" not in part
    assert Stay.objects.count() == 1


def test_a_future_admission_is_refused(clerk):
    patient = registered(clerk)
    form = admit_form(clerk, patient, on=(clock.now() + timedelta(days=2)).strftime("%d/%m/%Y"))
    assert "in the future" in text_of(clerk.post(reverse("admit", args=[patient.pk]), form))
    assert not Stay.objects.exists()


def test_a_death_marks_the_banner(clerk):
    patient = registered(clerk)
    stay = admitted(clerk, patient)
    address = reverse("discharge", args=[patient.pk, stay.pk])
    said = filled(clerk, address, discharge_method="4", discharge_destination="79")
    assert 'href="#died_on"' in text_of(clerk.post(address, said))
    assert clerk.post(address, {**said, "died_on": "today"}).status_code == 302
    text = text_of(clerk.get(reverse("record", args=[patient.pk])))
    assert "app-patient--dead" in text
    assert "Age at Death" in text
    assert 'id="admit"' not in text


def test_book_and_cancel(clerk, slot):
    patient = registered(clerk)
    address = reverse("book", args=[patient.pk])
    form = book_form(clerk, patient, slot)
    shown = text_of(
        clerk.post(address, {**form, "show_slots": "1"}, headers={"HX-Request": "true", "HX-Target": "slots"})
    )
    assert clock.iso(slot.starts_at) in shown
    assert clerk.post(address, form).status_code == 302
    made = Appointment.objects.get()
    assert made.starts_at == slot.starts_at
    day = slot.starts_at.astimezone(clock.SITE).strftime("%d/%m/%Y")
    assert "LOVELACE, Ada" in text_of(clerk.get(reverse("clinic", args=[slot.clinic_id]), {"day": day}))
    address = reverse("cancel-appointment", args=[patient.pk, made.pk])
    assert "Enter why it is cancelled" in text_of(clerk.post(address, filled(clerk, address)))
    assert clerk.post(address, filled(clerk, address, reason="unwell")).status_code == 302
    made.refresh_from_db()
    assert made.status == "cancelled"
    assert "<br>unwell" in text_of(clerk.get(reverse("record", args=[patient.pk])))


def test_a_slot_taken_meanwhile_is_refused_in_the_form(clerk, slot):
    first, second = registered(clerk), registered(clerk, family="Byron", nhs_number="")
    form = book_form(clerk, second, slot)
    assert clerk.post(reverse("book", args=[first.pk]), book_form(clerk, first, slot)).status_code == 302
    refused = clerk.post(reverse("book", args=[second.pk]), form)
    assert 'href="#starts_at"' in text_of(refused)
    assert Appointment.objects.count() == 1


def test_someone_elses_stay_or_appointment_is_not_found(clerk):
    first, second = registered(clerk), registered(clerk, family="Byron", nhs_number="")
    stay = admitted(clerk, first)
    assert clerk.get(reverse("transfer", args=[second.pk, stay.pk])).status_code == 404
    assert clerk.get(reverse("cancel-appointment", args=[second.pk, 999])).status_code == 404


def test_the_ward_list_shows_beds_first_and_the_unoccupied(clerk):
    patient = registered(clerk)
    admitted(clerk, patient)
    text = text_of(clerk.get(reverse("ward", args=[Ward.objects.get(code="WA").pk])))
    assert text.count("UNOCCUPIED") == 8
    row = text[text.index("A WA1") : text.index("A WA2")]
    cells = [row.index(part) for part in ("LOVELACE, Ada", "Born 10-Dec-1952", "999 000 0018")]
    assert cells == sorted(cells)


def test_a_clinic_day_that_cannot_be_read_is_said(clerk, slot):
    answer = clerk.get(reverse("clinic", args=[slot.clinic_id]), {"day": "someday"})
    assert answer.status_code == 200
    assert "Enter a date" in text_of(answer)
