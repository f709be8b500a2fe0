"""The application's clock: aware times in UTC, and the site's own zone for display and HL7."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

SITE = ZoneInfo("Europe/London")


def now() -> datetime:
    """Give the present moment, aware, in UTC."""
    return datetime.now(UTC)


def iso(at: datetime | None) -> str:
    """Give a moment as ISO 8601 in UTC to the second ("" for none), as facts carry it."""
    if at is None:
        return ""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(timespec="seconds")


def moment(text: str) -> datetime | None:
    """Read back what `iso` wrote; ValueError if it is not such a text."""
    return datetime.fromisoformat(text) if text else None
