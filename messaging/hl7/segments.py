"""What segments say as facts, and which of them are kept as they came; pure, knows no event."""

from collections.abc import Iterable

from messaging.hl7.fields import RULES, Reading
from messaging.hl7.read import Message, Segment
from patients.facts import Groups


def facts_of(segments: Iterable[Segment | None], reading: Reading) -> Groups:
    """Give what segments say, by group: absent says nothing, two quotes say ""."""
    said: Groups = {}
    for segment in segments:
        for rule in RULES[segment.name] if segment else ():
            assert segment is not None  # noqa: S101  (for mypy)
            if values := rule.read(segment, reading):
                said.setdefault(rule.group, {}).update(values)
    return said


def kept_segments(message: Message) -> tuple[str, ...]:
    """Give the sender's segments for overlay, in standard separators, without MSH and EVN."""
    return tuple(segment.standard() for segment in message.segments if segment.name not in ("MSH", "EVN"))
