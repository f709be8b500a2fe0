"""What a probe asks a destination, of a patient who does not exist, and what its answers show; pure, knows no socket.

The right message twice under one MSH-10 shows what becomes of a repeat; one without its PID and one with a date of
birth that is none show what is refused, and how.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from messaging.endings import Policy
from messaging.hl7.dialects import Dialect
from messaging.hl7.telling import CannotSay, ChangeFacts
from messaging.hl7.text import escape
from messaging.hl7.write import write
from messaging.states import OnRefusal
from patients.states import Event

RIGHT, AGAIN, STRUCTURE, FIELD = "right", "again", "structure", "field"
ASKED = {
    RIGHT: "A right message",
    AGAIN: "The same message again, under the same MSH-10",
    STRUCTURE: "A message without its PID",
    FIELD: "A date of birth that is none",
}
SPEAKABLE = (Event.REGISTER, Event.UPDATE, Event.ADMIT, Event.BOOK)  # what can be said of nobody, the best first
BAD_DATE = "19459999"
MOST_TEXT = 120
PHASES = {
    "connect": "there was no connection",
    "tls": "there was no TLS connection",
    "write": "it took no bytes",
    "wait": "it did not answer in time",
    "reset": "it cut the connection",
    "wrong_id": "it answered about another message (MSA-2)",
    "garbage": "what it answered is no acknowledgement",
    "application": "it committed (CA) and did not say what it made of it",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Of whom a probe speaks. `number` is followed by the probe's own, so that each probe's patient is another."""

    processing_id: str = "T"  # MSH-11
    family: str = "ZZZTEST"
    authority: str = "PASMIRRORTEST"
    number: str = "ZZZTEST"


class Question(NamedTuple):
    """One message of a probe."""

    asked: str
    control_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one message: MSA-1 ("" for no answer), the error code, a text, the phase of no answer, and how long.

    `as_before`: of the repeat, that the very answer to the first came again; None where that cannot be told.
    """

    asked: str
    code: str = ""
    err: str = ""
    text: str = ""
    phase: str = ""
    detail: str = ""
    ms: int = 0
    as_before: bool | None = None

    @property
    def taken(self) -> bool:
        """Whether it was accepted."""
        return self.code in ("AA", "CA")


def spoken(told: Collection[str]) -> list[Event]:
    """Give the events a probe can say to a destination that is told of `told` (none named: of all), the best first."""
    return [event for event in SPEAKABLE if not told or event.value in told]


def questions(
    person: Person,
    *,
    dialect: Dialect,
    events: Sequence[Event],
    number: int,
    control_id: str,
    now: datetime,
    ward: str = "",
    clinic: str = "",
) -> list[Question]:
    """Write the four messages of probe `number`, of the first of `events`, the bad ones of an update where that is one.

    `control_id`: the beginning of each MSH-10. Raises CannotSay where the dialect has no message for the event.
    """
    if not events:
        raise CannotSay("it is told of nothing that can be said of a patient who does not exist")
    speaking = replace(dialect, processing_id=person.processing_id)
    later = Event.UPDATE if Event.UPDATE in events else events[0]

    def body(event: Event, ending: int) -> bytes:
        facts = _facts(person, number, now, ward=ward, clinic=clinic)
        change = ChangeFacts(0, event.value, facts, now, now)
        return write(change, dialect=speaking, control_id=f"{control_id}-{ending}", now=now)

    right = body(events[0], 1)
    return [
        Question(RIGHT, f"{control_id}-1", right),
        Question(AGAIN, f"{control_id}-1", right),
        Question(STRUCTURE, f"{control_id}-2", without_pid(body(later, 2))),
        Question(FIELD, f"{control_id}-3", with_bad_date(body(later, 3))),
    ]


def _facts(person: Person, number: int, now: datetime, *, ward: str, clinic: str) -> dict[str, object]:
    own = f"{person.number}{number}"
    at = now.replace(microsecond=0).isoformat()
    return {
        "patient": {
            "name": {"family": person.family, "given": "Probe"},
            "birth": {"born": "1900-01-01"},
            "sex": {"sex": "U"},
        },
        "patient_ids": [["MR", person.authority, own]],
        "stay": {
            "place": {"ward": ward or person.family},
            "times": {"status": "in", "admitted_at": at},
            "admission": {"patient_class": "I"},
        },
        "stay_ids": [["VN", person.authority, own]],
        "appointment": {
            "booking": {"clinic": clinic or person.family, "starts_at": at, "minutes": 10},
            "status": {"status": "booked"},
        },
        "appointment_ids": [["PLAC", person.authority, own]],
    }


def without_pid(body: bytes) -> bytes:
    """Give a message without its PID, which every structure of ours demands."""
    return b"".join(line for line in body.splitlines(keepends=True) if not line.startswith(b"PID|"))


def with_bad_date(body: bytes) -> bytes:
    """Give a message whose PID-7 is no date."""
    lines = body.split(b"\r")
    at = next(index for index, line in enumerate(lines) if line.startswith(b"PID|"))
    fields = lines[at].split(b"|")
    fields += [b""] * (8 - len(fields))
    fields[7] = escape(BAD_DATE).encode()
    return b"\r".join([*lines[:at], b"|".join(fields), *lines[at + 1 :]])


def recognised(answers: Sequence[Answer], names: Mapping[str, str]) -> list[Answer]:
    """Note with the repeat whether the first one's very answer came again; `names`: each answer's own MSH-10, or "".

    That shows only where other messages were answered under other names.
    """
    first, again = names.get(RIGHT, ""), names.get(AGAIN, "")
    others = {names[asked] for asked in (STRUCTURE, FIELD) if names.get(asked)}
    same = True if first and first == again and others and first not in others else None
    return [replace(answer, as_before=same) if answer.asked == AGAIN else answer for answer in answers]


def told(text: str) -> str:
    """Give what may be kept of an answer's text: short, no control characters, every run of four digits or more masked.

    A receiver may name anybody there, though it was asked of nobody who exists.
    """
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return re.sub(r"\d[\d\s-]{2,}\d", "#", plain)[:MOST_TEXT]


def findings(answers: Sequence[Answer], policy: Policy) -> list[str]:
    """Say in sentences what the answers show, and what that means under the destination's own `policy`."""
    by = {answer.asked: answer for answer in answers}
    right = by.get(RIGHT)
    if right is None:
        return []
    if not right.taken:
        return [_not_taken(right)]
    return [
        _repeats(by.get(AGAIN), policy),
        *_refusals([by[name] for name in (STRUCTURE, FIELD) if name in by], policy),
    ]


