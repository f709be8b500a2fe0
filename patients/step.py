"""One event applied to what is known: the pure step that clerks' saves and the feed share.

A clerk's event must be allowed by the state tables. The PAS is master of its own events, so what it tells is taken
as far as it makes sense: `told` says what is taken, with a warning, and what is only filed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pasmirror.lib import clock
from patients import course, entering, facts, states, undoing
from patients.course import Course
from patients.entering import Entered, Unheard
from patients.facts import Groups, Kind, News, Value
from patients.states import (
    APPOINTMENT_EVENTS,
    APPOINTMENT_STATUS,
    CANCELS,
    STAY_EVENTS,
    AppointmentStatus,
    Away,
    Event,
    StayStatus,
)

Known = dict[Kind, Groups]
ADMITTED = "the patient is already admitted: nothing of the visit was taken"
AGAIN = (
    "The patient was admitted in this stay before: make it an inpatient's again instead"  # two A01 are one, told twice
)


@dataclass(frozen=True, slots=True)
class Step:
    """What is known after the event; a kind that is not in `after` is not touched.

    `moved`: nothing that happened later is known of the stay. `steps`: its course, if the PAS told. `entered`: there
    is something new for the stay's history, about the step at `index` if it stands; `undone`: the rows of the history
    that it undid or took the place of. `cancels`: of a clerk's cancel, the step it took back.
    """

    after: Known
    moved: bool = False
    warnings: tuple[str, ...] = ()
    steps: Sequence[course.Step] = ()
    moved_at: datetime | None = None
    entered: bool = False
    index: int | None = None
    undone: tuple[int, ...] = ()
    cancels: undoing.Made | None = None


@dataclass(frozen=True, slots=True)
class Unapplied:
    """The event is kept but changes nothing: a code and the reason."""

    code: str
    reason: str
    warnings: tuple[str, ...] = field(default=())


def done(known: Known, news: News, *, moved_at: datetime | None = None, history: Sequence[undoing.Made] = ()) -> Step:
    """Apply a clerk's event; ValueError with the reason if the states do not allow it.

    `moved_at`: when the patient came where they are. `history`: every change of the stay, where `needs_history`.
    """
    event = Event(news.event)
    if why := why_not(known, news):
        raise ValueError(why)
    if event == Event.ADMIT and any(made.stands and made.event == event for made in history):
        raise ValueError(AGAIN)
    after = _patient(known, news)
    if event in APPOINTMENT_EVENTS:
        after[Kind.APPOINTMENT] = _appointment(known, news)
    if event not in STAY_EVENTS:
        return Step({**known, **after})
    now = _now(known, Kind.STAY)
    if event in CANCELS:
        return _taken_back(after, now, news, undoing.back(now, history, event))
    result = course.stepped(now, clock.iso(moved_at), [course.told(_said(news))])
    return Step(
        {**after, Kind.STAY: result.groups},
        moved=True,
        moved_at=clock.moment(result.moved_at),
        entered=event != Event.UPDATE_STAY,
    )


def why_not(known: Known, news: News) -> str | None:
    """Say why a clerk's event cannot happen to what is known, in a clerk's words; None if it can."""
    event = Event(news.event)
    if event in STAY_EVENTS:
        away = Away(str(_now(known, Kind.STAY)["away"]["away"]))
        return states.why_not(_stay_status(known), event) or states.why_not_away(away, event)
    if event not in APPOINTMENT_EVENTS:
        return None
    status = _appointment_status(known)
    if event == Event.MODIFY_APPOINTMENT:
        goes = states.appointment_after(status, event) == news.appointment["status"]["status"]
        return None if goes else states.why_stands(status)
    return states.why_not(status, event)


def needs_history(event: Event) -> bool:
    """Say whether a clerk's event can be judged only by what came before it in the same stay."""
    return event in CANCELS or event == Event.ADMIT


def _said(news: News) -> News:
    """Give a clerk's news with what follows from the event itself: on leave from when it happened."""
    if news.event != Event.LEAVE:
        return news
    away: dict[str, Value] = {"away": Away.LEAVE.value, "away_since": clock.iso(news.occurred_at)}
    return replace(news, stay={**news.stay, "away": {**away, **news.stay.get("away", {})}})


