"""Reads what the monitor goes by: the policy, its memory, every observer's last word and the feed's newest message."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Max
from django.db.models.functions import Least

from failover.health import How, Picture, Rules, Verdict, Word, look
from failover.models import Observation, Policy, Watch
from failover.probes import Target
from messaging.hl7 import dialects
from messaging.mllp.tls import ClientTls
from messaging.models import Channel, Destination, Inbound
from messaging.selectors import channels
from messaging.states import Outcome
from pasmirror.lib import clock
from pasmirror.lib.beat import SILENT_AFTER
from pasmirror.lib.models import ProcessBeat

RECENT = 200  # newest messages of a channel looked through for a sign that the PAS speaks


def policy() -> Policy:
    """Give the switching policy, or the defaults where no site file was applied."""
    return Policy.objects.order_by("pk").first() or Policy()


def rules(row: Policy | None = None) -> Rules:
    """Give the policy as the decision reads it."""
    row = row or policy()
    return Rules(
        capture=How(row.capture),
        emission=How(row.emission),
        emission_kinds=row.emission_kinds,
        probe_every=row.probe_every,
        probe_timeout=row.probe_timeout,
        suspect_after=row.suspect_after,
        down_after=row.down_after,
        well_after=row.well_after,
        feed_silent_after=row.feed_silent_after,
        automatic_every=row.automatic_every,
    )


def targets(row: Policy) -> list[Target]:
    """Give the declared probes, an MLLP question being written as everything else the PAS is told."""
    pas = Destination.objects.filter(is_pas=True).first()
    dialect = dialects.get(pas.dialect if pas else dialects.KNOWN[0], channels.spoken())
    secured = ClientTls.of(pas.tls) if pas else None  # a question to the PAS's own port is asked as we speak to it
    own = (pas.host, pas.port) if pas else None
    return [
        Target.of(declared, dialect, secured if (declared.get("host"), declared.get("port")) == own else None)
        for declared in row.probes
    ]


def watch() -> Watch:
    """Give the monitor's memory, or an empty one before its first beat."""
    return Watch.objects.order_by("pk").first() or Watch()


def words() -> list[Word]:
    """Give the last word of every observer on every way of looking."""
    return [
        Word(row.observer, row.way, Verdict(row.verdict), row.at, row.since, row.fails, row.detail)
        for row in Observation.objects.order_by("observer", "way")
    ]


def heard_at() -> datetime | None:
    """Give when the newest message of any feed came."""
    newest: datetime | None = Channel.objects.aggregate(newest=Max("received_at"))["newest"]
    return newest


def listener_silent(now: datetime) -> bool:
    """Say whether our own listener, once it has beaten, beats nowhere now: then silence is our own."""
    newest = ProcessBeat.objects.filter(name="listen").aggregate(newest=Max("at"))["newest"]
    return newest is not None and newest < now - SILENT_AFTER


def picture() -> Picture:
    """Put together how the PAS seems now."""
    return look(words(), rules(), clock.now(), spoke_at())


def spoke_at(since: datetime | None = None) -> datetime | None:
    """Give when the PAS made (MSH-7, by our clock) the newest message that has come; None if not after `since`.

    None was made after it came, and one without MSH-7 is as old as its coming.
    """
    spoken: list[datetime] = []
    for channel in Channel.objects.all():
        recent = Inbound.objects.filter(channel=channel, number__gt=channel.last - RECENT)
        by_us = Least(F("sent_at") - timedelta(seconds=channel.clock_ahead), F("received_at"))
        made = recent.exclude(outcome=Outcome.REFUSED).aggregate(made=Max(by_us))["made"]
        if made and (since is None or made > since):
            spoken.append(made)
    return max(spoken, default=None)


def as_json(said: Iterable[Word]) -> list[dict[str, Any]]:
    """Give words as stored beside a move: who saw what, since when."""
    return [
        {
            "observer": word.observer,
            "way": word.way,
            "kind": word.kind,
            "verdict": word.verdict.value,
            "since": clock.iso(word.since),
            "fails": word.fails,
            "detail": word.detail,
        }
        for word in said
    ]
