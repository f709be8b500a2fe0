"""A few lines that split an HL7 message: all the judge needs, and shared with nobody it judges."""

import re

DELETED = '""'  # a value that was known and is gone


def segments(raw: bytes) -> list[list[str]]:
    """Segments as fields by number; of an MSH the separator counts as its first field."""
    found = []
    for line in re.split(r"[\r\n]+", raw.decode("utf-8", "replace").strip("\x0b\x1c\r\n ")):
        if line:
            parts = line.split("|")
            found.append([parts[0], "|", *parts[1:]] if parts[0] == "MSH" else parts)
    return found


def field(raw: bytes, name: str, number: int) -> str:
    """One field of the first such segment, "" where there is none."""
    for parts in segments(raw):
        if parts[0] == name:
            return parts[number] if number < len(parts) else ""
    return ""


def components(raw: bytes, name: str, number: int) -> list[str]:
    """The components of a field's first repeat."""
    return field(raw, name, number).split("~")[0].split("^")


def numbers(raw: bytes, name: str, number: int) -> list[str]:
    """A field's repeats of CX as authority^value."""
    found = []
    for repeat in field(raw, name, number).split("~"):
        parts = [*repeat.split("^"), "", "", ""]
        if parts[0]:
            found.append(f"{parts[3].split('&')[0]}^{parts[0]}")
    return found
