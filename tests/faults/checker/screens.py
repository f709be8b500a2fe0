"""Finds screens that said what was not so: of a save, of a record, of the mode (I8); pure."""

from collections.abc import Iterator

from tests.faults.checker import presses
from tests.faults.checker.finding import Finding, Kind, finding
from tests.faults.checker.history import MODES, History
from tests.faults.checker.presses import Form
from tests.faults.checker.rows import Change
from tests.faults.recorder.log import Op

UNAVAILABLE = 503


def check(history: History) -> Iterator[Finding]:
    """Give every lie."""
    for form in presses.forms(history):
        yield from _of_saves(form)
    yield from _of_records(history)
    yield from _of_modes(history)


def _of_saves(form: Form) -> Iterator[Finding]:
    said_saved = any(op.end == "ok" for op in form.presses)
    if said_saved and not form.changes:
        yield finding(Kind.SCREEN_LIED, "The screen said saved, and nothing is in the journal", **form.evidence)
    for op in form.presses:
        for change in form.changes:
            if _denied(form, op, change):
                yield finding(
                    Kind.SCREEN_LIED,
                    "The screen said that nothing was saved, and it was",
                    **form.evidence,
                    press=op.number,
                    change=change.id,
                )
            elif op.end == "ok" and _left_out(op, change.id):
                yield finding(
                    Kind.SCREEN_LIED,
                    "The record shown after saving does not have the entry",
                    **form.evidence,
                    press=op.number,
                    change=change.id,
                )


def _denied(form: Form, op: Op, change: Change) -> bool:
    """Whether this press was told that nothing was saved, though by then, or by nobody else, it was.

    A page that says so of "just now" alone, because the database is away, says nothing of an earlier press.
    """
    if op.end != "refused" or op.told.get("signed_out"):
        return False
    if change.recorded_at < op.called:
        return op.told.get("status") != UNAVAILABLE and any(
            other.called <= change.recorded_at and other.end != "refused" for other in form.presses if other is not op
        )
    if change.recorded_at <= op.ended:
        return True
    return all(other.end == "refused" for other in form.presses) and op is form.presses[-1]


def _left_out(op: Op, change: int) -> bool:
    """Whether a page that lists a record's newest entries lists older ones and not this."""
    listed = op.told.get("changes")
    return listed is not None and change not in listed and (not listed or change > min(listed))


def _of_records(history: History) -> Iterator[Finding]:
    """A look after an acknowledged save must show that save, or something newer."""
    saved = [
        (op.ended, change)
        for form in presses.forms(history)
        for op in form.presses
        if op.end == "ok"
        for change in form.changes
    ]
    names = _names(history)
    for look in history.reads():
        patient = look.told.get("patient") or look.said.get("patient")
        known = [change for ended, change in saved if ended < look.called and change.patient == patient]
        for change in known:
            if _left_out(look, change.id):
                yield finding(
                    Kind.SCREEN_LIED,
                    "A record was shown without an entry acknowledged before",
                    who=look.who,
                    op=look.number,
                    change=change.id,
                )
        shown = str(look.told.get("surname", "")).casefold()
        newest = max((change.id for change in known), default=0)
        if shown and newest and shown not in _allowed(names.get(int(str(patient)), []), newest):
            yield finding(
                Kind.SCREEN_LIED,
                "A record was shown under a name older than one acknowledged before",
                who=look.who,
                op=look.number,
                patient=patient,
            )


def _names(history: History) -> dict[int, list[tuple[int, str]]]:
    """Each patient's family names, with the change that gave them."""
    found: dict[int, list[tuple[int, str]]] = {}
    for change in sorted(history.changes, key=lambda each: each.id):
        name = change.after.get("patient", {}).get("name", {}).get("family")
        if name is not None:
            found.setdefault(change.patient, []).append((change.id, str(name).casefold()))
    return found


def _allowed(names: list[tuple[int, str]], newest: int) -> set[str]:
    """The name as of change `newest`, and every later one."""
    before = [name for pk, name in names if pk <= newest]
    return {name for pk, name in names if pk > newest} | set(before[-1:])


def _of_modes(history: History) -> Iterator[Finding]:
    stretches = _stretches(history)
    for op in history.ops:
        shown = op.told.get("mode")
        if shown not in MODES:
            continue
        slack = history.mode_slack
        held = any(
            mode == shown and began - slack <= op.ended and op.called <= ended + slack
            for mode, began, ended in stretches
        )
        if not held:
            yield finding(
                Kind.SCREEN_LIED, f"The banner said {shown} when it was not", who=op.who, op=op.number, at=op.ended
            )


def _stretches(history: History) -> list[tuple[str, float, float]]:
    """Every mode with its beginning and end."""
    moves = sorted((move for move in history.moves if move.after in MODES), key=lambda move: move.id)
    first = moves[0].before if moves else history.gate.mode
    modes = [first, *(move.after for move in moves)]
    times = [float("-inf"), *(move.at for move in moves), float("inf")]
    return list(zip(modes, times[:-1], times[1:], strict=True))
