"""Who is master: the moves of the mode, and the decision, whole state in and transitions out; pure, no clock.

Always: nothing moves in TILT or PAUSED; nothing is opened without the evidence the rules ask for; a failure that
has lasted as long as the rules ask is acted on in the same beat; the way back is only ever proposed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from failover.health import AILING, WELL, Health, How, Picture, Rules, Word, look, span
from messaging.states import Valve
from patients.states import Mode


class Move(StrEnum):
    """One change of the mode, named as the console says it."""

    OPEN_MIRROR = "open_mirror"
    STAND_DOWN = "stand_down"
    RELEASE = "release"
    BEGIN_HANDBACK = "begin_handback"
    REOPEN = "reopen"  # hand-back took too long
    FINISH = "finish"  # hand-back is done: the PAS is master
    FALL_BACK = "fall_back"  # the PAS died again


MOVES: dict[tuple[Mode, Move], Mode] = {
    (Mode.NORMAL, Move.OPEN_MIRROR): Mode.MIRROR,
    (Mode.MIRROR, Move.STAND_DOWN): Mode.NORMAL,
    (Mode.MIRROR, Move.RELEASE): Mode.RECOVERY,
    (Mode.RECOVERY, Move.BEGIN_HANDBACK): Mode.HANDBACK,
    (Mode.RECOVERY, Move.FALL_BACK): Mode.MIRROR,
    (Mode.HANDBACK, Move.REOPEN): Mode.RECOVERY,
    (Mode.HANDBACK, Move.FALL_BACK): Mode.MIRROR,
    (Mode.HANDBACK, Move.FINISH): Mode.NORMAL,
}
_SAID = {
    Mode.NORMAL: "the PAS is master",
    Mode.MIRROR: "mirror mode is open",
    Mode.RECOVERY: "the way back is under way",
    Mode.HANDBACK: "control is being handed back",
}
_NEEDS = {
    Move.OPEN_MIRROR: "Mirror mode can only be opened while the PAS is master",
    Move.STAND_DOWN: "Only mirror mode can stand down",
    Move.RELEASE: "The replay can only be released in mirror mode",
    Move.BEGIN_HANDBACK: "Control can only be handed back on the way back",
    Move.REOPEN: "Only a hand-back can be reopened",
    Move.FALL_BACK: "Falling back is for the way back only",
    Move.FINISH: "Only a hand-back can be finished",
}


def after(mode: str, move: Move) -> Mode | None:
    """Give the mode after `move`; None if it is not allowed in `mode`."""
    return MOVES.get((Mode(mode), move))


def why_not(mode: str, move: Move) -> str | None:
    """Say why `move` cannot be made in `mode`; None if it can."""
    return None if after(mode, move) else f"{_NEEDS[move]}; now {_SAID[Mode(mode)]}."


@dataclass(frozen=True, slots=True)
class Seen:
    """The state decided on. Counts are of this incident; `flips` and `emissions` are the automatic ones of the last
    `automatic_every` seconds that nobody has acknowledged.
    """

    mode: Mode
    valve: Valve = Valve.HELD
    paused: bool = False
    tilt: str = ""  # why, or ""
    captured: int = 0  # changes made by clerks
    planned: bool = False  # a person opened mirror mode with the PAS up: a person ends it
    withheld: str = ""  # why emission may not open by itself, or ""
    flips: int = 0
    emissions: int = 0
    well_since: datetime | None = None
    spoke_at: datetime | None = None  # when the PAS made the newest message that has come


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now: the mode and valve to be in, what to propose to a person, and why, in one sentence."""

    mode: Mode
    valve: Valve
    sentence: str
    proposal: str = ""  # mirror, open, recover, stand_down: what a person is asked to do
    picture: Picture = field(default_factory=lambda: Picture(Health.UNKNOWN))
    well_since: datetime | None = None

    @property
    def down_since(self) -> datetime | None:
        """Give since when the PAS fails; None while it does not."""
        return self.picture.failing_since if self.picture.health in AILING else None


def decide(seen: Seen, words: Iterable[Word], rules: Rules, now: datetime) -> Decision:
    """Decide what to do now, on `words`, by `rules`."""
    if seen.tilt:
        return Decision(seen.mode, seen.valve, f"TILT: {seen.tilt}; watching only, nothing is decided.")
    picture = look(words, rules, now, seen.spoke_at)
    well_since = (seen.well_since or now) if picture.health in WELL else None
    seen = replace(seen, well_since=well_since)
    stay = Decision(seen.mode, seen.valve, _say(picture, now), picture=picture, well_since=well_since)
    wish = _BY_MODE[seen.mode](stay, seen, rules, now)
    if not seen.paused:
        return wish
    moves = (wish.mode, wish.valve) != (seen.mode, seen.valve)
    return replace(
        wish,
        mode=seen.mode,
        valve=seen.valve,
        proposal=_asked(seen, wish) if moves else wish.proposal,
        sentence=f"{_say(picture, now).removesuffix('.')}; paused, so nothing is done.",
    )


