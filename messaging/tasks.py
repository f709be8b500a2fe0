"""The one Celery task: a wake. It carries a name and no more; losing, doubling or delaying it changes latency only."""

import threading

import structlog
from celery import shared_task
from django.db import DatabaseError, InterfaceError

from messaging.selectors import lanes
from messaging.services import delivery, rendering, sequencer
from pasmirror.lib import beat, bell

log = structlog.get_logger()
TAIL = "tail"
BEAT = "beat"
ONE = threading.Lock()
ROUNDS = 10  # of the sequencer in one wake; the sweep goes on from there


@shared_task(name="messaging.wake", ignore_result=True)
def wake(name: str) -> None:
    """Number and render what waits ("tail"), deliver the lane of that code for a slice, or say we are here ("beat")."""
    try:
        if name == BEAT:
            beat.beat("work", "takes wakes")
            return
        if name == TAIL:
            number_and_render()
        elif delivery.run(name).more:
            bell.ring(name)
    except (DatabaseError, InterfaceError) as fault:
        log.warning("wake.failed", name=name, error=type(fault).__name__)


def number_and_render() -> None:
    """Number the tail, render what has no bytes, and ring every lane that can send; one thread of a process at a time.

    A wake that finds another at it goes home: every save rings, and the one at work, or the sweep, sees its change.
    """
    if not ONE.acquire(blocking=False):
        return
    try:
        for _ in range(ROUNDS):
            if not sequencer.run_once() + rendering.run_once():
                break
        for code in lanes.due():
            bell.ring(code)
    finally:
        ONE.release()
