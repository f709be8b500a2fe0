"""Broken builds of the feed. Each breaks one thing and names the finding that must come of it."""

import threading
from collections.abc import Sequence
from typing import Any

from django.db import connection

from tests.faults.broken.swap import replace

LATER = 0.3  # seconds after which the answered is stored


def ack_before_commit() -> None:
    """A message is answered AA first and stored behind, so that a crash between loses it: lost_write."""
    from messaging.services import arrivals, reception

    def store(policy: Any, frames: Sequence[Any]) -> None:
        stood(policy, frames)
        connection.close()  # of this thread, which ends

    def receive(policy: Any, frames: Sequence[Any]) -> list[bytes]:
        threading.Timer(LATER, store, (policy, frames)).start()
        read = [arrivals.read(frame, policy) for frame in frames]
        for arrival in (arrival for each in read for arrival in each.arrivals):
            arrival.answer = arrival.answered(0)
        return [each.answer() for each in read]

    stood = replace(reception, "receive", receive)


def two_masters_overlooked() -> None:
    """The PAS speaks while the mirror does, and emission stays open: two_masters."""
    from messaging.services import intake

    replace(intake, "_two_masters", lambda *_: None)
