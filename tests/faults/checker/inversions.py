"""Finds one patient's events told or applied in another order than they were committed (I3); pure."""

from collections.abc import Iterable, Iterator

from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import History, base, grouped


def check(history: History) -> Iterator[Finding]:
    """Give every pair of neighbours that came the wrong way round."""
    patients = {change.id: change.patient for change in history.changes}
    for to, receiver in history.receiver_lanes():
        rows = {name: row for name, row in history.rows_by_control_id(to.id).items() if not row.snapshot}
        arrived = [
            rows[base(each.control_id)].change
            for each in receiver.arrivals
            if each.answer in ("AA", "CA") and base(each.control_id) in rows
        ]
        yield from _swapped(arrived, patients, f"{to.code} was told")
    heard = [each.change for each in history.pas.heard if each.code in ("AA", "CA") and each.change is not None]
    forced = {each.change for each in history.replays if each.forced}
    yield from _swapped([pk for pk in heard if pk not in forced], patients, "The PAS was told")
    yield from _applied(history)
    yield from _overtaken(history)


def _swapped(arrived: Iterable[int], patients: dict[int, int], who: str) -> Iterator[Finding]:
    """First arrivals alone count: a later one is a repeat."""
    last: dict[int, int] = {}
    for change in dict.fromkeys(arrived):
        patient = patients.get(change)
        if patient is None:
            continue
        if change < last.get(patient, 0):
            yield finding(
                Kind.INVERSION,
                f"{who} of a patient's later change before the earlier",
                patient=patient,
                later=last[patient],
                earlier=change,
            )
        last[patient] = max(change, last.get(patient, 0))


def _applied(history: History) -> Iterator[Finding]:
    taken = [each for each in history.inbound if each.outcome == "applied" and each.change and each.patient]
    for channel, messages in sorted(grouped(taken, "channel").items()):
        last: dict[int, tuple[int, int]] = {}
        for each in sorted(messages, key=lambda each: each.number):
            number, change = last.get(each.patient, (0, 0))
            if each.change < change:
                yield finding(
                    Kind.INVERSION,
                    "The feed was applied in another order than it was numbered",
                    channel=channel,
                    patient=each.patient,
                    numbers=(number, each.number),
                )
            last[each.patient] = (each.number, max(each.change, change))


def _overtaken(history: History) -> Iterator[Finding]:
    """A lane's tokens only rise: whoever opens an attempt under an older one sends beside its present holder."""
    lanes = {row.id: row.lane for row in history.outbound}
    newest: dict[int, int] = {}
    for attempt in sorted(history.attempts, key=lambda each: each.id):
        lane = lanes.get(attempt.outbound, 0)
        if attempt.token < newest.get(lane, 0):
            yield finding(
                Kind.INVERSION,
                f"A lane that had been taken over was gone on with by its old holder ({history.lane(lane).code})",
                attempt=attempt.id,
                token=attempt.token,
                newest=newest[lane],
            )
        newest[lane] = max(attempt.token, newest.get(lane, 0))
