"""One step told of a stay, put among the steps of its course: entered, told anew, or undone; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pasmirror.lib import clock
from patients import cancelling, course
from patients.course import Course
from patients.facts import Groups, News, Value
from patients.states import CANCELS, Event

Said = dict[str, Value]
_WHOLE = {  # facts of a group that are one value
    "place": frozenset({"ward", "bay", "bed", "site"}),
    "pending": frozenset({"pending_ward", "pending_bay", "pending_bed"}),
    "consultant": frozenset(course.DOCTOR),
}


@dataclass(frozen=True, slots=True)
class Entered:
    """The steps as they are now. `new`: there is something for the history; `undone`: steps that no longer stand.

    `index`: of the step that the row of the history is about, if it stands.
    """

    steps: Sequence[course.Step]
    new: bool = False
    index: int | None = None
    undone: tuple[course.Step, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unheard:
    """The step meant was never heard of: a code and the reason."""

    code: str
    reason: str


def enter(steps: list[course.Step], step: course.Step, before: Course) -> Entered:
    """Put a step among the others. The same step again changes nothing if older, and stands again if newer."""
    if step["event"] == Event.UPDATE_STAY:
        step = _anew(step, steps, before)
        if not step["said"]:
            return Entered(steps)
    index = course.find(steps, step)
    if index is None:
        taken = [*steps, step]
        if step["event"] != Event.UPDATE_STAY:
            return Entered(taken, new=True, index=len(steps))
        after = course.course(taken)  # no step of the patient's way, unless it puts them elsewhere
        if after.groups == before.groups:
            return Entered(steps)
        return Entered(taken, new=after.groups["place"] != before.groups["place"], index=len(steps))
    old = steps[index]
    if step["told"] < old["told"]:
        return Entered(steps)
    first = course.order(old)[2]
    again = {**old, "told": step["told"], "first": first, "said": _over(old["said"], step["said"])}
    again |= {"undone": False, "by": ""}
    return Entered([*steps[:index], again, *steps[index + 1 :]], new=bool(old["undone"]), index=index)


def _anew(step: course.Step, steps: Sequence[course.Step], before: Course) -> course.Step:
    """Give an A08 with that alone which it tells anew: what it repeats others may change, or take back."""
    earlier, told = [each for each in steps if each["at"] <= step["at"]], step["said"].items()
    then = before.groups if len(earlier) == len(steps) else course.course(earlier).groups
    said = {group: _differing(values, then[group], _WHOLE.get(group, frozenset())) for group, values in told}
    return {**step, "said": {group: values for group, values in said.items() if values}}


def _differing(said: Said, known: Said, whole: frozenset[str]) -> Said:
    anew = {name for name, value in said.items() if known[name] != value and (value or name != "site")}
    return {name: value for name, value in said.items() if name in anew or (name in whole and anew & whole)}


def correct(news: News, steps: list[course.Step]) -> Entered | Unheard:
    """Tell one step anew, found by the sender's number of it (ZBE-4 UPDATE)."""
    index = next((i for i, step in enumerate(steps) if step["movement"] == news.movement != ""), None)
    if index is None:
        return Unheard("no-such-movement", "A correction of a movement never heard of")
    old, new = steps[index], course.told(news)
    if new["told"] < old["told"]:
        return Entered(steps, warnings=("older than what is known of this movement: not taken",))
    new |= {"event": old["event"], "said": _over(old["said"], new["said"]), "id": old.get("id")}
    new["first"] = course.order(old)[2]
    changed = (old["at"], old["said"], old["undone"]) != (new["at"], new["said"], False)
    return Entered(
        [*steps[:index], new, *steps[index + 1 :]], new=changed, index=index, undone=(old,) if changed else ()
    )


