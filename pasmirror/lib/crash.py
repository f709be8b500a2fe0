"""Named places at which a test may strike this process down; in the product nobody does, and no setting can ask for it.

Knows names only. Who strikes, and how, is set from outside by the fault tests' own settings module (`tests.faults`).
"""

from collections.abc import Callable
from enum import StrEnum


class Point(StrEnum):
    """Every place, as `<what>.<the step just done>`; the sweep of the fault tests strikes at each in turn."""

    # A clerk's save: all but the last inside its transaction.
    SAVE_GATE_PASSED = "save.gate-passed"
    SAVE_KEY_CLAIMED = "save.key-claimed"
    SAVE_ROWS_LOCKED = "save.rows-locked"
    SAVE_JOURNALLED = "save.journalled"
    SAVE_TAILED = "save.tailed"
    SAVE_KEY_SETTLED = "save.key-settled"
    SAVE_COMMITTED = "save.committed"
    # The sequencer and the rendering of what it numbered.
    NUMBER_TAIL_TAKEN = "number.tail-taken"
    NUMBER_NUMBERED = "number.numbered"
    NUMBER_LINKED = "number.linked"
    NUMBER_COMMITTED = "number.committed"
    RENDER_STORED = "render.stored"
    # Delivery of one message; the sender's is passed by every question to the PAS too.
    DELIVER_CLAIMED = "deliver.claimed"
    DELIVER_ATTEMPT_COMMITTED = "deliver.attempt-committed"
    SENDER_BYTES_SENT = "sender.bytes-sent"
    DELIVER_ANSWER_HEARD = "deliver.answer-heard"
    DELIVER_SETTLED = "deliver.settled"
    # The feed: stored, answered, applied.
    INTAKE_KEYED = "intake.keyed"
    INTAKE_STORED = "intake.stored"
    INTAKE_COMMITTED = "intake.committed"
    INTAKE_ANSWERED = "intake.answered"
    APPLY_TAKEN = "apply.taken"
    APPLY_WRITTEN = "apply.written"
    # The switches: mode and emission, as the monitor or a person throws them.
    FLIP_GATE_MOVED = "flip.gate-moved"
    FLIP_RECORDED = "flip.recorded"
    FLIP_COMMITTED = "flip.committed"
    EMISSION_MOVED = "emission.moved"
    EMISSION_RECORDED = "emission.recorded"
    EMISSION_COMMITTED = "emission.committed"
    # The way back, change by change, and its end.
    REPLAY_ENLISTED = "replay.enlisted"
    REPLAY_PAS_ASKED = "replay.pas-asked"
    REPLAY_LEFT_TO_PAS = "replay.left-to-pas"
    REPLAY_RELEASED = "replay.released"
    REPLAY_STEPPED = "replay.stepped"
    REPLAY_CONFIRMED = "replay.confirmed"
    HANDBACK_BEGUN = "handback.begun"
    HANDBACK_DRAINED = "handback.drained"
    HANDBACK_FENCED = "handback.fenced"
    HANDBACK_CLOSED = "handback.closed"
    HANDBACK_COMMITTED = "handback.committed"


strike: Callable[[Point], None] | None = None
"""What happens at a point; None, so nothing, wherever the product runs."""


def at(point: Point) -> None:
    """Mark a place; costs a comparison."""
    if strike is not None:
        strike(point)
