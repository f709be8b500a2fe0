"""Learns how quiet each feed usually is, and alarms when one is quieter, or when its sender's numbers jump."""

from datetime import datetime, timedelta

from django.db import transaction

from messaging import gaps
from messaging.models import Channel, FeedHour
from messaging.selectors import gaps as reading
from pasmirror.lib import alarms, clock, locks
from pasmirror.lib.locks import Lock

QUIET, JUMP = "feed-quiet", "feed-jump"
AT_ONCE = 24  # hours learned at a time, so that a long history holds nothing up
_HOUR = timedelta(hours=1)


def watch(now: datetime | None = None) -> int:
    """Learn the hours that have ended since last time, and sound or clear the alarms; gives how many were learned."""
    now = now or clock.now()
    with transaction.atomic():
        if not locks.try_take(Lock.GAPS):
            return 0
        count = 0
        for channel in Channel.objects.order_by("pk"):
            count += _learn(channel, now)
            _judge(channel, now)
    return count


def _learn(channel: Channel, now: datetime) -> int:
    rows = {row.hour: row for row in FeedHour.objects.filter(channel=channel)}
    known_until = max((row.learned_at for row in rows.values()), default=None)
    first = reading.first_came(channel)
    if first is None:
        return 0
    oldest = max(gaps.begun(first), gaps.begun(now) - timedelta(weeks=gaps.WEEKS))
    start = max(known_until + _HOUR, oldest) if known_until else oldest
    due = start + _HOUR <= now
    before = reading.came_before(channel, start) if known_until and due else None
    fresh: set[int] = set()
    learned = 0
    while start + _HOUR <= now and learned < AT_ONCE:
        came = reading.in_hour(channel, start)
        if before is not None:  # else what stood before the first hour is not known: it only begins
            hour = gaps.hour_of_week(start)
            row = rows.setdefault(hour, FeedHour(channel=channel, hour=hour))
            row.longest = gaps.learned(row.longest, gaps.silence(before, start, *came))
            row.learned_at = start
            fresh.add(hour)
        before, start, learned = came[2] or before, start + _HOUR, learned + 1
    for hour in fresh:
        rows[hour].save()
    return learned


def _judge(channel: Channel, now: datetime) -> None:
    quiet = reading.of(channel, now).quiet
    if quiet:
        alarms.sound(
            QUIET,
            f"Feed {channel.code}: nothing has come for {gaps.minutes(quiet.age)}; at this hour the longest silence is "
            f"usually {gaps.minutes(quiet.usual)}.",
            subject=channel.code,
        )
    else:
        alarms.clear(QUIET, subject=channel.code)
    jump = gaps.jump(reading.control_ids(channel))
    if jump:
        alarms.sound(
            JUMP,
            f"Feed {channel.code}: the sender's numbers are consecutive, and after control id {jump.after} "
            f"{jump.missing} {'is' if jump.missing == 1 else 'are'} missing.",
            subject=channel.code,
        )
    else:
        alarms.clear(JUMP, subject=channel.code)
