"""The clerk's pages: every save by the form as the page shows it, every refusal in the form, nothing lost."""

import re
import uuid
from datetime import timedelta

import pytest
from django.urls import reverse

from pasmirror.lib import clock
from pasmirror.lib.models import AuditRow
from patients.models import Appointment, Change, Clinic, Gate, Patient, Slot, Stay, Ward
from patients.states import Mode
from tests.factories import lanes
from tests.factories.desk import Fields, ada, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk():
    lanes.mirror_mode()
    return signed_in("clerk")


def text_of(answer):
    return " ".join(answer.content.decode().split())


def registered(clerk, **other):
    answer = clerk.post(reverse("register"), ada(**other))
    assert answer.status_code == 302, text_of(answer)
    return Patient.objects.latest("pk")


def filled(clerk, address, **said):
    """The form at `address` as it opens, with what a clerk would put in."""
    page = clerk.get(address)
    assert page.status_code == 200
    return {**Fields(page.content.decode()).values, **said}


def admit_form(clerk, patient, **said):
    first = {"ward": "WA", "bed": "A^WA1", "admission_method": "21", "admission_source": "19", **said}
    return filled(clerk, reverse("admit", args=[patient.pk]), **first)


def admitted(clerk, patient, **said):
    answer = clerk.post(reverse("admit", args=[patient.pk]), admit_form(clerk, patient, **said))
    assert answer.status_code == 302, text_of(answer)
    return Stay.objects.latest("pk")


def test_register_opens_the_record_with_the_cui_banner(clerk):
    answer = clerk.post(reverse("register"), ada(), follow=True)
    patient = Patient.objects.get()
    assert answer.redirect_chain == [(reverse("record", args=[patient.pk]), 302)]
    text = text_of(answer)
    banner = text[text.index('id="patient-banner"') :]
    order = [banner.index(part) for part in ("LOVELACE, Ada", "10-Dec-1952 (", "Female", "999 000 0018", "M000001")]
    assert order == sorted(order)
    assert "Registered" in text
    assert "Saved, being prepared" in text


def test_no_patient_data_in_titles_or_addresses(clerk):
    patient = registered(clerk)
    stay = admitted(clerk, patient)
    names = ["record", "edit", "book"]
    pages = [reverse(name, args=[patient.pk]) for name in names]
    pages += [reverse(name, args=[patient.pk, stay.pk]) for name in ("transfer", "discharge")]
    for address in pages:
        text = text_of(clerk.get(address))
        title = re.search(r"<title>(.*?)</title>", text)[1]
        assert "Lovelace".lower() not in title.lower()
        assert not re.search(r'(href|action|hx-get|hx-post)="[^"]*(lovelace|9990000018|M000001)', text, re.IGNORECASE)


def test_every_control_of_every_form_has_a_label(clerk):
    patient = registered(clerk)
    stay = admitted(clerk, patient)
    addresses = [
        reverse("find"),
        reverse("register"),
        *(reverse(n, args=[patient.pk]) for n in ("edit", "book", "admit")),
    ]
    addresses += [reverse(n, args=[patient.pk, stay.pk]) for n in ("transfer", "discharge")]
    for address in addresses:
        fields = Fields(clerk.get(address).content.decode())
        assert fields.controls
        assert fields.controls <= fields.labels, address


def test_a_double_submit_makes_one_patient(clerk):
    form = ada()
    first, second = clerk.post(reverse("register"), form), clerk.post(reverse("register"), form)
    assert first["Location"] == second["Location"]
    assert Patient.objects.count() == 1


