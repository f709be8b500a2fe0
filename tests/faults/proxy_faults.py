"""Which faults a proxy is armed with, how often each may still strike and how often it did; knows no socket."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Way = Literal["up", "down"]
"""up: what the client says to the server; down: what the server says to the client."""
Direction = Literal["up", "down", "both"]


@dataclass(eq=False)
class Fault:
    """One verb as it was armed; each verb reads its own fields. `left` is None where it strikes until healed."""

    verb: str
    direction: Direction
    left: int | None
    seconds: float = 0.0
    jitter: float = 0.0
    size: int = 0  # bytes
    how: str = ""

    def hits(self, verb: str, way: Way | None) -> bool:
        """Whether it would strike now; no way means that it is asked about a connection, not about bytes."""
        return self.verb == verb and self.left != 0 and (way is None or self.direction in (way, "both"))


class Faults:
    """What one proxy is armed with; safe between threads. Waiting in here ends early when everything is healed.

    Whoever needs `lock` beside a lock of his own takes `lock` first.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._armed: list[Fault] = []
        self._fired: Counter[str] = Counter()
        self._healed = 0
        self._released = 0
        self._holding = 0

    def arm(self, fault: Fault) -> None:
        """Arm it, in place of what was armed before with the same verb and direction."""
        if fault.left is not None and fault.left < 0:
            raise ValueError(f"{fault.verb} cannot strike {fault.left} times")
        with self._changed:
            self._armed = [one for one in self._armed if (one.verb, one.direction) != (fault.verb, fault.direction)]
            self._armed.append(fault)

    def armed(self, verb: str, way: Way | None = None) -> Fault | None:
        """The fault that would strike now, without striking."""
        with self._changed:
            return next((fault for fault in self._armed if fault.hits(verb, way)), None)

    def take(self, verb: str, way: Way | None = None) -> Fault | None:
        """Let it strike once, if it is armed, and count that; under `lock` nothing is healed before you have acted."""
        with self._changed:
            fault = self.armed(verb, way)
            if fault is None:
                return None
            if fault.left is not None:
                fault.left -= 1
            self._fired[verb] += 1
            return fault

    def count(self, event: str) -> None:
        """Note that something happened which nobody armed."""
        with self._changed:
            self._fired[event] += 1

    def fired(self) -> Counter[str]:
        """How often each verb has struck since the proxy was made."""
        with self._changed:
            return Counter(self._fired)

    def late(self, fault: Fault) -> float:
        """The delay of one strike, in seconds: its `seconds`, more or less up to its `jitter`, by the seed."""
        with self._changed:
            return max(0.0, fault.seconds + self._random.uniform(-fault.jitter, fault.jitter))

    def pause(self, seconds: float, over: Callable[[], bool]) -> None:
        """Wait so long; less if everything is healed meanwhile or `over` becomes true."""
        deadline = time.monotonic() + seconds
        with self._changed:
            healed = self._healed
            self._changed.wait_for(lambda: over() or self._healed != healed, deadline - time.monotonic())

    def hold(self, over: Callable[[], bool]) -> None:
        """Wait until `release`, until everything is healed, or until `over` becomes true."""
        with self._changed:
            released = self._released
            self._holding += 1
            self._changed.wait_for(lambda: over() or self._released != released)
            self._holding -= 1

    def holding(self) -> int:
        """How many wait in `hold` now."""
        with self._changed:
            return self._holding

    def release(self, verb: str) -> None:
        """End every `hold`, and disarm the verb that led there."""
        with self._changed:
            self._armed = [fault for fault in self._armed if fault.verb != verb]
            self._released += 1
            self._changed.notify_all()

    def heal(self, then: Callable[[], None]) -> None:
        """Disarm everything, end every wait, and do `then` before anything can strike again."""
        with self._changed:
            self._armed.clear()
            self._healed += 1
            self._released += 1
            then()
            self._changed.notify_all()

    def wake(self) -> None:
        """Let whoever waits ask again whether it is over."""
        with self._changed:
            self._changed.notify_all()
