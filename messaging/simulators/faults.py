"""The fault verbs as state: what is armed, how often still, how often it fired; knows no socket and no message."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Verb = Callable[..., object]

# Each fault a door knows, with its arguments; times=0 lasts until healed.
DOOR_FAULTS: Mapping[str, Mapping[str, object]] = {
    "go_silent": {"times": 0},
    "accept_but_never_read": {"times": 0},
    "refuse": {"code": "AE", "err": "207", "for_patient": "", "text": "refused by the simulator", "times": 0},
    "slow": {"seconds": 1.0, "times": 0},
    "lose_ack": {"times": 1},
    "cut_after": {"bytes": 40, "times": 1},
    "late_ack": {"seconds": 1.0, "times": 1},
    "wrong_msa": {"times": 1},
    "garbage_ack": {"times": 1},
    "two_acks": {"first": "AA", "times": 1},
    "no_msa": {"times": 1},
    "unframed_ack": {"times": 1},
    "reset": {"for_patient": "", "times": 1},
    "enhanced": {"times": 0},  # CA first, then what the application says
    "lose_application_ack": {"times": 1},  # of an enhanced answer, the second
}


class UnknownArgument(ValueError):
    """A fault was given an argument it does not have."""


@dataclass
class _Armed:
    args: dict[str, object]
    left: int


class Faults:
    """Armed faults and their counts, safe between threads; whoever waits in a fault wakes when it is healed."""

    def __init__(self) -> None:
        self._armed: dict[str, _Armed] = {}
        self._fired: Counter[str] = Counter()
        self._changed = threading.Condition()

    def arm(self, name: str, *, times: int = 0, **args: object) -> None:
        """Arm a fault for so many times, 0 until healed."""
        with self._changed:
            self._armed[name] = _Armed(args, times)

    def heal(self, name: str | None = None) -> list[str]:
        """Disarm one fault or all, wake whoever waits, return what was armed."""
        with self._changed:
            ended = [armed for armed in self._armed if name in (None, armed)]
            for armed in ended:
                del self._armed[armed]
            self._changed.notify_all()
            return ended

    def armed(self, name: str) -> dict[str, object] | None:
        """The arguments of an armed fault, without firing it."""
        with self._changed:
            fault = self._armed.get(name)
            return fault.args if fault else None

    def fire(self, name: str) -> dict[str, object] | None:
        """Fire once if armed: count it, use up one of its times, return its arguments."""
        with self._changed:
            fault = self._armed.get(name)
            if fault is None:
                return None
            self._fired[name] += 1
            if fault.left:
                fault.left -= 1
                if not fault.left:
                    del self._armed[name]
            return fault.args

    def count(self, name: str) -> None:
        """Count an event that is a fault by itself."""
        with self._changed:
            self._fired[name] += 1

    def fired(self) -> dict[str, int]:
        """How often each fault fired since the start."""
        with self._changed:
            return dict(self._fired)

    def wait_healed(self, name: str) -> None:
        """Block while this fault is armed."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._armed)

    def delay(self, seconds: float) -> None:
        """Block so many seconds; a heal of everything ends it early."""
        until = time.monotonic() + seconds
        with self._changed:
            while (left := until - time.monotonic()) > 0:
                if self._changed.wait(left) and not self._armed:
                    return

    def verbs(self, known: Mapping[str, Mapping[str, object]] = DOOR_FAULTS) -> dict[str, Verb]:
        """A control verb for each fault, and `heal` and `fired`."""
        return {name: self._verb(name, dict(known[name])) for name in known} | {"heal": self.heal, "fired": self.fired}

    def _verb(self, name: str, defaults: dict[str, object]) -> Verb:
        def armed(**args: object) -> dict[str, object]:
            if unknown := sorted(args.keys() - defaults.keys()):
                raise UnknownArgument(f"{name} has no {', '.join(unknown)}; it has {', '.join(defaults)}")
            chosen = defaults | {key: value for key, value in args.items() if value is not None}
            times = int(str(chosen.pop("times")))
            self.arm(name, times=times, **chosen)
            return {"armed": name, "times": times, **chosen}

        return armed
