"""A value as a field says it: absent, deleted by two quotes, or a text; pure, knows no field's meaning."""

import re
from collections.abc import Mapping

from messaging.hl7.read import Segment, split

_OID = re.compile(r"\d+(?:\.\d+)+")


def text(segment: Segment, number: int, component: int = 1, repetition: int = 0) -> str | None:
    """Give a value without blanks around it: None absent (or nothing but blanks and separators), "" deleted."""
    value = segment.get(number, component, repetition=repetition)
    if not value:
        return value
    bare = value.strip()
    is_text = bare.strip(segment.separators.subcomponent) or _is_text(segment, number, component, repetition)
    return bare if is_text else None


def _is_text(segment: Segment, number: int, component: int, repetition: int) -> bool:
    """Whether a value is more than blanks and separators as it came: an ampersand that is text is escaped."""
    chosen = split(segment.raw(number), segment.separators.repetition)[repetition]
    raw = split(chosen, segment.separators.component)[component - 1]
    return bool(raw.strip(segment.separators.subcomponent + " "))


def of(segment: Segment, number: int, names: Mapping[int, str], repetition: int = 0) -> dict[str, str]:
    """Give what a field says, by the names of its components; nothing if it says nothing of any of them."""
    if not segment.raw(number):
        return {}
    said = {name: text(segment, number, component, repetition) for component, name in names.items()}
    absent = all(value is None for value in said.values())
    return {} if absent else {name: value or "" for name, value in said.items()}


def leading(segment: Segment, number: int, repetition: int = 0) -> str:
    """Give the first subcomponent of a first component; all of it if `&` stands in plain words ("Smith & Sons")."""
    mark = segment.separators.subcomponent
    chosen = split(segment.raw(number), segment.separators.repetition)[repetition]
    first = split(chosen, segment.separators.component)[0]
    sub = 0 if not mark or f"{mark} " in first or f" {mark}" in first else 1
    return (segment.get(number, 1, sub, repetition) or "").strip()


def place(segment: Segment, number: int, names: Mapping[int, str]) -> dict[str, str]:
    """Give the parts of a PL by their names, as `of` does; each part is the name of an HD, else its universal id."""
    said = of(segment, number, names)
    mark = segment.separators.subcomponent
    if not mark or mark not in segment.raw(number):
        return said
    return {name: said[name] and designated(segment, number, component) for component, name in names.items() if said}


def designated(segment: Segment, number: int, component: int) -> str:
    """Give the name of an HD, else its universal id; all of it where there is no such id: some write "A&E"."""
    name, universal, kind = ((segment.get(number, component, sub) or "").strip() for sub in (1, 2, 3))
    if kind or _OID.fullmatch(universal):
        return name or universal
    return text(segment, number, component) or ""
