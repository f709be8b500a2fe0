"""What clerks type: read as they mean it, or refused in words they understand."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients import cui, typed
from patients.facts import Kind, blank
from patients.forms.patient import EditForm, RegisterForm, shown
from patients.forms.stay import AdmitForm, DischargeForm
from tests.factories.desk import ada

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1/3/52", "1952-03-01"), ("010352", "1952-03-01"), ("1 mar 1952", "1952-03-01"), ("1952", "1952"),
        ("01-Mar-1952", "1952-03-01"), ("mar 1952", "1952-03"), ("3/1952", "1952-03"), ("1952-03-01", "1952-03-01"),
        ("22/11/26", "2026-11-22"), ("23/11/27", "1927-11-23"), ("unknown", ""), ("29 feb 2024", "2024-02-29"),
    ],
)  # fmt: skip
def test_date_of_birth_is_read_as_typed(text, meant):
    assert typed.born(text, today=TODAY) == meant


@pytest.mark.parametrize(
    "text", ["31/2/1952", "1/13/52", "52", "soon", "23/11/2026", "2031", "1850", "0000", "29/2/23"]
)
def test_impossible_date_of_birth_is_refused(text):
    with pytest.raises(typed.Unclear):
        typed.born(text, today=TODAY)


@given(st.text(max_size=20))
def test_no_text_breaks_the_date_box(text):
    try:
        found = typed.born(text, today=TODAY)
    except typed.Unclear:
        return
    assert cui.born(found, TODAY)


@given(st.dates(min_value=date(1907, 1, 1), max_value=TODAY))
def test_a_date_shown_is_a_date_read(day):
    assert typed.born(cui.day(day), today=TODAY) == day.isoformat()


@pytest.mark.parametrize("text", ["", "2460", "24:00", "9", "noon", "12:5"])
def test_impossible_time_is_refused(text):
    with pytest.raises(typed.Unclear):
        typed.moment("22/11/2026", text, now=datetime(2026, 11, 22, 12, tzinfo=UTC))


def test_a_time_in_summer_is_local():
    at = typed.moment("1/7/2026", "1420", now=datetime(2026, 7, 1, 14, tzinfo=UTC))
    assert at.astimezone(UTC) == datetime(2026, 7, 1, 13, 20, tzinfo=UTC)


def test_names_dates_and_numbers_by_the_cui_rules():
    assert cui.name("smith", "JOHN", "mr") == "SMITH, John (Mr)"
    assert cui.name("", "") == "UNKNOWN, Unknown"
    assert cui.day("2008-01-01") == "01-Jan-2008"
    assert cui.day("") == "Not known"
    assert cui.born("1952-11-23", TODAY) == "23-Nov-1952 (73y)"
    assert cui.born("2026-11-01", TODAY) == "01-Nov-2026 (21d)"
    assert cui.nhs("9990000018") == "999 000 0018"
    assert cui.moment("2026-07-01T13:20:00+00:00") == "01-Jul-2026 14:20"


def test_registration_gives_groups_of_what_was_said():
    form = RegisterForm(ada(phone="01134960000"))
    assert form.is_valid(), form.errors
    groups = form.groups()
    assert groups["name"] == {"family": "Lovelace", "given": "Ada"}
    assert groups["birth"] == {"born": "1952-12-10"}
    assert groups["nhs"] == {"nhs_number": "9990000018", "nhs_status": "02"}
    assert groups["address"] == {"postcode": "LS1 4AP"}
    assert groups["phones"] == {"phone": "0113 496 0000"}
    assert "background" not in groups


def test_registration_says_everything_that_is_missing_at_once():
    form = RegisterForm({**ada(), "family": "", "born": "", "sex": "", "nhs_number": "485 777 3456"})
    assert [name for name, _ in form.asks] == ["family", "born", "sex", "nhs_number"]


@pytest.mark.parametrize(
    ("field", "value"), [("sex", "X"), ("ethnic", "??"), ("key", "not-a-key"), ("family", "x" * 41)]
)
def test_an_invalid_value_is_refused(field, value):
    form = RegisterForm(ada(**{field: value}))
    assert not form.is_valid()
    assert field in form.errors


def test_editing_gives_only_the_groups_that_changed():
    now = blank(Kind.PATIENT)
    now["name"] |= {"family": "LOVELACE", "given": "Ada"}
    now["birth"]["born"] = "1952-12-10"
    now["sex"]["sex"] = "A"
    now["nhs"] |= {"nhs_number": "9990000018", "nhs_status": "01"}
    first = {**shown(now), "seen": 3, "born": cui.day("1952-12-10"), "key": ada()["key"]}
    form = EditForm({**first, "phone": "0113 496 0000"}, now=now)
    assert form.is_valid(), form.errors
    assert form.groups() == {"phones": {"phone": "0113 496 0000", "mobile": "", "email": ""}}


def test_a_new_nhs_number_is_not_verified():
    now = blank(Kind.PATIENT)
    now["nhs"] |= {"nhs_number": "9990000018", "nhs_status": "01"}
    form = EditForm({**ada(), "seen": "1", "nhs_number": "9990000026"}, now=now)
    assert form.is_valid(), form.errors
    assert form.groups()["nhs"] == {"nhs_number": "9990000026", "nhs_status": "02"}


def admit_form(**other):
    said = {
        "key": ada()["key"], "seen": "1", "ward": "WA", "bed": "A^A1", "on": "22-Nov-2026", "at": "10:00",
        "admission_method": "21", "admission_source": "19", "patient_class": "I", **other,
    }  # fmt: skip
    return AdmitForm(said, wards=[("WA", "Ward A")], beds=[("A^A1", "A A1")])


def test_admission_gives_place_and_codes():
    form = admit_form(consultant="C1")
    assert form.is_valid(), form.errors
    assert form.stay()["place"] == {"ward": "WA", "bay": "A", "bed": "A1"}
    assert form.stay()["consultant"]["consultant"] == "C1"


@pytest.mark.parametrize(
    ("field", "value"),
    [("ward", ""), ("ward", "WZ"), ("bed", "A^A9"), ("at", "25:00"), ("on", "32/1/2026"), ("admission_method", "77")],
)
def test_admission_refuses_what_is_not_there(field, value):
    form = admit_form(**{field: value})
    assert not form.is_valid()
    assert field in form.errors


def discharge_form(**other):
    said = {"key": ada()["key"], "seen": "1", "on": "today", "at": "0001", "discharge_method": "1"}
    return DischargeForm({**said, "discharge_destination": "19", **other})


def test_death_needs_its_date_and_a_date_of_death_its_method():
    assert "died_on" in discharge_form(discharge_method="4").errors
    assert "discharge_method" in discharge_form(died_on="today").errors
    assert "died_on" in discharge_form(discharge_method="4", died_on="1/1/2199").errors
    form = discharge_form(discharge_method="4", died_on="1/3/2024")
    assert form.is_valid(), form.errors
    assert form.died_at == "2024-03-01"
