"""The product that is measured: `manage.py up` in a var folder and on ports of its own, and the switches on it.

Knows how to start, declare and end it; never touches the operator's run or data.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import close_old_connections

from failover.services import switch
from messaging.services import emission
from messaging.states import Valve
from pasmirror import running, site, supervise, tether
from pasmirror.bench.messages import BEDS, WARDS
from pasmirror.demo import cast
from pasmirror.lib.actor import Actor, system
from patients.refusals import Refused
from patients.selectors import gate
from patients.states import Mode

SITE = Path(__file__).with_name("site.toml")
SIMULATED = {name: 10 * number for number, name in enumerate(supervise.RECEIVERS, start=1)}
PORTS = 40  # in a row: screens, feed, and the simulators' from the eleventh
WITHIN = 90.0  # seconds for anything that is waited for
Address = tuple[str, int]


class NotMeasured(Exception):
    """Something did not come to be that has to be there to be measured; the text is one plain sentence."""


def environment(var: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Give the environment of a bench in `var`: what was `given` of the product, database and broker is left out."""
    kept = {k: v for k, v in given.items() if not k.startswith("PASMIRROR_") and k not in ("DATABASE_URL", "REDIS_URL")}
    first = _free_ports()
    return kept | {
        "PASMIRROR_VAR": str(var),
        "PASMIRROR_HTTP_PORT": str(first),
        "PASMIRROR_MLLP_PORT": str(first + 1),
        "PASMIRROR_SIM_BASE_PORT": str(first + 10),
        "PASMIRROR_HTTPS": "0",
    }


def _free_ports() -> int:
    """Give the first of a row of ports that nobody listens on, below those the kernel gives out."""
    while True:
        first = random.randrange(15_000, 32_000, PORTS)  # noqa: S311 - no secret
        if not any(running.why_not_listen("127.0.0.1", first + number) for number in range(PORTS)):
            return first


class Product:
    """One run of the product with its simulators; ends with the `with` block, or with us."""

    def __init__(self) -> None:
        self.var: Path = settings.VAR
        self.log = self.var / "up.log"
        self._up: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._up = subprocess.Popen(
                tether.command([sys.executable, "manage.py", "up", "--with-simulators"], on_death=signal.SIGTERM),
                cwd=settings.BASE_DIR,
                env={**os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, who end it in order
            )
        try:
            until("the product is up", self._is_up)
            cast.make()
            self.declare()
            until("the feed listens", lambda: running.answers(settings.MLLP_HOST, settings.MLLP_PORT))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of `manage.py up`."""
        if self._up is None:
            raise NotMeasured("The product has not been started.")
        return self._up.pid

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        if self._up is None:
            return
        if self._up.poll() is None:
            self._up.terminate()
        try:
            self._up.wait(WITHIN)
        except subprocess.TimeoutExpired:
            self._up.kill()
            self._up.wait()
        self._up = None

    def declare(self, destinations: Mapping[str, Address] | None = None) -> None:
        """Put the bench's site in force with these destinations; without any named, the simulated receivers."""
        base = settings.SIM_BASE_PORT
        to = destinations or {name: ("127.0.0.1", base + offset) for name, offset in SIMULATED.items()}
        text = (
            SITE.read_text(encoding="utf-8")
            + _wards()
            + "".join(
                f'\n[[destination]]\ncode = "{code}"\nname = "{code}"\nhost = "{host}"\nport = {port}\ntimeout = 10.0\n'
                for code, (host, port) in to.items()
            )
        )
        try:
            site.apply(text, by=system("bench"), environment=cast.environment())
        except site.SiteFaulty as faulty:
            raise NotMeasured(f"These destinations cannot be declared: {faulty.faults[0]}") from faulty

    def mirror(self) -> None:
        """Open mirror mode, emission held; nothing happens where it stands so already."""
        if gate.now().mode != Mode.MIRROR:
            switch.open_mirror(by=operator(), reason="bench")
        self.hold()

    def speak(self) -> None:
        """Open emission; just after the feed has spoken that is refused for a while."""
        until("emission opens", self._open)

    def hold(self) -> None:
        """Hold emission."""
        if emission.now().valve != Valve.HELD:
            switch.hold_emission(by=operator(), reason="bench")

    def _open(self) -> bool:
        try:
            switch.open_emission(by=operator(), reason="bench")
        except Refused:
            return emission.now().valve == Valve.OPEN
        return True

    def _is_up(self) -> bool:
        if self._up is None or self._up.poll() is not None:
            raise NotMeasured(f"The product ended by itself; {self.log} says why.")
        try:
            states = supervise.states(var=self.var)
        except OSError:
            return False
        running_all = all(state == "RUNNING" for state, _ in states.values())
        return running_all and running.answers(settings.HTTP_HOST, settings.HTTP_PORT)


def _wards() -> str:
    bays = f'[{{ bay = "A", beds = {list(BEDS)} }}]'
    return "".join(
        f'\n[[ward]]\ncode = "{code}"\nname = "Ward {code}"\nsite = "RXX"\nbays = {bays}\n' for code in WARDS
    )


def operator() -> Actor:
    """Name who throws the switches."""
    return switch.named_person(cast.OPERATOR)


def until(what: str, is_so: Callable[[], object], *, within: float = WITHIN, every: float = 0.02) -> float:
    """Wait until `is_so`, asking again every `every` seconds; gives the seconds it took. Raises NotMeasured."""
    began = time.perf_counter()
    while not is_so():
        if time.perf_counter() - began > within:
            raise NotMeasured(f"{what}: not within {within:.0f} s.")
        close_old_connections()
        time.sleep(every)
    return time.perf_counter() - began
