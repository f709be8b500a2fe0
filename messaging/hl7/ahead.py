"""News from the future is held to when its message came, or it would keep out, or back-date, all later news; pure."""

from dataclasses import replace
from datetime import datetime, timedelta

from patients.facts import News

SLACK = timedelta(minutes=10)  # by which a sender's clock may run before ours
WARNING = "MSH-7: later than the message came: taken as made when it came"
HAPPENED = "it is said to have happened after the message came: taken as happened when it came"


def bounded(told: News, came: datetime) -> News:
    """Give news as made, and as happened, no later than it came."""
    latest, at = came + SLACK, came.replace(microsecond=0)
    other = bounded(told.other, came) if told.other else None
    if other is not told.other:
        told = replace(told, other=other)
    if told.occurred_at > latest:
        said = () if told.occurred_at == told.sent_at else (HAPPENED,)
        told = replace(told, occurred_at=at, warnings=(*told.warnings, *said))
    if told.sent_at is not None and told.sent_at > latest:
        told = replace(told, sent_at=at, sent_again=None, warnings=(*told.warnings, WARNING))
    return told
