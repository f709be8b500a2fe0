"""What one cell of an extract may hold, and how it is read into a fact; pure, knows no column by name.

Dates and times may be written as ISO 8601, as HL7 does, or day first with slashes (03/11/1954 10:30).
"""

import re
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from messaging.hl7 import times

SEXES = {"1": "M", "2": "F", "9": "O", "0": "U", "X": "U"}  # PERSON STATED GENDER CODE to HL7 table 0001
LETTERS = frozenset("MFUOAN")
CLASSES = {**dict.fromkeys("12345", "I"), **{letter: letter for letter in "IEO"}}
"""PATIENT CLASSIFICATION CODE (all of them in a bed) and the letters of HL7 table 0004 to the latter."""
YES, NO = frozenset({"Y", "YES", "1", "TRUE", "T"}), frozenset({"N", "NO", "0", "FALSE", "F"})
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(.*)", re.DOTALL)
_TIME = re.compile(r"(\d{1,2}):?(\d{2})(?::?(\d{2}))?")


class CellFault(ValueError):
    """A cell cannot be read; the text completes "COLUMN …" and never holds the value."""


@lru_cache(maxsize=8192)
def date(text: str) -> str:
    """Give "1954", "1954-11" or "1954-11-03", no more precise than it was written. Raises CellFault."""
    found = times.partial_date(_year_first(text)[:10])
    if found is None:
        raise CellFault("is not a date")
    return found


@lru_cache(maxsize=8192)
def moment(day: str, time: str, zone: ZoneInfo) -> datetime:
    """Give a date, or a date and a time in one, with a time beside it or none, as a moment. Raises CellFault."""
    text = _year_first(day)
    if time:
        clock = _TIME.fullmatch(time)
        if not clock:
            raise CellFault("has beside it what is not a time of day")
        text = f"{text[:10]} {int(clock[1]):02d}{clock[2]}{clock[3] or ''}"
    at = times.moment(text, zone)
    if at is None:
        raise CellFault("is not a date and time")
    return at


def sex(text: str) -> str:
    """Give the sex by HL7 table 0001 from that or from PERSON STATED GENDER CODE. Raises CellFault."""
    code = text.upper()
    if code in LETTERS:
        return code
    if code not in SEXES:
        raise CellFault(f"must be one of {', '.join(SEXES)}, M, F")
    return SEXES[code]


def patient_class(text: str) -> str:
    """Give the class by HL7 table 0004 from that or from PATIENT CLASSIFICATION CODE. Raises CellFault."""
    if text.upper() not in CLASSES:
        raise CellFault(f"must be one of {', '.join(CLASSES)}")
    return CLASSES[text.upper()]


def flag(text: str) -> bool:
    """Give yes or no. Raises CellFault."""
    if text.upper() in YES:
        return True
    if text.upper() in NO:
        return False
    raise CellFault("must be Y or N")


def whole(text: str) -> int:
    """Give a whole number of minutes, at most a day. Raises CellFault."""
    if not text.isascii() or not text.isdigit() or len(text) > 4 or int(text) > 24 * 60:
        raise CellFault("must be a whole number of minutes")
    return int(text)


def _year_first(text: str) -> str:
    found = _DAY_FIRST.fullmatch(text)
    if not found:
        return text
    return f"{found[3]}-{int(found[2]):02d}-{int(found[1]):02d}{found[4]}"
