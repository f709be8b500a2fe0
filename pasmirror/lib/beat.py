"""Writes a process's heartbeat row; reads which processes have fallen silent, and alarms."""

import os
import socket
from datetime import timedelta

from pasmirror.lib import alarms, clock
from pasmirror.lib.models import ProcessBeat

ALARM = "process-silent"
SILENT_AFTER = timedelta(seconds=15)
ALARM_AFTER = timedelta(seconds=30)  # a busy machine is late now and then
REPLACED_AFTER = timedelta(minutes=10)  # where another of its kind beats, a silent one is forgotten: it has moved


def beat(name: str, sentence: str) -> None:
    """Say that process `name` on this machine is alive, and what it last did."""
    ProcessBeat.objects.update_or_create(
        name=name,
        node=socket.gethostname(),
        defaults={"pid": os.getpid(), "at": clock.now(), "sentence": sentence[:500]},
    )


def silent() -> list[str]:
    """Name the processes that have beaten once and not for `SILENT_AFTER`."""
    return list(ProcessBeat.objects.filter(at__lt=clock.now() - SILENT_AFTER).values_list("name", flat=True))


def watch() -> None:
    """Sound an alarm for each process that has beaten once and is silent now; clear those that stand for others.

    Whoever calls it has been running for longer than `ALARM_AFTER`: just after a start all others are silent.
    """
    now = clock.now()
    rows = list(ProcessBeat.objects.order_by("name", "node"))
    alive = {row.name for row in rows if now - row.at <= ALARM_AFTER}
    wrong: dict[str, str] = {}
    for row in rows:
        age = now - row.at
        if row.name in alive and age > REPLACED_AFTER:
            ProcessBeat.objects.filter(pk=row.pk, at=row.at).delete()
        elif age > ALARM_AFTER:
            beside = "another of its kind works" if row.name in alive else "nobody does its work"
            since = row.at.astimezone(clock.SITE)
            wrong[f"{row.name}@{row.node}"[:60]] = (
                f"Process {row.name} on {row.node} is silent since {since:%H:%M:%S}: {beside}."
            )
    alarms.stand_only(ALARM, wrong)
