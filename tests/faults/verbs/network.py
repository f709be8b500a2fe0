"""A network of its own for a command: a namespace and a cable to it, and routes that swallow; for root alone.

Knows namespaces, one veth pair and routes. The namespace has no name: it lives as long as this object holds it open,
so that even a killed test leaves nothing behind.
"""

import contextlib
import os
import random
import subprocess
from pathlib import Path
from typing import Any, Literal, Self

from tests.faults.verbs import needs

Side = Literal["here", "there"]
"""here: this machine; there: the namespace."""


class Namespace:
    """A machine of its own beside this one: `here` and `there` are the addresses of the two ends of `cable`."""

    def __init__(self) -> None:
        self.here = self.there = ""
        self.cable = ""
        self._held = -1
        self._swallowed: list[tuple[Side, str]] = []
        self._before: dict[Side, int] = {}

    def __enter__(self) -> Self:
        needs.root("A network namespace")
        needs.command("ip", package="iproute2")
        self._held = _new_namespace()
        try:
            self._lay_cable()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.heal()
        if self.cable:
            subprocess.run(["ip", "link", "del", self.cable], capture_output=True, check=False)
        os.close(self._held)
        self._held = -1

    def command(self, *words: str) -> list[str]:
        """The command line that runs `words` inside, for as long as this is open."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self._held}", "--", *words]

    def run(self, *words: str, within: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run a command inside until it ends, at most `within` seconds."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=within, check=False)

    def start(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        """Start a command inside; the caller ends it."""
        return subprocess.Popen(self.command(*words), **more)

    def blackhole(self, route: str = "", *, at: Side = "there") -> None:
        """Swallow what is sent to `route` (an address or a network) by that side; without one, to the other end.

        The other side is not told: its words still arrive, the answers do not. The side itself finds a *new* connection
        refused at once ("invalid argument"), so to make a peer fall silent, put the hole at the peer's side.
        """
        target = route or (self.here if at == "there" else self.there)
        self._before.setdefault(at, self._refused(at))
        self._ip(at, "route", "add", "blackhole", target)
        self._swallowed.append((at, target))

    def cut(self) -> None:
        """Swallow both ways."""
        self.blackhole(at="there")
        self.blackhole(at="here")

    def heal(self) -> None:
        """Take every swallowing route away."""
        while self._swallowed:
            at, target = self._swallowed.pop()
            self._ip(at, "route", "del", "blackhole", target)
        self._before.clear()

    def swallowed(self, at: Side = "there") -> int:
        """How many packets that side has not been able to send since its first hole."""
        return self._refused(at) - self._before[at] if at in self._before else 0

    def _lay_cable(self) -> None:
        for _ in range(50):
            number = random.randrange(1, 2**14)
            near, far = f"pm{number}a", f"pm{number}b"
            first = number * 4
            self.here, self.there = (f"198.{18 + (n >> 16)}.{n >> 8 & 255}.{n & 255}" for n in (first + 1, first + 2))
            if not Path("/sys/class/net", near).exists():
                break
        _run(
            "ip",
            "link",
            "add",
            near,
            "type",
            "veth",
            "peer",
            "name",
            far,
            "netns",
            f"/proc/{os.getpid()}/fd/{self._held}",
        )
        self.cable = near
        ends: tuple[tuple[Side, str, str], ...] = (("here", near, self.here), ("there", far, self.there))
        for at, device, address in ends:
            self._ip(at, "address", "add", f"{address}/30", "dev", device)
            self._ip(at, "link", "set", device, "up")
        self._ip("there", "link", "set", "lo", "up")
        self._ip("there", "route", "add", "default", "via", self.here)

    def _ip(self, at: Side, *words: str) -> None:
        _run(*(self.command("ip", *words) if at == "there" else ["ip", *words]))

    def _refused(self, at: Side) -> int:
        """The kernel's count of packets without a route (Ip: OutNoRoutes)."""
        shown = _run("cat", "/proc/net/snmp") if at == "here" else _run(*self.command("cat", "/proc/net/snmp"))
        names, values = (line.split() for line in shown.splitlines() if line.startswith("Ip: "))
        return int(values[names.index("OutNoRoutes")])


def _new_namespace() -> int:
    """A new network namespace, as a file descriptor that keeps it."""
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        holder.stdout.read(1)  # it has entered
        held = os.open(f"/proc/{holder.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        holder.stdin.close()
    if os.stat(held).st_ino == os.stat("/proc/self/ns/net").st_ino:
        os.close(held)
        raise needs.Missing("A network namespace of its own is refused by this machine.")
    return held


def _run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
