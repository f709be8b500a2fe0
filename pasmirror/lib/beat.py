"""Writes a process's heartbeat row; reads which processes have fallen silent."""

import os
import socket
from datetime import timedelta

from pasmirror.lib import clock
from pasmirror.lib.models import ProcessBeat

SILENT_AFTER = timedelta(seconds=15)


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
