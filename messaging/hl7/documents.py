"""A document as TXA and its OBX tell it: its number, kind, times, state, and the text where it is text; pure."""

from messaging.hl7 import times
from messaging.hl7.fields import Reading
from messaging.hl7.names import person_line
from messaging.hl7.read import Message, Segment
from messaging.hl7.values import text
from pasmirror.lib import clock
from patients.facts import Value

FOLLOWED = {f"MDM^T{number:02}" for number in range(1, 12)}
WITHDRAWN = "MDM^T11"
TEXT = frozenset({"TX", "FT", "ST", ""})  # OBX-2 of what is kept
LONGEST = 1_000_000  # characters of text


def number(message: Message) -> str:
    """Give the document's number: TXA-12, with its authority; "" if there is none."""
    txa = message.first("TXA")
    return _entity(txa, 12) if txa else ""


def read(message: Message, reading: Reading) -> dict[str, Value]:
    """Give what the message says of the document: fields that came; its text whenever there was any content."""
    txa = message.first("TXA")
    if txa is None:
        return {}
    said: dict[str, Value] = {"number": _entity(txa, 12), "withdrawn": message.trigger == WITHDRAWN}
    for place, name, parts in ((2, "kind", (1, 2)), (17, "status", (1,)), (25, "title", (1, 2))):
        value = next((v for part in parts if (v := text(txa, place, part)) is not None), None)
        if value is not None:
            said[name] = value
    if replaced := _entity(txa, 13):
        said["replaces"] = replaced
    if author := _author(txa):
        said["author"] = author
    at = next((at for place in (8, 7, 6, 4) if (at := times.moment(text(txa, place), reading.zone))), None)
    if at:
        said["written_at"] = clock.iso(at)
    return {**_content(message, reading), **said}


def _entity(txa: Segment, place: int) -> str:
    parts = [text(txa, place, part) or "" for part in (1, 2)]
    return "^".join(parts).rstrip("^")


def _author(txa: Segment) -> str:
    for place in (9, 5, 10, 11):
        code, family, given, title = (text(txa, place, part) or "" for part in (1, 2, 3, 6))
        if code or family:
            return person_line(family, given, title, code)
    return ""


def _content(message: Message, reading: Reading) -> dict[str, Value]:
    kinds, lines, title = [], [], ""
    for obx in message.all("OBX"):
        kind = (text(obx, 2) or "").upper()
        title = title or text(obx, 3, 2) or ""
        kinds.append(kind)
        if kind in TEXT:
            lines += [obx.get(5, repetition=n) or "" for n in range(obx.repeats(5))] or [""]  # a line left blank
    if not kinds:
        return {}
    others = [kind for kind in kinds if kind not in TEXT]
    if others:
        reading.warn(f"OBX-2: {others[0][:10]}, which is no text: kept in the message only")
    whole = "\n".join(lines)
    if len(whole) > LONGEST:
        reading.warn("OBX-5: longer than a document may be, cut")
    form = "text" if any(lines) else others[0][:40] if others else ""
    said: dict[str, Value] = {"text": whole[:LONGEST], "form": form}
    return said | ({"title": title} if title else {})
