"""Batches (FHS BHS … BTS FTS; HL7 2.10.3): cut into their messages, and answered as a batch; pure, stores nothing.

Each message of a batch is a message of its own and is answered by its own MSA, in order, within one reply batch whose
BHS-12 names the batch it answers (2.10.3.3, the form in which all messages are acknowledged). Where MLLP expects one
answer to one frame, that reply batch is the answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from messaging.hl7.read import Unreadable

_LINE = re.compile(rb"(?:\A|(?<=[\r\n]))(?:(FHS|BHS|MSH)(?=[!-/:-@\[-`{-~])|(BTS|FTS)(?=[^\w\s]|[\r\n]|\Z))[^\r\n]*")
_HEADER = re.compile(rb"MSH(?P<bar>[^\w\s])[^\w\s]{1,6}(?P=bar)")
_BEFORE = b"\xef\xbb\xbf\r\n\t "  # let pass before the first segment, as for a single message


def is_batch(raw: bytes) -> bool:
    """Say whether a frame is a batch."""
    return raw.lstrip(_BEFORE)[:3] in (b"FHS", b"BHS")


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch: its messages' own bytes in order, its envelope (the lines between), and `fault` if they disagree."""

    messages: tuple[bytes, ...]
    envelope: tuple[bytes, ...]
    fault: str = ""

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Cut a frame apart; raises Unreadable where no message is in it."""
        bare = raw.lstrip(_BEFORE)
        marks = [m for m in _LINE.finditer(bare) if m.group(1) != b"MSH" or _HEADER.match(m.group())]
        if not marks or marks[0].start():
            raise Unreadable("FHS or BHS declares no separators")
        ends = [*(mark.start() for mark in marks[1:]), len(bare)]
        pieces = [(mark.group()[:3], bare[mark.start() : end]) for mark, end in zip(marks, ends, strict=True)]
        messages = tuple(piece for name, piece in pieces if name == b"MSH")
        envelope = tuple(piece for name, piece in pieces if name != b"MSH")
        if not messages:
            raise Unreadable("a batch (FHS or BHS) without a message in it")
        return cls(messages, envelope, _fault(envelope, len(messages)))

    @property
    def sender(self) -> str:
        """BHS-3 and BHS-4 (else FHS), as "DEMOPAS|RXX"."""
        return "|".join(_text(field) for field in _fields(self._head())[3:5])

    @property
    def control_id(self) -> str:
        """BHS-11 (else FHS-11)."""
        return _text(next(iter(_fields(self._head())[11:12]), b""))

    def answer(self, answers: Sequence[bytes], *, control_id: str) -> bytes:
        """Give the reply batch that holds the messages' `answers`, with our own `control_id`."""
        out = [_turned(line, b"FHS", control_id) for line in self.envelope if line.startswith(b"FHS")][:1]
        out.append(_turned(self._head(), b"BHS", control_id))
        bar = self._head()[3:4]
        out += [*answers, b"BTS" + bar + str(len(answers)).encode() + b"\r"]
        if out[0].startswith(b"FHS"):
            out.append(b"FTS" + bar + b"1\r")
        return b"".join(out)

    def _head(self) -> bytes:
        return next((line for line in self.envelope if line.startswith(b"BHS")), self.envelope[0])


def _fields(line: bytes) -> list[bytes]:
    """Give the fields of FHS or BHS, counted as those of MSH are: [2] is what declares the separators."""
    bar = line[3:4].strip() or b"|"
    parts = line.rstrip(b"\r\n").split(bar)
    return [parts[0], bar, *parts[1:]]


def _text(octets: bytes) -> str:
    return octets.decode("latin-1").replace("\0", "")


def _turned(line: bytes, name: bytes, control_id: str) -> bytes:
    """Give the reply's FHS or BHS: sender and receiver turned round, -12 naming the one that is answered."""
    theirs = (_fields(line) + [b""] * 13)[:13]
    own = [name, theirs[2], theirs[5], theirs[6], theirs[3], theirs[4], theirs[7], b"", b"", b"", control_id.encode()]
    return line[3:4].join([*own, theirs[11]]).rstrip(line[3:4]) + b"\r"


def _fault(envelope: Sequence[bytes], count: int) -> str:
    said = [[*_fields(line), b""][2].strip() for line in envelope if line.startswith(b"BTS")]
    numbers = [int(text) for text in said if text.isdigit()]
    if numbers and len(numbers) == len(said) and sum(numbers) != count:
        return f"BTS-1 counts {sum(numbers)} messages, {count} were there"
    if len(said) < sum(1 for line in envelope if line.startswith(b"BHS")):
        return "the batch has no end (BTS)"
    return ""
