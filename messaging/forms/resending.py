"""What the page for sending again asks of a person: which messages; then the reason and their password."""

from typing import Any

from django import forms

from messaging.forms.feed import DecideForm
from messaging.resends import Asked, Scope
from patients.forms.base import choice, text

MOST = 2**62


class WhichForm(forms.Form):
    """Which messages of a lane: by number, an epoch's, those that could not be written, or the resync list."""

    what = choice("What to send again", dict(Scope.choices), needed="Choose what to send again")
    first = forms.IntegerField(label="From number", required=False, min_value=1, max_value=MOST)
    last = forms.IntegerField(label="To number", required=False, min_value=1, max_value=MOST)
    epoch = forms.IntegerField(label="Epoch", required=False, min_value=1, max_value=2**31 - 1)
    alike = forms.CharField(required=False, max_length=300, initial="", widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "%s")
        super().__init__(*args, **kwargs)
        for name in ("first", "last", "epoch"):
            self.fields[name].widget = forms.TextInput(
                attrs={"autocomplete": "off", "inputmode": "numeric", "width": 10}
            )

    @property
    def asks(self) -> list[tuple[str, str]]:
        """Give each error as (field name, text)."""
        return [("" if name == "__all__" else name, str(each)) for name, all_ in self.errors.items() for each in all_]

    def clean(self) -> dict[str, Any]:
        """Ask for the numbers that what is chosen needs."""
        said: dict[str, Any] = super().clean() or {}
        need(self, said)
        return said

    def asked(self) -> Asked:
        """Give what is asked for, once the form is valid."""
        return asked(self.cleaned_data)


class OrderForm(DecideForm):
    """The same once more, as it was counted; the reason and the person's password."""

    what = forms.ChoiceField(choices=Scope.choices, widget=forms.HiddenInput)
    first = forms.IntegerField(required=False, min_value=1, max_value=MOST, widget=forms.HiddenInput)
    last = forms.IntegerField(required=False, min_value=1, max_value=MOST, widget=forms.HiddenInput)
    epoch = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)
    alike = forms.CharField(required=False, max_length=300, widget=forms.HiddenInput)
    password = forms.CharField(
        label="Your password",
        strip=False,
        error_messages={"required": "Enter your password to confirm"},
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """Ask for the numbers that what is chosen needs."""
        said: dict[str, Any] = super().clean() or {}
        need(self, said)
        return said

    def asked(self) -> Asked:
        """Give what is asked for, once the form is valid."""
        return asked(self.cleaned_data)


class StopForm(DecideForm):
    """Why an order is stopped."""

    reason = text("Reason", most=300, needed="Enter why it is stopped", hint="Kept in the audit trail", width=30)


def need(form: forms.Form, said: dict[str, Any]) -> None:
    """Say what is missing for what was chosen."""
    if said.get("what") == Scope.RANGE:
        if "first" not in form.errors and not said.get("first"):
            form.add_error("first", "Enter the first number")
        if "last" not in form.errors and not said.get("last"):
            form.add_error("last", "Enter the last number")
        if (said.get("first") or 0) > (said.get("last") or MOST):
            form.add_error("last", "The last number is before the first")
    if said.get("what") == Scope.EPOCH and "epoch" not in form.errors and not said.get("epoch"):
        form.add_error("epoch", "Enter the epoch")


def asked(said: dict[str, Any]) -> Asked:
    """Give what is asked for; only the numbers that belong to what was chosen."""
    scope = said["what"]
    by_number, alike = scope == Scope.RANGE, said["alike"] if scope == Scope.UNWRITTEN else ""
    first, last = (said["first"], said["last"]) if by_number else (0, 0)
    return Asked(scope, first=first, last=last, epoch=said["epoch"] if scope == Scope.EPOCH else 0, alike=alike)
