"""Reads what clerks type into one box: dates as `1/3/52`, `010352`, `1 mar 1952`, `1952`; pure, knows no form."""

import re
from datetime import date, datetime, timedelta

import phonenumbers

from pasmirror.lib import clock
from patients.cui import MONTHS

OLDEST = 120  # years; a two-digit year is the latest one that is not in the future
_MONTH = {name.lower(): number for number, name in enumerate(MONTHS, 1)}
_DIGITS = re.compile(r"\d{6}|\d{8}")
_PARTS = re.compile(r"(?:(?:(\d{1,2})[\s/.\-]+)?(\d{1,2}|[a-z]{3,9})[\s/.\-,]+)?(\d{4}|\d{2})")
_ISO = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?")
_TIME = re.compile(r"(\d{1,2})[:.]?(\d{2})")
NOT_KNOWN = frozenset({"unknown", "not known", "unk", "nk"})


class Unclear(ValueError):
    """What was typed cannot be read; the text is for the person who typed it."""


def born(text: str, *, today: date) -> str:
    """Read a date of birth: "1952-03-01", "1952-03", "1952", or "" where it is said to be not known."""
    text = " ".join(text.lower().split())
    if text in NOT_KNOWN or not text:
        return ""
    found = _date(text, today=today)
    first = found + "-01-01"[len(found) - 4 :] if len(found) < 10 else found
    if date.fromisoformat(first) > today:
        raise Unclear("Date of birth must not be in the future")
    if int(found[:4]) < today.year - OLDEST:
        raise Unclear(f"Date of birth must be within the last {OLDEST} years")
    return found


def day(text: str, *, today: date) -> date:
    """Read a whole date, past or to come; `today` and `tomorrow` are words for it."""
    text = " ".join(text.lower().split())
    if text in {"today", "tomorrow"}:
        return today + timedelta(days=text == "tomorrow")
    found = _date(text, today=today, ahead=10)
    if len(found) < 10:
        raise Unclear("Enter day, month and year, for example 1/3/2026")
    return date.fromisoformat(found)


def moment(day_text: str, time_text: str, *, now: datetime) -> datetime:
    """Read a date and a time (`1420`, `14:20`) at the site; aware."""
    local = now.astimezone(clock.SITE)
    on = day(day_text, today=local.date())
    found = _TIME.fullmatch(time_text.strip())
    if not found or int(found[1]) > 23 or int(found[2]) > 59:
        raise Unclear("Enter the time on the 24-hour clock, for example 14:20")
    return datetime(on.year, on.month, on.day, int(found[1]), int(found[2]), tzinfo=clock.SITE)


def _date(text: str, *, today: date, ahead: int = 0) -> str:
    unclear = Unclear("Enter a date, for example 1/3/1952, 010352, 1 mar 1952 or 1952")
    if _DIGITS.fullmatch(text):
        d, m, y = text[:2], text[2:4], text[4:]
    elif found := _ISO.fullmatch(text):
        y, m, d = found[1], found[2], found[3] or ""
    elif found := _PARTS.fullmatch(text):
        d, m, y = found[1] or "", found[2] or "", found[3]
    else:
        raise unclear
    if not m and len(y) == 2:
        raise unclear
    year = _year(y, today=today, ahead=ahead)
    if year < 1:
        raise unclear
    if not m:
        return f"{year:04d}"
    month = int(m) if m.isdigit() else _MONTH.get(m[:3], 0)
    try:
        whole = date(year, month, int(d) if d else 1)
    except ValueError:
        raise Unclear("There is no such day in the calendar") from None
    return whole.isoformat() if d else whole.isoformat()[:7]


def _year(text: str, *, today: date, ahead: int) -> int:
    if len(text) == 4:
        return int(text)
    year = today.year - today.year % 100 + int(text)
    return year if year <= today.year + ahead else year - 100


def postcode(text: str) -> str:
    """Write a postcode in capitals with the space before its last three characters; other text only in capitals."""
    bare = "".join(text.upper().split())
    return f"{bare[:-3]} {bare[-3:]}" if re.fullmatch(r"[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}", bare) else text.upper().strip()


def phone(text: str) -> str:
    """Write a telephone number as people at home read it; what cannot be read as one stays as typed."""
    try:
        number = phonenumbers.parse(text, "GB")
    except phonenumbers.NumberParseException:
        return text.strip()
    if not phonenumbers.is_valid_number(number):
        return text.strip()
    home = number.country_code == 44
    style = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(number, style.NATIONAL if home else style.INTERNATIONAL)


def death(day_text: str, time_text: str, *, now: datetime) -> str:
    """Read a date of death with or without its time, as facts carry it: "2026-03-01" or an ISO moment."""
    if not day_text.strip():
        raise Unclear("Enter the date of death")
    today = now.astimezone(clock.SITE).date()
    on = day(day_text, today=today)
    if on > today:
        raise Unclear("Date of death must not be in the future")
    if not time_text.strip():
        return on.isoformat()
    at = moment(on.isoformat(), time_text, now=now)
    if at > now + timedelta(minutes=1):
        raise Unclear("The time of death must not be in the future")
    return clock.iso(at)
