"""Messages that say who somebody is: merges, changed numbers, stays of another patient, links, removals; pure.

PID is whoever stands afterwards, MRG whoever or whatever ends (HL7 2.4 chapter 3; IHE PAM ITI-30). Older merges (A34 to
A36, A18, A30, A39) say the same. What a message leaves out is never guessed: Unclear.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from messaging.hl7 import identity, lengths, movements, times
from messaging.hl7.fields import Reading
from messaging.hl7.habits import Habits
from messaging.hl7.identity import Person
from messaging.hl7.read import Message, Segment
from messaging.hl7.segments import facts_of
from patients.facts import NOBODY, Named, News
from patients.states import Event

FOLLOWED: dict[str, Event] = {
    "ADT^A40": Event.MERGE,
    "ADT^A34": Event.MERGE,
    "ADT^A36": Event.MERGE,  # and the stay
    "ADT^A18": Event.MERGE,
    "ADT^A30": Event.MERGE,
    "ADT^A39": Event.MERGE,
    "ADT^A47": Event.RENUMBER,
    "ADT^A46": Event.RENUMBER,
    "ADT^A44": Event.MOVE_STAY,
    "ADT^A45": Event.MOVE_STAY,
    "ADT^A35": Event.RENUMBER_STAY,
    "ADT^A41": Event.RENUMBER_STAY,
    "ADT^A42": Event.RENUMBER_STAY,
    "ADT^A49": Event.RENUMBER_STAY,
    "ADT^A50": Event.RENUMBER_STAY,
    "ADT^A24": Event.LINK,
    "ADT^A37": Event.UNLINK,
    "ADT^A29": Event.REMOVE,
}
BOTH = "ADT^A36"  # a patient and one of the stays in one message


class Unclear(ValueError):
    """What is needed to say who is meant is not there: a code, the reason, and whom it names nevertheless."""

    def __init__(self, code: str, reason: str, named: Named = NOBODY) -> None:
        super().__init__(code)
        self.code, self.reason, self.named = code, reason, named


@dataclass(slots=True)
class _Group:
    """One PID with what follows it: each MRG with the PV1 after it."""

    pid: Segment
    ends: list[tuple[Segment, Segment | None]] = field(default_factory=list)


def news(message: Message, habits: Habits, reading: Reading) -> News:
    """Read one such message, all its groups chained by `other`; raises Unclear."""
    event = FOLLOWED[message.trigger]
    groups = list(_groups(message))
    everybody = _everybody(message, habits)
    if not groups:
        raise Unclear("no-pid", "There is no PID segment")
    at = movements.occurred(message, movements.of(message), event, reading)
    if at is None:
        raise Unclear("no-time", "Neither EVN-6, EVN-2 nor MSH-7 says when it happened", everybody)
    base = News(
        event=event,
        occurred_at=at,
        sent_at=times.moment(message.sent_at_text, reading.zone),
        control_id=message.control_id,
        trigger=message.trigger,
    )
    try:
        if event in (Event.LINK, Event.UNLINK):
            parts = [_pair(base, groups, habits, reading)]
        else:
            parts = [part for group in groups for part in _parts(base, group, habits, reading)]
    except Unclear as fault:
        raise Unclear(fault.code, fault.reason, everybody) from fault
    told: News | None = None
    for part in reversed(parts):
        told = replace(part, other=told, warnings=tuple(reading.warnings))
    assert told is not None  # noqa: S101 - every group gives a part, or is Unclear
    return told


def _groups(message: Message) -> Iterator[_Group]:
    group: _Group | None = None
    for segment in message.segments:
        if segment.name == "PID":
            if group:
                yield group
            group = _Group(segment)
        elif group and segment.name == "MRG":
            group.ends.append((segment, None))
        elif group and segment.name == "PV1":
            group.ends[-1:] = [(mrg, segment) for mrg, _ in group.ends[-1:]]
    if group:
        yield group


def _everybody(message: Message, habits: Habits) -> Named:
    """Give all the numbers of patients it names, for a message that is set aside."""
    found = [identity.person(pid, habits) for pid in message.all("PID")]
    found += [identity.prior(mrg, habits) for mrg in message.all("MRG")]
    ids = dict.fromkeys(identifier for person in found for identifier in person.ids)
    return Named(tuple(ids), next((person.named.nhs_number for person in found), ""))


def _person(base: News, group: _Group, habits: Habits, reading: Reading) -> News:
    person = identity.person(group.pid, habits)
    reading.warnings += person.warnings
    if person.named == NOBODY:
        raise Unclear("no-identity", "No usable number in PID-3, and no NHS number")
    patient = facts_of((group.pid,), reading)
    if person.nhs:
        patient["nhs"] = person.nhs
    if lengths.number_too_long(person.ids):
        raise Unclear("value-too-long", "A number, its authority or its type is longer than the record can hold")
    return replace(base, patient_ids=tuple(person.ids), patient=patient)


def _parts(base: News, group: _Group, habits: Habits, reading: Reading) -> Iterator[News]:
    """Give what one PID and its MRGs say."""
    told = _person(base, group, habits, reading)
    if base.event == Event.REMOVE:
        yield told
        return
    if not group.ends:
        raise Unclear("no-mrg", "There is no MRG segment, so it is not said which number ends")
    for mrg, pv1 in group.ends:
        ended: Person = identity.prior(mrg, habits)
        reading.warnings += ended.warnings
        part = replace(told, prior=ended.named)
        if base.event != Event.RENUMBER_STAY and part.prior == NOBODY:
            raise Unclear("no-prior-number", "No number in MRG-1 says whose record or number ends")
        if base.event == Event.MOVE_STAY:
            part = _of_stay(part, mrg, pv1, None, habits)
        elif base.event == Event.RENUMBER_STAY:
            part = _of_stay(part, mrg, pv1, group.pid, habits)
        yield part
        if base.trigger == BOTH:
            yield replace(_of_stay(part, mrg, pv1, group.pid, habits), event=Event.RENUMBER_STAY)


def _of_stay(part: News, mrg: Segment, pv1: Segment | None, pid: Segment | None, habits: Habits) -> News:
    """Add which stay is meant, and how it is numbered now: in PV1-19, or in PID-18 if `pid` is given."""
    ended = identity.prior_stay(mrg, habits)
    now, _ = identity.stay(pv1, pid, habits)
    if not ended:
        raise Unclear("no-visit-number", "No number in MRG-5 or MRG-3 says which stay is meant")
    if lengths.number_too_long(now):
        raise Unclear("value-too-long", "A number, its authority or its type is longer than the record can hold")
    return replace(part, prior_stay_ids=ended, stay_ids=now)


def _pair(base: News, groups: Sequence[_Group], habits: Habits, reading: Reading) -> News:
    if len(groups) != 2:
        raise Unclear("no-second-pid", "Two PID segments should say which two patients are meant")
    one, another = (_person(base, group, habits, reading) for group in groups)
    return replace(one, prior=another.named, prior_patient=another.patient)