def _taken_back(after: Known, now: Groups, news: News, back: undoing.Back) -> Step:
    """Give what is without the step, and the patient where the clerk says they are, if the clerk says so."""
    place = news.stay.get("place")
    groups = {**back.course.groups, "place": {**back.course.groups["place"], **place}} if place else back.course.groups
    status = StayStatus(str(groups["times"]["status"]))
    inside = status in (StayStatus.IN, StayStatus.ATTENDING)
    if news.event not in (Event.CANCEL_ADMIT, Event.CANCEL_PREADMIT) and not inside:
        raise ValueError(undoing.UNKNOWN)
    if news.event == Event.CANCEL_TRANSFER and not groups["place"]["ward"]:
        raise ValueError(undoing.UNKNOWN)
    before, died = back.gone[-1].death
    if died and after[Kind.PATIENT]["death"] == died:  # the patient did not leave so
        after = {**after, Kind.PATIENT: {**after[Kind.PATIENT], "death": before}}
    if groups == now:
        raise ValueError("That has been changed again since: there is nothing left to take back")
    return Step(
        {**after, Kind.STAY: groups},
        moved=True,
        moved_at=clock.moment(back.course.moved_at),
        entered=True,
        undone=tuple(made.movement for made in back.gone),
        cancels=back.gone[-1],
    )


def told(
    known: Known, news: News, *, steps: Sequence[course.Step] = (), moved_at: datetime | None = None
) -> Step | Unapplied:
    """Apply what the PAS says to what the PAS is known to hold.

    `steps`: the course of the stay. `moved_at`: of a stay without one, its newest movement; of an appointment, when
    it was last spoken of.
    """
    event = Event(news.event)
    if event in STAY_EVENTS and Kind.STAY in known:
        return _stay_told(known, news, list(steps) or course.known(known[Kind.STAY], moved_at))
    if event in APPOINTMENT_EVENTS:
        return _appointment_told(known, news, moved_at)
    return Step(_patient(known, news), warnings=_of_no_stay(event))


def _of_no_stay(event: Event) -> tuple[str, ...]:
    return ("no visit number: nothing of the visit was taken",) if event == Event.UPDATE_STAY else ()


def _stay_told(known: Known, news: News, steps: list[course.Step]) -> Step | Unapplied:
    event, before = Event(news.event), course.course(steps)
    if event in CANCELS:
        return _folded(known, news, entering.undo(news, steps, before), before)
    if news.corrects:
        return _folded(known, news, entering.correct(news, steps), before)
    if why := _why_filed(before, news, steps):
        return why
    if event == Event.ADMIT and _admitted(steps, news):
        return Step(_patient(known, news), warnings=(ADMITTED,))
    if event == Event.UPDATE_STAY and (said := _why_not_updated(before, news, steps)):
        return Step(_patient(known, news), warnings=(said,))
    again = course.find(steps, course.told(news)) is not None
    warnings = [] if again else list(_of_status(before.status, event))
    at = clock.iso(news.occurred_at)
    if event in course.PLACES and at < before.moved_at:
        warnings.append("back-dated: entered in the history, the place stays")
    entered = entering.enter(steps, course.told(news), before)
    return _folded(known, news, replace(entered, warnings=tuple(warnings)), before)


def _admitted(steps: Sequence[course.Step], news: News) -> bool:
    """Whether the patient was in already when this admission happened; the same one told again is no second."""
    told = course.told(news)
    earlier = [step for step in steps if step["at"] < told["at"]]
    return course.find(steps, told) is None and course.course(earlier).status == StayStatus.IN


def _why_not_updated(before: Course, news: News, steps: Sequence[course.Step]) -> str:
    """Say why an A08 says nothing of the stay; "" if it does. What it says has no time of its own but MSH-7."""
    if before.status in (StayStatus.NONE, StayStatus.CANCELLED):
        return "the visit is not known here: nothing of it was taken"
    if course.sent(news) < max((step["told"] for step in steps), default=""):
        return "older than what is known of the visit: nothing of it was taken"
    return ""


