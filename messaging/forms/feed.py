"""What the pages about the feed ask of a person: what to look for, a reason, a last day, a password; knows no page."""

from datetime import datetime, time, timedelta
from typing import Any

from django import forms

from messaging.asides import why
from messaging.selectors import exceptions, messages
from messaging.states import Outcome
from pasmirror.lib import clock
from patients import cui, typed
from patients.forms.base import PageForm, text, today

RULE_DAYS = 30  # what is offered as a rule's last day


class Among(forms.ChoiceField):
    """A choice among what there is now; what was there when the page was made may be gone, and is no error."""

    def __init__(self, label: str) -> None:
        super().__init__(label=label, required=False, widget=forms.Select)

    def valid_value(self, value: Any) -> bool:
        """Take anything short: a value that is gone finds nothing."""
        return len(str(value)) <= 120


class SeekForm(forms.Form):
    """A search whose ids are its names; `before` is where an older page begins."""

    before = forms.IntegerField(required=False, min_value=1, max_value=2**62, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "%s")
        super().__init__(*args, **kwargs)
        for name, pairs in self.there().items():
            field = self.fields[name]
            assert isinstance(field, Among)  # noqa: S101  (for mypy)
            field.choices = pairs

    def there(self) -> dict[str, list[tuple[str, str]]]:
        """Give what may be chosen in each list."""
        return {"channel": anything((code, code) for code in messages.channel_codes())}

    @property
    def asks(self) -> list[tuple[str, str]]:
        """Give each error as (field name, text)."""
        return [("" if name == "__all__" else name, str(text)) for name, texts in self.errors.items() for text in texts]

    @property
    def asked(self) -> list[str]:
        """Name the fields something was typed or chosen in."""
        return [name for name, value in self.cleaned_data.items() if value and name != "before"]


class ExceptionsForm(SeekForm):
    """Filters of the exception list; nothing is needed."""

    state = Among("State")
    code = Among("Why")
    trigger = Among("Trigger")
    sender = Among("Sender")
    channel = Among("Channel")
    number = text("Patient's number", most=40, width=10)

    def there(self) -> dict[str, list[tuple[str, str]]]:
        """Give what may be chosen in each list."""
        return super().there() | {
            "state": list(exceptions.STATES.items()),
            "code": anything((code, why(code).words) for code in exceptions.choices("code")),
            "trigger": anything((value, value) for value in exceptions.choices("trigger")),
            "sender": anything((value, value) for value in exceptions.choices("sender")),
        }

    def sought(self) -> exceptions.Sought:
        """Give what is asked for, once the form is valid."""
        names = ("code", "trigger", "sender", "channel", "number", "state")
        return exceptions.Sought(**{name: self.cleaned_data[name] for name in names})


class MessagesForm(SeekForm):
    """What to find messages by; nothing is needed."""

    control_id = text("Control id (MSH-10)", most=60, width=20)
    number = text("Patient's number", most=40, width=10)
    trigger = text("Trigger, as ADT^A01", most=20, width=10)
    channel = Among("Channel")
    outcome = Among("What became of it")
    on = text("From day", most=20, width=10)
    at = text("From time", most=5, width=5)
    to_on = text("To day", most=20, width=10)
    to_at = text("To time", most=5, width=5)
    since: datetime | None = None
    until: datetime | None = None

    def there(self) -> dict[str, list[tuple[str, str]]]:
        """Give what may be chosen in each list."""
        return super().there() | {"outcome": anything(Outcome.choices)}

    def clean(self) -> dict[str, Any]:
        """Put days and times together; a day without a time is the whole day."""
        said: dict[str, Any] = super().clean() or {}
        for on, at, name, whole in (("on", "at", "since", "00:00"), ("to_on", "to_at", "until", "")):
            if said.get(at) and not said.get(on):
                self.add_error(on, "Enter the day as well")
            elif said.get(on):
                self._put(name, on, at, said[on], said.get(at) or whole)
        return said

    def _put(self, name: str, on: str, at: str, day: str, hour: str) -> None:
        try:
            moment = typed.moment(day, hour or "00:00", now=clock.now())
        except typed.Unclear as unclear:
            self.add_error(at if "time" in str(unclear) else on, str(unclear))
        else:
            setattr(self, name, moment if hour else moment + timedelta(days=1))

    def sought(self) -> messages.Sought:
        """Give what is asked for, once the form is valid."""
        names = ("control_id", "number", "trigger", "channel", "outcome")
        chosen = {name: self.cleaned_data[name].strip() for name in names}
        return messages.Sought(**chosen, since=self.since, until=self.until)


class DecideForm(PageForm):
    """A reason, and a key so that a double click is harmless."""

    reason = text(
        "Reason",
        most=300,
        needed="Enter the reason",
        hint="Kept in the audit trail. No patient's particulars",
        width=30,
    )


class RuleForm(DecideForm):
    """A rule: until which day, why, and the person's password."""

    until = text("Last day of the rule", most=20, needed="Enter the rule's last day", width=10)
    password = forms.CharField(
        label="Your password",
        strip=False,
        error_messages={"required": "Enter your password to confirm"},
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("key", "until", "reason", "password")

    def clean_until(self) -> datetime:
        """Give the end of that day at the site."""
        try:
            on = typed.day(self.cleaned_data["until"], today=today())
        except typed.Unclear as unclear:
            raise forms.ValidationError(str(unclear)) from unclear
        return datetime.combine(on, time.max, tzinfo=clock.SITE)


def anything(pairs: Any) -> list[tuple[str, str]]:
    """Give choices with "any" before them."""
    return [("", "Any"), *((str(value), str(words)) for value, words in pairs)]


def rule_until() -> str:
    """Give the last day a rule is offered with, as staff read it."""
    return cui.day(today() + timedelta(days=RULE_DAYS))
