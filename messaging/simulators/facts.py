"""What a replayed message asks for, as the record's own words; knows segments and fields, not the PAS's rules."""

from __future__ import annotations

import json

from messaging.simulators.messages import Message, moment, stamp
from messaging.simulators.record import Identifier

DELETE = '""'
# Where each group of details stands; a field that came replaces all its components, `""` deletes, absent leaves.
_DETAILS: tuple[tuple[str, int, dict[str, int]], ...] = (
    ("PID", 5, {"family": 1, "given": 2, "middle": 3, "title": 5}),
    ("PID", 7, {"dob": 1}),
    ("PID", 8, {"sex": 1}),
    ("PID", 11, {"line1": 1, "line2": 2, "town": 3, "county": 4, "postcode": 5}),
    ("PID", 13, {"phone": 1}),
    ("PD1", 3, {"practice_name": 1, "practice": 3}),
    ("PD1", 4, {"gp": 1, "gp_family": 2, "gp_given": 3}),
    ("NK1", 2, {"kin_family": 1, "kin_given": 2}),
    ("NK1", 3, {"kin_relation": 1}),
    ("AL1", 3, {"allergy": 2}),
)

VERBATIM = (13, 14, 15, 16, 17, 22, 29, 30, 32)  # of PID: kept and told again as they came, not understood


def identifiers(message: Message, name: str = "PID", number: int = 3) -> list[Identifier]:
    """PID-3, or another field of numbers, as a set of them, in its order."""
    found: dict[tuple[str, str], Identifier] = {}
    for parts in message.repeats(name, number):
        value, _, _, authority, kind = (parts + [""] * 5)[:5]
        if value and value != DELETE:
            found.setdefault((value, authority), Identifier(value, authority, kind))
    return list(found.values())


def details(message: Message) -> dict[str, str]:
    """The person's details that the message speaks of."""
    found: dict[str, str] = {}
    for name, number, components in _DETAILS:
        raw = message.field(name, number)
        if raw:
            found |= {key: _plain(message, name, number, component) for key, component in components.items()}
    more = {str(number): message.field("PID", number) for number in VERBATIM if message.field("PID", number)}
    return found | ({"more": json.dumps(more)} if more else {})


def _plain(message: Message, name: str, number: int, component: int) -> str:
    if message.field(name, number) == DELETE:
        return ""
    text = message.component(name, number, component)
    return "" if text == DELETE else text


def stay(message: Message) -> dict[str, str]:
    """Class, place, consultant, specialty and method of PV1, where it has them."""
    found = {"class": message.component("PV1", 2)}
    if message.field("PV1", 3):
        found |= {key: _plain(message, "PV1", 3, part) for key, part in (("ward", 1), ("bay", 2), ("bed", 3))}
    if message.field("PV1", 7):
        names = (("consultant", 1), ("consultant_family", 2), ("consultant_given", 3))
        found |= {key: _plain(message, "PV1", 7, part) for key, part in names}
    if message.field("PV1", 10):
        found["specialty"] = _plain(message, "PV1", 10, 1)
    if message.field("PV1", 4):
        found["method"] = _plain(message, "PV1", 4, 1)
    if message.field("PV1", 14):
        found["source"] = _plain(message, "PV1", 14, 1)
    return found


def plans(message: Message) -> dict[str, str]:
    """What is planned of the stay, and where the patient is meanwhile: a plan in PV1-42, PV2 or EVN-3."""
    trigger = message.trigger
    bed = ("PV1", 42) if message.field("PV1", 42) or trigger != "A05" else ("PV1", 3)
    names = (("next_ward", 1), ("next_bay", 2), ("next_bed", 3))
    found = {key: _plain(message, *bed, part) for key, part in names} if message.field(*bed) else {}
    planned = {"A05": "expected_at", "A15": "next_at", "A16": "leaves_at"}.get(trigger)
    if planned and message.field("EVN", 3):
        found[planned] = local(message.field("EVN", 3))
    for key, number in (("expected_at", 8), ("leaves_at", 9), ("back_at", 47)):
        if message.field("PV2", number):
            found[key] = local(_plain(message, "PV2", number, 1))
    if message.field("PV1", 11):
        found["away_to"] = _plain(message, "PV1", 11, 1)
    return found


def ending(message: Message) -> dict[str, str]:
    """How and where a discharge was."""
    parts = (("discharge_method", 36), ("destination", 37))
    return {key: _plain(message, "PV1", number, 1) for key, number in parts}


def document(message: Message) -> list[str]:
    """The segments of a document as they came, in this PAS's own marks."""
    return [message.bar.join(parts) for name in ("TXA", "OBX") for parts in message.all(name)]


def booking(message: Message) -> dict[str, str]:
    """Clinic, start, minutes, reason, type and status of an appointment."""
    return {
        "clinic": message.component("AIL", 3) or message.component("PV1", 3),
        "starts_at": local(message.component("SCH", 11, 4)),
        "minutes": message.component("SCH", 11, 3) or message.component("SCH", 9),
        "reason": message.component("SCH", 7, 2) or message.component("SCH", 7, 1),
        "kind": message.component("SCH", 8, 1),
        "status": message.component("SCH", 25, 1) if message.trigger == "S14" else "",
    }


def event_reason(message: Message) -> str:
    """Why this happened, as SCH-6 says: of the event, not of the booking."""
    return message.component("SCH", 6, 2) or message.component("SCH", 6, 1)


def placer(message: Message) -> str:
    """SCH-1, else SCH-2."""
    return message.component("SCH", 1) or message.component("SCH", 2)


def occurred(message: Message) -> str:
    """EVN-6, else EVN-2, else MSH-7, in London."""
    return local(message.field("EVN", 6) or message.field("EVN", 2) or message.field("MSH", 7))


def local(text: str) -> str:
    """A time in London to the second; one that is not whole stays as it came."""
    try:
        return stamp(moment(text))
    except ValueError:
        return text
