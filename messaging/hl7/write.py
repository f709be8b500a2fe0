"""A change of the record as a message: our own segments, laid over what the PAS last sent; pure, no Django.

A change is rendered once for all destinations of a dialect; MSH, which names the one message, is put in front of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from messaging.hl7 import times
from messaging.hl7.dialects import Dialect, Layout
from messaging.hl7.fields import Reading
from messaging.hl7.overlay import Ground, ordered
from messaging.hl7.telling import CannotSay, ChangeFacts, Mark, Moved, NoLayout
from messaging.hl7.text import encode, escape, repetitions, segment
from messaging.hl7.write_booking import booking, outpatient
from messaging.hl7.write_document import document
from messaging.hl7.write_identity import linked, merged, renumbered_stay
from messaging.hl7.write_person import Draft, person
from messaging.hl7.write_visit import visit
from patients.facts import Kind
from patients.states import Event

__all__ = ["CannotSay", "ChangeFacts", "Mark", "Moved", "NoLayout", "Rendered", "header", "render", "write"]

SHAPES: Mapping[str, Callable[[Draft], list[str]]] = {
    "person": person,
    "visit": visit,
    "booking": booking,
    "outpatient": outpatient,
    "merged": merged,
    "renumbered_stay": renumbered_stay,
    "linked": linked,
    "document": document,
}
_OF_STAY = frozenset({"visit", "renumbered_stay", "document"})  # shapes that are of one stay, and laid over its PV1
_CARRYING = frozenset({"person", "visit"})  # shapes that carry the PAS's other segments along
_ZED = _CARRYING | {"booking", "outpatient"}  # and those that carry its Z segments only
_DOCTORS = frozenset({Event.CHANGE_DOCTOR, Event.CANCEL_CHANGE_DOCTOR})  # the PAS's ROL names the one before


@dataclass(frozen=True, slots=True)
class Rendered:
    """A change in a dialect without its header: the same for every destination that is spoken to in that dialect."""

    dialect: Dialect
    message_type: str
    lines: tuple[str, ...]

    def message(self, *, control_id: str, now: datetime, mark: Mark | None = None) -> bytes:
        """Give the bytes of one message: `control_id` is its MSH-10, `mark` is for the PAS only."""
        msh = header(self.dialect, message_type=self.message_type, control_id=control_id, now=now)
        return encode([msh, *self.lines, *([_zpm(mark)] if mark else [])])


def write(
    change: ChangeFacts,
    *,
    dialect: Dialect,
    control_id: str,
    now: datetime,
    mark: Mark | None = None,
    last_segments: Sequence[str] = (),
    moved: Moved | None = None,
) -> bytes:
    """Render a change as one message; as `render` and `Rendered.message`, which say the same more often."""
    rendered = render(change, dialect=dialect, last_segments=last_segments, moved=moved)
    return rendered.message(control_id=control_id, now=now, mark=mark)


def render(
    change: ChangeFacts, *, dialect: Dialect, last_segments: Sequence[str] = (), moved: Moved | None = None
) -> Rendered:
    """Render a change but for its header.

    `last_segments`: the segments the PAS last sent of this patient and stay, oldest first. `moved`: which movement it
    is, for a dialect that has them. NoLayout for an event the dialect has no message for, CannotSay where the change
    lacks what the message needs.
    """
    layout = _layout(change, dialect)
    visits = {i.value for i in (*change.ids(Kind.STAY), *change.numbers("prior_stay_ids"))}
    ground = Ground(last_segments, visits=frozenset(visits) if layout.shape in _OF_STAY else frozenset())
    places = dialect.places(layout)
    own = SHAPES[layout.shape](Draft(change, dialect, layout, ground, Reading(dialect.zone, []), moved))
    own = [line for line in own if line[:3] in places or line[0] == "Z"]
    order = dialect.carries(layout)
    names = (*order, *layout.also) if layout.shape in _CARRYING else ()
    carried = ground.carried(names) if layout.shape in _ZED and last_segments else []
    if change.event in _DOCTORS:
        carried = [line for line in carried if line.name != "ROL" or line.get(3, 1) != "AT"]
    return Rendered(dialect, layout.message_type, tuple(ordered(own, carried, order)))


def _layout(change: ChangeFacts, dialect: Dialect) -> Layout:
    event = Event(change.event)
    if event not in dialect.layouts:
        raise NoLayout(f"the dialect {dialect.code} has no message for the event {event.value}")
    return dialect.layouts[event]


def header(dialect: Dialect, *, message_type: str, control_id: str, now: datetime) -> str:
    """Give an MSH segment."""
    names = (dialect.sending_app, dialect.sending_facility, dialect.receiving_app, dialect.receiving_facility)
    sent = times.stamp(now, dialect.zone)
    parts = ["MSH", "^~\\&", *map(escape, names), sent, "", message_type, control_id, dialect.processing_id]
    return "|".join([*parts, dialect.version, "", "", "", "", dialect.country])


def _zpm(mark: Mark) -> str:
    return segment("ZPM", {1: str(mark.change), 2: repetitions([escape(code) for code in mark.told])})
