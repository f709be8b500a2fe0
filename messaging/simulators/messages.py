"""HL7 v2 as the simulators read and write it, on plain strings; knows separators and escapes, not what fields mean."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")
ERRORS = {
    "101": "Required field missing",
    "102": "Data type error",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": "\\X0D\\", "\n": "\\X0A\\"}
_ESCAPED = re.compile(r"\\(\.br|[A-Z](?:[0-9A-Fa-f]{2})*)\\")


class Unreadable(ValueError):
    """The bytes do not begin with an MSH segment that declares its separators."""


def now() -> str:
    """The time as the PAS writes it: YYYYMMDDHHMMSS in London, without an offset."""
    return stamp(datetime.now(LONDON))


def stamp(moment: datetime) -> str:
    """A moment as YYYYMMDDHHMMSS in London."""
    return moment.astimezone(LONDON).strftime("%Y%m%d%H%M%S")


def moment(text: str) -> datetime:
    """A whole HL7 time (14 digits or 12, with or without an offset) as a moment; raises ValueError."""
    found = re.fullmatch(r"(\d{12})(\d{2})?(?:\.\d+)?([+-]\d{4})?", text)
    if not found:
        raise ValueError("not a time")
    digits, seconds, offset = found.groups()
    if offset:
        return datetime.strptime(digits + (seconds or "00") + offset, "%Y%m%d%H%M%S%z").astimezone(LONDON)
    return datetime.strptime(digits + (seconds or "00"), "%Y%m%d%H%M%S").replace(tzinfo=LONDON)


def minute(text: str) -> str:
    """A time to the minute in London, so that seconds and offsets do not tell two renderings apart."""
    return second(text)[:12]


def second(text: str) -> str:
    """A time to the second in London; one that cannot be read as it came."""
    try:
        return stamp(moment(text))
    except ValueError:
        return text


def escape(text: str) -> str:
    """A plain text as it stands inside a component."""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def field(*components: str) -> str:
    """Plain texts as one field, escaped, without empty components at the end."""
    return "^".join(escape(text) for text in components).rstrip("^")


def segment(name: str, numbered: dict[int, str]) -> str:
    """A segment from its fields by number, each already escaped."""
    last = max(numbered, default=0)
    return "|".join([name, *(numbered.get(number, "") for number in range(1, last + 1))]).rstrip("|")


def encode(segments: Iterable[str]) -> bytes:
    """Segments as bytes, each ended by CR, in UTF-8; MSH-18 says so only where it matters (IHE)."""
    lines = list(segments)
    text = "".join(line + "\r" for line in lines)
    if text.isascii():
        return text.encode()
    header = lines[0].split("|")
    header += [""] * (18 - len(header))
    header[17] = "UNICODE UTF-8"
    return "".join(line + "\r" for line in ["|".join(header), *lines[1:]]).encode()


class Message:
    """A received message, split on the separators it declares; fields count from 1 as in the standard."""

    def __init__(self, raw: bytes) -> None:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        text = text.strip("\r\n ")
        if not text.startswith("MSH") or len(text) < 8 or text[3].isalnum():
            raise Unreadable("no MSH segment")
        self.bar, declared = text[3], text[4:].split(text[3], 1)[0].ljust(4)
        self.caret, self.tilde, self.slash, self.ampersand = list(declared[:4])
        self.segments = [line.split(self.bar) for line in re.split(r"[\r\n]+", text) if line]
        self.segments[0].insert(1, self.bar)

    def all(self, name: str) -> list[list[str]]:
        """Every segment of that name."""
        return [parts for parts in self.segments if parts[0] == name]

    def field(self, name: str, number: int) -> str:
        """A field of the first such segment as it came, empty when absent."""
        for parts in self.all(name):
            return parts[number] if number < len(parts) else ""
        return ""

    def repeats(self, name: str, number: int) -> list[list[str]]:
        """A field's repeats, each as its unescaped components."""
        raw = self.field(name, number)
        return [self.components(repeat) for repeat in raw.split(self.tilde)] if raw else []

    def components(self, repeat: str) -> list[str]:
        """One repeat as its unescaped components."""
        return [self.unescape(part) for part in repeat.split(self.caret)]

    def component(self, name: str, number: int, component: int = 1) -> str:
        """One component of the first repeat, unescaped, empty when absent."""
        parts = next(iter(self.repeats(name, number)), [])
        return parts[component - 1] if component <= len(parts) else ""

    def unescape(self, text: str) -> str:
        """Plain text of an escaped one; an unknown escape stays as it is."""
        if self.slash == " " or self.slash not in text:
            return text
        plain = {"E": self.slash, "F": self.bar, "S": self.caret, "T": self.ampersand, "R": self.tilde, ".br": "\n"}

        def unescaped(found: re.Match[str]) -> str:
            code = found.group(1)
            if code[0] == "X" and len(code) > 1:
                return bytes.fromhex(code[1:]).decode("latin-1")
            return plain.get(code, found.group(0))

        return _ESCAPED.sub(unescaped, text if self.slash == "\\" else text.replace(self.slash, "\\"))

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.field("MSH", 10)

    @property
    def trigger(self) -> str:
        """MSH-9.2, or EVN-1 where the sender leaves it out."""
        return self.component("MSH", 9, 2) or self.field("EVN", 1)

    @property
    def kind(self) -> str:
        """MSH-9.1."""
        return self.component("MSH", 9, 1)

    @property
    def sender(self) -> str:
        """MSH-3 and MSH-4."""
        return f"{self.component('MSH', 3)}|{self.component('MSH', 4)}"

    @property
    def patient_ids(self) -> list[str]:
        """Every PID-3.1, in order."""
        return [parts[0] for parts in self.repeats("PID", 3) if parts[0]]


def header(
    *, app: str, facility: str, to: Sequence[str], made_at: str, kind: str, control_id: str, version: str
) -> str:
    """An MSH segment; `kind` is MSH-9 as it stands, `to` the receiving application and facility, already escaped."""
    return "|".join(
        [
            "MSH",
            "^~\\&",
            escape(app),
            escape(facility),
            *to,
            made_at,
            "",
            kind,
            control_id,
            "P",
            version,
            *[""] * 4,
            "GBR",
        ]
    )


def answer_header(message: Message | None, *, app: str, facility: str, kind: str) -> str:
    """The MSH of an answer to a message (None: it could not be read), turned round."""
    to = [escape(message.component("MSH", number)) if message else "" for number in (3, 4)]
    version = (message.component("MSH", 12) if message else "") or "2.4"
    control_id = uuid.uuid4().hex[:20].upper()
    return header(
        app=app, facility=facility, to=to, made_at=now(), kind=kind, control_id=control_id, version=escape(version)
    )


def ack(
    message: Message | None, code: str, *, app: str, facility: str, err: str = "", text: str = "", named: str = ""
) -> bytes:
    """An original-mode acknowledgement; `err` is a code of HL7 table 0357, `named` another MSA-2 than the true one."""
    kind = f"ACK^{escape(message.trigger)}^ACK" if message else "ACK"
    control_id = named or (message.control_id if message else "")
    lines = [answer_header(message, app=app, facility=facility, kind=kind)]
    lines.append(f"MSA|{code}|{control_id}|{escape(text)}".rstrip("|"))
    if err:
        meaning = ERRORS.get(err, "")
        lines.append(
            segment(
                "ERR", {1: f"^^^{err}&{meaning}&HL70357", 3: field(err, meaning, "HL70357"), 4: "E", 8: escape(text)}
            )
        )
    return encode(lines)
