"""One step told of a stay, put among the steps of its course: entered, told anew, or undone; pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pasmirror.lib import clock
from patients import course
from patients.course import Course
from patients.facts import Groups, News
from patients.states import Event


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
    again = {**old, "told": step["told"], "said": _over(old["said"], step["said"]), "undone": False, "by": ""}
    return Entered([*steps[:index], again, *steps[index + 1 :]], new=bool(old["undone"]), index=index)


def correct(news: News, steps: list[course.Step]) -> Entered | Unheard:
    """Tell one step anew, found by the sender's number of it (ZBE-4 UPDATE)."""
    index = next((i for i, step in enumerate(steps) if step["movement"] == news.movement != ""), None)
    if index is None:
        return Unheard("no-such-movement", "A correction of a movement never heard of")
    old, new = steps[index], course.told(news)
    if new["told"] < old["told"]:
        return Entered(steps, warnings=("older than what is known of this movement: not taken",))
    new |= {"event": old["event"], "said": _over(old["said"], new["said"]), "id": old.get("id")}
    changed = (old["at"], old["said"], old["undone"]) != (new["at"], new["said"], False)
    return Entered(
        [*steps[:index], new, *steps[index + 1 :]], new=changed, index=index, undone=(old,) if changed else ()
    )


def undo(news: News, steps: list[course.Step], before: Course) -> Entered | Unheard:
    """Undo one step; one undone already stays so, and a cancel of nothing is unheard."""
    event, at = Event(news.event), clock.iso(news.occurred_at)
    sent = course.sent(news)
    if course.undone_before(steps, news):
        return Entered(steps)
    index, warning = course.target(steps, news)
    if index is None:
        return _unheard(news, steps, before)
    if sent < steps[index]["told"]:
        return Entered(steps)  # told again since
    going = course.undone_with(steps, index, event)
    marked = [
        {**step, "undone": True, "by": at, "told": max(sent, step["told"])} if i in going else step
        for i, step in enumerate(steps)
    ]
    warnings = [warning] if warning else []
    gone = tuple(steps[i] for i in going)
    if event == Event.CANCEL_ADMIT and any(step["event"] == Event.DISCHARGE for step in gone):
        warnings.append("the stay had ended: it is withdrawn with its discharge")
    marked += _told_place(news, steps[index], course.course(marked), warnings)
    return Entered(marked, new=True, undone=gone, warnings=tuple(warnings))


def _unheard(news: News, steps: list[course.Step], before: Course) -> Entered | Unheard:
    """Take the cancel of a step that came before all we know of; where everything was heard there is no such step."""
    if any(step["event"] == course.KNOWN for step in steps) and not news.movement:
        taken = [*steps, course.told(news)]
        if course.course(taken).groups != before.groups:
            warning = "of a step not heard of: taken from what the message says"
            return Entered(taken, new=True, index=len(steps), warnings=(warning,))
    return Unheard("nothing-to-cancel", "There is no such step to undo")


def _told_place(news: News, gone: course.Step, after: Course, warnings: list[str]) -> list[course.Step]:
    """Give a step that puts the patient where the message says they are now, if our history says otherwise.

    PV1-3 of an A12 or A13 is the place after the cancel (ITI-31); some repeat the cancelled bed instead.
    """
    said, ours = news.stay.get("place", {}), after.groups["place"]
    if news.event not in (Event.CANCEL_TRANSFER, Event.CANCEL_DISCHARGE) or not said.get("ward"):
        return []
    if not said.get("bed") and said["ward"] == ours["ward"]:
        return []  # the ward only, which we know more closely
    if _within(said, ours):
        return []
    if news.event == Event.CANCEL_TRANSFER and _within(said, gone["said"].get("place", {})) and ours["ward"]:
        warnings.append("PV1-3 repeats the cancelled place: the one before it was taken")
        return []
    warnings.append("the place told is not the one before in the history: taken as told")
    return [course.step_of(news.event, gone["at"], {"place": said}, course.sent(news))]


def _within(said: dict[str, str | int | bool], place: dict[str, str | int | bool]) -> bool:
    return all(place.get(name) == value for name, value in said.items() if name != "site")


def _over(old: Groups, new: Groups) -> Groups:
    """Give what was said, with what is said now laid over it, field by field."""
    return {group: {**old.get(group, {}), **new.get(group, {})} for group in {**old, **new}}
