"""How staff read names, dates, times and numbers, by the NHS Common User Interface rules; pure, knows no page.

Names `SMITH, John (Mr)` (NID), dates `01-Jan-2008` (D+Ta-0006), times `HH:mm`; the unknown is said in words, never "?".
"""

from datetime import UTC, date, datetime

from pasmirror.lib import clock
from patients.identifiers import nhs_spaced

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
UNKNOWN = "Not known"


def name(family: str, given: str = "", title: str = "") -> str:
    """Give a name as `SMITH, John (Mr)`; what is missing is said."""
    text = f"{family.upper() or 'UNKNOWN'}, {_titled(given) or 'Unknown'}"
    return f"{text} ({_titled(title)})" if title else text


def _titled(text: str) -> str:
    """Capitalise what came in capitals or small letters alone; leave what someone wrote on purpose."""
    return text.title() if text.isupper() or text.islower() else text


def day(value: str | date | None) -> str:
    """Give a date as `01-Jan-2008`; a partial one ("2008-01", "2008") keeps its precision."""
    if isinstance(value, datetime):
        value = value.astimezone(clock.SITE).date()
    if isinstance(value, date):
        value = value.isoformat()
    if not value:
        return UNKNOWN
    parts = value[:10].split("-")
    try:
        parts[1:2] = [MONTHS[int(part) - 1] for part in parts[1:2]]
    except (ValueError, IndexError):
        return value
    return "-".join(reversed(parts))


def time(at: datetime | None) -> str:
    """Give a moment's time of day at the site, `HH:mm`."""
    return f"{at.astimezone(clock.SITE):%H:%M}" if at else UNKNOWN


def clock_time(at: datetime | None) -> str:
    """Give a moment's time of day with seconds, `HH:mm:ss`."""
    return f"{at.astimezone(clock.SITE):%H:%M:%S}" if at else UNKNOWN


def moment(at: datetime | str | None) -> str:
    """Give a moment as `01-Jan-2008 14:20`; text may be what `clock.iso` wrote, or a partial date."""
    if isinstance(at, str):
        if len(at) <= 10:
            return day(at)
        at = datetime.fromisoformat(at)
    return f"{day(at)} {time(at)}" if at else UNKNOWN


def age(born: str, on: date, died: str = "") -> str:
    """Give the age on a day, or at death, as `74y`; months under two years, days under a month; "" if not known."""
    try:
        end = date.fromisoformat(died[:10]) if died else on
    except ValueError:
        return ""
    if len(born) < 10:
        return f"about {end.year - int(born[:4])}y" if born[:4].isdigit() else ""
    begin = date.fromisoformat(born)
    months = (end.year - begin.year) * 12 + end.month - begin.month - (end.day < begin.day)
    if months >= 24:
        return f"{months // 12}y"
    return f"{months}m" if months >= 1 else f"{(end - begin).days}d"


def born(value: str, on: date, died: str = "") -> str:
    """Give date of birth and age, `01-Jan-1952 (74y)`; the age is left out once the patient has died."""
    years = "" if died else age(value, on)
    return f"{day(value)} ({years})" if years else day(value)


def nhs(digits: str) -> str:
    """Give an NHS number as `999 000 0018`; words where there is none."""
    return nhs_spaced(digits) if digits else UNKNOWN


def stayed(since: datetime | None, until: datetime) -> str:
    """Give the length of a stay in days, hours under one day: `3d`, `5h`."""
    if since is None:
        return UNKNOWN
    seconds = max(0, int((until - since).total_seconds()))
    return f"{seconds // 86400}d" if seconds >= 86400 else f"{seconds // 3600}h"


def ago(at: datetime | None, now: datetime) -> str:
    """Give how long ago in the coarsest honest words: `12 s`, `4 min`, `3 h`, `2 days`."""
    if at is None:
        return "never"
    seconds = max(0, int((now - at.astimezone(UTC)).total_seconds()))
    for size, words in ((172800, "days"), (7200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds // {'days': 86400, 'h': 3600, 'min': 60}[words]} {words}"
    return f"{seconds} s"
