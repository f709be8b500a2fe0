"""HL7 v2 text at its smallest: separators, escapes, components, segments; pure, knows no field's meaning."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

DELETED = '""'


class Separators(NamedTuple):
    """MSH-1 and MSH-2 as declared; an empty escape means that nothing is escaped, an empty truncation that none is."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""  # from 2.7 on, after a value that was cut; usually #


STANDARD = Separators()
_LAYOUT = re.compile(
    r"\.(?:(?P<lines>br|ce|sp(?P<count>\d{0,2}))|(?P<blanks>sk(?P<width>\d{0,2}))|fi|nf|(?:in|ti)[+-]?\d*)"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def escape(text: str, separators: Separators = STANDARD) -> str:
    """Give plain text as it may stand inside a component; control characters become \\Xhh\\ (2.4, 2.10)."""
    mark = separators.escape
    if not mark:
        return _CONTROL.sub(" ", "".join(" " if letter in separators else letter for letter in text))
    table = _table(separators)
    return _CONTROL.sub(lambda found: f"{mark}X{ord(found.group()):02X}{mark}", text.translate(table))


@lru_cache(maxsize=64)
def _table(separators: Separators) -> dict[int, str]:
    mark = separators.escape
    codes = zip(
        (
            mark,
            separators.field,
            separators.component,
            separators.repetition,
            separators.subcomponent,
            separators.truncation,
        ),
        "EFSRTP",
        strict=True,
    )
    return {ord(letter): f"{mark}{code}{mark}" for letter, code in codes if letter}


def unescape(text: str, separators: Separators = STANDARD) -> str:
    """Give the plain text of an escaped one (2.7); an escape we do not know stays as it is, and so does a lone mark."""
    mark = separators.escape
    if not mark or mark not in text:
        return text
    pieces = text.split(mark)
    out = [pieces[0]]
    index = 1
    while index < len(pieces):
        plain = _meaning(pieces[index], separators) if index + 1 < len(pieces) else None
        if plain is None:
            out.append(mark + pieces[index])
            index += 1
        else:
            out += [plain, pieces[index + 1]]
            index += 2
    return "".join(out)


def _meaning(code: str, separators: Separators) -> str | None:
    fixed = {
        "F": separators.field,
        "S": separators.component,
        "R": separators.repetition,
        "E": separators.escape,
        "T": separators.subcomponent,
        "P": separators.truncation or None,
        "H": "",
        "N": "",
    }
    if code in fixed:
        return fixed[code]
    if layout := _LAYOUT.fullmatch(code):
        if layout["lines"]:
            return "\n" * min(int(layout["count"] or 1), 20)
        return " " * min(int(layout["width"] or 1), 80) if layout["blanks"] else ""
    if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", code):
        octets = bytes.fromhex(code[1:])
        if 0 in octets:
            return None
        try:
            return octets.decode()
        except UnicodeDecodeError:
            return octets.decode("latin-1")
    return None


def components(*parts: str) -> str:
    """Give escaped parts as one field, without empty ones at the end."""
    return "^".join(parts).rstrip("^")


def repetitions(parts: Sequence[str]) -> str:
    """Give fields as the repetitions of one, without empty ones at the end."""
    return "~".join(parts).rstrip("~")


def segment(name: str, numbered: Mapping[int, str]) -> str:
    """Give a segment from its fields by number, each already escaped."""
    last = max((number for number, text in numbered.items() if text), default=0)
    return "|".join([name, *(numbered.get(number, "") for number in range(1, last + 1))])


def numbered(line: str) -> dict[int, str]:
    """Give the fields of a segment in standard separators by number, raw (not for MSH)."""
    return {number: text for number, text in enumerate(line.split("|")[1:], start=1) if text}


def encode(lines: Sequence[str]) -> bytes:
    """Give segments (MSH first) as bytes in UTF-8, each ended by CR; MSH-18 says so only where it matters (IHE)."""
    text = "".join(line + "\r" for line in lines)
    if text.isascii():
        return text.encode("ascii")
    header = lines[0].split("|")
    header += [""] * (18 - len(header))
    header[17] = "UNICODE UTF-8"
    return "".join(line + "\r" for line in ["|".join(header), *lines[1:]]).encode()