def _not_taken(right: Answer) -> str:
    if right.phase:
        return f"Nothing can be told: {_why(right)}."
    hint = " It may not take training messages: say probe.processing_id in the site file." if right.err == "202" else ""
    return f"Nothing more can be told: it refuses even the right message ({_code(right)}).{hint}"


def _repeats(again: Answer | None, policy: Policy) -> str:
    if again is None or again.phase:
        why = f": {_why(again)}" if again else ""
        return f"Whether it knows a repeat cannot be told{why}."
    if not again.taken:
        held = policy.on_ae == OnRefusal.HOLD if again.code in ("AE", "CE") else policy.on_ar == OnRefusal.HOLD
        then = " A message sent again after silence would be held here, though it had arrived." if held else ""
        return f"It knows a repeat, and refuses it ({_code(again)}).{then}"
    if again.as_before:
        return "It knows a repeat: the same message twice was given the very same answer, and has one effect."
    return (
        "Whether it knows a repeat cannot be told by its answers: it takes both. Ask its people whether the message "
        "came once or twice."
    )


def _refusals(bad: Sequence[Answer], policy: Policy) -> list[str]:
    silent = [f"{ASKED[answer.asked]}: {_why(answer)}." for answer in bad if answer.phase]
    codes = sorted({answer.code for answer in bad if answer.code and not answer.taken})
    accepted = [answer for answer in bad if answer.taken]
    said = []
    if codes:
        said.append(f"What is wrong it refuses with {' and '.join(codes)}.")
    if accepted and not codes and not silent:
        said.append("It accepts all: that it answers AA does not show that it could use a message.")
    elif accepted:
        said += [f"{ASKED[answer.asked]}: it accepts that." for answer in accepted]
    if "AR" in codes and policy.on_ar == OnRefusal.RETRY:
        said.append('Its AR means that a message is wrong, and AR is sent again here: think of on_ar = "hold".')
    return [*said, *silent]


def _why(answer: Answer) -> str:
    return PHASES.get(answer.phase, "it did not answer") + (f" ({answer.detail})" if answer.detail else "")


def _code(answer: Answer) -> str:
    return f"{answer.code} {answer.err}".strip()
