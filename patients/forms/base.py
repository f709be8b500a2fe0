"""What every form of a save has: its key, dates in one box, and refusals told where they belong; knows no page."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import uuid4

from django import forms

from pasmirror.lib import clock, idempotency
from patients import cui, typed
from patients.codes import Codes
from patients.refusals import Refused

NOT_WHOLE = ("required", "invalid")
TORN = "The form did not arrive whole. Check it and save again"


class PageForm(forms.Form):
    """A form whose fields' ids are their names, with an idempotency key; `asks` are errors for the summary."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4, error_messages=dict.fromkeys(NOT_WHOLE, TORN))
    met: list[tuple[str, Any, Any]] | None = None  # (field, typed here, saved meanwhile by somebody else)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "%s")
        super().__init__(*args, **kwargs)

    def refuse(self, refused: Refused) -> None:
        """Show a service's refusal beside the field it concerns, or above the form."""
        self.add_error(refused.field if refused.field in self.fields else None, refused.reason)

    @property
    def idempotency_key(self) -> idempotency.Form:
        """The form's key, once it is valid, with the fields as they were sent."""
        return idempotency.Form.sent(self.cleaned_data["key"], self.data)

    @property
    def asks(self) -> list[tuple[str, str]]:
        """Give each error as (field name, "" for the whole form; text), in the order of the fields."""
        order = ["__all__", *self.fields]
        found = sorted(self.errors.items(), key=lambda item: order.index(item[0]))
        shown = {name for name, field in self.fields.items() if not field.widget.is_hidden}
        return [(name if name in shown else "", str(text)) for name, texts in found for text in texts]


def text(label: str, *, most: int, needed: str = "", hint: str = "", **attrs: Any) -> forms.CharField:
    """Make a one-line field; `needed` is what to say when it is left empty ("" for optional)."""
    return forms.CharField(
        label=label,
        max_length=most,
        required=bool(needed),
        help_text=hint,
        error_messages={"required": needed, "max_length": f"{label} must be {most} characters or fewer"},
        widget=forms.TextInput(attrs={"autocomplete": "off", "width": 20, **attrs}),
    )


def choice(label: str, codes: Codes, *, needed: str = "", hint: str = "", **attrs: Any) -> forms.ChoiceField:
    """Make a native select over a code list, nothing chosen; typing the first letters finds an entry."""
    return forms.ChoiceField(
        label=label,
        choices=options(codes.items()),
        required=bool(needed),
        help_text=hint,
        error_messages={"required": needed, "invalid_choice": f"Choose {label.lower()} from the list"},
        widget=forms.Select(attrs=attrs),
    )


def options(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Give choices with an empty one before them."""
    return [("", ""), *pairs]


class BornField(forms.CharField):
    """A date of birth in one box; the value is a partial date as facts carry it."""

    def __init__(self) -> None:
        super().__init__(
            label="Date of birth",
            help_text="For example 1/3/52, 010352, 1 mar 1952 or 1952. Type unknown if it is not known",
            error_messages={"required": "Enter the date of birth, or unknown"},
            max_length=30,
            widget=forms.TextInput(attrs={"autocomplete": "off", "width": 10}),
        )

    def clean(self, value: Any) -> str:
        """Read what was typed."""
        try:
            return typed.born(super().clean(value), today=clock.now().astimezone(clock.SITE).date())
        except typed.Unclear as unclear:
            raise forms.ValidationError(str(unclear)) from unclear

    def prepare_value(self, value: Any) -> Any:
        """Show a stored date as staff read it; what was typed stays as typed."""
        return cui.day(value) if value and len(str(value)) in (4, 7, 10) and str(value)[:4].isdigit() else value


class WhenMixin(forms.Form):
    """When it happened: a date and a time, now unless typed otherwise."""

    on = text("Date", most=20, needed="Enter the date", width=10)
    at = text("Time", most=5, needed="Enter the time", hint="24-hour clock, for example 14:20", width=5)
    occurred_at: datetime

    def clean(self) -> dict[str, Any]:
        """Put date and time together into `occurred_at`."""
        said: dict[str, Any] = super().clean() or {}
        if "on" in said and "at" in said:
            try:
                self.occurred_at = typed.moment(said["on"], said["at"], now=clock.now())
            except typed.Unclear as unclear:
                self.add_error("at" if "time" in str(unclear) else "on", str(unclear))
        return said


def now_typed() -> dict[str, str]:
    """Give date and time fields their present values."""
    now = clock.now()
    return {"on": cui.day(now), "at": cui.time(now)}


def today() -> date:
    """Give the date at the site."""
    return clock.now().astimezone(clock.SITE).date()
