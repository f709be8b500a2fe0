"""The search box; knows no page."""

from django import forms

from patients.forms.base import text


class FindForm(forms.Form):
    """One box: NHS number, hospital number, "surname, given", date of birth or postcode."""

    sought = text(
        "Find a patient",
        most=100,
        needed="Enter a number, a name, a date of birth or a postcode",
        hint="NHS number, hospital number, family name and given name, date of birth or postcode",
        width=30,
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("auto_id", "%s")
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def asks(self) -> list[tuple[str, str]]:
        """Give each error as (field name, text)."""
        return [(name, str(text)) for name, texts in self.errors.items() for text in texts]
