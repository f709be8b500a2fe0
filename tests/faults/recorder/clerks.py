"""Several clerks at work at once by a seed: they enter, look, and press again what was not answered; knows no fault.

The log's keys are those of `clerk`, whose acts these are.
"""

import random
import threading
from collections import Counter
from collections.abc import Sequence

from tests.faults.recorder.browser import PATIENCE
from tests.faults.recorder.clerk import Clerk, Press, acts
from tests.faults.recorder.log import Log
from tests.faults.recorder.screens import Screen

WEIGHTS = {"amend": 4, "admit": 3, "transfer": 2, "discharge": 2, "book": 3, "cancel": 2}
NEW, LOOKING, STRANGERS, SAVED_OVER = 0.25, 0.15, 0.2, 0.5
"""Shares: of registrations, of looks alone, of others' patients, and of stale forms that are saved again."""
AGAIN = 0.4  # seconds before a button is pressed again
CLINICS, WARDS = ("CARD", "ORTH"), ("WA", "WB")
LEAVE = 60.0  # seconds a clerk may need for the act in hand when work ends


class Clerks:
    """`n` clerks on the accounts (name and password), shared where there are fewer.

    `pace` is the mean pause between acts in seconds; two groups of clerks in one run need two seeds.
    """

    def __init__(
        self,
        log: Log,
        host: str,
        port: int,
        accounts: Sequence[tuple[str, str]],
        *,
        n: int = 3,
        seed: int = 1,
        pace: float = 0.2,
        patience: float = PATIENCE,
    ) -> None:
        self.log = log
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._pace = pace
        self._own: dict[int, list[int]] = {number: [] for number in range(1, n + 1)}
        self._presses: list[Press] = []
        self._faults: list[BaseException] = []
        clerks = [
            Clerk(log, host, port, account=accounts[number % len(accounts)], number=number + 1, seed=seed,
                  patience=patience)
            for number in range(n)
        ]  # fmt: skip
        self._threads = [
            threading.Thread(target=self._work, args=(clerk, random.Random(f"{seed} {clerk.number}")), daemon=True)
            for clerk in clerks
        ]

    def start(self) -> "Clerks":
        """Let everybody begin."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """End the work, the act in hand is finished; raises what a clerk stumbled over, which is a fault of ours."""
        self._over.set()
        for thread in self._threads:
            thread.join(LEAVE)
        if self._faults:
            raise self._faults[0]
        if any(thread.is_alive() for thread in self._threads):
            raise AssertionError("a clerk did not finish the act in hand")

    def done(self) -> Counter[str]:
        """How many presses ended how."""
        with self._lock:
            return Counter(press.end for press in self._presses)

    def acknowledged(self) -> list[Press]:
        """What clerks were told was saved; a form pressed again counts once."""
        with self._lock:
            return list({press.said["key"]: press for press in self._presses if press.end == "ok"}.values())

    def saved(self) -> int:
        """How many forms clerks were told were saved."""
        return len(self.acknowledged())

    def resolved(self) -> list[Press]:
        """The presses again that were answered."""
        with self._lock:
            return [press for press in self._presses if "again" in press.said and press.end != "unknown"]

    def _work(self, clerk: Clerk, chance: random.Random) -> None:
        try:
            while not self._over.is_set() and not clerk.sign_in():
                self._over.wait(AGAIN)
            while not self._over.is_set():
                self._act(clerk, chance)
                self._over.wait(self._pace * chance.uniform(0.5, 1.5))
        except BaseException as fault:  # noqa: BLE001 - it is raised again by stop()
            self._faults.append(fault)

    def _act(self, clerk: Clerk, chance: random.Random) -> None:
        """Register somebody, or do something with a patient: what the record page offers."""
        patient = self._someone(clerk, chance)
        if not patient or chance.random() < NEW:
            press = clerk.register(given=chance.choice(("Ann", "Ben", "Cleo", "Dev")), sex=chance.choice("FM"))
            self._settle(clerk, press, chance)
            return
        if chance.random() < LOOKING:
            clerk.banner()
        screen = clerk.look(patient)
        if screen is not None and chance.random() >= LOOKING and not self._over.is_set():
            self._settle(clerk, self._enter(clerk, screen, chance), chance)

    def _someone(self, clerk: Clerk, chance: random.Random) -> int:
        with self._lock:
            others = [patient for number, own in self._own.items() if number != clerk.number for patient in own]
            pick = others if others and chance.random() < STRANGERS else self._own[clerk.number]
            return chance.choice(pick) if pick else 0

    @staticmethod
    def _enter(clerk: Clerk, screen: Screen, chance: random.Random) -> Press | None:
        offered = [(what, about) for what, about in acts(screen) if what in WEIGHTS]
        if not offered:
            return None
        what, about = chance.choices(offered, [WEIGHTS[what] for what, _ in offered])[0]
        patient = screen.patient
        if what == "amend":
            return clerk.amend(patient)
        if what == "admit":
            return clerk.admit(patient, ward=chance.choice(WARDS))
        if what == "transfer":
            return clerk.transfer(patient, about, ward=chance.choice(WARDS))
        if what == "discharge":
            return clerk.discharge(patient, about)
        if what == "cancel":
            return clerk.cancel(patient, about)
        return clerk.book(patient, clinic=chance.choice(CLINICS), slot=chance.randrange(8))

    def _settle(self, clerk: Clerk, press: Press | None, chance: random.Random) -> None:
        """Press again until answered, save a stale form again or leave it, and remember whose record was made."""
        if press is None:
            return
        self._keep(clerk, press)
        while press.open_ended and not self._over.wait(AGAIN):
            press = clerk.again(press)
            self._keep(clerk, press)
        if press.stale and chance.random() < SAVED_OVER and (once_more := clerk.over(press)):
            self._keep(clerk, once_more)

    def _keep(self, clerk: Clerk, press: Press) -> None:
        with self._lock:
            self._presses.append(press)
            if press.what == "register" and press.end == "ok" and press.patient not in self._own[clerk.number]:
                self._own[clerk.number].append(press.patient)
