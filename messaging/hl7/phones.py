"""Telephones and e-mail (XTN) as senders mark them, read from and written to PID-13; pure."""

from collections.abc import Mapping, Sequence

from messaging.hl7.read import Segment
from messaging.hl7.text import DELETED, components, escape, repetitions
from messaging.hl7.values import text
from patients.facts import Value

KINDS = {
    "email": frozenset({"NET", "EMAIL", "E-MAIL", "INTERNET", "X.400"}),
    "mobile": frozenset({"MOBILE", "CP", "CELL", "MOB"}),
    "": frozenset({"WPN", "BUSINESS", "FX", "FAX", "BP", "BPN", "MD", "TDD", "TTY", "WORK"}),  # not kept
}
MARKS = {"phone": ("PRN", "PH"), "mobile": ("PRN", "CP"), "email": ("NET", "Internet")}


def read_phones(pid: Segment) -> dict[str, Value]:
    """Give what PID-13 says, and what PID-14 says of mobile and e-mail; a kind not named is not spoken of.

    PID-13 deleted as a whole leaves what PID-14 says.
    """
    gone: dict[str, Value] = dict.fromkeys(MARKS, "") if pid.raw(13) == DELETED else {}
    return {**gone, **{name: _value(pid, *place, name) or "" for name, place in _places(pid).items()}}


def _places(pid: Segment) -> dict[str, tuple[int, int]]:
    """Say in which field and repetition each kind stands; of two of a kind the first is ours."""
    places: dict[str, tuple[int, int]] = {}
    for number in (13, 14):
        for repetition in range(pid.repeats(number)):
            name = _kind(pid, number, repetition)
            if name and _value(pid, number, repetition, name) is not None and (number == 13 or name != "phone"):
                places.setdefault(name, (number, repetition))
    return places


def _kind(pid: Segment, number: int, repetition: int) -> str:
    marks = {(pid.get(number, part, repetition=repetition) or "").strip().upper() for part in (2, 3)}
    return next((name for name, known in KINDS.items() if marks & known), "phone")


def _value(pid: Segment, number: int, repetition: int, name: str) -> str | None:
    order = (4, 1) if name == "email" else (1, 12)
    said = (text(pid, number, part, repetition) for part in order)
    return next((value for value in said if value is not None), None)


def write_phones(facts: Mapping[str, Value], gone: frozenset[str], base: Segment | None) -> dict[int, str]:
    """Give PID-13, and PID-14 where the PAS keeps one of ours there; its other telephones stay as they are.

    `base`: the PAS's PID in standard separators. A kind it has keeps its place; a telephone it has not comes first
    (that place stays empty if there is none), mobile and e-mail come last.
    """
    texts = {number: _repeated(base, number) for number in (13, 14)}
    places = {name: place for name, place in _places(base).items() if texts[place[0]]} if base else {}
    held = read_phones(base) if base else {}
    others = sum(1 for repeated in texts.values() for text in repeated if text) - len(places)
    if not others and not any(facts[name] for name in MARKS):
        return dict.fromkeys({13, *(number for number, _ in places.values())}, DELETED if gone else "")
    for name, (number, repetition) in places.items():
        if facts[name] != held[name]:
            marks = texts[number][repetition].split("^")[1:3]
            texts[number][repetition] = _xtn(name, facts[name], marks if any(marks) else MARKS[name])
    for name in MARKS:
        if name not in places and (facts[name] or name in gone):
            _add(texts[13], name, _xtn(name, facts[name], MARKS[name]))
    return {number: repetitions(repeated) for number, repeated in texts.items() if repeated}


def _repeated(base: Segment | None, number: int) -> list[str]:
    raw = base.raw(number) if base else ""
    return [] if raw in ("", DELETED) else raw.split("~")


def _add(repeated: list[str], name: str, text: str) -> None:
    if name == "phone":
        repeated[: 1 if repeated and not repeated[0] else 0] = [text]
    else:
        repeated += [text] if repeated else ["", text]


def _xtn(name: str, value: Value, marks: Sequence[str]) -> str:
    text = escape(str(value)) or DELETED
    return components("", *marks, *[""] * (2 - len(marks)), text) if name == "email" else components(text, *marks)
