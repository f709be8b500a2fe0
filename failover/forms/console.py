"""What is asked before a switch is thrown or a difference settled; knows no page."""

from typing import Any

from django import forms

from failover.services.switch import CHECKLIST
from failover.verbs import Verb
from patients.refusals import Refused


class ConsoleForm(forms.Form):
    """Ids are names; refusals are shown beside the field they concern."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "%s")
        super().__init__(*args, **kwargs)

    def refuse(self, refused: Refused) -> None:
        """Show a service's refusal."""
        self.add_error(refused.field if refused.field in self.fields else None, refused.reason)

    @property
    def asks(self) -> list[tuple[str, str]]:
        """Give each error as (field name, "" for the whole form; text)."""
        return [("" if name == "__all__" else name, str(text)) for name, texts in self.errors.items() for text in texts]


def reason_field() -> forms.CharField:
    """Make the field every decision asks for."""
    return forms.CharField(
        label="Reason",
        max_length=300,
        help_text="Kept in the incident and in the audit trail. No patient's particulars",
        error_messages={"required": "Enter the reason"},
        widget=forms.TextInput(attrs={"width": 30, "autocomplete": "off"}),
    )


class VerbForm(ConsoleForm):
    """Asks what its verb needs: a reason, the checklist item by item, the person's password."""

    def __init__(self, *args: Any, verb: Verb, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if verb.checklist:
            for name, label in CHECKLIST.items():
                message = {"required": f"Not checked: {label}"}
                self.fields[name] = forms.BooleanField(label=label, error_messages=message)
        if verb.reason:
            self.fields["reason"] = reason_field()
        if verb.password:
            self.fields["password"] = forms.CharField(
                label="Your password",
                strip=False,
                error_messages={"required": "Enter your password to confirm"},
                widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
            )

    def checklist(self) -> dict[str, bool]:
        """Give the checklist as ticked."""
        return {name: bool(self.cleaned_data.get(name)) for name in CHECKLIST}


class SettleForm(ConsoleForm):
    """What is kept, and why."""

    decision = forms.ChoiceField(
        label="What is kept",
        choices=[
            ("keep_mirror", "Keep what was entered here, and tell the PAS"),
            ("keep_pas", "Keep what the PAS holds"),
            ("void", "Withdraw the entry"),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what is to be kept"},
    )
    reason = reason_field()
