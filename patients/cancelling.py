"""Which steps of a stay a cancel the PAS told of undoes: the one it names, and those that go with it; pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from pasmirror.lib import clock
from patients.course import KNOWN, PLANS, Step, order, sent
from patients.facts import News
from patients.states import CANCELS, Event

SIDES = frozenset({Event.TO_INPATIENT, Event.TO_OUTPATIENT})
ONE_AT_A_TIME = frozenset({Event.TRANSFER, Event.CHANGE_DOCTOR, Event.LEAVE, Event.RETURN, Event.DEPART, Event.ARRIVE})
# With these goes all that came after: it was of a stay that is none.
WITH_ALL_AFTER = frozenset({Event.ADMIT, Event.ATTEND, Event.TO_INPATIENT})


def target(steps: Sequence[Step], cancel: News) -> tuple[int | None, str]:
    """Find the step a cancel undoes, and a warning if it had to be guessed; none if it is undone already.

    The sender's number decides, else the time (EVN-6 is that of the original event); else the latest of the kind,
    unless even that happened after the time told; a stay is pre-admitted once, so its number decides. An A07 is not
    guessed at: its cancel admits again.
    """
    kinds, at = _kinds(steps, cancel), clock.iso(cancel.occurred_at)
    of_kind = [i for i, step in enumerate(steps) if step["event"] in kinds and not step["undone"]]
    of_kind.sort(key=lambda i: order(steps[i]))
    if cancel.movement and any(step["movement"] for step in steps):
        return next((i for i in of_kind if steps[i]["movement"] == cancel.movement), None), ""
    if exact := [i for i in of_kind if steps[i]["at"] == at]:
        return exact[-1], ""
    of_kind = [i for i in of_kind if steps[i]["event"] != Event.TO_OUTPATIENT]
    if _gone(steps, cancel) or not of_kind:
        return None, ""
    if steps[of_kind[-1]]["at"] <= at or cancel.event in (Event.DELETE_STAY, Event.CANCEL_PREADMIT):
        return of_kind[-1], "" if len(of_kind) == 1 else "the time told is that of no step: the latest was undone"
    return None, ""


def _kinds(steps: Sequence[Step], cancel: News) -> tuple[Event, ...]:
    """Give which steps a cancel may be of; an A27 where nothing was planned by an A14 is of the pre-admission."""
    event = Event(cancel.event)
    planned = event != Event.CANCEL_PLAN_ADMIT or any(step["event"] == Event.PLAN_ADMIT for step in steps)
    return CANCELS[event] if planned else (Event.PREADMIT,)


def undone_before(steps: Sequence[Step], cancel: News) -> bool:
    """Whether this cancel has been heard already, or what it undoes is undone and nothing else of that time stands."""
    gone = _gone(steps, cancel)
    return any(step["told"] >= sent(cancel) for step in gone) or (bool(gone) and target(steps, cancel)[0] is None)


def _gone(steps: Sequence[Step], cancel: News) -> list[Step]:
    """Give the undone steps that a cancel of this time, or this number, is about."""
    kinds, at = _kinds(steps, cancel), clock.iso(cancel.occurred_at)
    return [
        step
        for step in steps
        if step["undone"]
        and step["event"] in kinds
        and (step["at"] == at or step["by"] == at or step["movement"] == cancel.movement != "")
    ]


def undone_with(steps: Sequence[Step], index: int, event: Event) -> list[int]:
    """Give every step that goes when the one at `index` does.

    A state told twice is one step, unless it was left between; with the beginning of a stay goes all that came after
    it, and with the pre-admission what was planned for it.
    """
    withdrawn = event == Event.DELETE_STAY
    standing = [i for i, step in enumerate(steps) if not step["undone"] and (withdrawn or step["event"] != KNOWN)]
    if withdrawn:
        return standing
    kind = steps[index]["event"]
    if kind in ONE_AT_A_TIME:
        return [index]
    alike = PLANS if event == Event.CANCEL_PREADMIT else {kind}
    again = [i for i in standing if steps[i]["event"] in alike] if kind not in SIDES else _turn(steps, standing, index)
    if kind not in WITH_ALL_AFTER:
        return again
    since = min(steps[i]["at"] for i in again)
    return [i for i in standing if i in again or (steps[i]["at"] >= since and steps[i]["event"] not in PLANS)]


def _turn(steps: Sequence[Step], standing: Iterable[int], index: int) -> list[int]:
    """Give the steps to one side that no step to the other comes between: the same turn, told more than once."""
    turns = sorted((i for i in standing if steps[i]["event"] in SIDES), key=lambda i: order(steps[i]))
    return next(own for _, turn in groupby(turns, key=lambda i: steps[i]["event"]) if index in (own := list(turn)))
