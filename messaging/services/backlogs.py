"""Alarms of lanes: more waits than the destination's limit, or the oldest for longer; both clear by themselves.

While emission is held everything waits, and that is meant: how long counts from when it could have left.
"""

from datetime import datetime

from messaging import gaps
from messaging.selectors import backlogs
from messaging.selectors.backlogs import Backlog
from messaging.services import emission
from messaging.states import why_not_send
from pasmirror.lib import alarms, clock
from patients.selectors import gate

DEEP, LATE = "destination-backlog", "destination-late"
AGAIN = 0.8  # a standing alarm clears at this share of its limit, so that one at the edge does not flap


def watch(now: datetime | None = None) -> None:
    """Sound an alarm for each declared destination above one of its limits, and clear those that stand for others."""
    now = now or clock.now()
    stand, valve = gate.now(), emission.now()
    standing = {(alarm.code, alarm.subject) for alarm in alarms.standing()}
    deep: dict[str, str] = {}
    late: dict[str, str] = {}
    for lane in backlogs.backlogs():
        if not lane.declared:
            continue
        limit = lane.backlog_limit * (AGAIN if (DEEP, lane.code) in standing else 1.0)
        if lane.backlog_limit and lane.depth > limit:
            deep[lane.code] = (
                f"{lane.name}: {lane.depth:,} messages wait, and the site's limit is {lane.backlog_limit:,}."
            )
        closed = why_not_send(
            to_pas=lane.is_pas,
            mode=stand.mode,
            valve=valve.valve,
            attempted=False,
            epoch=stand.epoch,
            fenced=stand.fenced,
        )
        if closed or not lane.wait_limit or lane.oldest_at is None:
            continue
        since = max(lane.oldest_at, stand.since if lane.is_pas else valve.since)
        limit = lane.wait_limit * (AGAIN if (LATE, lane.code) in standing else 1.0)
        waited = (now - since).total_seconds()
        if waited > limit:
            late[lane.code] = f"{lane.name}: its oldest message has waited for {gaps.minutes(waited)}{_why(lane)}."
    alarms.stand_only(DEEP, deep)
    alarms.stand_only(LATE, late)


def _why(lane: Backlog) -> str:
    if lane.paused:
        return ", since the lane is paused"
    if lane.held:
        return f"; {lane.held:,} held for a person"
    return f"; {lane.failures} tries in a row had no answer" if lane.failures else ""
