"""Finds one event with two effects: at a receiver, at the PAS, in the journal, out of the feed (I2); pure."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.checker import presses
from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import History, base, grouped
from tests.faults.checker.rows import Change, Destination, Receiver


def check(history: History) -> Iterator[Finding]:
    """Give every duplicate, and every message whose bytes were not the same twice."""
    for to, receiver in history.receiver_lanes():
        yield from _effects(history, to, receiver)
        yield from _bytes(history, to, receiver)
    yield from _at_the_pas(history)
    yield from _forms(history)
    yield from _feed(history)


def _effects(history: History, to: Destination, receiver: Receiver) -> Iterator[Finding]:
    """More tellings of an event than there were committed changes of that kind in that moment."""
    rows = {name: row for name, row in history.rows_by_control_id(to.id).items() if not row.snapshot}
    theirs = history.spoken_by_pas()
    by_clerks = history.by_clerks()
    by_id = {change.id: change for change in by_clerks}
    for event, effects in grouped(receiver.effects, "event").items():
        ours = {rows[base(each.control_id)].change for each in effects if base(each.control_id) in rows}
        pas = {each.control_id for each in effects if each.control_id in theirs}
        for change in sorted(ours):
            ids = {each.control_id for each in effects if base(each.control_id) in rows}
            told = {each for each in ids if rows[base(each)].change == change}
            if len(told) > 1:
                yield finding(
                    Kind.DUPLICATE_EFFECT,
                    f"{to.code} was told of one change under several MSH-10",
                    change=change,
                    control_ids=sorted(told),
                )
        happened = len({pk for one in ours if one in by_id for pk in _alike(by_id[one], by_clerks)})
        if ours and pas and to.pas_copy != "tolerated" and len(ours) + len(pas) > happened:
            yield finding(
                Kind.DUPLICATE_EFFECT,
                f"{to.code} was told of one event by the mirror and by the PAS",
                changes=sorted(ours),
                by_pas=sorted(pas),
                event=event.split("|")[0],
            )


def _alike(change: Change, changes: list[Change]) -> set[int]:
    """The changes that a receiver cannot tell from this one by what happened, to whom and when."""
    return {each.id for each in changes if _named(each) == _named(change)} | {change.id}


def _named(change: Change) -> tuple[object, ...]:
    """What names an event downstream: a person's to the second, a stay's to the minute and the place."""
    unit = 1 if change.event in ("register", "update") else 60
    place = tuple(sorted(change.after.get("stay", {}).get("place", {}).items()))
    subject = (change.event, change.patient, change.stay, change.appointment)
    return (*subject, int(change.occurred_at // unit), place)


def _bytes(history: History, to: Destination, receiver: Receiver) -> Iterator[Finding]:
    """A resend is the identical bytes, and was counted as an attempt: of the message, or of what was sent by order."""
    rows = grouped((row for row in history.outbound if row.lane == to.id and row.control_id), "control_id")
    tries = history.tries()
    for control_id, arrivals in grouped(receiver.arrivals, "control_id").items():
        if control_id not in rows:
            continue
        bodies = {each.raw.rstrip(b"\r") for each in arrivals}
        bodies |= {row.body.rstrip(b"\r") for row in rows[control_id] if row.body}
        if len(bodies) > 1:
            yield finding(
                Kind.DUPLICATE_EFFECT,
                f"{to.code} was sent several messages under one MSH-10",
                control_id=control_id,
                bodies=len(bodies),
            )
        counted = sum(len(tries.get(row.id, ())) for row in rows[control_id])
        if len(arrivals) > counted:
            yield finding(
                Kind.DUPLICATE_EFFECT,
                f"{to.code} was sent a message more often than was counted",
                control_id=control_id,
                arrived=len(arrivals),
                attempts=counted,
            )


def _at_the_pas(history: History) -> Iterator[Finding]:
    forced = {each.change for each in history.replays if each.forced}
    taken = Counter(
        each.change
        for each in history.pas.heard
        if each.code in ("AA", "CA") and not each.repeat and each.change is not None
    )
    for change, times in sorted(taken.items()):
        if times > 1 and change not in forced:
            yield finding(Kind.DUPLICATE_EFFECT, "The PAS was told of one change twice", change=change, times=times)


def _forms(history: History) -> Iterator[Finding]:
    for form in presses.forms(history):
        if len(form.changes) > 1:
            ids = [change.id for change in form.changes]
            yield finding(Kind.DUPLICATE_EFFECT, "One form was saved more than once", **form.evidence, changes=ids)


def _feed(history: History) -> Iterator[Finding]:
    origins = Counter(each.origin for each in history.changes if each.origin.startswith("feed:"))
    for origin, times in sorted(origins.items()):
        if times > 1:
            yield finding(Kind.DUPLICATE_EFFECT, "One message of the PAS was applied twice", origin=origin, times=times)
    kept = Counter((each.sender, each.control_id, each.raw) for each in history.inbound if each.outcome != "refused")
    for (_, control_id, _), times in sorted(kept.items()):
        if times > 1 and control_id:
            yield finding(
                Kind.DUPLICATE_EFFECT, "One message of the PAS was stored twice", control_id=control_id, times=times
            )
