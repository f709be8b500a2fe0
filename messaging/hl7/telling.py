"""What is needed to tell of a change: its facts, the movement it is, and the mark for the PAS; knows no segment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from patients import facts
from patients.facts import Groups, Kind, Value
from patients.identifiers import Identifier


class CannotSay(ValueError):
    """A change lacks what its message needs, or the dialect has no message for it; names facts, never a value."""


class NoLayout(CannotSay, KeyError):
    """The dialect has no message for the event."""

    def __str__(self) -> str:
        return str(self.args[0])


class Mark(NamedTuple):
    """Towards the PAS: our change, and the destinations we have told of it already (segment ZPM)."""

    change: int
    told: tuple[str, ...]


class Moved(NamedTuple):
    """Which movement a change of a stay begins or withdraws (ZBE): its lasting number, `authority` and all.

    `first`: of a movement withdrawn, the event that began it; "" where the change begins one. `historic`: a later one
    was known already.
    """

    number: str
    authority: str
    first: str = ""
    historic: bool = False


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What of a journal row is needed to tell of it; `facts` and `before` as in patients.models.Change.

    Beside kinds and numbers of each kind, `facts` may hold: `prior_place` (of a stay's step: where the patient was),
    `prior_ids` (the patient's numbers that end), `prior_stay_ids` (the visit numbers that do), `other_ids` and
    `other_patient` (the second patient of a link), `document` (as patients.models.Document), `event_reason`. Numbers
    are lists of [type, authority, value].
    """

    change: int
    event: str
    facts: Mapping[str, Any]
    occurred_at: datetime
    recorded_at: datetime
    before: Mapping[str, Mapping[str, Mapping[str, Value]]] = field(default_factory=dict)

    @classmethod
    def of(cls, change: Any) -> Self:
        """Take them from a journal row, or anything with its attributes."""
        return cls(change.pk, change.event, change.facts, change.occurred_at, change.recorded_at, change.before)

    def groups(self, kind: Kind) -> Groups:
        """Give every group of `kind`, unknown where the journal has none."""
        return facts.overlaid(facts.blank(kind), self.facts.get(kind.value, {}))

    def was(self, kind: Kind) -> Mapping[str, Mapping[str, Value]]:
        """Give the values before of the groups that changed."""
        return self.before.get(kind.value, {})

    def ids(self, kind: Kind, type_: str | None = None) -> list[Identifier]:
        """Give the identifiers of `kind`, or those of one type."""
        return [i for i in self.numbers(f"{kind.value}_ids") if type_ is None or i.type == type_]

    def numbers(self, name: str) -> list[Identifier]:
        """Give the numbers kept under `name`; none where there is no such fact."""
        return [Identifier(*parts) for parts in self.facts.get(name) or ()]

    def needed(self, name: str) -> list[Identifier]:
        """Give the numbers kept under `name`, without which the message would not say who or what is meant."""
        if found := self.numbers(name):
            return found
        raise CannotSay(f"the change does not say {name}, which this message cannot do without")
