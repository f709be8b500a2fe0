"""Strikes a process at a named point: once, by a file that the test lays down and the struck process takes away.

Knows the crash points' names, signals and files; not what the product does there.
"""

import os
import signal
import threading
import time
from pathlib import Path

from pasmirror.lib import crash
from pasmirror.lib.crash import Point

WAYS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_seen: dict[str, int] = {}


def arm(folder: Path) -> None:
    """Let every point of this process look into `folder`."""

    def strike(point: Point) -> None:
        laid = folder / point.value
        if not laid.exists():
            return
        try:
            way, nth, role = laid.read_text().split(" ")
        except FileNotFoundError:
            return
        if role not in ("anyone", os.environ.get("PASMIRROR_ROLE", "")):
            return
        _seen[point.value] = _seen.get(point.value, 0) + 1
        if _seen[point.value] < int(nth):
            return
        taken = folder / f"{point.value}.struck.{os.getpid()}.{time.time_ns()}"
        try:
            laid.rename(taken)  # one process alone: whoever renames it is the one
        except FileNotFoundError:
            return
        # Of this very thread: one sent to the process would be taken by the main thread, and we would go on meanwhile.
        signal.pthread_kill(threading.get_ident(), WAYS[way])

    crash.strike = strike


class Strikes:
    """The test's side: lays strikes down and counts those that fell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def lay(self, point: Point, way: str = "kill", *, nth: int = 1, role: str = "anyone") -> None:
        """Strike the first process of that role that comes to `point`, at its `nth` passing: `kill` it or `stop` it."""
        if way not in WAYS:
            raise ValueError(f"no such way to strike: {way}")
        draft = self.folder / f".{point.value}"
        draft.write_text(f"{way} {nth} {role}")
        draft.rename(self.folder / point.value)

    def fallen(self, point: Point | None = None) -> list[int]:
        """The process ids struck, in order; at `point` alone if it is given."""
        found = self.folder.glob(f"{point.value if point else '*'}.struck.*")
        return [int(each.name.split(".struck.")[1].split(".")[0]) for each in sorted(found, key=_when)]

    def lift(self) -> None:
        """Take away what was laid and has not fallen."""
        for point in Point:
            (self.folder / point.value).unlink(missing_ok=True)


def _when(struck: Path) -> int:
    return int(struck.name.rsplit(".", 1)[1])
