"""Takes a replayed message into the PAS, once, by the PAS's own rules, and echoes it; knows no socket and no fault."""

from __future__ import annotations

import logging
from collections.abc import Callable

from messaging.simulators import facts
from messaging.simulators.changes import Refused
from messaging.simulators.desk import Desk
from messaging.simulators.dialect import APP
from messaging.simulators.messages import Message, ack, moment, now
from messaging.simulators.outbox import FEED
from messaging.simulators.record import AUTHORITY, Identifier, Patient
from messaging.simulators.stays import UNDOES

log = logging.getLogger(__name__)
PERSONS = ("A28", "A31")
BEGINNINGS = ("A01", "A04", "A05")
STEPS = ("A02", "A03", "A06", "A07", "A08", "A15", "A16", "A21", "A22", "A54")
CANCELS = tuple(UNDOES)
IDENTITIES = ("A40", "A47", "A50")
BOOKINGS = ("S12", "S13", "S14", "S15", "S17", "S26")
DOCUMENTS = ("T02",)
TRIGGERS = (*PERSONS, *BEGINNINGS, *STEPS, *CANCELS, *IDENTITIES, *BOOKINGS, *DOCUMENTS)


class Replay:
    """Applies, answers, echoes on the feed and tells downstream those whom ZPM-2 does not name."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.record = desk.record
        self.store = desk.record.store
        self.echo = True
        self.announce = True
        self.ignore_zpm = False
        self.triggers: frozenset[str] = frozenset(TRIGGERS)

    def verbs(self) -> dict[str, Callable[..., object]]:
        """The control verbs of the replay door."""
        return {
            "echo": self._switch("echo"),
            "announce": self._switch("announce"),
            "ignore_zpm": self._switch("ignore_zpm"),
            "takes": self.takes,
            "received": self.received,
        }

    def _switch(self, name: str) -> Callable[..., bool]:
        def switched(*, on: bool = True) -> bool:
            setattr(self, name, on)
            return on

        return switched

    def takes(self, only: str = "") -> list[str]:
        """Take these events only, as many a PAS does (all, where none is named); gives those it takes."""
        self.triggers = frozenset(only.split() or TRIGGERS)
        return sorted(self.triggers)

    def take(self, message: Message) -> bytes:
        """Apply a message and return its answer; one already accepted gets the stored answer and has no effect."""
        if message.trigger not in self.triggers:
            return self._answer(message, "AR", "201", f"this PAS takes {' '.join(sorted(self.triggers))}")
        known = self.store.row(
            "SELECT answer FROM received WHERE control_id = ? AND sender = ? AND code = 'AA' LIMIT 1",
            message.control_id,
            message.sender,
        )
        if known:
            self.keep(message, "AA", known["answer"], repeat=True)
            return bytes(known["answer"])
        try:
            with self.store.writing():
                self._apply(message)
                answer = self._answer(message, "AA")
        except Refused as refusal:
            return self._answer(message, "AE", refusal.err, refusal.text)
        except Exception as error:  # noqa: BLE001 - whatever fails here is this PAS's own error, and is answered
            log.warning("replay %s failed with %s", message.control_id, type(error).__name__)
            return self._answer(message, "AE", "207", "internal error")
        self.desk.outbox.ring()
        return answer

    def _answer(self, message: Message, code: str, err: str = "", text: str = "") -> bytes:
        answer = ack(message, code, app=APP, facility=AUTHORITY, err=err, text=text)
        self.keep(message, code, answer, err=err)
        return answer

    def keep(
        self, message: Message | None, code: str, answer: bytes = b"", *, err: str = "", repeat: bool = False
    ) -> None:
        """Write down what was received and how it was answered."""
        named = ("", "", "", "")
        if message:
            named = (message.control_id, message.sender, message.trigger, message.component("ZPM", 1))
        self.store.write(
            "INSERT INTO received (received_at, control_id, sender, trigger, event, code, err, repeat, answer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            now(),
            *named,
            code,
            err,
            int(repeat),
            answer,
        )

    def received(self) -> list[dict[str, object]]:
        """Every replayed message in order: control id, trigger, ZPM-1 as `event`, answer code, error, repeat, time."""
        rows = self.store.rows(
            "SELECT received_at, control_id, sender, trigger, event, code, err, repeat FROM received ORDER BY id"
        )
        return [dict(row) | {"repeat": bool(row["repeat"])} for row in rows]

    def _told(self, message: Message) -> list[str]:
        """The lanes that are to hear of it."""
        already = set() if self.ignore_zpm else {parts[0] for parts in message.repeats("ZPM", 2)}
        downstream = [lane for lane in self.desk.outbox.lanes if lane != FEED and lane not in already]
        return [FEED] * self.echo + downstream * self.announce

    def _apply(self, message: Message) -> None:
        lanes, at = self._told(message), facts.occurred(message) or now()
        trigger = message.trigger
        patient = self.desk.changes.owner(facts.identifiers(message))
        if trigger in PERSONS:
            self._apply_person(message, patient, at, lanes)
        elif trigger == "A40":
            self.desk.merge(patient, *self._ended(message), at, lanes)
        elif trigger == "A47":
            self._apply_renumbering(message, patient, at, lanes)
        elif patient is None:
            raise Refused("204", "unknown patient")
        elif trigger in BOOKINGS:
            self._apply_booking(message, patient, lanes)
        elif trigger in DOCUMENTS:
            self._apply_document(message, patient, at, lanes)
        elif trigger == "A50":
            ended = message.component("MRG", 5) or message.component("MRG", 3)
            self.desk.renumber_stay(patient, message.component("PV1", 19), ended, at, lanes)
        else:
            self._apply_visit(message, patient, at, lanes)

    def _apply_person(self, message: Message, patient: Patient | None, at: str, lanes: list[str]) -> None:
        details, identifiers = facts.details(message), facts.identifiers(message)
        if not identifiers or not (patient or details.get("family")):
            raise Refused("101", "a patient needs a number and a family name")
        if message.trigger == "A31" and patient:
            self.desk.update(patient, details, identifiers, at, lanes)
        else:  # an A31 for an unknown patient inserts (IHE ITI-30)
            self.desk.register(details, identifiers, at, lanes)

    @staticmethod
    def _ended(message: Message) -> tuple[list[Identifier], list[Identifier]]:
        """The numbers that stand and those that end."""
        ended = facts.identifiers(message, "MRG", 1)
        if not ended or not facts.identifiers(message):
            raise Refused("101", "no number in MRG-1 or PID-3")
        return facts.identifiers(message), ended

    def _apply_renumbering(self, message: Message, now_has: Patient | None, at: str, lanes: list[str]) -> None:
        numbers, ended = self._ended(message)
        had = self.desk.changes.owner(ended)
        if had is None:
            raise Refused("204", "unknown patient")
        if now_has and now_has.id != had.id:
            raise Refused("205", "identifier of another patient")
        self.desk.renumber(had, numbers, ended, at, lanes)

    def _apply_visit(self, message: Message, patient: Patient, at: str, lanes: list[str]) -> None:
        visit, trigger = message.component("PV1", 19), message.trigger
        said = {**facts.plans(message), **facts.stay(message)}
        if trigger in CANCELS:
            stay = self.record.stay(visit)
            if stay is None or stay.patient != patient.id:
                raise Refused("204", "unknown visit")
            self.desk.take_back(trigger, visit, at, lanes, said)
            return
        if trigger in ("A02", "A06", "A07") and not said.get("ward"):
            raise Refused("101", "no place in PV1-3")
        if trigger == "A08":
            patient = self.desk.changes.update(patient, facts.details(message))
        if trigger == "A03":
            said |= facts.ending(message)
            if message.component("PID", 30) == "Y":
                self.desk.changes.update(patient, {"more": facts.details(message)["more"]})
                patient = self.record.patient(patient.id)
        if trigger in BEGINNINGS:
            self.desk.begin(trigger, patient, visit, said, at, lanes)
        else:
            self.desk.step(trigger, patient, visit, said, at, lanes)

    def _apply_booking(self, message: Message, patient: Patient, lanes: list[str]) -> None:
        trigger, wanted = message.trigger, facts.booking(message)
        if trigger in ("S12", "S13"):
            if not wanted["clinic"] or not wanted["starts_at"]:
                raise Refused("101", "no clinic or no start")
            try:
                moment(wanted["starts_at"])
            except ValueError as error:
                raise Refused("102", "the start is not a time") from error
        if trigger == "S12":
            self.desk.book(patient, facts.placer(message), wanted, lanes)
        else:
            why = facts.event_reason(message)
            self.desk.rebook(trigger, facts.placer(message), wanted, patient, lanes, why=why)

    def _apply_document(self, message: Message, patient: Patient, at: str, lanes: list[str]) -> None:
        lines, number = facts.document(message), message.field("TXA", 12)
        if not number or len(lines) < 2:
            raise Refused("101", "a document needs a number and a text")
        self.desk.keep_document(patient, number, message.component("PV1", 19), lines, at, lanes)
