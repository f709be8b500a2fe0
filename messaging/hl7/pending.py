"""What is planned and where a patient is meanwhile: PV2-8 and 9, PV1-42, EVN-3, PV2-47, PV1-11; pure, reads only."""

from datetime import datetime

from messaging.hl7 import times, values
from messaging.hl7.fields import Reading
from messaging.hl7.read import Message, Segment
from messaging.hl7.values import text
from pasmirror.lib import clock
from patients.facts import Groups, Value
from patients.states import Away, Event

_PENDING = {1: "pending_ward", 2: "pending_bay", 3: "pending_bed"}  # PL
_PLANS = (Event.PREADMIT, Event.PLAN_ADMIT)
_ADMISSION = (*_PLANS, Event.ADMIT, Event.UPDATE_STAY)


def read(event: Event, message: Message, at: datetime, reading: Reading) -> Groups:
    """Give the groups expected, pending and away, as far as the event speaks of them."""
    pv1, pv2 = message.first("PV1"), message.first("PV2")
    planned = _time(message.first("EVN"), 3, reading)
    said: Groups = {}
    expected: dict[str, Value] = {}
    if event in _ADMISSION and (when := _either(_time(pv2, 8, reading), planned, event in _PLANS)) is not None:
        expected["admission_expected_at"] = when
    leaving = _either(_time(pv2, 9, reading), planned, event == Event.PLAN_DISCHARGE)
    if event in (*_ADMISSION, Event.PLAN_DISCHARGE, Event.TRANSFER) and leaving is not None:
        expected["discharge_expected_at"] = leaving
    if expected:
        said["expected"] = expected
    if place := _pending_place(event, pv1, planned):
        said["pending"] = place
    if away := _away(event, pv1, pv2, at, planned, reading):
        said["away"] = away
    return said


def _either(said: str | None, planned: str | None, is_plan: bool) -> str | None:  # noqa: FBT001
    return planned if said is None and is_plan else said


def _time(segment: Segment | None, number: int, reading: Reading) -> str | None:
    """Give a field as ISO text: None absent or no time, "" deleted."""
    value = text(segment, number) if segment else None
    if not value or segment is None:
        return value
    moment = times.moment(value, reading.zone)
    if moment is None:
        reading.warn(f"{segment.name}-{number}: not a time, not taken")
        return None
    return clock.iso(moment)


def _pending_place(event: Event, pv1: Segment | None, planned: str | None) -> dict[str, Value]:
    """Give the bed that is planned: PV1-42, and of a pre-admission else PV1-3."""
    numbers = (42, 3) if event in _PLANS else (42,) if event in (Event.PLAN_TRANSFER, Event.UPDATE_STAY) else ()
    told = (values.place(pv1, number, _PENDING) for number in numbers) if pv1 else ()
    said: dict[str, Value] = {**next((place for place in told if place), {})}
    if event == Event.PLAN_TRANSFER and planned is not None:
        said["pending_at"] = planned
    return said


def _away(
    event: Event, pv1: Segment | None, pv2: Segment | None, at: datetime, planned: str | None, reading: Reading
) -> dict[str, Value]:
    """Give where a patient is who is in and out of the bed: on leave, or for an hour elsewhere (PV1-11)."""
    back = _time(pv2, 47, reading)
    if event == Event.UPDATE_STAY:
        return {"back_expected_at": back} if back is not None else {}
    if event not in (Event.LEAVE, Event.DEPART, Event.ARRIVE):
        return {}
    there = values.designated(pv1, 11, 1) if pv1 else ""
    if event == Event.ARRIVE and not there:
        return {}  # arrived back
    said: dict[str, Value] = {
        "away": Away.LEAVE.value if event == Event.LEAVE else Away.TEMPORARY.value,
        "away_to": there,
        "away_since": clock.iso(at),
    }
    expected = back if back is not None else planned if event == Event.LEAVE else None
    return said | ({"back_expected_at": expected} if expected is not None else {})
