"""Finds patient data where none may be: logs, the broker, addresses, public pages, anchors (I11); pure.

Each sink is read as it is, with %-escapes undone, and with every stretch of base64 decoded, as the broker carries it.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote_plus

from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import History

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_NUMBER = re.compile(r"(?<!\d)\d{3}[ -]?\d{3}[ -]?\d{4}(?!\d)")
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})([-/]?)(\d\d)\2(\d\d)(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})[-/. ](\d{1,2}|[a-z]{3,9})[-/. ](\d{4})(?!\d)", re.IGNORECASE)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
Owner = tuple[str, int]  # who typed it, in which operation


def check(history: History) -> Iterator[Finding]:
    """Give every sink with something of a patient in it; the finding itself names the operation and not the text."""
    marks, numbers, dates = _sought(history)
    for name, content in history.sinks:
        text = _readable(content)
        found = [
            *(("A name", marks[mark]) for mark in _marks_in(text, marks)),
            *(("An NHS number", numbers[each]) for each in sorted(_numbers_in(text) & numbers.keys())),
            *(("A birth date", dates[each]) for each in sorted(_dates_in(text) & dates.keys())),
        ]
        for what, (who, number) in found:
            yield finding(Kind.PATIENT_DATA_IN_SINK, f"{what} stands in {name}", who=who, op=number)


def _sought(history: History) -> tuple[dict[str, Owner], dict[str, Owner], dict[str, Owner]]:
    """Marks in capitals, NHS numbers as ten digits, whole birth dates as YYYYMMDD, each with who typed it."""
    marks: dict[str, Owner] = {}
    numbers: dict[str, Owner] = {}
    dates: dict[str, Owner] = {}
    for op in history.ops:
        owner, typed = (op.who, op.number), op.said.get("typed") or {}
        if op.said.get("mark"):
            marks.setdefault(str(op.said["mark"]).upper(), owner)
        for each in _numbers_in(str(typed.get("nhs_number") or typed.get("nhs") or "")):
            numbers.setdefault(each, owner)
        for each in _dates_in(str(typed.get("born") or typed.get("dob") or "")):
            dates.setdefault(each, owner)
    return marks, numbers, dates


def _marks_in(text: str, marks: Iterable[str]) -> list[str]:
    """Look for the first letters, and then for the whole: there may be thousands of marks."""
    capitals, found = text.upper(), set[str]()
    shapes = {(mark[:2], len(mark)) for mark in marks}
    for first, length in shapes:
        at = capitals.find(first)
        while at >= 0:
            found.add(capitals[at : at + length])
            at = capitals.find(first, at + 1)
    return sorted(found & set(marks))


def _numbers_in(text: str) -> set[str]:
    return {re.sub(r"\D", "", each) for each in _NUMBER.findall(text)}


def _dates_in(text: str) -> set[str]:
    """Whole dates as YYYYMMDD, however they are written; a partial one could be anything."""
    found = {year + month + day for year, _, month, day in _YEAR_FIRST.findall(text)}
    for day, month, year in _DAY_FIRST.findall(text):
        name = month[:3].lower()
        number = _MONTHS.index(name) + 1 if name in _MONTHS else int(month) if month.isdigit() else 0
        found.add(f"{year}{number:02}{int(day):02}")
    return found


def _readable(content: bytes) -> str:
    decoded = []
    for found in _BASE64.finditer(content):
        stretch = found[0].rstrip(b"=")
        try:
            decoded.append(base64.b64decode(stretch + b"=" * (-len(stretch) % 4)))
        except binascii.Error:  # not base64 after all
            continue
    plain = content.decode("utf-8", "replace")
    inside = b"\n".join(decoded).decode("latin-1")
    return "\n".join((plain, unquote_plus(plain) if "%" in plain or "+" in plain else "", inside))
