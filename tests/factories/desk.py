"""People at the desk and at the console, signed in, and a form's fields as a page shows them."""

import uuid
from html.parser import HTMLParser

from django.test import Client

from pasmirror.lib.models import User

PASSWORD = "paper boats on the pond 7"


def person(role: str, name: str = "") -> User:
    """An account of that role."""
    return User.objects.create_user(
        name or role, password=PASSWORD, role=role, first_name="Pat", last_name=role.title()
    )


def signed_in(role: str, name: str = "", **options: object) -> Client:
    """A browser in which a person of that role has signed in."""
    client = Client(**options)
    client.force_login(person(role, name))
    return client


def ada(**other: str) -> dict[str, str]:
    """A registration form filled in, with its own key."""
    return {
        "key": str(uuid.uuid4()), "family": "Lovelace", "given": "Ada", "born": "10/12/52", "sex": "F",
        "nhs_number": "999 000 0018", "postcode": "ls14ap", **other,
    }  # fmt: skip


class Fields(HTMLParser):
    """Reads names and values of the inputs of a page, and the texts of its labels by field id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.labels: set[str] = set()
        self.controls: set[str] = set()
        self.select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one control or label."""
        said = dict(attrs)
        if tag == "label" and said.get("for"):
            self.labels.add(str(said["for"]))
        if tag in ("input", "select", "textarea") and said.get("type") != "hidden":
            self.controls.add(str(said.get("id")))
        if tag == "input" and said.get("name") and said.get("type") not in ("radio", "checkbox"):
            self.values[str(said["name"])] = said.get("value") or ""
        if tag == "select":
            self.select = str(said.get("name"))
        if tag == "option" and "selected" in said:
            self.values[self.select] = said.get("value") or ""