def undo(news: News, steps: list[course.Step], before: Course) -> Entered | Unheard:
    """Undo one step; one undone already stays so, and a cancel of nothing is unheard."""
    event, at = Event(news.event), clock.iso(news.occurred_at)
    sent = course.sent(news)
    if cancelling.undone_before(steps, news):
        return Entered(steps)
    index, warning = cancelling.target(steps, news)
    if index is None:
        return _unheard(news, steps, before)
    if sent < steps[index]["told"]:
        return Entered(steps)  # told again since
    going = cancelling.undone_with(steps, index, event)
    marked = [
        {**step, "undone": True, "by": at, "told": max(sent, step["told"])} if i in going else step
        for i, step in enumerate(steps)
    ]
    warnings = [warning] if warning else []
    gone = tuple(steps[i] for i in going)
    if event == Event.CANCEL_ADMIT and any(step["event"] == Event.DISCHARGE for step in gone):
        warnings.append("the stay had ended: it is withdrawn with its discharge")
    marked += _told_now(news, steps[index], marked, warnings)
    return Entered(marked, new=True, undone=gone, warnings=tuple(warnings))


def _unheard(news: News, steps: list[course.Step], before: Course) -> Entered | Unheard:
    """Take the cancel of a step that came before all we know of; where everything was heard there is no such step.

    Its time may be before that of what is known, and it takes back something of that nevertheless.
    """
    known = next((step for step in steps if step["event"] == course.KNOWN and not step["undone"]), None)
    kinds = CANCELS[Event(news.event)]
    numbered = any(step["movement"] and step["event"] in kinds and not step["undone"] for step in steps)
    if known and not (news.movement and numbered):
        told = course.told(news)
        said = {group: values for group, values in told["said"].items() if group == _SAYS.get(Event(news.event))}
        taken = [*steps, {**told, "at": max(told["at"], known["at"]), "said": said}]
        if course.course(taken).groups != before.groups:
            warning = "of a step not heard of: taken from what the message says"
            return Entered(taken, new=True, index=len(steps), warnings=(warning,))
    return Unheard("nothing-to-cancel", "There is no such step to undo")


_SAYS = {  # what a cancel tells besides
    Event.CANCEL_TRANSFER: "place",
    Event.CANCEL_DISCHARGE: "place",
    Event.CANCEL_RETURN: "place",
    Event.CANCEL_CHANGE_DOCTOR: "consultant",
}


def _told_now(news: News, gone: course.Step, steps: list[course.Step], warnings: list[str]) -> list[course.Step]:
    """Give a step that says where the patient is now, or whose, as the message does, if our history says otherwise."""
    ours = course.course(steps).groups
    if news.event in (Event.CANCEL_TRANSFER, Event.CANCEL_DISCHARGE):
        said, what = _told_place(news, gone, ours["place"], warnings), "place"
    elif news.event == Event.CANCEL_CHANGE_DOCTOR:
        said, what = _told_doctor(news, gone, ours["consultant"]), "doctor"
    else:
        return []
    if not said:
        return []
    group = _SAYS[Event(news.event)]
    step = course.step_of(news.event, gone["at"], {group: said}, course.sent(news))
    if not _within(said, course.course([*steps, step]).groups[group]):
        warnings.append(f"the {what} told is not the one in the history: the later movement stands")
        return []
    warnings.append(f"the {what} told is not the one before in the history: taken as told")
    return [step]


def _told_place(news: News, gone: course.Step, ours: Said, warnings: list[str]) -> Said:
    """Give PV1-3 of an A12 or A13, the place after the cancel (ITI-31); some repeat the cancelled bed instead."""
    said = news.stay.get("place", {})
    if not said.get("ward") or (not said.get("bed") and said["ward"] == ours["ward"]):
        return {}  # of the ward alone we may know more
    if _within(said, ours):
        return {}
    if news.event == Event.CANCEL_TRANSFER and _within(said, gone["said"].get("place", {})) and ours["ward"]:
        warnings.append("PV1-3 repeats the cancelled place: the one before it was taken")
        return {}
    return said


def _told_doctor(news: News, gone: course.Step, ours: Said) -> Said:
    """Give PV1-7 of an A55, the doctor after the cancel; some repeat the cancelled one instead."""
    said = {name: value for name, value in news.stay.get("consultant", {}).items() if name in course.DOCTOR}
    known = (ours["consultant"], gone["said"].get("consultant", {}).get("consultant"))
    return said if said.get("consultant") and said["consultant"] not in known else {}


def _within(said: Said, known: Said) -> bool:
    return all(known.get(name) == value for name, value in said.items() if name != "site")


def _over(old: Groups, new: Groups) -> Groups:
    """Give what was said, with what is said now laid over it, field by field."""
    return {group: {**old.get(group, {}), **new.get(group, {})} for group in {**old, **new}}