def test_every_form_sent_again_after_it_was_saved_leads_to_the_record_and_is_saved_once(clerk, slot):
    patient = registered(clerk)

    def twice(address, form):
        had = Change.objects.count()
        first, second = clerk.post(address, form), clerk.post(address, form)
        assert (first.status_code, second.status_code) == (302, 302), text_of(second)
        assert first["Location"] == second["Location"] == reverse("record", args=[patient.pk])
        assert Change.objects.count() == had + 1

    edit = reverse("edit", args=[patient.pk])
    twice(edit, filled(clerk, edit, family="King"))
    twice(reverse("admit", args=[patient.pk]), admit_form(clerk, patient))
    stay = Stay.objects.get(patient=patient)
    transfer = reverse("transfer", args=[patient.pk, stay.pk])
    twice(transfer, filled(clerk, transfer, ward="WA", bed="A^WA2"))
    discharge = reverse("discharge", args=[patient.pk, stay.pk])
    twice(discharge, filled(clerk, discharge, discharge_method="1", discharge_destination="19"))
    book = reverse("book", args=[patient.pk])
    twice(book, book_form(clerk, patient, slot))
    cancel = reverse("cancel-appointment", args=[patient.pk, Appointment.objects.get(patient=patient).pk])
    twice(cancel, filled(clerk, cancel, reason="Cannot come"))


def test_a_form_changed_after_it_was_saved_is_refused_and_says_so(clerk):
    patient = registered(clerk)
    edit = reverse("edit", args=[patient.pk])
    form = filled(clerk, edit, family="King")
    assert clerk.post(edit, form).status_code == 302
    again = clerk.post(edit, form | {"family": "Byron"})
    assert again.status_code == 200
    assert "used already for something else. Nothing was saved" in text_of(again)
    assert Patient.objects.get(pk=patient.pk).family == "King"


def test_errors_are_listed_on_top_with_links_to_their_fields_and_nothing_typed_is_lost(clerk):
    answer = clerk.post(reverse("register"), ada(nhs_number="485 777 3456", born="31/2/52"))
    text = text_of(answer)
    assert answer.status_code == 200
    assert "There is a problem" in text
    assert 'href="#nhs_number"' in text
    assert 'href="#born"' in text
    assert Fields(text).values["family"] == "Lovelace"
    assert not Patient.objects.exists()


def test_while_the_pas_is_up_the_pages_are_for_looking_only(clerk):
    patient = registered(clerk)
    Gate.objects.update(mode=Mode.NORMAL)
    for address in (reverse("register"), reverse("record", args=[patient.pk]), reverse("admit", args=[patient.pk])):
        text = text_of(clerk.get(address))
        assert 'id="look-up-only"' in text
        assert 'id="save"' not in text
    refused = clerk.post(reverse("register"), ada(family="TOOLATE"))
    assert "The PAS is up: use the PAS" in text_of(refused)
    assert Fields(refused.content.decode()).values["family"] == "TOOLATE"
    assert Patient.objects.count() == 1


@pytest.mark.parametrize("sought", ["lovelace", "Lovelace, ada", "999 000 0018", "M000001", "10/12/1952", "LS1 4AP"])
def test_find_by_one_box(clerk, sought):
    patient = registered(clerk)
    text = text_of(clerk.post(reverse("find"), {"sought": sought}))
    assert reverse("record", args=[patient.pk]) in text
    assert "999 000 0018" in text


def test_find_marks_the_same_name_and_writes_no_search_text(clerk):
    registered(clerk)
    registered(clerk, nhs_number="", born="1/1/1960")
    part = clerk.post(reverse("find"), {"sought": "lovelace"}, headers={"HX-Request": "true", "HX-Target": "results"})
    text = text_of(part)
    assert "<html" not in text
    assert text.count("same name") == 2
    row = AuditRow.objects.filter(action="searched").latest("pk")
    assert row.detail == {"fields": ["sought"], "hits": 2}


def test_find_nothing_and_find_with_an_empty_box(clerk):
    assert "Nobody found" in text_of(clerk.post(reverse("find"), {"sought": "zzz"}))
    assert "Enter a number, a name" in text_of(clerk.post(reverse("find"), {"sought": " "}))


