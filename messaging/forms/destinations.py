"""What the pages about destinations ask of a person: which message; knows no page."""

from typing import Any

from django import forms

from patients.forms.base import text


class NamedForm(forms.Form):
    """One message, by its number on the lane or by its control id."""

    wanted = text(
        "Number on this lane, or control id (MSH-10)",
        most=30,
        needed="Enter a number on this lane or a control id",
        width=20,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "%s")
        super().__init__(*args, **kwargs)

    @property
    def asks(self) -> list[tuple[str, str]]:
        """Give each error as (field name, text)."""
        return [(name, str(text)) for name, texts in self.errors.items() for text in texts]

    def refuse(self, why: str) -> None:
        """Say why what was typed names nothing."""
        self.add_error("wanted", why)
