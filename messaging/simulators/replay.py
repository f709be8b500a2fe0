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
from messaging.simulators.record import AUTHORITY, Patient

log = logging.getLogger(__name__)
TRIGGERS = frozenset({"A28", "A31", "A01", "A02", "A03", "S12", "S15"})


class Replay:
    """Applies, answers, echoes on the feed and tells downstream those whom ZPM-2 does not name."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.record = desk.record
        self.store = desk.record.store
        self.echo = True
        self.announce = True
        self.ignore_zpm = False

    def verbs(self) -> dict[str, Callable[..., object]]:
        """The control verbs of the replay door."""
        return {
            "echo": self._switch("echo"),
            "announce": self._switch("announce"),
            "ignore_zpm": self._switch("ignore_zpm"),
            "received": self.received,
        }

    def _switch(self, name: str) -> Callable[..., bool]:
        def switched(*, on: bool = True) -> bool:
            setattr(self, name, on)
            return on

        return switched

    def take(self, message: Message) -> bytes:
        """Apply a message and return its answer; one already accepted gets the stored answer and has no effect."""
        if message.trigger not in TRIGGERS:
            return self._answer(message, "AR", "201", "this PAS takes A28 A31 A01 A02 A03 S12 S15")
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

    def _patient(self, message: Message) -> Patient | None:
        owners: set[int] = set()
        for each in facts.identifiers(message):
            owners |= self.record.known_as(each.value, each.authority)
        if len(owners) > 1:
            raise Refused("205", "numbers of several patients")
        return self.record.patient(owners.pop()) if owners else None

    def _apply(self, message: Message) -> None:
        lanes, at = self._told(message), facts.occurred(message) or now()
        patient = self._patient(message)
        if message.trigger in ("A28", "A31"):
            self._apply_person(message, patient, at, lanes)
        elif patient is None:
            raise Refused("204", "unknown patient")
        elif message.trigger in ("S12", "S15"):
            self._apply_booking(message, patient, lanes)
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

    def _apply_visit(self, message: Message, patient: Patient, at: str, lanes: list[str]) -> None:
        visit, details = message.component("PV1", 19), facts.stay(message)
        if message.trigger == "A01":
            self.desk.admit(patient, visit, details, at, lanes)
        elif message.trigger == "A02":
            if not details.get("ward"):
                raise Refused("101", "no place in PV1-3")
            self.desk.transfer(patient, visit, details, at, lanes)
        else:
            leaving = {"method": message.component("PV1", 36), "destination": message.component("PV1", 37)}
            if message.component("PID", 30) == "Y":
                self.desk.changes.update(patient, {"more": facts.details(message)["more"]})
                patient = self.record.patient(patient.id)
            self.desk.discharge(patient, visit, at, lanes, **leaving)

    def _apply_booking(self, message: Message, patient: Patient, lanes: list[str]) -> None:
        if message.trigger == "S15":
            self.desk.cancel_booking(facts.placer(message), patient, lanes, why=facts.event_reason(message))
            return
        wanted = facts.booking(message)
        if not wanted["clinic"] or not wanted["starts_at"]:
            raise Refused("101", "no clinic or no start")
        try:
            moment(wanted["starts_at"])
        except ValueError as error:
            raise Refused("102", "the start is not a time") from error
        self.desk.book(patient, facts.placer(message), wanted, lanes)
