"""Admit, transfer, discharge; a bed is written `bay^bed`, as HL7 does. Knows no page."""

from collections.abc import Iterable
from typing import Any

from django import forms

from pasmirror.lib import clock
from patients import codes, typed
from patients.facts import Groups, Value
from patients.forms.base import PageForm, WhenMixin, choice, options, text

DIED = "4"  # method of discharge: patient died


class PlaceForm(WhenMixin, PageForm):
    """A ward and a free bed of it, and when. `wards` and `beds` are (code, words)."""

    seen = forms.IntegerField(widget=forms.HiddenInput)
    ward = choice("Ward", {}, needed="Choose a ward")
    bed = choice("Bed", {}, hint="Free beds of this ward. Leave empty if the patient has no bed yet")

    def __init__(
        self, *args: Any, wards: Iterable[tuple[str, str]], beds: Iterable[tuple[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, pairs in (("ward", wards), ("bed", beds)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101  (for mypy)
            field.choices = options(pairs)
        self.fields["bed"].error_messages["invalid_choice"] = "This bed is not free on that ward: choose another"

    def place(self) -> dict[str, Value]:
        """Give ward, bay and bed as facts."""
        bay, _, bed = self.cleaned_data["bed"].partition("^")
        return {"ward": self.cleaned_data["ward"], "bay": bay, "bed": bed}


class AdmitForm(PlaceForm):
    """The beginning of a stay."""

    admission_method = choice("Method of admission", codes.ADMISSION_METHOD, needed="Choose the method of admission")
    admission_source = choice("Source of admission", codes.ADMISSION_SOURCE, needed="Choose the source of admission")
    consultant = text("Consultant code", most=50, hint="For example C1234567", width=10)
    consultant_name = text("Consultant name", most=100, hint="For example SMITH, Ann (Dr)")
    specialty = choice("Specialty", codes.SPECIALTY)
    patient_class = choice("Class", codes.PATIENT_CLASS, needed="Choose the class")
    field_order = (
        "ward", "bed", "on", "at", "admission_method", "admission_source", "consultant", "consultant_name",
        "specialty", "patient_class",
    )  # fmt: skip

    def stay(self) -> Groups:
        """Give the facts of the new stay."""
        said = self.cleaned_data
        return {
            "place": self.place(),
            "consultant": {name: said[name] for name in ("consultant", "consultant_name", "specialty")},
            "admission": {name: said[name] for name in ("patient_class", "admission_method", "admission_source")},
        }


class TransferForm(PlaceForm):
    """To another ward or bed."""

    field_order = ("ward", "bed", "on", "at")


class DischargeForm(WhenMixin, PageForm):
    """The end of a stay; a death needs its date."""

    seen = forms.IntegerField(widget=forms.HiddenInput)
    discharge_method = choice("Method of discharge", codes.DISCHARGE_METHOD, needed="Choose the method of discharge")
    discharge_destination = choice(
        "Destination", codes.DISCHARGE_DESTINATION, needed="Choose where the patient has gone"
    )
    died_on = text("Date of death", most=20, hint="Only if the patient died", width=10)
    died_time = text("Time of death", most=5, hint="24-hour clock. Leave empty if it is not known", width=5)
    field_order = ("on", "at", "discharge_method", "discharge_destination", "died_on", "died_time")
    died_at = ""

    def clean(self) -> dict[str, Any]:
        """Put the death together, and refuse half of one."""
        said = super().clean()
        if said.get("discharge_method") != DIED:
            if said.get("died_on") or said.get("died_time"):
                self.add_error("discharge_method", "A date of death is given: choose the method “Died”")
            return said
        try:
            self.died_at = typed.death(said.get("died_on", ""), said.get("died_time", ""), now=clock.now())
        except typed.Unclear as unclear:
            self.add_error("died_time" if "time" in str(unclear) else "died_on", str(unclear))
        return said

    def discharge(self) -> dict[str, Value]:
        """Give the facts of the discharge."""
        return {name: self.cleaned_data[name] for name in ("discharge_method", "discharge_destination")}
