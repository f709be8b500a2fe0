"""What the page of a probe asks of a person: a reason, and a word where others are being spoken to; knows no page."""

from typing import Any

from django import forms

from messaging.forms.feed import DecideForm


class ProbeForm(DecideForm):
    """A reason; and, where `why_confirm` is given, that a probe is to be sent all the same."""

    confirmed = forms.BooleanField(label="Send a probe all the same", required=False)

    def __init__(self, *args: Any, why_confirm: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if why_confirm is None:
            del self.fields["confirmed"]
