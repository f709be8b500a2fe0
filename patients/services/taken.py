"""What goes into the feed and what comes out: entries, what became of each, and who waits; knows no table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from patients.facts import NOBODY, Named, News
from patients.identifiers import Identifier

WAITS = "waits"


class Parked(Exception):
    """Identity or structure is in doubt: the message is set aside for a person, with a code and the reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code, self.reason = code, reason


class Torn(Parked):
    """One part of a message was taken and another cannot be: nothing of it may be kept, the batch is undone."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message's news; `message` is the inbound message's id (0: none). `park_unknown`: news of a stranger is a
    person's. `ruled`: codes for which such a message is filed instead of parked, a person has ruled so.
    `same_person`: a person has said that it is of the person known by that number: the identity guard is not asked.
    `sampled`: what was kept of the patient before it is wanted.
    """

    message: int
    news: News
    park_unknown: bool = False
    origin: str = ""  # of the change; usually the message
    ruled: frozenset[str] = frozenset()
    same_person: bool = False
    sampled: bool = False

    @property
    def source(self) -> str:
        """Where its changes come from, as a Change's origin names it."""
        return self.origin or f"feed:{self.message}"


@dataclass(frozen=True, slots=True)
class Aside:
    """A message that is a person's before it could become news: its code, the reason, and whom it names."""

    message: int
    code: str
    reason: str
    named: Named = NOBODY
    warnings: tuple[str, ...] = ()
    ruled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one entry: applied, already (nothing to change), filed or parked; and why.

    Of a parked one: all the patients it is about, and the numbers of it that are nobody's yet. Those wait.
    `ground`: of a sampled one, the PAS's segments kept before it, the older first; None where the record knows more
    than it says, being late.
    """

    outcome: str
    code: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()
    patient: int | None = None
    change: int | None = None
    patients: tuple[int, ...] = ()
    numbers: tuple[Identifier, ...] = ()
    ground: tuple[str, ...] | None = None


def together(done: Sequence[Taken]) -> Taken:
    """Give what became of a message with several parts: applied, if any of them was."""
    first = next((t for outcome in ("applied", "already") for t in done if t.outcome == outcome), done[0])
    return replace(first, warnings=tuple(dict.fromkeys(warning for t in done for warning in t.warnings)))


@dataclass(slots=True)
class Blocked:
    """Behind which message (its id) a patient waits, or a number that is nobody's yet: the first parked one."""

    patients: dict[int, int] = field(default_factory=dict)
    numbers: dict[Identifier, int] = field(default_factory=dict)

    def add(self, message: int, patients: Iterable[int], numbers: Iterable[Identifier]) -> None:
        """Let these wait behind `message`."""
        for patient in patients:
            self.patients[patient] = min(message, self.patients.get(patient, message))
        for number in numbers:
            self.numbers[number] = min(message, self.numbers.get(number, message))

    def behind(self, message: int, patients: Iterable[int], numbers: Iterable[Identifier]) -> "Blocked":
        """Give those among these behind whom a message has to wait: an earlier one of theirs is parked."""
        found = Blocked()
        for patient in patients:
            if (first := self.patients.get(patient)) is not None and (first < message or not message):
                found.patients[patient] = first
        for number in numbers:
            if (first := self.numbers.get(number)) is not None and (first < message or not message):
                found.numbers[number] = first
        return found
