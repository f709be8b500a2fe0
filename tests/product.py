"""The product as real processes, for tests that kill, freeze and watch them: `manage.py up` on a var folder of its own.

Knows the public ways in (commands, ports, supervisord's socket, signals), and nothing inside.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

import psutil

from pasmirror import running, supervise
from tests.broker import NOBODY, WITHOUT_BROKER
from tests.eventually import eventually
from tests.faults.verbs import signals

ROOT = Path(__file__).resolve().parent.parent
PORTS = 40  # in a row: screens, feed, and the simulators' from the eleventh


def free_ports() -> int:
    """The first of a row of ports that nobody listens on, below those the kernel gives out."""
    while True:
        first = random.randrange(15_000, 32_000, PORTS)
        if not any(running.why_not_listen("127.0.0.1", first + number) for number in range(PORTS)):
            return first


class Product:
    """One `manage.py up` (or another command), with the processes it started."""

    def __init__(self, var: Path, *words: str, first: int = 0, **environment: str) -> None:
        """`first`: of a row of `PORTS` free ports; 0 looks for one."""
        first = first or free_ports()
        self.var = var
        self.http, self.mllp, self.simulators = first, first + 1, first + 10
        self.words = words or ("up",)
        self.output = var.with_suffix(".out")
        settled = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PASMIRROR_", "DATABASE_", "REDIS_"))
        }
        settled.pop("DJANGO_SETTINGS_MODULE", None)
        self.environment = settled | {
            "PASMIRROR_VAR": str(var),
            "PASMIRROR_HTTP_PORT": str(self.http),
            "PASMIRROR_MLLP_PORT": str(self.mllp),
            "PASMIRROR_SIM_BASE_PORT": str(self.simulators),
            "PASMIRROR_HTTPS": "0",
            **({"REDIS_URL": NOBODY} if WITHOUT_BROKER else {}),
            **environment,
        }
        self.up: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *, within: float = 60.0) -> Self:
        """Start it and wait until every process that should run does, and the screens can be reached."""
        with self.output.open("wb") as output:
            self.up = subprocess.Popen(
                [sys.executable, "manage.py", *self.words],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            eventually(self._all_running, within=within, every=0.1)
            if WITHOUT_BROKER:
                self._leave_the_worker_out()
        except AssertionError as late:
            self.stop()
            raise AssertionError(f"not up within {within} s: {self.said()}") from late
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, wish: signal.Signals = signal.SIGTERM, *, within: float = 60.0) -> int:
        """Ask it to end; the exit code."""
        assert self.up is not None
        if self.up.poll() is None:
            self.up.send_signal(wish)
        return self.up.wait(within)

    def manage(self, *words: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Another command beside it, with the same environment."""
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def said(self) -> str:
        """What it has printed so far."""
        return self.output.read_text() if self.output.exists() else ""

    def pid(self, name: str) -> int:
        """The process id of one of supervisord's programs; AssertionError while it is not running."""
        pid = supervise.program_pid(name, var=self.var)
        assert pid, f"{name} is not running"
        return pid

    def everyone(self) -> list[psutil.Process]:
        """Every living process of this run, however it came about."""
        return signals.everyone(self.var)

    def _leave_the_worker_out(self) -> None:
        supervise.stop_program("work", var=self.var)
        states = supervise.states(var=self.var)
        assert states["work"][0] == "STOPPED", states["work"]
        assert "valkey" not in states, "a broker runs all the same"

    def _all_running(self) -> bool:
        assert self.up is not None
        if self.up.poll() is not None:
            raise RuntimeError(f"it ended with {self.up.returncode}: {self.said()}")
        try:
            states = supervise.states(var=self.var)
        except OSError:
            return False
        return all(state == "RUNNING" for state, _ in states.values()) and running.answers("127.0.0.1", self.http)
