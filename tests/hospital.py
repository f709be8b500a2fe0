"""The demo's hospital as real processes, for tests of the screens: brought into a mode by the product's own doors.

Knows the addresses of the pages, the accounts and the simulated PAS, and nothing of what is behind them.
"""

import os
import re
import signal
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any, Self

from messaging.simulators.control import Control
from pasmirror import running, supervise
from pasmirror.demo import cast
from pasmirror.demo.browser import Browser, PageRefused
from tests.eventually import eventually
from tests.product import Product

PAS = "sim-pas"
NORMAL, MIRROR, RECOVERY, HANDBACK = "normal", "mirror", "recovery", "handback"
SETTLED = 45.0  # seconds for a change of mode that involves the PAS coming back and everything draining


class Hospital:
    """One run of the product with its simulators and the demo's site and accounts, and a morning in the record."""

    def __init__(self, var: Path) -> None:
        self._of(Product(var, "up", "--with-simulators"))

    def _of(self, product: Product) -> None:
        self.product = product
        base = self.product.simulators
        ports = {"PAS": base, "PAS_HEALTH": base + 2, "PATHOLOGY": base + 10, "EPRESCRIBING": base + 20}
        self.product.environment |= {f"PASMIRROR_SIM_{name}_PORT": str(port) for name, port in ports.items()}
        self.pas = Control(base + 1)
        self.receivers = {name: Control(base + 10 * n + 1) for n, name in enumerate(supervise.RECEIVERS, start=1)}
        self.screens = self.product.http
        self.address = f"http://127.0.0.1:{self.screens}"
        self._operator: Browser | None = None
        self._captured = 0

    def __enter__(self) -> Self:
        self.product.start()
        try:
            self._furnish()
        except BaseException:
            self.product.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.product.stop()

    def _furnish(self) -> None:
        """Site, accounts, and a morning's patients."""
        make = "from pasmirror.demo import cast; cast.make()"
        for words in (["site", "apply", str(cast.SITE)], ["shell", "--no-imports", "-c", make]):
            done = self.product.manage(*words)
            assert done.returncode == 0, done.stderr
        eventually(lambda: running.answers("127.0.0.1", self.product.mllp), within=20, every=0.1)
        self.pas.do("morning", patients=12, seed=7)
        eventually(lambda: self.pas.do("quiet"), within=20, every=0.2, why="the morning is sent")

    # Who comes to the screens

    def signed_in(self, name: str) -> Browser:
        """A plain browser, without JavaScript, with one of the demo's people signed in."""
        browser = Browser("127.0.0.1", self.screens)
        page = browser.open("/sign-in")
        assert "/sign-in" not in browser.send(page, username=name, password=cast.PASSWORD).path
        return browser

    @property
    def operator(self) -> Browser:
        """The operator at the console."""
        if self._operator is None:
            self._operator = self.signed_in(cast.OPERATOR)
        return self._operator

    def act(self, verb: str, **said: str) -> None:
        """Do one of the console's actions, with reason and password; PageRefused if it is refused."""
        page = self.operator.open(f"/console/do/{verb}")
        ticked = {name: "on" for name, values in page.options.items() if values == ["on"]}
        given = {"reason": "test", "password": cast.PASSWORD, **ticked, **said}
        asked = {*page.fields, *page.options}
        self.operator.send(page, **{name: value for name, value in given.items() if name in asked})

    # What is seen and what is done

    def mode(self) -> str:
        """The mode as the banner names it to anybody."""
        _, _, text = self.fetch("GET", "/banner")
        found = re.search(r'data-mode="(\w+)"', text)
        assert found, text[:200]
        return found[1]

    def console(self) -> str:
        """The console as the operator sees it."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.operator.cookies.items())
        return " ".join(self.fetch("GET", "/console/", Cookie=cookies)[2].split())

    def until(self, mode: str, *, within: float = SETTLED) -> None:
        """Wait until the mode is `mode`."""
        eventually(lambda: self.mode() == mode, within=within, every=0.2, why=f"mode {mode}, now {self.mode()}")

    def kill_pas(self) -> None:
        """Kill -9 the simulated PAS."""
        os.kill(self.product.pid(PAS), signal.SIGKILL)

    def start_pas(self) -> None:
        """Start the PAS again, if it is dead."""
        supervise.start_program(PAS, var=self.product.var)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop (SIGSTOP) one of the programs with all its children meanwhile."""
        group = os.getpgid(self.product.pid(name))
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)

    # Given

    def given_mirror(self) -> None:
        """The PAS is dead, mirror mode is open and other systems are told."""
        if self.mode() != MIRROR:
            self.given_normal()
            self.kill_pas()
            self.until(MIRROR)
        eventually(self._speaking, within=20, every=0.3, why="emission is open")

    def given_recovery(self) -> None:
        """The PAS is back and the replay is released; control is not handed back yet."""
        if self.mode() == RECOVERY:
            return
        self.given_mirror()
        self.capture_something()
        self.start_pas()
        eventually(lambda: self._released(), within=SETTLED, every=0.5, why="the replay is released")

    def given_normal(self) -> None:
        """The PAS is up and master: whatever there was is handed back or stood down."""
        self.start_pas()
        if self.mode() == MIRROR:
            self._acted("acknowledge")  # so that the next outage is again met without a person
            eventually(self._stood_down_or_released, within=SETTLED, every=0.5, why="mirror mode ends")
        if self.mode() in (RECOVERY, HANDBACK):
            eventually(self._handed_back, within=SETTLED, every=0.5, why="control is handed back")
        self.until(NORMAL)

    def capture_something(self) -> None:
        """A clerk registers somebody, each time another: two alike would be held for a person."""
        self._captured += 1
        clerk = self.signed_in(cast.clerk_name())
        page = clerk.open("/patients/register")
        clerk.send(page, family=f"CAPTURED{self._captured}", given="Ann", born=f"{self._captured} feb 1961", sex="F")

    def _speaking(self) -> bool:
        """Whether emission is open; a test before may have left it held, then the operator opens it."""
        if "Other systems are being told" in self.fetch("GET", "/banner")[2]:
            return True
        return "Proposed: Open emission" in self.console() and self._acted("open-emission")

    def _stood_down_or_released(self) -> bool:
        if self.mode() == NORMAL:
            return True
        if not self._acted("stand-down"):  # refused where something was captured
            return self._released()
        return True

    def _released(self) -> bool:
        return self._acted("release")

    def _handed_back(self) -> bool:
        return self.mode() == NORMAL or (self.mode() == RECOVERY and self._acted("hand-back"))

    def _acted(self, verb: str) -> bool:
        try:
            self.act(verb)
        except PageRefused:
            return False
        return True

    def fetch(
        self, method: str, path: str, body: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, HTTPMessage, str]:
        """One request as it is, following nothing: status, headers, text."""
        connection = HTTPConnection("127.0.0.1", self.screens, timeout=20)
        sent: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
        text = None
        if body is not None:
            text = urllib.parse.urlencode(body)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, text, sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
