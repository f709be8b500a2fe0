"""What follows each ending of a send: which leg, after what wait, who is told; pure, knows no socket and no table.

Defaults by IHE: AA and CA settle; AE and CE must not be resent unchanged and hold that patient; AR, CR and the error
codes 206 (locked) and 207 (internal) may pass by themselves and are tried again, to a limit. Sites differ, so all of
it is a destination's policy. Whatever the policy, nothing but AA or CA for our own MSH-10 is ever taken as received.

The PAS is asked before it is told, so what it refuses by name (a number it does not know, a bed or slot it gave to
another) is a difference between two records. No waiting settles it, and all later entries of that patient wait: it
goes to a person at once, whether it came as AE or as AR.
"""

from dataclasses import dataclass
from typing import NamedTuple

from messaging.states import AtLimit, Holds, Leg, OnNoApplicationAnswer, OnRefusal, OnUnknownAnswer
from patients.models import Fate

# HL7 table 0357
PASSING_ERRORS = frozenset({"206", "207"})  # record locked, application internal error
NAMED_ERRORS = frozenset({"100", "101", "102", "103", "200", "201", "202", "203", "204", "205"})  # form, kind, key
REJECTS = frozenset({"AR", "CR"})
NOTHING_LEFT = frozenset({"connect", "tls"})  # phases of no answer before the first byte of the message
UNKNOWN = frozenset({"wrong_id", "garbage"})  # phases in which something was answered
COMMITTED = "application"  # the phase after CA


@dataclass(frozen=True, slots=True)
class Policy:
    """What a destination declares about answers; seconds. The columns of messaging.models.Destination."""

    on_ae: str = OnRefusal.HOLD
    on_ar: str = OnRefusal.RETRY
    at_limit: str = AtLimit.SET_ASIDE
    on_unknown_answer: str = OnUnknownAnswer.RETRY
    on_no_application_answer: str = OnNoApplicationAnswer.RETRY
    reject_limit: int = 10
    no_answer_limit: int = 20
    holds: str = Holds.PATIENT
    retry_after: float = 2.0
    retry_most: float = 60.0
    is_pas: bool = False

    def backoff(self, times: int) -> float:
        """Give the wait in seconds after the `times`-th failure in a row: doubled each time up to `retry_most`."""
        return float(min(self.retry_most, self.retry_after * 2.0 ** min(max(times - 1, 0), 30)))


class After(NamedTuple):
    """Where a message stands after an ending: its leg, seconds until it is due, its fate, and the alarm if one."""

    leg: Leg
    wait: float
    fate: Fate
    alarm: str = ""


RECEIVED = After(Leg.ACCEPTED, 0.0, Fate.ACCEPTED)
REFUSED = After(Leg.HELD, 0.0, Fate.HELD, "message-refused")
UNANSWERED = After(Leg.HELD, 0.0, Fate.HELD, "message-unanswered")
GIVEN_UP = After(Leg.SET_ASIDE, 0.0, Fate.HELD, "message-given-up")


def after_refusal(policy: Policy, *, code: str, err: str, rejects: int) -> After:
    """Say what follows a refusal; `rejects` counts this one.

    At the limit a receiver's message is set aside or held by policy; towards the PAS it is held, since its later
    events build on it.
    """
    if err in PASSING_ERRORS:
        does = OnRefusal.RETRY
    elif policy.is_pas and err in NAMED_ERRORS:
        does = OnRefusal.HOLD
    else:
        does = OnRefusal(policy.on_ar if code in REJECTS else policy.on_ae)
    match does:
        case OnRefusal.HOLD:
            return REFUSED
        case OnRefusal.SET_ASIDE:
            return GIVEN_UP
        case OnRefusal.RETRY:
            if rejects < policy.reject_limit:
                return After(Leg.QUEUED, policy.backoff(rejects), Fate.QUEUED)
            held = policy.is_pas or policy.at_limit == AtLimit.HOLD
            return After(Leg.HELD if held else Leg.SET_ASIDE, 0.0, Fate.HELD, "message-given-up")


def after_silence(policy: Policy, *, phase: str, in_doubt: bool, failures: int) -> After:
    """Say what follows no answer: in doubt, unless it failed to connect and nothing had left before.

    `failures` counts the lane's silences in a row, this one too; `in_doubt`: it was so before this attempt.
    """
    if phase == COMMITTED and policy.on_no_application_answer == OnNoApplicationAnswer.ACCEPT:
        return RECEIVED
    if phase == COMMITTED and policy.on_no_application_answer == OnNoApplicationAnswer.HOLD:
        return UNANSWERED
    if phase in UNKNOWN and policy.on_unknown_answer == OnUnknownAnswer.HOLD:
        return UNANSWERED
    if phase in NOTHING_LEFT and not in_doubt:
        return After(Leg.QUEUED, policy.backoff(failures), Fate.QUEUED)
    return After(Leg.SENDING, policy.backoff(failures), Fate.SENT)


def may_be_the_cause(policy: Policy, *, silences: int) -> bool:
    """Say whether a message unanswered `silences` times may itself be what silences its receiver.

    Then another patient's is tried. Never towards the PAS, whose replay keeps an order among patients too; never
    where the whole lane waits behind what is held.
    """
    if policy.is_pas or policy.holds == Holds.LANE or not policy.no_answer_limit:
        return False
    return silences >= policy.no_answer_limit
