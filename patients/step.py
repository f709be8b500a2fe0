"""One event applied to what is known: the pure step that clerks' saves and the feed share.

A clerk's event must be allowed by the state tables. The PAS is master of its own events, so what it tells is taken
as far as it makes sense: `told` says what is taken, with a warning, and what is only filed.
"""

from dataclasses import dataclass, field
from datetime import datetime

from pasmirror.lib import clock
from patients import facts, states
from patients.facts import Groups, Kind, News
from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS, AppointmentStatus, Event, StayStatus

Known = dict[Kind, Groups]


@dataclass(frozen=True, slots=True)
class Step:
    """What is known after the event. `moved`: the stay's place is the one told (not a back-dated one)."""

    after: Known
    moved: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unapplied:
    """The event is kept but changes nothing: a code and the reason."""

    code: str
    reason: str
    warnings: tuple[str, ...] = field(default=())


def done(known: Known, news: News) -> Step:
    """Apply a clerk's event; ValueError with the reason if the states do not allow it."""
    event = Event(news.event)
    if why := _why_not(known, event):
        raise ValueError(why)
    return _step(known, news, moved=event in STAY_EVENTS)


def told(known: Known, news: News, *, moved_at: datetime | None) -> Step | Unapplied:
    """Apply what the PAS says to what the PAS is known to hold; `moved_at` is its stay's newest movement."""
    event = Event(news.event)
    warnings: list[str] = []
    if event in STAY_EVENTS:
        status = _stay_status(known)
        if event == Event.DISCHARGE and status == StayStatus.NONE:
            return Unapplied("no-open-stay", "A discharge of a stay never begun here")
        if status == StayStatus.CANCELLED:
            return Unapplied("stay-withdrawn", "News of a stay that was withdrawn")
        if event == Event.ADMIT and status == StayStatus.OUT:
            return Unapplied("stay-ended", "An admission of a stay that has ended")
        if event == Event.TRANSFER and status == StayStatus.OUT and not _before_discharge(known, news):
            return Unapplied("stay-ended", "A transfer of a stay that has ended")
        if states.stay_after(status, event) is None and (why := states.why_not(status, event)):
            warnings.append(f"taken as told: {why.lower()}")
        if event == Event.TRANSFER and status == StayStatus.NONE:
            warnings.append("stay begun by a transfer: its admission was not heard")
    if event == Event.CANCEL_APPOINTMENT and _appointment_status(known) == AppointmentStatus.NONE:
        return Unapplied("no-such-appointment", "A cancellation of an appointment never heard of")
    moved = event in STAY_EVENTS and (moved_at is None or news.occurred_at >= moved_at)
    if event in STAY_EVENTS and not moved:
        warnings.append("back-dated: entered in the history, the place stays")
    step = _step(known, news, moved=moved)
    return Step(step.after, step.moved, tuple(warnings))


def _step(known: Known, news: News, *, moved: bool) -> Step:
    event = Event(news.event)
    after: Known = {Kind.PATIENT: facts.overlaid(_now(known, Kind.PATIENT), news.patient)}
    if event in STAY_EVENTS:
        after[Kind.STAY] = _stay(_now(known, Kind.STAY), news, event, moved=moved)
    if event in APPOINTMENT_EVENTS:
        booking = facts.overlaid(_now(known, Kind.APPOINTMENT), news.appointment)
        status = AppointmentStatus.BOOKED if event == Event.BOOK else AppointmentStatus.CANCELLED
        after[Kind.APPOINTMENT] = {**booking, "status": {"status": status.value}}
    return Step(after, moved)


def _stay(now: Groups, news: News, event: Event, *, moved: bool) -> Groups:
    said = news.stay if moved else {group: v for group, v in news.stay.items() if group != "place"}
    after = facts.overlaid(now, said)
    times = dict(after["times"])
    at = clock.iso(news.occurred_at)
    if event == Event.DISCHARGE:
        times["status"] = StayStatus.OUT.value
        times["discharged_at"] = news.stay.get("times", {}).get("discharged_at") or at
    elif times["status"] != StayStatus.OUT:
        times["status"] = StayStatus.IN.value
        times["discharged_at"] = ""
    if event == Event.ADMIT and not times["admitted_at"]:
        times["admitted_at"] = at
    return {**after, "times": times}


def _now(known: Known, kind: Kind) -> Groups:
    return facts.overlaid(facts.blank(kind), known.get(kind, {}))


def _stay_status(known: Known) -> StayStatus:
    return StayStatus(str(_now(known, Kind.STAY)["times"]["status"]))


def _appointment_status(known: Known) -> AppointmentStatus:
    return AppointmentStatus(str(_now(known, Kind.APPOINTMENT)["status"]["status"]))


def _before_discharge(known: Known, news: News) -> bool:
    ended = clock.moment(str(_now(known, Kind.STAY)["times"]["discharged_at"]))
    return ended is not None and news.occurred_at < ended


def _why_not(known: Known, event: Event) -> str | None:
    if event in STAY_EVENTS:
        return states.why_not(_stay_status(known), event)
    if event in APPOINTMENT_EVENTS:
        return states.why_not(_appointment_status(known), event)
    return None