def _normal(stay: Decision, seen: Seen, rules: Rules, now: datetime) -> Decision:
    picture = stay.picture
    if picture.health == Health.DEGRADED and rules.capture != How.MANUAL:
        return _ask(stay, "mirror", "a person may open mirror mode")
    if picture.health != Health.DOWN:
        return stay
    if rules.capture == How.CONFIRM:
        return _ask(stay, "mirror", "mirror mode is proposed")
    if rules.capture == How.MANUAL:
        return _add(stay, "a person must open mirror mode")
    opened = _add(replace(stay, mode=Mode.MIRROR), "mirror mode opened")
    return _emission(opened, seen, rules)


def _mirror(stay: Decision, seen: Seen, rules: Rules, now: datetime) -> Decision:
    if stay.picture.health == Health.DOWN:
        return _emission(stay, seen, rules)
    if not _well(seen, rules, now):
        return stay
    if seen.captured:
        return _ask(stay, "recover", "the way back is proposed")
    if seen.planned:
        return _ask(stay, "stand_down", "opened by a person, who ends it")
    if seen.flips > 1 and seen.well_since and span(seen.well_since, now) < rules.automatic_every:
        return _ask(stay, "stand_down", "it failed more than once, so a person ends mirror mode")
    return _add(replace(stay, mode=Mode.NORMAL, valve=Valve.HELD), "nothing was captured; mirror mode stands down")


def _way_back(stay: Decision, seen: Seen, rules: Rules, now: datetime) -> Decision:
    if stay.picture.health != Health.DOWN:
        return stay
    if rules.capture == How.MANUAL:
        return _ask(stay, "mirror", "falling back to mirror mode is proposed")
    return _add(replace(stay, mode=Mode.MIRROR, valve=Valve.HELD), "fell back to mirror mode")


_BY_MODE = {Mode.NORMAL: _normal, Mode.MIRROR: _mirror, Mode.RECOVERY: _way_back, Mode.HANDBACK: _way_back}


def _emission(stay: Decision, seen: Seen, rules: Rules) -> Decision:
    """Open emission, propose it or leave it; the PAS is down."""
    if stay.valve == Valve.OPEN or rules.emission == How.MANUAL:
        return stay
    if rules.emission == How.CONFIRM:
        return _ask(stay, "open", "opening emission is proposed")
    if seen.withheld:
        return _ask(stay, "open", f"emission held: {seen.withheld}")
    if len(stay.picture.kinds) < rules.emission_kinds:
        return _ask(stay, "open", f"emission held: it needs {rules.emission_kinds} kinds of evidence")
    if seen.emissions:
        return _ask(stay, "open", "emission held: it opened by itself lately and nobody has acknowledged it")
    return _add(replace(stay, valve=Valve.OPEN), "emission opened")


def _well(seen: Seen, rules: Rules, now: datetime) -> bool:
    return seen.well_since is not None and span(seen.well_since, now) >= rules.well_after


def _asked(seen: Seen, wish: Decision) -> str:
    """Name the move that a paused monitor would have made."""
    if wish.mode == seen.mode:
        return "open"
    return "mirror" if wish.mode == Mode.MIRROR else "stand_down"


def _ask(stay: Decision, proposal: str, clause: str) -> Decision:
    return _add(replace(stay, proposal=proposal), clause)


def _add(stay: Decision, clause: str) -> Decision:
    return replace(stay, sentence=f"{stay.sentence.removesuffix('.')}; {clause}.")


def _say(picture: Picture, now: datetime) -> str:
    """Say how the PAS seems, in one clause."""
    seconds = round(span(picture.failing_since, now)) if picture.failing_since else 0
    quiet = ", and the feed is silent" if picture.feed_silent else ""
    return {
        Health.UP: f"PAS up{quiet}",
        Health.SLOW: f"PAS slow{quiet}",
        Health.DEGRADED: f"PAS degraded: it answers with errors or only in part{quiet}",
        Health.MISSED: f"PAS missed a probe{quiet}",
        Health.SUSPECT: f"PAS suspect: failing for {seconds} s{quiet}",
        Health.DOWN: f"PAS down for {seconds} s by {' and '.join(picture.kinds)}",
        Health.UNREACHABLE: f"PAS unreachable from here for {seconds} s, and still seen elsewhere",
        Health.UNKNOWN: "Nobody can say how the PAS is",
    }[picture.health] + "."
