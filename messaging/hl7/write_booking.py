"""An appointment: as SIU with SCH and its resources, or as the A05 and A38 some PASs book outpatients by."""

from datetime import timedelta

from messaging.hl7 import bookings, identity, times
from messaging.hl7.telling import CannotSay
from messaging.hl7.text import components, escape, segment
from messaging.hl7.write_person import Draft, cx, evn, first, pd1, pid
from pasmirror.lib import clock
from patients.facts import Kind
from patients.identifiers import FILLER, PLACER, VISIT
from patients.states import Event

OUTPATIENT = "O"


def booking(draft: Draft) -> list[str]:
    """Give a SIU message: the booking as it is now, and the clinic as its one resource."""
    clinic = _clinic(draft)
    return [
        _sch(draft),
        *_tq1(draft),
        pid(draft),
        segment("PV1", {1: "1", 2: OUTPATIENT, 3: clinic}),
        "RGS|1",
        segment("AIL", {1: "1", 3: clinic}),
    ]


def outpatient(draft: Draft) -> list[str]:
    """Give an ADT message of an outpatient booking: the clinic in PV1-3, its number in PV1-19, the time in PV2-8.

    EVN-2 says when it was booked, EVN-6 for when: so it was seen.
    """
    starts = clock.moment(str(draft.change.groups(Kind.APPOINTMENT)["booking"]["starts_at"]))
    if starts is None:
        raise CannotSay("the change does not say starts_at, which this message cannot do without")
    numbers = first(draft.change.needed("appointment_ids"), draft.dialect, FILLER)
    stamp = times.stamp(starts, draft.dialect.zone)
    return [
        evn(draft, starts),
        pid(draft),
        *pd1(draft),
        segment("PV1", {1: "1", 2: OUTPATIENT, 3: _clinic(draft), 19: cx(numbers[0]._replace(type=VISIT))}),
        segment("PV2", {8: stamp}),
    ]


def _clinic(draft: Draft) -> str:
    clinic = draft.change.groups(Kind.APPOINTMENT)["booking"]["clinic"]
    return components(escape(str(clinic)), "", "", escape(draft.dialect.sending_facility))


def _sch(draft: Draft) -> str:
    change = draft.change
    groups = change.groups(Kind.APPOINTMENT)
    numbers = {}
    for number, kind in ((1, PLACER), (2, FILLER)):
        ours = first(change.ids(Kind.APPOINTMENT, kind), draft.dialect, kind)
        whose = identity.written(ours[0].authority).replace("&", "^") if ours else ""  # EI, not CX
        numbers[number] = components(escape(ours[0].value), whose) if ours else ""
    if not any(numbers.values()):
        raise CannotSay("the change does not say appointment_ids, which this message cannot do without")
    status, words = str(groups["status"]["status"]), str(groups["wording"]["status_words"])
    return segment(
        "SCH",
        {
            1: numbers[1],
            2: numbers[2] or numbers[1],
            6: bookings.write_reason(change.facts.get("event_reason", "")),
            7: bookings.write_reason(groups["booking"]["reason"]),
            8: escape(str(groups["booking"]["appointment_type"])),
            11: bookings.write_times(groups["booking"], draft.reading),
            25: escape(bookings.write_status(Event(change.event), status, words)),
        },
    )


def _tq1(draft: Draft) -> list[str]:
    """Give TQ1 with what SCH-11 says, for those who read 2.5 as it is written."""
    told = draft.change.groups(Kind.APPOINTMENT)["booking"]
    starts, minutes = clock.moment(str(told["starts_at"])), int(told["minutes"])
    if not draft.dialect.timing_in_tq1 or starts is None:
        return []
    zone = draft.dialect.zone
    ends = times.stamp(starts + timedelta(minutes=minutes), zone) if minutes else ""
    return [segment("TQ1", {1: "1", 6: f"{minutes}^min" if minutes else "", 7: times.stamp(starts, zone), 8: ends})]
