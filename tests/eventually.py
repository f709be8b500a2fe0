"""Waiting in tests: for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(ask: Callable[[], T], *, within: float, every: float = 0.02, why: str = "") -> T:
    """What `ask()` answers as soon as it is true (in the boolean sense); AssertionError after `within` seconds.

    An AssertionError out of `ask` counts as "not yet", and is the cause of ours at the end.
    """
    deadline = time.monotonic() + within
    while True:
        last: AssertionError | None = None
        answer: T | None = None
        try:
            answer = ask()
        except AssertionError as fault:
            last = fault
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {why or getattr(ask, '__name__', 'condition')}") from last
        time.sleep(every)
