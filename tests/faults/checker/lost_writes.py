"""Finds what was acknowledged and is nowhere: in the journal, on a lane, at a receiver, in the record (I1); pure."""

from collections.abc import Iterator

from tests.faults.checker import hl7, presses
from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import History, base, grouped
from tests.faults.checker.rows import Change, Destination

_STAY = frozenset({"admit", "transfer", "discharge"})
_BOOKING = frozenset({"book", "cancel_appointment"})


def check(history: History) -> Iterator[Finding]:
    """Give every loss."""
    yield from _of_clerks(history)
    yield from _unnumbered(history)
    yield from _not_received(history)
    yield from _answered_by_another(history)
    yield from _not_stored(history)
    yield from _not_applied(history)


def _of_clerks(history: History) -> Iterator[Finding]:
    for form in presses.forms(history):
        if not form.changes and any(op.end == "ok" for op in form.presses):
            yield finding(Kind.LOST_WRITE, "A clerk's save was acknowledged and is not in the journal", **form.evidence)


def wants(to: Destination, change: Change) -> bool:
    """Whether the destination, as declared, is to be told of the change: by event, and where it happened."""
    facts = change.facts
    if not to.declared or (to.events and change.event not in to.events):
        return False
    if change.event in _STAY:
        places = [facts.get("stay", {}).get("place", {}), facts.get("prior_place") or {}]
        within = (to.wards, "ward"), (to.sites, "site")
        return all(not listed or {place.get(name) for place in places} & set(listed) for listed, name in within)
    if change.event in _BOOKING and to.clinics:
        return facts.get("appointment", {}).get("booking", {}).get("clinic") in to.clinics
    return True


def _unnumbered(history: History) -> Iterator[Finding]:
    numbered = {(row.lane, row.change) for row in history.outbound if not row.snapshot}
    for change in history.by_clerks():
        for to in history.destinations:
            if (to.id, change.id) not in numbered and wants(to, change):
                where = "still in the tail" if change.id in history.tail else "not in the tail"
                yield finding(
                    Kind.LOST_WRITE,
                    f"A clerk's change has no number on the lane of {to.code}, and is {where}",
                    change=change.id,
                )


def _not_received(history: History) -> Iterator[Finding]:
    for to, receiver in history.receiver_lanes():
        taken = {base(each.control_id) for each in receiver.arrivals if each.answer in ("AA", "CA")}
        yield from _missing(history, to, taken)
    if not history.pas.restored:
        taken = {base(each.control_id) for each in history.pas.heard if each.code in ("AA", "CA")}
        for to in history.destinations:
            if to.is_pas:
                yield from _missing(history, to, taken)


def _missing(history: History, to: Destination, taken: set[str]) -> Iterator[Finding]:
    for row in history.outbound:
        if row.lane == to.id and row.leg == "accepted" and base(row.control_id) not in taken:
            yield finding(
                Kind.LOST_WRITE,
                f"A message counts as accepted by {to.code}, which does not have it",
                control_id=row.control_id,
                change=row.change,
            )


def _answered_by_another(history: History) -> Iterator[Finding]:
    messages = {row.id: row for row in history.outbound}
    for attempt in history.attempts:
        row = messages.get(attempt.outbound)
        if row is None or attempt.ending != "accepted" or attempt.answer is None:
            continue
        named = hl7.field(attempt.answer, "MSA", 2)
        if base(named) != base(row.control_id):
            yield finding(
                Kind.LOST_WRITE,
                "A message was settled by the answer to another",
                control_id=row.control_id,
                answered=named,
                attempt=attempt.id,
            )


def _not_stored(history: History) -> Iterator[Finding]:
    stored = {each.control_id for each in history.inbound}
    told = {each.control_id for each in history.pas.spoken if each.lane == "feed" and each.answered}
    told |= {
        str(op.said["control_id"]) for op in history.ops if op.what == "feed" and op.end == "ok" and op.who == "pas"
    }
    for control_id in sorted(told - stored):
        yield finding(
            Kind.LOST_WRITE, "The PAS was answered AA for a message that is not stored", control_id=control_id
        )


def _not_applied(history: History) -> Iterator[Finding]:
    for channel, messages in sorted(grouped(history.inbound, "channel").items()):
        for each in messages:
            if each.outcome == "stored":
                yield finding(
                    Kind.LOST_WRITE,
                    "A message of the PAS is stored and neither applied nor set aside",
                    inbound=each.id,
                    channel=channel,
                    number=each.number,
                )
