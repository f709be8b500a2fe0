"""Two people and one record: both values are shown, one record is made, one bed has one patient, and who may enter."""

import pytest

from pasmirror.demo.cast import PASSWORD
from pasmirror.demo.clerk import Clerk
from tests.browser.conftest import Visitor
from tests.browser.person import Person
from tests.hospital import Hospital

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _mirror(hospital: Hospital) -> None:
    hospital.given_mirror()


def given_a_patient(hospital: Hospital, family: str) -> int:
    clerk = Clerk("127.0.0.1", hospital.screens, name="clerk", password=PASSWORD)
    clerk.register(family=family, given="Jo", born="2 feb 1961", sex="F", postcode="AB1 2CD", phone="0200 000 000")
    return clerk.patient


def how_many(clerk: Person, family: str) -> int:
    clerk.opens("/patients/")
    clerk.fills(sought=family)
    clerk.page.click("#find")
    clerk.page.wait_for_selector("#results [role=status]")
    return clerk.page.locator("#results [data-row]").count()


def test_a_stale_form_shows_both_values_and_loses_neither(hospital: Hospital, visitor: Visitor) -> None:
    patient = given_a_patient(hospital, "STALEFORM")
    first, second = visitor("clerk"), visitor("clerk")
    for clerk in (first, second):
        clerk.opens(f"/patients/{patient}/edit")
    first.sends(phone="020 7000 0001")
    first.sees("#outage-made", "Details changed")

    second.sends(phone="020 7000 0002")

    second.sees("#met", "020 7000 0001")
    second.sees("#met", "020 7000 0002")
    assert second.page.input_value("#phone") == "020 7000 0002"
    second.finds_it_accessible()
    second.sends()
    second.page.click("#patient-banner summary")
    second.sees("#patient-banner", "020 7000 0002")


def test_two_clicks_make_one_patient(visitor: Visitor) -> None:
    clerk = visitor("clerk")
    clerk.opens("/patients/register")
    clerk.fills(family="TWOCLICKS", given="Al", born="3/4/1970", sex="M")
    clerk.page.dblclick("#save")
    clerk.sees("#patient-banner", "TWOCLICKS")
    assert how_many(clerk, "TWOCLICKS") == 1


def test_the_same_form_from_two_tabs_makes_one_patient(visitor: Visitor) -> None:
    clerk = visitor("clerk")
    other = Person(clerk.page.context.new_page(), clerk.address)
    for tab in (clerk, other):
        tab.opens("/patients/register")
        tab.fills(family="TWOTABS", given="Al", born="3/4/1970", sex="M")
    key = clerk.page.input_value("input[name=key]")
    other.page.eval_on_selector("input[name=key]", "(field, key) => { field.value = key }", key)
    clerk.sends()
    other.sends()
    assert clerk.page.url == other.page.url
    assert how_many(clerk, "TWOTABS") == 1


def test_a_bed_taken_meanwhile_is_refused_and_the_rest_of_the_form_is_kept(
    hospital: Hospital, visitor: Visitor
) -> None:
    patients = [given_a_patient(hospital, "BEDONE"), given_a_patient(hospital, "BEDTWO")]
    clerks = [visitor("clerk"), visitor("clerk")]
    for clerk, patient in zip(clerks, patients, strict=True):
        clerk.opens(f"/patients/{patient}/admit")
        clerk.fills(ward="WB", bed="B^B12", admission_method="21", admission_source="19")
    clerks[0].sends()
    clerks[0].sees("#current-stay", "B bed B12")

    late = clerks[1]
    late.sends()

    late.sees("#error-summary", "This bed is not free")
    assert late.page.locator("#error-summary a").get_attribute("href") == "#bed"
    assert late.page.evaluate("document.activeElement.id") == "error-summary"
    assert late.page.input_value("#admission_method") == "21"
    assert late.page.locator('#bed option[value="B^B12"]').count() == 0
    late.finds_it_accessible()
    late.sends(bed="B^B11")
    late.sees("#current-stay", "B bed B11")


def test_a_wrong_password_says_so_and_lets_nobody_in(visitor: Visitor) -> None:
    somebody = visitor()
    somebody.signs_in("clerk", "wrong")
    somebody.sees("#error-summary", "The user name or the password is wrong")
    somebody.finds_it_accessible()
    somebody.opens("/patients/")
    assert "/sign-in" in somebody.page.url


def test_an_empty_registration_names_every_field(visitor: Visitor) -> None:
    clerk = visitor("clerk")
    clerk.opens("/patients/register")
    clerk.sends(nhs_number="485 777 3456", given="Kept")
    links = [link.get_attribute("href") for link in clerk.page.locator("#error-summary a").all()]
    assert links == ["#family", "#born", "#sex", "#nhs_number"]
    assert clerk.page.input_value("#given") == "Kept"
    clerk.finds_it_accessible()
