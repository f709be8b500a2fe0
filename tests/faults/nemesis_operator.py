"""The operators at the console while the nemesis strikes: they answer proposals, hand back and sign, by a seeded whim.

Knows the console's words and addresses. A console that does not answer is looked at again later.
"""

import contextlib
import random
import threading
from collections import Counter
from http.client import HTTPException

import psycopg

from pasmirror.demo import cast
from pasmirror.demo.browser import PageRefused
from tests.faults.drill import Drill
from tests.faults.prepared import SECOND
from tests.hospital import MIRROR, NORMAL, RECOVERY

PROPOSED = {
    "Open mirror mode": "open-mirror",
    "Open emission": "open-emission",
    "Release the replay": "release",
    "End mirror mode": "stand-down",
}
"""The console's words for what the monitor proposes, and where that is done."""
AWAY = (AssertionError, OSError, HTTPException, psycopg.Error)
"""A console that is not to be had just now, or shows no mode."""
SLOWLY = 0.45  # the share of looks at which an operator does what is proposed
ACKNOWLEDGES, FALLS_BACK, HOLDS = 0.3, 0.02, 0.01
LEAVE = 90.0  # seconds for the act in hand


class Operator:
    """Two people at the console of one drill; `pace` is the mean pause between looks in seconds."""

    def __init__(self, drill: Drill, *, pace: float = 0.7) -> None:
        self._drill, self._pace = drill, pace
        self._chance = random.Random(f"{drill.seed} operator")
        self._did: Counter[str] = Counter()
        self._over = threading.Event()
        self._faults: list[BaseException] = []
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> "Operator":
        """Begin to watch."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Go home; raises what was stumbled over, a fault of ours."""
        self._over.set()
        self._thread.join(LEAVE)
        if self._faults:
            raise self._faults[0]
        if self._thread.is_alive():
            raise AssertionError("the operator did not finish the act in hand")

    def done(self) -> Counter[str]:
        """What was done how often; what was refused is not counted."""
        return self._did.copy()

    def brought_back(self) -> bool:
        """Do at once whatever leads back to the PAS; whether it is master."""
        with contextlib.suppress(*AWAY):
            return self.look(eager=True) == NORMAL
        return False

    def look(self, *, eager: bool = False) -> str:
        """Look at the console once and do what is due, `eager` without hesitating; gives the mode that was seen."""
        mode = self._drill.mode()
        shown = self._drill.console()
        for words, verb in PROPOSED.items():
            if f"Proposed: {words}" in shown and self._wants(SLOWLY, eager=eager):
                self._do(verb)
        if 'id="do-acknowledge"' in shown and self._wants(ACKNOWLEDGES, eager=eager):
            self._do("acknowledge")
        if mode == RECOVERY:
            self._hand_back(eager=eager)
        if mode == MIRROR and not eager and self._wants(HOLDS):
            self._do("hold-emission")
        return mode

    def _hand_back(self, *, eager: bool) -> None:
        if not eager and self._wants(FALLS_BACK):
            self._do("fall-back")
        elif self._wants(SLOWLY, eager=eager) and not self._do("hand-back") and self._drill.ask(_HELD):
            self._sign()

    def _wants(self, share: float, *, eager: bool = False) -> bool:
        return eager or self._chance.random() < share

    def _do(self, verb: str) -> bool:
        try:
            self._drill.act(verb)
        except PageRefused:
            return False
        self._did[verb] += 1
        return True

    def _sign(self) -> None:
        for name in (cast.OPERATOR, SECOND):
            with contextlib.suppress(PageRefused):
                browser = self._drill.operator if name == cast.OPERATOR else self._drill.signed_in(name)
                page = browser.open("/console/sign-holds")
                browser.send(page, reason=f"{name} has looked", password=cast.PASSWORD)
                self._did["sign"] += 1

    def _work(self) -> None:
        try:
            while not self._over.is_set():
                with contextlib.suppress(PageRefused, *AWAY):
                    self.look()
                self._over.wait(self._pace * self._chance.uniform(0.5, 1.5))
        except BaseException as fault:  # noqa: BLE001 - it is raised again by stop()
            self._faults.append(fault)


_HELD = "SELECT 1 FROM failover_replay WHERE \"end\" = 'held'"
