"""Reads HL7 v2 messages as they come: lazily, tolerantly, separators as declared; knows no trigger and no table."""

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Self

from messaging.hl7.text import DELETED, STANDARD, Separators, escape, unescape

_LINES = re.compile(r"[\r\n]+")
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}")
_PATH = re.compile(r"([A-Z][A-Z0-9]{2})-(\d+)(?:\.(\d+))?(?:\.(\d+))?")
_CHARSETS = {  # HL7 table 0211, and what is written instead
    "": "utf-8",
    "ASCII": "utf-8",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}
_WINDOWS = re.compile(rb"[\x80-\x9f]")  # control codes in ISO 8859, letters and quotes in Windows-1252
_INSTEAD = ("cp1252", "latin-1")  # read as one of these where the declared set does not fit; the last takes all


_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_HEADER = re.compile(r"MSH(?P<bar>[^\w\s])[^\w\s]{1,6}(?P=bar)")  # whatever it declares


class Unreadable(ValueError):
    """The bytes are no HL7 message that could be answered by its own header; `reason` names nobody."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def split(text: str, separator: str) -> list[str]:
    """Split on a separator; one that was not declared splits nothing."""
    return text.split(separator) if separator else [text]


class Segment:
    """One segment; fields, components and subcomponents count from 1 as in the standard, MSH-1 included."""

    def __init__(self, line: str, separators: Separators) -> None:
        self.line = line
        self.separators = separators
        self.name = line[:3]

    @cached_property
    def fields(self) -> list[str]:
        """The fields as they came; [0] is the name."""
        parts = self.line.split(self.separators.field)
        if self.name == "MSH":
            parts.insert(1, self.separators.field)
        return parts

    def raw(self, number: int) -> str:
        """Give a field as it came, "" when absent."""
        return self.fields[number] if number < len(self.fields) else ""

    def repeats(self, number: int) -> int:
        """Count the repetitions of a field; 0 when absent."""
        raw = self.raw(number)
        return len(split(raw, self.separators.repetition)) if raw else 0

    def get(self, number: int, component: int = 0, sub: int = 0, repetition: int = 0) -> str | None:
        """Give a value without escapes: None when absent, "" where the sender wrote two quotes (delete).

        Component 0 is the whole field, subcomponent 0 the whole component.
        """
        fields, own = self.fields, self.separators
        text = fields[number] if number < len(fields) else ""
        if repetition or (own.repetition and own.repetition in text):
            parts = split(text, own.repetition)
            text = parts[repetition] if repetition < len(parts) else ""
        if not text:
            return None
        if component and text != DELETED:
            text = _piece(text, component, own.component)
        if sub and text and text != DELETED:
            text = _piece(text, sub, own.subcomponent)
        if not text:
            return None
        return "" if text == DELETED else unescape(text, own)

    def standard(self) -> str:
        """Give the segment in the standard separators."""
        if self.separators == STANDARD:
            return self.line
        own = self.separators
        levels = [(own.field, "|"), (own.repetition, "~"), (own.component, "^"), (own.subcomponent, "&")]
        return _respelt(self.line, levels, own)


def _piece(text: str, number: int, separator: str) -> str:
    """Give one of the pieces between separators, counted from 1; "" where there are fewer."""
    pieces = text.split(separator, number) if separator else [text]
    return pieces[number - 1] if number <= len(pieces) else ""


def _respelt(text: str, levels: list[tuple[str, str]], own: Separators) -> str:
    if not levels:
        return escape(unescape(text, own))
    (mine, standard), *deeper = levels
    return standard.join(_respelt(piece, deeper, own) for piece in split(text, mine))


class Message:
    """A message as received: `raw` the bytes, `flags` what had to be tolerated to read them."""

    def __init__(self, raw: bytes, separators: Separators, text: str, codec: str, flags: tuple[str, ...]) -> None:
        self.raw = raw
        self.separators = separators
        self.text = text
        self.codec = codec
        self.flags = flags

    @classmethod
    def of(cls, raw: bytes) -> Self:
        """Read the bytes of one frame; raises Unreadable."""
        bare = raw.lstrip(b"\xef\xbb\xbf\r\n\t ")
        if bare[:3] in (b"FHS", b"BHS"):
            raise Unreadable("a batch (FHS or BHS) where a single message was expected")
        if bare[:3] != b"MSH" or len(bare) < 8:
            raise Unreadable("it does not begin with an MSH segment")
        separators = _declared(bare)
        return cls(raw, separators, *_decoded(bare, separators))

    @cached_property
    def header(self) -> Segment:
        """The MSH segment."""
        return Segment(_LINES.split(self.text, maxsplit=1)[0], self.separators)

    @cached_property
    def segments(self) -> list[Segment]:
        """All segments in order; a line that begins no segment belongs to the one before."""
        lines: list[str] = []
        for line in _LINES.split(self.text):
            if _NAME.match(line) and line[3:4] in ("", self.separators.field) and not (lines and _says_msh(line)):
                lines.append(line)
            elif line.strip():
                lines[-1] += "\n" + line
        return [Segment(line, self.separators) for line in lines]

    @cached_property
    def headers(self) -> int:
        """How many MSH segments there are; more than one is two messages in one frame. A note may speak of MSH."""
        return (
            1 + sum(1 for line in _LINES.split(self.text)[1:] if _HEADER.match(line)) if "MSH" in self.text[3:] else 1
        )

    def all(self, name: str) -> Iterator[Segment]:
        """Give every segment of that name."""
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment | None:
        """Give the first segment of that name."""
        return self.header if name == "MSH" else self._firsts.get(name)

    @cached_property
    def _firsts(self) -> dict[str, Segment]:
        return {segment.name: segment for segment in reversed(self.segments)}

    def get(self, path: str, repetition: int = 0) -> str | None:
        """Give the value at "PID-3.1" or "PID-3.4.1" of the first such segment; see `Segment.get`."""
        name, number, component, sub = _steps(path)
        segment = self.first(name)
        return segment.get(number, component, sub, repetition) if segment else None

    @property
    def control_id(self) -> str:
        """MSH-10 as it came."""
        return self.header.raw(10)

    @property
    def trigger(self) -> str:
        """Type and event, "ADT^A01"; the event from EVN-1 where MSH-9 has none."""
        kind = self.get("MSH-9.1") or ""
        event = self.get("MSH-9.2") or self.get("EVN-1") or ""
        return f"{kind}^{event}" if event else kind

    @property
    def sender(self) -> str:
        """MSH-3 and MSH-4, as "DEMOPAS|RXX"."""
        return f"{self.get('MSH-3.1') or ''}|{self.get('MSH-4.1') or ''}"

    @property
    def sent_at_text(self) -> str:
        """MSH-7 as it came."""
        return self.get("MSH-7.1") or ""

    @property
    def processing_id(self) -> str:
        """MSH-11.1: P, T or D."""
        return self.get("MSH-11.1") or ""

    @property
    def version(self) -> str:
        """MSH-12.1."""
        return self.get("MSH-12.1") or ""


def _says_msh(line: str) -> bool:
    return line.startswith("MSH") and not _HEADER.match(line)


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str, int, int, int]:
    found = _PATH.fullmatch(path)
    if not found:
        raise KeyError(path)
    name, *numbers = found.groups()
    field, component, sub = (int(number or 0) for number in numbers)
    return name, field, component, sub


def _declared(bare: bytes) -> Separators:
    line = re.split(rb"[\r\n]", bare, maxsplit=1)[0].decode("latin-1")
    bar = line[3:4] or " "
    marks = re.sub(r"(.)\1", r"\1", line[4:].split(bar, 1)[0])  # one sender doubles its backslash
    declared = (bar, *marks[:4])
    if not marks or not all(_PUNCTUATION.fullmatch(mark) for mark in (bar, *marks)):
        raise Unreadable("MSH-1 and MSH-2 declare no separators")
    if len(set(declared)) != len(declared):
        raise Unreadable("MSH-1 and MSH-2 declare a separator twice")
    truncation = "".join(marks[4:5])
    if truncation in declared:
        raise Unreadable("MSH-1 and MSH-2 declare a separator twice")
    return Separators(*declared, *[""] * (5 - len(declared)))._replace(truncation=truncation)


def _decoded(bare: bytes, separators: Separators) -> tuple[str, str, tuple[str, ...]]:
    """Give the text, the codec it was read with, and what had to be tolerated."""
    header = re.split(rb"[\r\n]", bare, maxsplit=1)[0].decode("latin-1").split(separators.field)
    named = header[17].split(separators.repetition or "~")[0].strip().upper() if len(header) > 17 else ""
    codec = _CHARSETS.get(named, "")
    flags: list[str] = []
    if found := re.fullmatch(r"(?:ISO.?)?8859[/-](\d{1,2})", named):
        codec = f"iso8859-{found.group(1)}"
    elif not codec:
        flags.append("charset-unknown")
    text = _as(bare, codec or "utf-8")
    if codec not in ("", "ascii", "utf-8") and not bare.isascii() and _as(bare, "utf-8") is not None:
        flags.append("charset-doubtful")
    if text is None or (codec == "iso8859-1" and _WINDOWS.search(bare)):
        flags.append("charset-fallback")
        codec, text = next((name, read) for name in _INSTEAD if (read := _as(bare, name)) is not None)
    if "\0" in text:
        text = text.replace("\0", "")
        flags.append("nul-byte")
    return text, codec or "utf-8", tuple(flags)


def _as(octets: bytes, codec: str) -> str | None:
    try:
        return octets.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return None
