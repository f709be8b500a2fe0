"""How old what is known of a patient is, group by group (MSH-7), and what in news is older than that; pure.

Times are ISO text. A message speaks of some groups only: what an older one alone has said is still to be taken.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from pasmirror.lib import clock
from patients.facts import GROUPS, Groups, Kind, News
from patients.states import APPOINTMENT_EVENTS

SEGMENTS = "segments"  # stands beside the groups: how old the segments are that are kept
OLDER = "older than what is known: demographics not taken"
TWICE = "MSH-7: in the hour that happens twice"
SECOND = f"{TWICE}, the second was taken: by the first it is older than what is known"
_IDENTITY = ("name", "birth", "nhs")  # what the identity guard compares


def known(sent: Mapping[str, str] | None, newest: datetime | None) -> Mapping[str, str]:
    """Give how old each group is; of a record that has only one time for all, that one."""
    if sent is not None:
        return sent
    return dict.fromkeys((*GROUPS[Kind.PATIENT], SEGMENTS), clock.iso(newest)) if newest else {}


def spoken(news: News) -> dict[str, str]:
    """Give the groups that news speaks of with its own time; none if it has none."""
    if not news.sent_at:
        return {}
    at = clock.iso(news.sent_at)
    return {group: at for group, said in news.patient.items() if said} | ({SEGMENTS: at} if news.segments else {})


def noted(news: News, ages: Mapping[str, str]) -> dict[str, str]:
    """Give how old each group is once the news is taken."""
    return {**ages, **{group: max(at, ages.get(group, "")) for group, at in spoken(news).items()}}


def fresh(news: News, ages: Mapping[str, str]) -> News:
    """Give the news without what is older than what is known, and with a warning of that."""
    older = {group for group, at in spoken(news).items() if at < ages.get(group, "")}
    if not older:
        return news
    left = {group: said for group, said in news.patient.items() if group not in older}
    gone = [group for group in news.patient if group in older]
    warning = f"older than what is known, in part: {', '.join(gone)} not taken" if any(left.values()) else OLDER
    return replace(
        news,
        patient=left,
        segments=() if SEGMENTS in older else news.segments,
        warnings=(*news.warnings, warning) if gone or not any(left.values()) else news.warnings,
    )


def is_old(said: Groups, sent_at: datetime | None, ages: Mapping[str, str]) -> bool:
    """Whether all that is said of who somebody is is older than what is known, and so would not be taken."""
    at = clock.iso(sent_at)
    return bool(at) and all(at < ages.get(group, "") for group in _IDENTITY if said.get(group))


def in_order(news: News, newest: str) -> News:
    """Read MSH-7 as the second time its hour came, where only by that reading it is not older than the `newest`."""
    if not (news.sent_at and news.sent_again) or not clock.iso(news.sent_at) < newest <= clock.iso(news.sent_again):
        return news
    with_it = news.occurred_at == news.sent_at or news.event in APPOINTMENT_EVENTS
    warnings = [warning for warning in news.warnings if not warning.startswith(TWICE)]
    return replace(
        news,
        sent_at=news.sent_again,
        occurred_at=news.occurred_at + (news.sent_again - news.sent_at) if with_it else news.occurred_at,
        warnings=(*warnings, SECOND),
    )
