"""`manage.py status`: the whole state on one page, or as JSON. A thin door on failover.selectors.status."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, InterfaceError

from failover.selectors.status import status
from pasmirror.lib import clock


class Command(BaseCommand):
    """Print where everything stands."""

    help = "Print mode, emission, feed, lanes, incident and ledger. Exit 2 if the database does not answer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The choices."""
        parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")

    def handle(self, *args: object, **options: Any) -> None:
        """Print it."""
        try:
            now = status()
        except (DatabaseError, InterfaceError):
            raise CommandError("The database does not answer, so the state is not known.", returncode=2) from None
        if options["json"]:
            self.stdout.write(json.dumps(now, cls=DjangoJSONEncoder, indent=2))
        else:
            self.stdout.write("\n".join(page(now)))


def page(now: dict[str, Any]) -> list[str]:
    """Give the state as lines for a person."""
    flags = [word for word, on in (("PAUSED", now["paused"]), (f"TILT ({now['tilt_reason']})", now["tilt"])) if on]
    feed, incident = now["feed"], now["incident"]
    lines = [
        f"Mode      {now['mode'].upper()} since {_at(now['since'])}, epoch {now['epoch']}. {now['reason']}",
        f"Emission  {now['emission']}" + (f"   {'   '.join(flags)}" if flags else ""),
        f"Monitor   {now['monitor'] or 'has not beaten yet'}",
        f"Feed      received {feed['received']}, applied {feed['applied']}, exceptions {feed['exceptions']}, "
        f"waiting {feed['waiting']}, lag {feed['lag_seconds']:.0f} s, newest {_at(feed['last_received_at'])}",
    ]
    if now["proposal"]:
        lines.append(f"Proposed  {now['proposal']}")
    lines += [_lane(lane) for lane in now["lanes"]]
    if incident:
        seen = "acknowledged" if incident["acknowledged"] else "not acknowledged"
        lines.append(f"Incident  {incident['id']} since {_at(incident['opened_at'])}, {seen}")
        lines.append("Ledger    " + ", ".join(f"{name} {value}" for name, value in now["ledger"].items()))
    lines += [f"Alarm     {alarm['sentence']}" for alarm in now["alarms"]]
    lines += [f"Silent    {one['name']} since {_at(one['at'])}" for one in now["processes"] if one["silent"]]
    return lines


def _lane(lane: dict[str, Any]) -> str:
    oldest = f", oldest {lane['oldest_seconds']:.0f} s" if lane["oldest_seconds"] is not None else ""
    waiting = f"unreleased {lane['unreleased']}, " if lane["is_pas"] else ""
    return (
        f"Lane      {lane['code']}: {waiting}queued {lane['queued']}, in doubt {lane['in_doubt']}, "
        f"acked {lane['accepted']}, held {lane['held']}, set aside {lane['set_aside']}{oldest}"
        f"{', paused' if lane['paused'] else ''}"
    )


def _at(moment: datetime | None) -> str:
    return moment.astimezone(clock.SITE).strftime("%d-%b-%Y %H:%M:%S") if moment else "never"
