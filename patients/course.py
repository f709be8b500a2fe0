"""The course of a stay: what it is now, folded from every step the PAS told of, in the order they happened; pure.

A step is kept as JSON beside the trunk and never thrown away: one that is undone is marked. So a back-dated step, a
repeat, a cancel and a correction all come to the same thing: the stay is what its standing steps make it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pasmirror.lib import clock
from patients import facts
from patients.facts import Groups, Kind, News, Value
from patients.states import CANCELS, Away, Event, StayStatus

Step = dict[str, Any]
"""`event`, `at` (ISO, when it happened), `said` (facts by group), `told` (ISO, MSH-7 of the message that last spoke
of it), `first` (of the one that first did: the order of what happened at one time), `undone`, `by` (the time its cancel
told), `movement` (the sender's number), `id` (its row in the history)."""

KNOWN = "known"  # the one step that is no event: what the PAS was known to hold before its steps were kept
DOCTOR = ("consultant", "consultant_name")
PLACES = frozenset({Event.ADMIT, Event.TRANSFER, Event.ATTEND, Event.TO_INPATIENT, Event.TO_OUTPATIENT, Event.RETURN})
PLANS = frozenset({Event.PREADMIT, Event.PLAN_ADMIT})
BEGIN = frozenset({Event.ADMIT, Event.ATTEND}) | PLANS
_OPEN = (StayStatus.IN, StayStatus.ATTENDING)
_NO_PENDING: dict[str, Value] = {"pending_ward": "", "pending_bay": "", "pending_bed": "", "pending_at": ""}
_NOT_AWAY: dict[str, Value] = {"away": "", "away_to": "", "away_since": "", "back_expected_at": ""}


@dataclass(slots=True)
class Course:
    """What the steps make of a stay: its facts, and when the step behind the place happened."""

    groups: Groups = field(default_factory=lambda: facts.blank(Kind.STAY))
    moved_at: str = ""

    @property
    def status(self) -> StayStatus:
        """Where the stay stands."""
        return StayStatus(str(self.groups["times"]["status"]))

    def take(self, step: Step) -> None:
        """Go one step on."""
        if step["event"] == KNOWN:
            self.groups = facts.overlaid(facts.blank(Kind.STAY), step["said"])
            self.moved_at = step["at"]
            return
        event, said, status = Event(step["event"]), step["said"], self.status
        if event in PLANS and status in (StayStatus.IN, StayStatus.OUT):
            return  # planned after it began: entered late, and over
        after = _after(event, status)
        self.groups = facts.overlaid(self.groups, {group: v for group, v in said.items() if self._spoken(group, event)})
        self._time(event, step, after)
        self._places(event, step, status)
        self._plans(event, said)
        self.groups["times"]["status"] = after.value
        if after == StayStatus.OUT:
            self.groups["pending"], self.groups["away"] = dict(_NO_PENDING), dict(_NOT_AWAY)

    def _spoken(self, group: str, event: Event) -> bool:
        """Whether the event has a say in the group, whatever its segments repeat."""
        if group == "discharge":
            return event == Event.DISCHARGE or (event == Event.UPDATE_STAY and self.status == StayStatus.OUT)
        return group not in ("times", "place", "pending", "away")

    def _time(self, event: Event, step: Step, after: StayStatus) -> None:
        times, said = self.groups["times"], step["said"].get("times", {})
        if after in (*_OPEN, StayStatus.OUT) and said.get("admitted_at"):
            times["admitted_at"] = said["admitted_at"]
        elif event in (Event.ADMIT, Event.ATTEND) and not times["admitted_at"]:
            times["admitted_at"] = step["at"]
        if event == Event.DISCHARGE:
            times["discharged_at"] = said.get("discharged_at") or step["at"]
        elif after == StayStatus.OUT and said.get("discharged_at"):
            times["discharged_at"] = said["discharged_at"]

    def _places(self, event: Event, step: Step, before: StayStatus) -> None:
        place = step["said"].get("place")
        if event in PLACES and (event != Event.ATTEND or before != StayStatus.IN):
            self.moved_at = step["at"]
        if place is None or event not in PLACES | {Event.DISCHARGE, Event.UPDATE_STAY} | frozenset(CANCELS):
            return
        if event == Event.ATTEND and before == StayStatus.IN:
            return
        self.groups["place"] = {**self.groups["place"], **place}
        if event in (Event.ADMIT, Event.TRANSFER):
            self.groups["pending"] = dict(_NO_PENDING)

    def _plans(self, event: Event, said: Groups) -> None:
        if event in (*PLANS, Event.PLAN_TRANSFER, Event.UPDATE_STAY) and said.get("pending"):
            self.groups["pending"] = {**self.groups["pending"], **said["pending"]}
        if event in (Event.LEAVE, Event.DEPART, Event.ARRIVE) and said.get("away"):
            self.groups["away"] = {**_NOT_AWAY, **said["away"]}
        elif event == Event.UPDATE_STAY and said.get("away") and self.groups["away"]["away"]:
            self.groups["away"]["back_expected_at"] = said["away"].get("back_expected_at", "")
        elif event in (Event.RETURN, Event.ADMIT, Event.TRANSFER, Event.ARRIVE):
            self.groups["away"] = dict(_NOT_AWAY)
        if event == Event.ADMIT:
            self.groups["expected"]["admission_expected_at"] = ""
        if event in CANCELS:
            self._take_back(event)

    def _take_back(self, event: Event) -> None:
        """Undo what the step did that a cancel is of; a cancel stands in the course where that was never heard of."""
        if event in (Event.CANCEL_LEAVE, Event.CANCEL_DEPART):
            self.groups["away"] = dict(_NOT_AWAY)
        elif event == Event.CANCEL_RETURN and self.status == StayStatus.IN and not self.groups["away"]["away"]:
            self.groups["away"] = {**_NOT_AWAY, "away": Away.LEAVE.value}
        elif event == Event.CANCEL_PLAN_TRANSFER:
            self.groups["pending"] = dict(_NO_PENDING)
        elif event == Event.CANCEL_PLAN_DISCHARGE:
            self.groups["expected"]["discharge_expected_at"] = ""


_STATUS: dict[Event, dict[StayStatus, StayStatus]] = {
    Event.PREADMIT: {StayStatus.NONE: StayStatus.EXPECTED},
    Event.PLAN_ADMIT: {StayStatus.NONE: StayStatus.EXPECTED},
    Event.ATTEND: {StayStatus.NONE: StayStatus.ATTENDING, StayStatus.EXPECTED: StayStatus.ATTENDING},
    Event.ADMIT: dict.fromkeys((StayStatus.NONE, StayStatus.EXPECTED, StayStatus.ATTENDING), StayStatus.IN),
    Event.TO_INPATIENT: dict.fromkeys((StayStatus.NONE, StayStatus.EXPECTED, StayStatus.ATTENDING), StayStatus.IN),
    Event.TO_OUTPATIENT: dict.fromkeys((StayStatus.NONE, StayStatus.EXPECTED, StayStatus.IN), StayStatus.ATTENDING),
    Event.TRANSFER: dict.fromkeys((StayStatus.NONE, StayStatus.EXPECTED), StayStatus.IN),
    Event.DISCHARGE: dict.fromkeys((StayStatus.EXPECTED, *_OPEN), StayStatus.OUT),
    # where the step itself was never heard of, its cancel stands in the course
    Event.CANCEL_PREADMIT: {StayStatus.EXPECTED: StayStatus.CANCELLED},
    Event.CANCEL_PLAN_ADMIT: {StayStatus.EXPECTED: StayStatus.CANCELLED},
    Event.CANCEL_DISCHARGE: {StayStatus.OUT: StayStatus.IN},
    Event.CANCEL_ADMIT: dict.fromkeys((*_OPEN, StayStatus.OUT), StayStatus.CANCELLED),
    Event.DELETE_STAY: dict.fromkeys((StayStatus.EXPECTED, *_OPEN, StayStatus.OUT), StayStatus.CANCELLED),
}


def _after(event: Event, status: StayStatus) -> StayStatus:
    return _STATUS.get(event, {}).get(status, status)


def course(steps: Iterable[Step]) -> Course:
    """Fold the steps that stand, in the order they happened; a stay all of whose steps are undone was withdrawn."""
    every = list(steps)
    standing = [step for step in every if not step["undone"]]
    result = Course()
    cancelled = [step for step in every if step["undone"] and step["event"] == Event.CHANGE_DOCTOR]
    for step in sorted(standing, key=order):
        result.take(_without(cancelled, step) if cancelled else step)
    return _whole(result) if every else result


def stepped(now: Groups, moved_at: str, steps: Iterable[Step]) -> Course:
    """Go some steps on from what is known now; where that leaves nothing that began, the stay was withdrawn."""
    result = Course(facts.overlaid(facts.blank(Kind.STAY), now), moved_at)
    for step in steps:
        result.take(step)
    return _whole(result)


def _whole(result: Course) -> Course:
    """Let the times agree with where the stay stands."""
    times = result.groups["times"]
    if result.status != StayStatus.OUT:
        times["discharged_at"] = ""
    elif times["admitted_at"] and str(times["discharged_at"]) < str(times["admitted_at"]):
        times["discharged_at"] = ""  # no order of times to be believed: the end is not known
    if result.status == StayStatus.NONE:
        result.groups = facts.blank(Kind.STAY)
        result.groups["times"]["status"] = StayStatus.CANCELLED.value
    return result


def order(step: Step) -> tuple[str, bool, str]:
    """Give what steps are ordered by: when they happened, and at one time, in which order they were first told."""
    return step["at"], step["event"] != KNOWN, step["first"] if "first" in step else step["told"]


def _without(cancelled: Iterable[Step], step: Step) -> Step:
    """Give a step without the doctor it only repeated: one of a change that was cancelled after it was told."""
    doctor = step["said"].get("consultant", {}).get("consultant")
    if not doctor or step["event"] in (KNOWN, Event.CHANGE_DOCTOR):
        return step
    repeated = any(
        doctor == gone["said"].get("consultant", {}).get("consultant")
        and gone["at"] <= step["at"]
        and order(step)[2] < gone["told"]
        for gone in cancelled
    )
    said = {name: value for name, value in step["said"]["consultant"].items() if name not in DOCTOR}
    return {**step, "said": {**step["said"], "consultant": said}} if repeated else step


def known(held: Groups, moved_at: datetime | None) -> list[Step]:
    """Give the steps of a stay of which only the outcome is known."""
    if not held or not held.get("times", {}).get("status"):
        return []
    return [step_of(KNOWN, clock.iso(moved_at) if moved_at else "", held, "")]


def told(news: News) -> Step:
    """Give the step that news tells of."""
    return step_of(news.event, clock.iso(news.occurred_at), news.stay, sent(news), news.movement)


def sent(news: News) -> str:
    """Give when the message was made, as ISO text; where it does not say, when it happened."""
    return clock.iso(news.sent_at or news.occurred_at)


def step_of(event: str, at: str, said: Groups, sent: str, movement: str = "") -> Step:
    """Give a step from its parts; times as ISO text."""
    told = {"told": sent, "first": sent, "undone": False, "by": ""}
    return {"event": event, "at": at, "said": said, **told, "movement": movement}


def same(step: Step, other: Step) -> bool:
    """Whether two steps are one and the same, told twice: by the sender's number, else by what, when and where."""
    if step["movement"] and other["movement"]:
        return bool(step["movement"] == other["movement"])
    return _identity(step) == _identity(other)


def _identity(step: Step) -> tuple[Any, ...]:
    place = step["said"].get("place", {})
    return (step["event"], step["at"], *(place.get(name, "") for name in ("ward", "bay", "bed")))


def find(steps: Sequence[Step], step: Step) -> int | None:
    """Give the place in the list of the same step; None if it is not there."""
    return next((index for index, each in enumerate(steps) if same(each, step)), None)
