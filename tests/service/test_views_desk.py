"""The clerk's pages: every save by the form as the page shows it, every refusal in the form, nothing lost."""

import re
import uuid

import pytest
from django.urls import reverse

from pasmirror.lib.models import AuditRow
from patients.models import Appointment, Change, Gate, Patient, Stay
from patients.states import Mode
from tests.factories import lanes
from tests.factories.desk import Fields, ada, signed_in
from tests.factories.forms import admit_form, admitted, book_form, filled, free_slot, registered, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk():
    lanes.mirror_mode()
    return signed_in("clerk")


@pytest.fixture
def slot():
    return free_slot()


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
