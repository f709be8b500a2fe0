"""Walks the way back while there is one: compares, releases and confirms, then drains and hands back."""

import contextlib

from failover.services import handback
from failover.services.reconcile import Reconciler
from patients.refusals import Refused
from patients.selectors import gate
from patients.states import Mode


class WayBack:
    """One walker; what it remembers only saves questions to the PAS."""

    def __init__(self) -> None:
        self.reconciler = Reconciler()

    def step(self) -> int:
        """Do what is due; gives how many changes moved, 0 outside of the way back."""
        moved = self.reconciler.run_once()
        if gate.now().mode == Mode.HANDBACK:
            with contextlib.suppress(Refused):  # something came in at the last moment; the next step sees it
                handback.step()
        return moved
