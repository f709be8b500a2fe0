"""Gives a Python whose clock lies a sleep that works; knows nothing else.

libfaketime 0.9.10 refuses the absolute sleep of Python 3.11 and later (wolfcw/libfaketime #426).
"""

import select
import time


def sleep(seconds: float, /) -> None:
    """Wait so many seconds."""
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
