"""A message field by field under the standard's names, for people to read; knows no table and no habit of a site.

Names are those of HL7 2.5, whose numbering contains that of the versions before, as hl7apy lists them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from messaging.hl7.read import Message, Segment, split
from messaging.hl7.text import DELETED, unescape

SEGMENTS = {
    "MSH": "Message header",
    "EVN": "Event type",
    "PID": "Patient identification",
    "PD1": "Patient additional demographics",
    "NK1": "Next of kin",
    "MRG": "Merge patient information",
    "PV1": "Patient visit",
    "PV2": "Patient visit, additional",
    "AL1": "Allergy",
    "OBX": "Observation",
    "SCH": "Scheduling activity",
    "RGS": "Resource group",
    "AIS": "Appointment, service",
    "AIG": "Appointment, general resource",
    "AIL": "Appointment, location resource",
    "AIP": "Appointment, personnel resource",
    "TXA": "Transcription document header",
    "IN1": "Insurance",
    "DG1": "Diagnosis",
    "PR1": "Procedures",
    "NTE": "Notes and comments",
    "MSA": "Message acknowledgement",
    "ERR": "Error",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One component with its name ("" where the standard names none); `text` without escapes."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field that came: "PID-5", its name, and each repetition as its components. `deletes`: two quotes."""

    path: str
    name: str
    values: tuple[tuple[Part, ...], ...]
    deletes: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """One segment: its name, what it is in words, the line as it came, and its fields."""

    name: str
    words: str
    line: str
    fields: tuple[Field, ...]


def told(message: Message) -> list[Named]:
    """Give every segment of a message, field by field; empty fields are left out."""
    return [_segment(segment) for segment in message.segments]


def field_name(path: str) -> str:
    """Give what the standard calls the field "PID-11"; "" where it has no name for it."""
    segment, _, number = path.partition("-")
    return _standard(segment, int(number))[0] if number.isdigit() else ""


def _segment(segment: Segment) -> Named:
    words = SEGMENTS.get(segment.name, "Local segment" if segment.name.startswith("Z") else "")
    first = 2 if segment.name == "MSH" else 1
    fields = [_field(segment, number) for number in range(first, len(segment.fields)) if segment.raw(number)]
    return Named(segment.name, words, segment.line, tuple(fields))


def _field(segment: Segment, number: int) -> Field:
    raw, own = segment.raw(number), segment.separators
    name, parts = _standard(segment.name, number)
    path = f"{segment.name}-{number}"
    if segment.name == "MSH" and number == 2:
        return Field(path, name, ((Part("", raw),),))
    if raw == DELETED:
        return Field(path, name, (), deletes=True)
    values = []
    for repetition in split(raw, own.repetition):
        pieces = split(repetition, own.component)
        lone = len(pieces) == 1
        values.append(
            tuple(
                Part("" if lone or at >= len(parts) else parts[at], unescape(piece, own))
                for at, piece in enumerate(pieces)
                if piece
            )
        )
    return Field(path, name, tuple(value for value in values if value))


@lru_cache(maxsize=4096)
def _standard(segment: str, number: int) -> tuple[str, tuple[str, ...]]:
    """Give a field's name and its components' names by the standard; "" and none where it has none."""
    from hl7apy.v2_5.segments import SEGMENTS as LISTED  # large tables, wanted by one page only

    children: Any = LISTED.get(segment, ("", ()))[1]
    found = next((child for child in children if child[0] == f"{segment}_{number}"), None)
    if found is None:
        return "", ()
    kind, below, _, name, *_ = found[1]
    parts = tuple(_words(part[1][3]) for part in below) if kind == "sequence" else ()
    return _words(name), parts


def _words(name: str) -> str:
    """Put a name of the tables into words: PATIENT_S_NAME as "Patient's name"."""
    words = re.sub(r"_S_", "'s ", name).replace("_", " ").strip().lower()
    words = re.sub(r"^set id .*", "set ID", words)
    words = re.sub(r"\b(id|ssn|vip|gp|oid)\b", lambda found: found[0].upper(), words)
    return words[:1].upper() + words[1:]
