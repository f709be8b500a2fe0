"""A step of a stay taken back by a clerk: which step that is, and what is known without it; pure.

Exactly one step, and the last one: what came after it would otherwise hang in the air (IHE PAM allows no other). A
plan, or a change of doctor, is no place where the patient has been: it may be taken back whatever came after.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pasmirror.lib import clock
from patients import cancelling, course
from patients.course import Course
from patients.facts import Groups, Value
from patients.states import CANCELS, STAY_STEPS, Event

WAY: dict[Event, str] = {  # the steps of the patient's own way, and what each has done
    Event.PREADMIT: "is expected",
    Event.ATTEND: "has begun to attend",
    Event.ADMIT: "has been admitted",
    Event.TO_INPATIENT: "has been made an inpatient",
    Event.TO_OUTPATIENT: "has been made an outpatient",
    Event.TRANSFER: "has been transferred",
    Event.DISCHARGE: "has been discharged",
    Event.LEAVE: "has gone on leave",
    Event.RETURN: "has come back from leave",
    Event.DEPART: "has left the ward for a while",
    Event.ARRIVE: "has come back, or to another department",
}
NOTHING: dict[Event, str] = {
    Event.CANCEL_PREADMIT: "It is not known here when the patient was put on the list",
    Event.CANCEL_ADMIT: "The admission itself is not known here",
    Event.CANCEL_TRANSFER: "No transfer of this stay is known here",
    Event.CANCEL_DISCHARGE: "The discharge itself is not known here",
    Event.CANCEL_PLAN_TRANSFER: "No transfer is planned",
    Event.CANCEL_PLAN_DISCHARGE: "No discharge is planned",
    Event.CANCEL_LEAVE: "The patient is not on leave",
    Event.CANCEL_RETURN: "No return from leave is known here",
    Event.CANCEL_CHANGE_DOCTOR: "No change of doctor is known here",
}
UNKNOWN = "What was before it is not known here, so it cannot be taken back"


@dataclass(frozen=True, slots=True)
class Made:
    """One change of a stay as the journal has it, with the stay's facts that it changed, and the patient's death.

    `movement`: its row of the stay's history, 0 if it has none. `undone`: a later row undid it. `undid`: the rows that
    it undid itself.
    """

    change: int
    event: str
    occurred_at: datetime
    before: Groups
    after: Groups
    movement: int = 0
    undone: bool = False
    undid: tuple[int, ...] = ()
    death: tuple[dict[str, Value], dict[str, Value]] = field(default_factory=lambda: ({}, {}))  # before, after

    @property
    def stands(self) -> bool:
        """Whether it is a step of the stay's course that nobody has taken back."""
        return bool(self.movement) and self.event in STAY_STEPS and not self.undone


@dataclass(frozen=True, slots=True)
class Back:
    """What a cancel takes back, the last of it last, and what is known of the stay without it."""

    gone: tuple[Made, ...]
    course: Course


def back(now: Groups, history: Sequence[Made], event: Event) -> Back:
    """Take back the last step of those that `event` cancels; `history`: every change of the stay, by change.

    ValueError with the reason if there is no such step, or something came after it.
    """
    run = _run(history, event)
    last, began = run[-1], min(made.change for made in run)
    since, goes = _since(history, run), {made.change for made in run}
    if last.event in cancelling.WITH_ALL_AFTER:
        goes |= {made.change for made in since if made.change > began and made.event != Event.PREADMIT}
    known = {group: dict(values) for group, values in now.items()}
    for made in reversed(since):
        known |= {group: dict(values) for group, values in made.before.items()}
    stays = [made for made in since if made.change not in goes and not made.undone and not made.undid]
    others = tuple(made for made in since if made.change in goes and made.stands and made is not last)
    return Back((*others, last), _again(known, _moved_at(history, goes), stays))


def _run(history: Sequence[Made], event: Event) -> list[Made]:
    """Give the step in question; one that was told twice, as a plan may be, is one."""
    standing = sorted((made for made in history if made.stands), key=_when)
    of_kind = [made for made in standing if made.event in CANCELS[event]]
    if not of_kind:
        raise ValueError(NOTHING[event])
    last = of_kind[-1]
    run = [made for made in of_kind if made.event == last.event]
    if last.event in WAY:
        way = [made for made in standing if made.event in WAY]
        if way[-1] is not last:
            raise ValueError(f"The patient {WAY[Event(way[-1].event)]} since: take that back first")
        before = [index for index, made in enumerate(way) if made.event != last.event]
        run = way[max(before, default=-1) + 1 :]
    return [last] if last.event in cancelling.ONE_AT_A_TIME else run


def _since(history: Sequence[Made], run: Sequence[Made]) -> list[Made]:
    """Give every change from the first of `run` on, and from before, if a cancel among them undid something there."""
    first, reached = min(made.change for made in run), 0
    while first != reached:
        reached = first
        undid = {movement for made in history if made.change >= first for movement in made.undid}
        first = min((made.change for made in history if made.movement in undid), default=first)
        first = min(first, reached)
    return [made for made in history if made.change >= first]


def _when(made: Made) -> tuple[bool, datetime, int]:
    """Order steps as they happened; that a patient was expected came first, whatever time its sender gave it."""
    return made.event != Event.PREADMIT, made.occurred_at, made.change


def _again(known: Groups, moved_at: str, stays: Sequence[Made]) -> Course:
    """Go again through what came after it and stands; what is no step only set some facts."""
    for made in stays:
        if made.stands:
            step = course.step_of(made.event, clock.iso(made.occurred_at), made.after, "")
            after = course.stepped(known, moved_at, [step])
            known, moved_at = after.groups, after.moved_at
        else:
            known = {**known, **made.after}
    return course.stepped(known, moved_at, [])


def _moved_at(history: Sequence[Made], gone: set[int]) -> str:
    """Give when the patient came to the place where they are without what is taken back."""
    places = [made for made in history if made.stands and made.event in course.PLACES and made.change not in gone]
    return max((clock.iso(made.occurred_at) for made in places), default="")
