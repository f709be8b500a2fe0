"""HL7 times and dates: precision kept, offsets honoured, the site's zone where there is none; pure."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from pasmirror.lib.clock import SITE

_HL7 = re.compile(
    r"(?P<year>\d{4})-?(?:(?P<month>\d{2})-?(?:(?P<day>\d{2})"
    r"(?:[T ]?(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:\.\d{1,6}|\d{3})?)?)?)?)?"
    r"(?P<offset>[+-]\d{2}:?\d{2}|Z)?"
)
YEARS = range(1800, 2200)  # outside of them it is a filler ("99991231"), not a time
LONGEST = 40  # characters; what is longer fits no such form
REMEMBERED = 4096  # times read lately: a message says the same few again and again, and so does the next


def moment(text: str | None, zone: ZoneInfo = SITE) -> datetime | None:
    """Give an HL7 time (at least to the day; midnight if no more) as an aware time in UTC; None if it is none.

    Without an offset it is in `zone`; of an hour that happens twice, the first. 24:00 is the next midnight.
    """
    bare = (text or "").strip()
    return _moment(bare, zone) if 0 < len(bare) <= LONGEST else None


@lru_cache(maxsize=REMEMBERED)
def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    found = _HL7.fullmatch(text)
    if not found or not found["day"] or int(found["year"]) not in YEARS:
        return None
    try:
        day = datetime(int(found["year"]), int(found["month"]), int(found["day"]))  # noqa: DTZ001 - the zone follows
        hour, minute, second = (int(found[part] or 0) for part in ("hour", "minute", "second"))
        if (hour, minute, second) == (24, 0, 0):
            local = day + timedelta(days=1)
        else:
            local = day.replace(hour=hour, minute=minute, second=second)
        return local.replace(tzinfo=_zone(found["offset"], zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(offset: str | None, zone: ZoneInfo) -> ZoneInfo | timezone:
    if not offset:
        return zone
    if offset == "Z":
        return UTC
    span = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return timezone(-span if offset[0] == "-" else span)


def happens_twice(text: str | None, zone: ZoneInfo = SITE) -> bool:
    """Whether a time without an offset stands in the hour that the clocks go back over."""
    bare = (text or "").strip()
    return _happens_twice(bare, zone) if 0 < len(bare) <= LONGEST else False


@lru_cache(maxsize=REMEMBERED)
def _happens_twice(text: str, zone: ZoneInfo) -> bool:
    found = _HL7.fullmatch(text)
    at = moment(text, zone)
    return bool(found and found["hour"] and not found["offset"] and at and _ambiguous(at.astimezone(zone)))


def second_reading(text: str | None, zone: ZoneInfo = SITE) -> datetime | None:
    """Give the later moment that a time in the hour that happens twice may mean; None if it can only mean one."""
    at = moment(text, zone)
    return at.astimezone(zone).replace(fold=1).astimezone(UTC) if at and happens_twice(text, zone) else None


def _ambiguous(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset() and not _missing(local)


def _missing(local: datetime) -> bool:
    there_and_back = local.replace(fold=0).astimezone(UTC).astimezone(local.tzinfo)
    return there_and_back.replace(tzinfo=None) != local.replace(tzinfo=None)


def partial_date(text: str | None) -> str | None:
    """Give "1954", "1954-11" or "1954-11-03", no more precise than it was said; None if it is no date."""
    bare = re.sub(r"\+$", "", (text or "").strip())  # one sender marks a guess by a plus
    found = _HL7.fullmatch(bare)
    if not found or int(found["year"]) not in YEARS:
        return None
    year, month, day = found["year"], found["month"], found["day"]
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join(part for part in (year, month, day) if part)


def stamp(at: datetime, zone: ZoneInfo = SITE) -> str:
    """Give an aware time as YYYYMMDDHHMMSS in `zone`; with its offset only where the hour happens twice."""
    local = at.astimezone(zone)
    text = local.strftime("%Y%m%d%H%M%S")
    return text + local.strftime("%z") if _ambiguous(local) else text
