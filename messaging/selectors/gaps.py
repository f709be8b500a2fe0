"""Reads how long each feed has been quiet and how quiet it usually is then, and the sender's newest numbers."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from messaging import gaps
from messaging.gaps import Quiet
from messaging.models import Channel, FeedHour, Inbound
from pasmirror.lib import clock

AT_ONCE = 100_000  # control ids looked through for holes


@dataclass(frozen=True, slots=True)
class Standing:
    """One feed: when its newest message came and how long ago (seconds), what is usual now, and if it is too quiet."""

    channel: str
    received_at: datetime | None
    age: float | None
    usual: float | None
    quiet: Quiet | None


def standing() -> list[Standing]:
    """Give every declared channel, by code."""
    now = clock.now()
    return [of(row, now) for row in Channel.objects.filter(declared=True).order_by("code")]


def of(channel: Channel, now: datetime) -> Standing:
    """Give how a channel stands; one that is not declared is never too quiet."""
    known = {row.hour: gaps.usual(row.longest) for row in FeedHour.objects.filter(channel=channel)}
    usual = known.get(gaps.hour_of_week(now))
    if channel.received_at is None:
        return Standing(channel.code, None, None, usual, None)
    age = (now - channel.received_at).total_seconds()
    quiet = gaps.quiet(age, usual) if channel.declared else None
    return Standing(channel.code, channel.received_at, age, usual, quiet)


def first_came(channel: Channel) -> datetime | None:
    """Give when the first message of a channel came."""
    return Inbound.objects.filter(channel=channel).order_by("number").values_list("received_at", flat=True).first()


def came_before(channel: Channel, at: datetime) -> datetime | None:
    """Give when the newest message before a moment came; looked for from the newest backwards."""
    earlier = Inbound.objects.filter(channel=channel, received_at__lt=at)
    return earlier.order_by("-number").values_list("received_at", flat=True).first()


def in_hour(channel: Channel, start: datetime) -> tuple[datetime | None, float, datetime | None]:
    """Give of the hour from `start`: the first message, the longest gap between two (seconds), and the last."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_HOUR, [channel.pk, start, start + timedelta(hours=1)])
        first, inner, last = cursor.fetchone()
    return first, float(inner or 0.0), last


def numbered(channel: Channel, after: int) -> list[tuple[int, str, datetime]]:
    """Give number, control id and moment of coming of a channel's messages after a number, at most AT_ONCE."""
    rows = Inbound.objects.filter(channel=channel, number__gt=after).order_by("number")
    return list(rows.values_list("number", "control_id", "received_at")[:AT_ONCE])


_IN_HOUR = """
SELECT min(received_at), extract(epoch FROM max(gap)), max(received_at)
FROM (SELECT received_at, received_at - lag(received_at) OVER (ORDER BY received_at) AS gap
      FROM messaging_inbound WHERE channel_id = %s AND received_at >= %s AND received_at < %s) AS came
"""
