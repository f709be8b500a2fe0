"""How often a long-running process looks for garbage that refers to itself; knows nothing of what the process does."""

import gc

YOUNG, MIDDLE, OLD = 10_000, 20, 50  # Python's own 700, 10, 10 cost the applier a sixth of its time


def seldom() -> None:
    """Look seldom from now on, and never again at what the start has left; for a process that makes many objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
