"""Finds a hand-back with entries unaccounted for (I7), counting again what the ledger counted; pure."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import History
from tests.faults.checker.rows import Change, Incident, Replay

ENDED = frozenset({"confirmed", "already", "superseded", "voided", "held"})
SIGNATURES = 2


def check(history: History) -> Iterator[Finding]:
    """Give every entry of a closed incident that is not accounted for."""
    for incident in history.incidents:
        if incident.closed_at is not None:
            captured = _captured(history, incident)
            if incident.closing == "handback":
                yield from _entries(history, incident, captured)
                yield from _counts(history, incident, captured)
            elif captured:
                yield finding(
                    Kind.UNBALANCED_LEDGER,
                    "Mirror mode was stood down although clerks had saved",
                    incident=incident.id,
                    changes=[change.id for change in captured][:20],
                )


def _captured(history: History, incident: Incident) -> list[Change]:
    last = incident.report.get("last_epoch") or history.gate.epoch - 1
    return [change for change in history.by_clerks() if incident.first_epoch <= change.epoch <= last]


def _entries(history: History, incident: Incident, captured: list[Change]) -> Iterator[Finding]:
    replays = Counter(each.change for each in history.replays if each.incident == incident.id)
    for change in captured:
        if replays[change.id] != 1:
            yield finding(
                Kind.UNBALANCED_LEDGER,
                f"A captured change has {replays[change.id]} entries in the ledger",
                incident=incident.id,
                change=change.id,
            )
        if change.id in history.tail:
            yield finding(
                Kind.UNBALANCED_LEDGER,
                "Control was handed back with a change still in the tail",
                incident=incident.id,
                change=change.id,
            )
    known = {change.id for change in captured}
    for replay in sorted((each for each in history.replays if each.incident == incident.id), key=lambda r: r.change):
        if replay.change not in known:
            yield finding(
                Kind.UNBALANCED_LEDGER,
                "The ledger has an entry that nobody captured",
                incident=incident.id,
                change=replay.change,
            )
        elif replay.end not in ENDED:
            yield finding(
                Kind.UNBALANCED_LEDGER,
                f"Control was handed back with an entry that had not ended: {replay.end}",
                incident=incident.id,
                change=replay.change,
            )
        elif replay.end == "held" and len(signers(history, replay)) < SIGNATURES:
            yield finding(
                Kind.UNBALANCED_LEDGER,
                "Control was handed back with a held change that two people had not signed for",
                incident=incident.id,
                change=replay.change,
                signers=len(signers(history, replay)),
            )


def signers(history: History, replay: Replay) -> set[str]:
    """The people who signed for a held change since its difference was last raised."""
    raised = max((each.raised_at for each in history.discrepancies if each.change == replay.change), default=0.0)
    return {
        each.by
        for each in history.signatures
        if (each.incident, each.purpose, each.subject) == (replay.incident, "hold", f"change:{replay.change}")
        and each.at >= raised
    }


def _counts(history: History, incident: Incident, captured: list[Change]) -> Iterator[Finding]:
    """What was signed at the time must be what can be counted."""
    signed = incident.report.get("ledger", {})
    ends = sum(int(signed.get(name, 0)) for name in ENDED)
    if int(signed.get("captured", -1)) != len(captured) or ends != len(captured):
        yield finding(
            Kind.UNBALANCED_LEDGER,
            "The ledger signed at hand-back does not say what was captured",
            incident=incident.id,
            captured=len(captured),
            said=signed.get("captured"),
            ended=ends,
        )
