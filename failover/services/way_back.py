"""Walks the way back while there is one: compares, releases and confirms, then drains and hands back."""

import contextlib

from failover.services import handback, reconcile
from patients.refusals import Refused
from patients.selectors import gate
from patients.states import Mode


def step() -> int:
    """Do what is due; gives how many changes moved, 0 outside of the way back."""
    moved = reconcile.run_once()
    if gate.now().mode == Mode.HANDBACK:
        with contextlib.suppress(Refused):  # something came in at the last moment; the next step sees it
            handback.step()
    return moved
