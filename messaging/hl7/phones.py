"""Telephones and e-mail (XTN) as senders mark them, read from and written to PID-13; pure."""

from collections.abc import Mapping

from messaging.hl7.read import Segment
from messaging.hl7.text import DELETED, components, escape, repetitions
from patients.facts import Value

KINDS = {
    "email": frozenset({"NET", "EMAIL", "E-MAIL", "INTERNET", "X.400"}),
    "mobile": frozenset({"MOBILE", "CP", "CELL", "MOB"}),
    "": frozenset({"WPN", "BUSINESS", "FX", "FAX", "BP", "BPN", "MD", "TDD", "TTY", "WORK"}),  # not kept
}


def read_phones(pid: Segment) -> dict[str, Value]:
    """Give what PID-13 says, and what PID-14 says of mobile and e-mail; a kind not named is not spoken of."""
    if pid.get(13) == "":
        return {"phone": "", "mobile": "", "email": ""}
    said: dict[str, Value] = {}
    for number in (13, 14):
        for repetition in range(pid.repeats(number)):
            if pid.get(number, repetition=repetition) is None:
                continue
            name = _kind(pid, number, repetition)
            value = _value(pid, number, repetition, name)
            if name and value is not None and (number == 13 or name != "phone"):
                said.setdefault(name, value.strip())
    return said


def _kind(pid: Segment, number: int, repetition: int) -> str:
    marks = {(pid.get(number, part, repetition=repetition) or "").strip().upper() for part in (2, 3)}
    return next((name for name, known in KINDS.items() if marks & known), "phone")


def _value(pid: Segment, number: int, repetition: int, name: str) -> str | None:
    order = (4, 1) if name == "email" else (1, 12)
    values = (pid.get(number, part, repetition=repetition) for part in order)
    return next((value for value in values if value is not None), None)


def write_phones(facts: Mapping[str, Value], gone: frozenset[str]) -> str:
    """Give PID-13: the telephone first (its place stays empty if there is none), then mobile and e-mail."""
    if not any(facts[name] for name in ("phone", "mobile", "email")):
        return DELETED if gone else ""
    rendered = {name: escape(str(facts[name])) or (DELETED if name in gone else "") for name in facts}
    return repetitions(
        [
            components(rendered["phone"], "PRN", "PH") if rendered["phone"] else "",
            *([components(rendered["mobile"], "PRN", "CP")] if rendered["mobile"] else []),
            *([components("", "NET", "Internet", rendered["email"])] if rendered["email"] else []),
        ]
    )
