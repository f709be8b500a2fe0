"""A stream of HL7 cut into its messages, with or without FHS, BHS, BTS and FTS around them; pure, knows no field.

Never whole in memory. Segments may end with CR, LF or both. What the trailers count is compared with what was there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

CHUNK = 1 << 20
LONGEST = 16 << 20  # bytes of one message: of what is longer only the line is given
_ENVELOPE = frozenset({b"FHS", b"BHS", b"BTS", b"FTS"})
_LINE_END = re.compile(rb"[\r\n]+")
_BEFORE, _BEHIND = b"\x0b\x1c\xef\xbb\xbf \t", b"\x0b\x1c"  # MLLP's own marks, a byte order mark, blanks


@dataclass(frozen=True, slots=True)
class Framed:
    """One message's bytes, CR at each segment's end (none if it is too long), and the line it begins on, from 1."""

    line: int
    raw: bytes


@dataclass(slots=True)
class Stream:
    """The messages of a file; `faults` (what trailers count and was not there) fill as it is read."""

    file: BinaryIO
    faults: list[str] = field(default_factory=list)
    _in_batch: int = 0
    _batches: int = 0

    def __iter__(self) -> Iterator[Framed]:
        """Give message after message."""
        lines: list[bytes] = []
        began = size = 0
        for number, line in _lines(self.file):
            name = line[:3]
            if name in _ENVELOPE and line[3:4] and not line[3:4].isalnum():
                yield from self._ended(lines, began, size)
                lines = []
                self._count(name, line, number)
            elif name == b"MSH" and line[3:4] and not line[3:4].isalnum():
                yield from self._ended(lines, began, size)
                lines, began, size = [line], number, len(line)
            elif lines:
                size += len(line) + 1
                lines += [line] if size <= LONGEST else []
        yield from self._ended(lines, began, size)

    def _ended(self, lines: list[bytes], began: int, size: int) -> Iterator[Framed]:
        if not lines:
            return
        self._in_batch += 1
        yield Framed(began, b"" if size > LONGEST else b"\r".join(lines) + b"\r")

    def _count(self, name: bytes, line: bytes, number: int) -> None:
        said = line.split(line[3:4])[1].strip().decode("latin-1") if line.count(line[3:4]) else ""
        if name == b"BHS":
            self._in_batch = 0
        elif name == b"BTS":
            self._batches += 1
            self._compare("BTS", said, self._in_batch, "messages", number)
        elif name == b"FTS":
            self._compare("FTS", said, self._batches, "batches", number)

    def _compare(self, name: str, said: str, there: int, what: str, line: int) -> None:
        if said.isdigit() and int(said) != there:
            self.faults.append(f"line {line}: {name}-1 counts {int(said)} {what}, {there} were there")


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Give every line that is not empty with its number; CR LF is one end."""
    rest, number = b"", 1
    while chunk := file.read(CHUNK):
        pieces, rest = _cut(rest + chunk)
        for text, ends in pieces:
            if bare := text.lstrip(_BEFORE).rstrip(_BEHIND):
                yield number, bare
            number += ends
        if len(rest) > LONGEST:
            yield number, rest
            rest = b""
    if bare := rest.strip(b"\r\n").lstrip(_BEFORE).rstrip(_BEHIND):
        yield number, bare


def _cut(octets: bytes) -> tuple[list[tuple[bytes, int]], bytes]:
    """Cut into lines, each with how many line ends follow it; what has no end yet, or perhaps half of one, is left."""
    pieces, start = [], 0
    for end in _LINE_END.finditer(octets):
        if end.end() == len(octets):
            break
        marks = end.group().replace(b"\r\n", b"\n")
        pieces.append((octets[start : end.start()], len(marks)))
        start = end.end()
    return pieces, octets[start:]
