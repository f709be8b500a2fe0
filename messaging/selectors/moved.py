"""Reads which movement each change of a stay begins or withdraws, under the number it has for good; writes nothing.

That is the PAS's own number where it gave one (ZBE-1), else the key of the row in the stay's history.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from messaging.hl7.telling import Moved
from patients.facts import Kind
from patients.models import Change, Movement, Trunk
from patients.states import CANCELS, STAY_EVENTS, Event

AUTHORITY = "PASMIRROR"  # of our own numbers


def of(changes: Collection[Change]) -> dict[int, Moved]:
    """Give the movement of each change by change, of those that are one and whose history says which."""
    of_stays = {change.stay for change in changes if change.stay and change.event in STAY_EVENTS}
    history: defaultdict[int, list[Movement]] = defaultdict(list)
    for row in Movement.objects.filter(stay__in=of_stays).order_by("pk"):
        history[row.stay_id].append(row)
    theirs = {
        step["id"]: str(step["movement"])
        for trunk in Trunk.objects.filter(kind=Kind.STAY, object_id__in=of_stays)
        for step in trunk.steps
        if step.get("id") and step.get("movement")
    }
    found = {change.pk: _moved(change, history[change.stay or 0], theirs) for change in changes}
    return {pk: moved for pk, moved in found.items() if moved}


def _moved(change: Change, rows: Sequence[Movement], theirs: dict[int, str]) -> Moved | None:
    own = next((row for row in rows if row.change == change.pk), None)
    if change.event in CANCELS:
        gone = _withdrawn(change, own, rows)
        return Moved(*_number(gone, theirs), first=gone.event) if gone else None
    if own is None or own.undoes:  # told anew: no movement of its own
        return None
    later = any(row.occurred_at > own.occurred_at and row.pk < own.pk for row in rows)
    return Moved(*_number(own, theirs), historic=later)


def _withdrawn(change: Change, own: Movement | None, rows: Sequence[Movement]) -> Movement | None:
    """Give the step that a cancel withdraws: as the change or the history says, else the one of that kind and time."""
    kinds = CANCELS[Event(change.event)]
    of_kind = [row for row in rows if row.event in kinds and row.change != change.pk]
    undone = change.facts.get("undone", {}).get("change")
    told = [row for row in of_kind if row.change == undone]
    named = [row for row in of_kind if own and row.pk in own.undoes]
    same = [row for row in of_kind if row.occurred_at == change.occurred_at]
    return next(iter(reversed(told or named or same)), None)


def _number(row: Movement, theirs: dict[int, str]) -> tuple[str, str]:
    value, _, authority = theirs.get(row.pk, f"{row.pk}^{AUTHORITY}").partition("^")
    return value, authority
