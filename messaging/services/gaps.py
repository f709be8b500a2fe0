"""Learns how quiet each feed usually is, and alarms when one is quieter, or when its sender's numbers jump."""

from datetime import datetime, timedelta

from django.db import transaction

from messaging import gaps
from messaging.gaps import Hole
from messaging.models import Channel, FeedHour, FeedNumbers
from messaging.selectors import gaps as reading
from pasmirror.lib import alarms, clock, locks
from pasmirror.lib.locks import Lock

QUIET, JUMP = "feed-quiet", "feed-jump"
AT_ONCE = 24  # hours learned at a time, so that a long history holds nothing up
CONTEXT = 200  # messages before those not yet looked at, by which numbers are called consecutive
SETTLED = timedelta(minutes=1)  # what came so long ago has been overtaken by nothing any more
KEPT = timedelta(days=1)  # missing numbers are told of so long, unless they come
_HOUR = timedelta(hours=1)


def watch(now: datetime | None = None) -> int:
    """Learn the hours that have ended since last time, and sound or clear the alarms; gives how many were learned."""
    now = now or clock.now()
    with transaction.atomic():
        if not locks.try_take(Lock.GAPS):
            return 0
        count = 0
        for channel in Channel.objects.order_by("pk"):
            count += _learn(channel, now) if channel.declared else 0
            _judge(channel, now)
            _count(channel, now)
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


def _count(channel: Channel, now: datetime) -> None:
    """Look for missing numbers among what came since the last look, and at what has come late."""
    noted, _ = FeedNumbers.objects.get_or_create(channel=channel, defaults={"looked": max(0, channel.last - CONTEXT)})
    came = reading.numbered(channel, noted.looked - CONTEXT)
    known = [(Hole(*hole), found_at) for *hole, found_at in noted.holes]
    ids = [control_id for _, control_id, _ in came]
    standing = [(piece, found_at) for hole, found_at in known for piece in gaps.left(hole, ids)]
    for hole in gaps.holes([(control_id, at) for _, control_id, at in came], now - SETTLED):
        if not any(
            hole.prefix == other.prefix and other.first <= hole.last and hole.first <= other.last for other, _ in known
        ):
            standing.append((hole, clock.iso(now)))
    oldest, before = clock.iso(now - KEPT), noted.holes
    noted.holes = [[*hole, found_at] for hole, found_at in standing if found_at >= oldest]
    noted.looked = max([noted.looked, *(number for number, _, at in came if at <= now - SETTLED)])
    noted.save()
    if noted.holes != before:  # others are missing than those somebody may have acknowledged
        alarms.clear(JUMP, subject=channel.code)
    if not noted.holes:
        return
    after, missing = noted.holes[-1][0], sum(Hole(*hole).missing for *hole, _ in noted.holes)
    alarms.sound(
        JUMP,
        f"Feed {channel.code}: the sender's numbers are consecutive, and {missing} "
        f"{'is' if missing == 1 else 'are'} missing, the newest after control id {after}.",
        subject=channel.code,
    )
