"""The stage of a made-up downtime: time, transactions, the mode, and rows as the checker has them.

One PAS, one receiver. Knows the rows of the checker, and nothing of the product.
"""

from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from tests.faults.checker import chain, rows
from tests.faults.checker.history import History
from tests.faults.recorder.log import End, Op

PAS, PATHOLOGY = 1, 2
BEGAN = datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()


class Scene:
    """The hospital at one moment, and every row so far; rows stand in lists named as in History."""

    def __init__(self) -> None:
        self.now, self.committed, self.numbers = BEGAN, 100, 0
        self.mode, self.epoch, self.fenced, self.is_open = "normal", 1, 0, False
        self.tables: dict[str, list[Any]] = {field.name: [] for field in fields(History)}
        self.heads = {PAS: 0, PATHOLOGY: 0}
        self.arrivals: list[rows.Arrival] = []
        self.effects: list[rows.Effect] = []
        self.heard: list[rows.Heard] = []
        self.spoken: list[rows.Spoken] = []
        self.patients: dict[int, rows.Patient] = {}
        self.stays: dict[int, rows.Stay] = {}
        self.pas_patients: dict[int, rows.Patient] = {}
        self.pas_stays: dict[int, rows.Stay] = {}
        self.appointments: dict[int, rows.Appointment] = {}
        self.pas_appointments: dict[int, rows.Appointment] = {}

    # Time and numbers

    def tick(self, seconds: float = 1.0) -> float:
        """Let time pass."""
        self.now += seconds
        return self.now

    def number(self) -> int:
        """Take the next row number."""
        self.numbers += 1
        return self.numbers

    def transaction(self) -> int:
        """Begin a transaction."""
        self.committed += 1
        return self.committed

    # Rows

    def alter(self, table: str, number: int, /, **values: Any) -> None:
        """Spoil one row, the `number`th of its table (-1: the last)."""
        self.tables[table][number] = replace(self.tables[table][number], **values)

    def drop(self, table: str, number: int = -1) -> Any:
        """Take one row away; gives it."""
        return self.tables[table].pop(number)

    def repeat(self, table: str, number: int = -1, /, **values: Any) -> None:
        """Write one row again, with other values."""
        self.tables[table].append(replace(self.tables[table][number], **values))

    def audit(self, action: str, *, change: int | None = None) -> None:
        """Write an audit row in the present transaction."""
        at = datetime.fromtimestamp(self.now, UTC)
        self.tables["audit"].append(
            rows.AuditRow(
                self.number(), self.committed, at, {"subject": "somebody"}, action, "", change, self.epoch, {}
            )
        )

    def op(self, what: str, *, end: End = "ok", who: str = "clerk:1", took: float = 0.5, **said: Any) -> None:
        """Note what somebody asked and was told; `told` holds the answer."""
        told = said.pop("told", {})
        ops = self.tables["ops"]
        ops.append(Op(len(ops) + 1, who, what, self.now - took / 2, self.now + took / 2, end, said, told))

    # The mode

    def move(self, after: str, *, epoch: int | None = None) -> None:
        """Throw the mode over."""
        self.transaction()
        self.tick()
        self.epoch = epoch or self.epoch
        moves = self.tables["moves"]
        moves.append(rows.Move(len(moves) + 1, self.committed, self.mode, after, self.epoch, self.now))
        self.mode = after
        self.audit("mode_move")

    def speak(self, *, is_open: bool) -> None:
        """Throw the emission switch over."""
        self.transaction()
        self.tick()
        self.is_open = is_open
        self.audit("emission_open" if is_open else "emission_held")

    def mirror(self) -> None:
        """The PAS dies: mirror mode, and emission open."""
        self.move("mirror", epoch=self.epoch + 1)
        self.tables["incidents"].append(rows.Incident(len(self.tables["incidents"]) + 1, self.epoch, None, "", {}))
        self.speak(is_open=True)

    def recovery(self) -> None:
        """The way back is released."""
        self.speak(is_open=False)
        self.move("recovery")

    def handback(self) -> None:
        """Control is handed back on a balanced ledger, and the epoch fenced."""
        self.move("handback")
        self.fenced = self.epoch
        self.move("normal", epoch=self.epoch + 1)
        ends = Counter(each.end for each in self.tables["replays"])
        report = {
            "last_epoch": self.fenced,
            "ledger": {"captured": len(self.captured()), **ends},
            "resync_patients": [],
        }
        self.alter("incidents", -1, closed_at=self.now, closing="handback", report=report)

    def captured(self) -> list[rows.Change]:
        """The clerks' changes so far."""
        return [each for each in self.tables["changes"] if each.source == "clerk"]

    # The end

    def link(self) -> None:
        """Chain what is not chained yet, and anchor the head."""
        links = self.tables["links"]
        for row in self.tables["audit"][len(links) :]:
            previous = links[-1].digest if links else chain.START
            links.append(rows.Link(len(links) + 1, row.id, chain.digest(previous, row)))
        if links:
            self.tables["anchors"].append(rows.Anchor(links[-1].seq, links[-1].digest))

    def history(self) -> History:
        """Everything told so far, linked unless the story has said which rows wait."""
        if not self.tables["audit_tail"]:
            self.link()
        tables = {name: tuple(listed) for name, listed in self.tables.items() if listed}
        known: dict[str, Any] = {
            "gate": rows.Gate(self.mode, self.epoch, self.fenced),
            "destinations": (
                rows.Destination(PAS, "pas", is_pas=True, declared=True, head=self.heads[PAS]),
                rows.Destination(PATHOLOGY, "pathology", is_pas=False, declared=True, head=self.heads[PATHOLOGY]),
            ),
            "receivers": (rows.Receiver("pathology", tuple(self.arrivals), tuple(self.effects)),),
            "pas": rows.Pas(
                _record(self.pas_patients, self.pas_stays, self.pas_appointments), tuple(self.heard), tuple(self.spoken)
            ),
            "record": _record(self.patients, self.stays, self.appointments),
            "changes": (),
            "ops": (),
        }
        return History(**{**known, **tables})


def _record(
    patients: dict[int, rows.Patient], stays: dict[int, rows.Stay], appointments: dict[int, rows.Appointment]
) -> rows.Record:
    return rows.Record(tuple(patients.values()), tuple(stays.values()), tuple(appointments.values()))
