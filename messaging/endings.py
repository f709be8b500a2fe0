"""What follows each ending of a send: which leg, after what wait, who is told; pure, knows no socket and no table.

Defaults by IHE: AA and CA settle; AE and CE must not be resent unchanged and hold that patient; AR, CR and the error
codes 206 (locked) and 207 (internal) may pass by themselves and are tried again, to a limit.

The PAS is asked before it is told, so what it refuses by name (a number it does not know, a bed or slot it gave to
another) is a difference between two records. No waiting settles it, and all later entries of that patient wait: it
goes to a person at once, whether it came as AE or as AR.
"""

from typing import NamedTuple

from messaging.states import Leg
from patients.models import Fate

# HL7 table 0357
PASSING_ERRORS = frozenset({"206", "207"})  # record locked, application internal error
NAMED_ERRORS = frozenset({"100", "101", "102", "103", "200", "201", "202", "203", "204", "205"})  # form, kind, key
REJECTS = frozenset({"AR", "CR"})


class After(NamedTuple):
    """Where a message stands after an ending: its leg, seconds until it is due, its fate, and the alarm if one."""

    leg: Leg
    wait: float
    fate: Fate
    alarm: str = ""


def after_refusal(*, code: str, err: str, rejects: int, limit: int, first: float, most: float, to_pas: bool) -> After:
    """Say what follows a refusal; `rejects` counts this one. Times in seconds.

    At the limit a receiver's message is set aside; towards the PAS it is held, since its later events build on it.
    """
    named = to_pas and err in NAMED_ERRORS
    if err not in PASSING_ERRORS and (code not in REJECTS or named):
        return After(Leg.HELD, 0.0, Fate.HELD, "message-refused")
    if rejects < limit:
        return After(Leg.QUEUED, backoff(rejects, first=first, most=most), Fate.QUEUED)
    return After(Leg.HELD if to_pas else Leg.SET_ASIDE, 0.0, Fate.HELD, "message-given-up")


def after_silence(*, phase: str, sent_before: bool, failures: int, first: float, most: float) -> After:
    """Say what follows no answer: in doubt, unless it failed to connect and nothing had left before."""
    wait = backoff(failures, first=first, most=most)
    if phase == "connect" and not sent_before:
        return After(Leg.QUEUED, wait, Fate.QUEUED)
    return After(Leg.SENDING, wait, Fate.SENT)


def backoff(times: int, *, first: float, most: float) -> float:
    """Give the wait in seconds after the `times`-th failure in a row: doubled each time up to `most`."""
    return min(most, first * 2.0 ** min(max(times - 1, 0), 30))
