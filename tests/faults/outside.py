"""The world outside the product: simulated PAS and receivers as processes of the drill, and the proxies before them.

Knows ports, processes and control verbs. What it starts outlives the product, and ends with the drill.
"""

import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from messaging.simulators.control import Control
from pasmirror import running, tether
from tests.eventually import eventually
from tests.faults.proxy import MllpProxy, Proxy
from tests.product import ROOT

RECEIVERS = ("pathology", "eprescribing")
EVERYONE = (*RECEIVERS, "pas")
DOORS = {"web": 0, "feed": 1, "pas": 10, "health": 12, "pathology": 20, "eprescribing": 30}
BESIDE = {"web": 2, "feed": 3, "pas": 13, "health": 14, "pathology": 22, "eprescribing": 32}
"""Ports, counted from the row's first: those the site file and the clerks know, and those a proxy makes room with."""
PLAIN = ("web", "health")
TELLS = ("web", "feed")  # here the proxy has the other port, since the product's own is fixed


class Outside:
    """The simulators and the proxies of one drill."""

    def __init__(self, folder: Path, first: int, proxied: Iterable[str]) -> None:
        self.folder, self.first = folder, first
        self.controls = {"pas": Control(first + 11)}
        self.controls |= {name: Control(first + DOORS[name] + 1) for name in RECEIVERS}
        self.proxy: dict[str, Proxy] = {}
        for name in proxied:
            at, behind = self._ports(name, proxied=True)
            self.proxy[name] = (Proxy if name in PLAIN else MllpProxy)(at, to=("127.0.0.1", behind))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def _ports(self, name: str, *, proxied: bool) -> tuple[int, int]:
        """Where the others go, and where the peer itself is."""
        known, other = self.first + DOORS[name], self.first + BESIDE[name]
        if not proxied:
            return known, known
        return (other, known) if name in TELLS else (known, other)

    def port(self, name: str) -> int:
        """Where one goes for `name`: through its proxy, if it has one."""
        return self._ports(name, proxied=name in self.proxy)[0]

    def _own_port(self, name: str) -> str:
        return str(self._ports(name, proxied=name in self.proxy)[1])

    def open(self) -> None:
        """Open the proxies, then start the simulators."""
        for proxy in self.proxy.values():
            proxy.start()
        for name in EVERYONE:
            self.start(name)

    def heal(self) -> None:
        """End every fault of theirs; who is dead is started."""
        for proxy in self.proxy.values():
            proxy.heal()
        self.wake()
        for name in EVERYONE:
            self.start(name)
            self.controls[name].do("heal")

    def wake(self) -> None:
        """SIGCONT to all of them."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End all of it."""
        for proxy in self.proxy.values():
            proxy.stop()
        for process in self._processes.values():
            process.kill()
            process.wait(10)

    def alive(self, name: str) -> bool:
        """Whether its process runs."""
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def pid(self, name: str) -> int:
        """The process id of a simulator, dead or alive."""
        return self._processes[name].pid

    def kill(self, name: str) -> int:
        """Kill -9 a simulator; gives the process id that died."""
        self._processes[name].kill()
        self._processes[name].wait(10)
        return self._processes[name].pid

    def start(self, name: str) -> None:
        """Start a simulator that is not running, on the store it had."""
        if self.alive(name):
            return
        self.folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", *self._words(name), "--store", str(self.folder / f"{name}.sqlite")]
        with (self.folder / f"{name}.log").open("ab") as said:
            self._processes[name] = subprocess.Popen(
                tether.command(command, on_death=signal.SIGKILL),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        control = self.controls[name].port
        eventually(lambda: running.answers("127.0.0.1", control), within=20, every=0.05, why=f"{name} is up")

    def _words(self, name: str) -> list[str]:
        doors = ["--port", self._own_port(name), "--control", str(self.controls[name].port)]
        if name != "pas":
            return ["messaging.simulators.receiver", "--name", name, *doors]
        own = [word for each in RECEIVERS for word in ("--downstream", f"{each}=127.0.0.1:{self._own_port(each)}")]
        feed = ["--feed", f"127.0.0.1:{self.port('feed')}", "--health", self._own_port("health")]
        return ["messaging.simulators.pas", *doors, *feed, *own]
