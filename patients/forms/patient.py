"""A person's details, to register or to change them; knows no page."""

from typing import Any

from django import forms

from patients import codes, typed
from patients.facts import GROUPS, Groups, Kind, Value
from patients.forms.base import BornField, PageForm, choice, text
from patients.identifiers import NOT_VERIFIED, nhs_digits, nhs_spaced, why_not_nhs_number

FIRST = ("family", "given", "born", "sex", "nhs_number", "postcode", "phone")
MORE = (
    "title", "middle", "line1", "line2", "town", "county", "gp", "practice", "mobile", "email", "ethnic", "marital",
    "religion", "language",
)  # fmt: skip
SHOWN = frozenset({*FIRST, *MORE})


def offered(current: str = "") -> codes.Codes:
    """Give the sexes a clerk may choose, and the one the PAS sent if it is another."""
    return {code: words for code, words in codes.SEX.items() if code in codes.SEX_OFFERED or code == current}


class PatientForm(PageForm):
    """The minimum first, the rest behind it."""

    family = text("Family name", most=40, needed="Enter a family name, or UNKNOWN", autocapitalize="characters")
    given = text("Given name", most=35)
    born = BornField()
    sex = choice("Sex", offered(), needed="Choose the sex")
    nhs_number = text("NHS number", most=20, hint="10 digits, for example 999 000 0018", width=10, inputmode="numeric")
    postcode = text("Postcode", most=10, width=10, autocapitalize="characters")
    phone = text("Phone", most=40)
    title = text("Title", most=35, width=10)
    middle = text("Middle names", most=100)
    line1 = text("Address line 1", most=100, width=30)
    line2 = text("Address line 2", most=100, width=30)
    town = text("Town or city", most=60)
    county = text("County", most=60)
    gp = text("GP", most=100)
    practice = text("GP practice", most=100, hint="Practice code, for example A81001")
    mobile = text("Mobile phone", most=40)
    email = text("Email", most=100, width=30)
    ethnic = choice("Ethnic category", codes.ETHNIC)
    marital = choice("Marital status", codes.MARITAL)
    religion = text("Religion", most=50)
    language = text("Language", most=20, hint="If an interpreter is needed, say which language")

    def clean_nhs_number(self) -> str:
        """Check the digits and keep them bare."""
        typed_number: str = self.cleaned_data["nhs_number"]
        if why := why_not_nhs_number(typed_number):
            raise forms.ValidationError(why)
        return nhs_digits(typed_number)

    def clean_postcode(self) -> str:
        """Write it in capitals with its space."""
        return typed.postcode(self.cleaned_data["postcode"])

    def clean_phone(self) -> str:
        """Tidy it if it can be read as a number; never refuse it."""
        return typed.phone(self.cleaned_data["phone"])

    def clean_mobile(self) -> str:
        """Tidy it likewise."""
        return typed.phone(self.cleaned_data["mobile"])

    @property
    def more_asks(self) -> bool:
        """Say whether a field behind "More details" needs the person's eye."""
        return bool(set(self.errors) & set(MORE))

    def groups(self) -> Groups:
        """Give what was said by field group, all fields of the form."""
        said = {
            group: {name: self.cleaned_data[name] for name in names if name in SHOWN}
            for group, names in GROUPS[Kind.PATIENT].items()
        }
        return {group: values for group, values in said.items() if values}


class RegisterForm(PatientForm):
    """A new person; the NHS number is never taken as verified."""

    def groups(self) -> Groups:
        """Give what was said, leaving out what was left empty."""
        said = {g: {n: v for n, v in values.items() if v != ""} for g, values in super().groups().items()}
        if "nhs_number" in said["nhs"]:
            said["nhs"]["nhs_status"] = NOT_VERIFIED
        return {group: values for group, values in said.items() if values}


class EditForm(PatientForm):
    """A person's details as they stand, with the version they were read at."""

    seen = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, now: Groups, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        for name, list_ in (("sex", offered(str(now["sex"]["sex"]))), ("ethnic", codes.ETHNIC)):
            current = str(next(values[name] for values in now.values() if name in values))
            known = list_ if current in list_ or not current else {**list_, current: current}
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101  (for mypy)
            field.choices = [("", ""), *known.items()]
        if not now["birth"]["born"]:
            self.fields["born"].required = False

    def groups(self) -> Groups:
        """Give the groups in which something was changed, each whole; a new NHS number is not verified."""
        said = {group: {**self.now[group], **values} for group, values in super().groups().items()}
        if said["nhs"]["nhs_number"] != self.now["nhs"]["nhs_number"]:
            said["nhs"]["nhs_status"] = NOT_VERIFIED if said["nhs"]["nhs_number"] else ""
        return {group: values for group, values in said.items() if values != self.now[group]}


def shown(now: Groups) -> dict[str, Value]:
    """Give facts as a form's first values."""
    flat = {name: value for values in now.values() for name, value in values.items() if name in SHOWN}
    return {**flat, "nhs_number": nhs_spaced(str(flat["nhs_number"]))}
