"""Reads a page as a clerk sees it: banner, patient, entries, the form, what the page says; knows no socket."""

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

EVENTS = {
    "register": "Registered",
    "amend": "Details changed",
    "admit": "Admitted",
    "transfer": "Transferred",
    "discharge": "Discharged",
    "book": "Appointment booked",
    "cancel": "Appointment cancelled",
}
"""How the patient's page names each kind of entry."""
RECORD = re.compile(r"/patients/(\d+)/")


class Torn(Exception):
    """The page did not arrive whole."""


@dataclass(slots=True)
class Form:
    """The page's own form: the values its fields have, and what may be chosen."""

    fields: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)

    def choices(self, name: str) -> list[str]:
        """What may be chosen in a field, without the empty choice."""
        return [value for value in self.options.get(name, []) if value]


@dataclass(slots=True)
class Screen:
    """One page as it arrived: its address, status and text; `form` is None where there is none to send."""

    path: str
    status: int
    text: str
    form: Form | None = None
    links: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, path: str, status: int, text: str) -> "Screen":
        """Read a page; Torn where its end is missing."""
        if "<html" in text and "</html>" not in text:
            raise Torn(f"{len(text)} characters without an end")
        reader = _Reader()
        reader.feed(text)
        return cls(path, status, text, reader.form, reader.links)

    @property
    def patient(self) -> int:
        """Whose record this is; 0 where it is another page."""
        found = RECORD.fullmatch(self.path.partition("?")[0])
        return int(found[1]) if found else 0

    @property
    def errors(self) -> str:
        """What the error summary says; "" without one."""
        return self._words(r'class="nhsuk-error-summary".*?<ul[^>]*>(.*?)</ul>')

    @property
    def refusal(self) -> str:
        """What the page says instead of a form: that it is for looking up only."""
        return self._words(r'id="look-up-only">.*?</span>(.*?)</div>')

    @property
    def sentence(self) -> str:
        """The page's own words in short: its errors, or its heading and first paragraphs where it is no record."""
        return self.errors or self.refusal or self._words(r"(<h1.*)</main>")[:300]

    def shown(self) -> dict[str, Any]:
        """What a clerk reads: mode and age of data, and on a record who it is and what is entered there."""
        told: dict[str, Any] = {
            "mode": self._words(r'data-mode="(\w+)"'),
            "headline": self._words(r'class="app-mode__words"><strong>(.*?)</strong>'),
            "detail": self._words(r'class="app-mode__words"><strong>.*?</strong>(.*?)</p>'),
            "age": self._words(r'class="app-mode__age">(.*?)</p>'),
        }
        if self.patient and self.status == 200:
            told |= {
                "patient": self.patient,
                "surname": self._words(r'class="app-patient__name">.*?<dd>(.*?)</dd>').partition(",")[0],
                "place": self._words(r'id="current-stay">.*?>Ward</dt><dd[^>]*>(.*?)</dd>'),
                "appointments": self._appointments(),
                "events": (events := self._events()),
                "changes": [event[0] for event in events],
            }
        return told

    def _appointments(self) -> list[list[str]]:
        table = re.search(r'<table[^>]* id="appointments">.*?</table>', self.text, re.DOTALL)
        rows = re.findall(r'scope="row">(.*?)</th>\s*<td[^>]*>(.*?)</td>\s*<td[^>]*>(.*?)(?:<br>|</td>)',
                          table[0] if table else "", re.DOTALL)  # fmt: skip
        return [[_plain(cell) for cell in row] for row in rows]

    def _events(self) -> list[list[Any]]:
        """Each entry as change id, event in words, account, and the fate at each destination; newest first."""
        found: list[list[Any]] = []
        for row in re.findall(r'data-change="(\d+)">(.*?)</tr>', self.text, re.DOTALL):
            cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row[1], re.DOTALL)
            fates = dict(re.findall(r'data-destination="(.*?)" data-fate="(.*?)"', row[1]))
            found.append([int(row[0]), _plain(cells[0]), _plain(cells[3]), fates])
        return found

    def _words(self, pattern: str) -> str:
        found = re.search(pattern, self.text, re.DOTALL)
        return _plain(found[1]) if found else ""


def _plain(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


class _Reader(HTMLParser):
    """Reads the fields and choices of the form `page-form`, and the page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self.links: list[str] = []
        self._inside = False
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "a" and said.get("href"):
            self.links.append(said["href"])
        if tag == "form" and said.get("id") == "page-form":
            self.form, self._inside = Form(), True
        if self.form is not None and self._inside:
            self._field(self.form, tag, said)

    def _field(self, form: Form, tag: str, said: dict[str, str]) -> None:
        name, value = said.get("name", ""), said.get("value", "")
        if tag == "select":
            self._select = name
            form.fields.setdefault(name, "")
        elif tag == "option":
            form.options.setdefault(self._select, []).append(value)
            if "selected" in said:
                form.fields[self._select] = value
        elif tag == "input" and said.get("type") in ("radio", "checkbox"):
            form.options.setdefault(name, []).append(value)
            if "checked" in said:
                form.fields[name] = value
        elif tag == "input" and name:
            form.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
