"""Book and cancel appointments; knows no page."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django import forms

from pasmirror.lib import clock
from patients import codes, typed
from patients.forms.base import PageForm, choice, options, text, today


class BookForm(PageForm):
    """A clinic, a day, and one of its free slots. `clinics` and `slots` are (code, words)."""

    seen = forms.IntegerField(widget=forms.HiddenInput)
    clinic = choice("Clinic", {}, needed="Choose a clinic")
    day = text("Day", most=20, needed="Enter the day", hint="For example 1/3/2026, today or tomorrow", width=10)
    starts_at = forms.ChoiceField(
        label="Free times",
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a time", "invalid_choice": "This time is not free: choose another"},
    )
    appointment_type = choice("Type", codes.APPOINTMENT_TYPE, needed="Choose the type of appointment")
    reason = text("Reason", most=200, hint="Optional", width=30)

    def __init__(
        self, *args: Any, clinics: Iterable[tuple[str, str]], slots: Iterable[tuple[str, str]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        for name, pairs in (("clinic", options(clinics)), ("starts_at", list(slots))):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)  # noqa: S101  (for mypy)
            field.choices = pairs

    def clean_day(self) -> date:
        """Read the day."""
        try:
            return typed.day(self.cleaned_data["day"], today=today())
        except typed.Unclear as unclear:
            raise forms.ValidationError(str(unclear)) from unclear

    def slot(self) -> datetime:
        """Give the moment chosen."""
        at = clock.moment(self.cleaned_data["starts_at"])
        assert at is not None  # noqa: S101  (a choice of ours)
        return at


class CancelForm(PageForm):
    """Why an appointment is called off."""

    seen = forms.IntegerField(widget=forms.HiddenInput)
    reason = text("Reason", most=200, needed="Enter why it is cancelled", width=30)