def test_possible_matches_advise_and_never_block(clerk):
    patient = registered(clerk)
    part = clerk.post(reverse("register-matches"), {"family": "LOVELACE", "given": "Ada", "born": "101252"})
    assert f'id="match-{patient.pk}"' in text_of(part)
    assert "<html" not in text_of(part)
    assert "No possible match" in text_of(
        clerk.post(reverse("register-matches"), {"family": "Nobody", "born": "rubbish"})
    )
    registered(clerk)
    assert Patient.objects.count() == 2


def test_the_boxes_echo_what_was_understood(clerk):
    assert "01-Mar-1952 (" in text_of(clerk.post(reverse("register-echo"), {"born": "010352"}))
    assert "no such day" in text_of(clerk.post(reverse("register-echo"), {"born": "31/2/52"}))
    assert "999 000 0018" in text_of(clerk.post(reverse("register-echo"), {"nhs_number": "9990000018"}))
    assert "not a valid NHS number" in text_of(clerk.post(reverse("register-echo"), {"nhs_number": "4857773456"}))


def test_a_look_is_audited_and_the_polling_is_not(clerk):
    patient = registered(clerk)
    clerk.get(reverse("record", args=[patient.pk]))
    clerk.get(reverse("fates", args=[patient.pk]))
    looks = AuditRow.objects.filter(subject=f"patient:{patient.pk}", action__startswith="looked")
    assert [row.action for row in looks] == ["looked:record"]


def test_edit_saves_what_changed(clerk):
    patient = registered(clerk)
    address = reverse("edit", args=[patient.pk])
    assert clerk.post(address, filled(clerk, address, phone="0113 496 0999")).status_code == 302
    patient.refresh_from_db()
    assert patient.phone == "0113 496 0999"
    assert patient.family == "Lovelace"
    assert set(Change.objects.latest("pk").after["patient"]) == {"phones"}


def test_a_stale_form_shows_both_values_and_can_be_saved_again(clerk):
    patient = registered(clerk)
    address = reverse("edit", args=[patient.pk])
    mine, theirs = (filled(clerk, address, town=town) for town in ("Leeds", "York"))
    assert clerk.post(address, theirs).status_code == 302
    refused = clerk.post(address, mine)
    text = text_of(refused)
    assert "Somebody else has changed this record" in text
    met = text[text.index('id="met"') : text.index("</table>", text.index('id="met"'))]
    assert met.count('<tr class="nhsuk-table__row"><th class="nhsuk-table__header" scope="row">') == 1
    assert "Leeds" in met
    assert "York" in met
    patient.refresh_from_db()
    assert patient.town == "York"
    assert clerk.post(address, Fields(refused.content.decode()).values).status_code == 302
    patient.refresh_from_db()
    assert patient.town == "Leeds"


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


@pytest.fixture
def slot():
    clinic = Clinic.objects.create(code="CARD", name="Cardiology")
    at = (clock.now() + timedelta(days=1)).replace(hour=10, minute=0, second=0, microsecond=0)
    return Slot.objects.create(clinic=clinic, starts_at=at, minutes=30, places=1)


def book_form(clerk, patient, slot, **said):
    day = slot.starts_at.astimezone(clock.SITE).strftime("%d/%m/%Y")
    first = {"clinic": "CARD", "day": day, "starts_at": clock.iso(slot.starts_at), "appointment_type": "NEW", **said}
    return filled(clerk, reverse("book", args=[patient.pk]), **first)


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


def test_markup_in_a_name_is_shown_as_text(clerk):
    patient = registered(clerk, family="<script>alert(1)</script>"[:40], nhs_number="")
    text = text_of(clerk.get(reverse("record", args=[patient.pk])))
    assert "<SCRIPT>" not in text
    assert "&lt;SCRIPT&gt;" in text


def test_a_form_key_that_is_not_one_is_refused(clerk):
    answer = clerk.post(reverse("register"), ada(key="x"))
    assert answer.status_code == 200
    assert "There is a problem" in text_of(answer)
    assert uuid.UUID(Fields(answer.content.decode()).values["key"])