def _why_filed(before: Course, news: News, steps: Sequence[course.Step]) -> Unapplied | None:
    """Say why a step of a stay is not taken; None if it is."""
    event, status = Event(news.event), before.status
    at, times = clock.iso(news.occurred_at), before.groups["times"]
    begins = event in course.BEGIN | {Event.TO_INPATIENT, Event.TO_OUTPATIENT}
    if status == StayStatus.NONE and not begins and event not in (Event.TRANSFER, Event.UPDATE_STAY):
        what = "A discharge" if event == Event.DISCHARGE else "News"
        return Unapplied("no-open-stay", f"{what} of a stay never begun here")
    if status == StayStatus.CANCELLED and not begins and event != Event.UPDATE_STAY:
        return Unapplied("stay-withdrawn", "News of a stay that was withdrawn")
    begun = status in (StayStatus.IN, StayStatus.ATTENDING, StayStatus.OUT)
    if event in course.PLANS and begun and not at < str(times["admitted_at"]):
        return Unapplied("stay-begun", "A pre-admission of a stay that has begun")
    if status != StayStatus.OUT or event in (Event.UPDATE_STAY, Event.DISCHARGE, *course.PLANS):
        return None
    late = bool(times["discharged_at"]) and at < str(times["discharged_at"])
    if begins and not (late and not any(s["event"] in course.BEGIN and not s["undone"] for s in steps)):
        return Unapplied("stay-ended", "An admission of a stay that has ended")
    return None if late else Unapplied("stay-ended", "News of a stay that has ended")


def _of_status(status: StayStatus, event: Event) -> tuple[str, ...]:
    if event not in (Event.ADMIT, Event.TRANSFER, Event.DISCHARGE) or status == StayStatus.CANCELLED:
        return ()
    said = []
    attends = status == StayStatus.ATTENDING and event == Event.TRANSFER  # from one cubicle to another
    if states.stay_after(status, event) is None and not attends and (why := states.why_not(status, event)):
        said.append(f"taken as told: {why.lower()}")
    if event == Event.TRANSFER and status == StayStatus.NONE:
        said.append("stay begun by a transfer: its admission was not heard")
    return tuple(said)


def _folded(known: Known, news: News, entered: Entered | Unheard, before: Course) -> Step | Unapplied:
    if isinstance(entered, Unheard):
        return Unapplied(entered.code, entered.reason)
    result = course.course(entered.steps)
    return Step(
        {**_patient(known, news), Kind.STAY: result.groups},
        moved=news.event in CANCELS or clock.iso(news.occurred_at) >= before.moved_at,
        warnings=entered.warnings,
        steps=entered.steps,
        moved_at=clock.moment(result.moved_at),
        entered=entered.new,
        index=entered.index,
        undone=tuple(step["id"] for step in entered.undone if step.get("id")),
    )


def _appointment_told(known: Known, news: News, spoken_at: datetime | None) -> Step | Unapplied:
    event, status = Event(news.event), _appointment_status(known)
    if status == AppointmentStatus.NONE and APPOINTMENT_STATUS[event] in (
        AppointmentStatus.CANCELLED,
        AppointmentStatus.MISSED,
    ):
        return Unapplied("no-such-appointment", "The end of an appointment never heard of")
    if spoken_at and news.occurred_at < spoken_at:
        return Unapplied("older", "Older than what is known of this appointment")
    warnings = []
    if status == AppointmentStatus.NONE and event != Event.BOOK:
        warnings.append("the booking itself was not heard: taken as a booking")
    after = {**_patient(known, news), Kind.APPOINTMENT: _appointment(known, news)}
    return Step(after, warnings=tuple(warnings), moved_at=news.occurred_at)


def _appointment(known: Known, news: News) -> Groups:
    """Give the appointment after the event: the trigger says where it stands; S14 may say who has arrived."""
    event, now = Event(news.event), _now(known, Kind.APPOINTMENT)
    status = APPOINTMENT_STATUS[event]
    if status is None:
        told = AppointmentStatus(str(news.appointment.get("status", {}).get("status", "")))
        status = told or _appointment_status(known) or AppointmentStatus.BOOKED
    return {**facts.overlaid(now, news.appointment), "status": {"status": status.value}}


def _patient(known: Known, news: News) -> Known:
    now = _now(known, Kind.PATIENT)
    if news.event == Event.DOCUMENT and now["name"]["family"]:
        return {Kind.PATIENT: now}  # a letter says who is meant, and is not where details are kept
    return {Kind.PATIENT: facts.overlaid(now, news.patient)}


def _now(known: Known, kind: Kind) -> Groups:
    return facts.overlaid(facts.blank(kind), known.get(kind, {}))


def _stay_status(known: Known) -> StayStatus:
    return StayStatus(str(_now(known, Kind.STAY)["times"]["status"]))


def _appointment_status(known: Known) -> AppointmentStatus:
    return AppointmentStatus(str(_now(known, Kind.APPOINTMENT)["status"]["status"]))
