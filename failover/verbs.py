"""What an operator may do on the console, in one table: words, what it asks of the person, and in which state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from messaging.states import Valve
from patients.states import Mode


@dataclass(frozen=True, slots=True)
class Verb:
    """One action: the button's words, what it will do, and what is asked before it is done."""

    name: str
    words: str
    says: str
    reason: bool = True
    password: bool = False
    checklist: bool = False
    ledger: bool = False
    proposal: str = ""  # the monitor's proposal it answers


VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "open-mirror",
            "Open mirror mode",
            "Clerks will be able to save. Other systems are told nothing until emission is opened.",
            proposal="mirror",
        ),
        Verb(
            "open-emission",
            "Open emission",
            "PAS Mirror will speak for the PAS: other systems receive its messages.",
            password=True,
            proposal="open",
        ),
        Verb("hold-emission", "Hold emission", "Nothing more leaves. What clerks save is kept and queued."),
        Verb(
            "release",
            "Release the replay",
            "The PAS is told everything that was captured, in order. Clerks go on working here.",
            password=True,
            checklist=True,
            proposal="recover",
        ),
        Verb(
            "hand-back",
            "Hand control back to the PAS",
            "Saving is frozen, the last entries drain, the ledger is checked, and the PAS is master again.",
            password=True,
            ledger=True,
        ),
        Verb("fall-back", "Fall back to mirror mode", "The PAS has failed again: the way back stops."),
        Verb(
            "stand-down",
            "End mirror mode",
            "The PAS is master again at once. Only possible while nothing was captured.",
            proposal="stand_down",
        ),
        Verb("attest-down", "Say that the PAS is down", "Your word counts as evidence for a quarter of an hour."),
        Verb("attest-up", "Say that the PAS is up", "Your word counts as evidence for a quarter of an hour."),
        Verb("pause", "Pause the monitor", "It watches and warns, and never acts."),
        Verb("resume", "Let the monitor act again", "It acts by the policy again."),
        Verb(
            "acknowledge",
            "Acknowledge the flip",
            "You have seen what the monitor did by itself; it may do so again.",
            reason=False,
        ),
    )
}


def offered(status: Mapping[str, Any]) -> list[Verb]:
    """Give the actions that make sense in this state, the proposed one first; the service asks again."""
    mode, valve, incident = status["mode"], status["emission"], status["incident"]
    fits = {
        "open-mirror": mode == Mode.NORMAL,
        "open-emission": mode == Mode.MIRROR and valve == Valve.HELD,
        "hold-emission": valve == Valve.OPEN,
        "release": mode == Mode.MIRROR and bool(incident and incident["captured"]),
        "hand-back": mode == Mode.RECOVERY,
        "fall-back": mode in (Mode.RECOVERY, Mode.HANDBACK),
        "stand-down": mode == Mode.MIRROR and not (incident and incident["captured"]),
        "attest-down": True,
        "attest-up": True,
        "pause": not status["paused"],
        "resume": bool(status["paused"]),
        "acknowledge": bool(incident and not incident["acknowledged"]),
    }
    chosen = [verb for verb in VERBS.values() if fits[verb.name]]
    return sorted(chosen, key=lambda verb: not (verb.proposal and verb.proposal == status["proposal"]))
