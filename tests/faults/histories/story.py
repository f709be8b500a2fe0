"""Tells a made-up downtime verb by verb, as a sound product would leave it; the histories then spoil single rows."""

from dataclasses import replace
from typing import Any

from tests.faults.checker import rows
from tests.faults.histories.scene import PAS, PATHOLOGY, Scene
from tests.faults.histories.wire import TRIGGERS, ack, message
from tests.faults.recorder.log import End

WARD = ("WA", "A", "B01")


class Story(Scene):
    """What clerks, messages and the PAS do; each verb takes a second."""

    # What clerks do

    def register(self, mark: str, *, told: bool = True, **how: Any) -> int:
        """A clerk registers somebody; gives the patient. `told`: pathology is told at once if emission is open."""
        pk = len(self.patients) + 1
        self.patients[pk] = rows.Patient(pk, mark, frozenset({f"OWN^M{pk}"}))
        self.save("register", pk, mark, {"patient": {"name": {"family": mark}}}, told=told, **how)
        return pk

    def amend(self, patient: int, mark: str, *, told: bool = True, **how: Any) -> None:
        """A clerk gives somebody another family name."""
        was = self.patients[patient].family
        self.patients[patient] = replace(self.patients[patient], family=mark)
        before = {"patient": {"name": {"family": was}}}
        self.save("amend", patient, mark, {"patient": {"name": {"family": mark}}}, before=before, told=told, **how)

    def admit(self, patient: int, *, told: bool = True) -> None:
        """A clerk admits somebody to the one bed."""
        self.stays[patient] = rows.Stay(patient, frozenset({f"V{patient}"}), "in", WARD)
        place = dict(zip(("ward", "bay", "bed"), WARD, strict=True))
        self.save("admit", patient, "", {"stay": {"place": place}}, told=told)

    def book(self, patient: int, *, told: bool = True) -> None:
        """A clerk books somebody into the clinic."""
        self.appointments[patient] = rows.Appointment(patient, frozenset({f"A{patient}"}), "booked")
        self.save("book", patient, "", {"appointment": {"status": {"status": "booked"}}}, told=told)

    def save(
        self,
        what: str,
        patient: int,
        mark: str,
        after: dict[str, Any],
        *,
        before: dict[str, Any] | None = None,
        told: bool,
        key: str = "",
        end: End = "ok",
        **said: Any,
    ) -> None:
        """A clerk's save: operation, change, audit row, numbers on both lanes, and the message to pathology."""
        self.tick()
        committed, pk, event = (
            self.transaction(),
            len(self.tables["changes"]) + 1,
            "update" if what == "amend" else what,
        )
        key, stay = key or f"key-{pk}", patient if what == "admit" else None
        self.tables["changes"].append(
            rows.Change(
                pk, committed, event, patient, stay, None, before or {}, after, after, "clerk",
                f"screen:{what}", "clerk1", self.epoch, self.now, self.now,
            )
        )  # fmt: skip
        self.audit(event, change=pk)
        self.tables["forms"].append(rows.Form(key, pk))
        self.op(what, end=end, mark=mark, key=key, told={"patient": patient} if end == "ok" else {}, **said)
        for lane in (PATHOLOGY, PAS):
            self._queue(lane, pk, patient)
        if told and self.is_open:
            self.send(pk)

    def look(self, patient: int, *, surname: str = "", mode: str = "") -> None:
        """A clerk looks at a record and is shown it as it is, unless told otherwise."""
        self.tick()
        family = self.patients[patient].family
        listed = [each.id for each in self.tables["changes"] if each.patient == patient]
        told = {"patient": patient, "surname": surname or family, "changes": listed, "mode": mode or self.mode}
        self.op("look", told=told, patient=patient)

    # Messages

    def _queue(self, lane: int, change: int, patient: int) -> None:
        self.heads[lane] += 1
        seq, leg = self.heads[lane], "queued" if lane == PATHOLOGY else "unreleased"
        name = f"M01-{lane}-{seq}" if lane == PATHOLOGY else ""
        body = self.written(change, name) if name else None
        self.tables["outbound"].append(
            rows.Outbound(self.number(), lane, seq, change, patient, self.epoch, leg, name, body, None)
        )

    def written(self, change: int, control_id: str) -> bytes:
        """A change as a message."""
        told = next(each for each in self.tables["changes"] if each.id == change)
        name = told.after.get("patient", {}).get("name", {}).get("family") or self.patients[told.patient].family
        where = ("^".join(WARD), f"V{told.patient}") if told.event == "admit" else ("", "")
        if told.event == "book":
            where = ("", f"A{told.patient}")
        return message(control_id, told.event, f"M{told.patient}^^^OWN^MR", name, told.occurred_at, *where)

    def row(self, lane: int, change: int) -> int:
        """Where in its table the message of a change stands."""
        rows_ = self.tables["outbound"]
        return next(n for n, each in enumerate(rows_) if (each.lane, each.change) == (lane, change))

    def attempt(self, lane: int, change: int, *, ending: str = "accepted", detail: str = "") -> None:
        """Open and close an attempt."""
        row = self.tables["outbound"][self.row(lane, change)]
        self.tick()
        answer = ack(row.control_id) if ending == "accepted" else None
        self.tables["attempts"].append(
            rows.Attempt(
                self.number(), self.transaction(), row.id, self.now, self.now + 0.1, ending, detail, answer
            )
        )  # fmt: skip

    def send(self, change: int, *, ending: str = "accepted", effect: bool = True) -> None:
        """One attempt towards pathology, which takes it."""
        self.attempt(PATHOLOGY, change, ending=ending)
        number = self.row(PATHOLOGY, change)
        row = self.tables["outbound"][number]
        self.arrive(row.control_id, row.body, TRIGGERS[self.tables["changes"][change - 1].event], effect=effect)
        if ending == "accepted":
            self.alter("outbound", number, leg="accepted", settled_at=self.now)

    def arrive(self, control_id: str, raw: bytes, trigger: str, *, effect: bool = True, event: str = "") -> None:
        """Bytes reach pathology, and have an effect."""
        self.arrivals.append(rows.Arrival(len(self.arrivals) + 1, self.now, control_id, trigger, "AA", raw))
        if effect:
            key = event or "|".join((trigger, raw.split(b"PID|")[1].split(b"^")[0].decode(), control_id))
            self.effects.append(rows.Effect(key, control_id))

    # The PAS

    def replay(self, change: rows.Change, *, end: str = "confirmed") -> None:
        """The PAS is told of one change, takes it and tells pathology where we had not."""
        number = self.row(PATHOLOGY, change.id)
        self.tables["replays"].append(rows.Replay(1, change.id, change.patient, end))
        if end != "confirmed":
            return
        place = self.row(PAS, change.id)
        self.alter("outbound", place, control_id=f"M01-1-{self.tables['outbound'][place].seq}", leg="queued")
        self.attempt(PAS, change.id)
        row = self.tables["outbound"][place]
        self.alter("outbound", place, leg="accepted", settled_at=self.now)
        self.heard.append(rows.Heard(row.control_id, change.id, "AA", False, self.now))
        self.pas_knows(change.patient)
        if self.tables["outbound"][number].leg == "queued":
            self.alter("outbound", number, leg="left_to_pas", settled_at=self.now)
            name = self._spoken("pathology")
            self.arrive(name, self.written(change.id, name), TRIGGERS[change.event])

    def pas_knows(self, patient: int) -> None:
        """Let the PAS hold of a patient what we hold."""
        numbers = self.patients[patient].numbers | {f"RXX^P{patient}"}
        self.patients[patient] = replace(self.patients[patient], numbers=numbers)
        self.pas_patients[patient] = replace(self.patients[patient], id=patient + 100)
        if patient in self.stays:
            self.pas_stays[patient] = self.stays[patient]
        if patient in self.appointments:
            self.pas_appointments[patient] = self.appointments[patient]

    def _spoken(self, lane: str) -> str:
        name = f"PAS{len(self.spoken) + 1:06}"
        self.spoken.append(rows.Spoken(lane, name, 1, True))
        return name

    def feed(self, patient: int, mark: str, *, outcome: str = "applied") -> None:
        """The PAS registers or amends somebody and tells us and pathology."""
        self.tick()
        name, was = self._spoken("feed"), self.patients.get(patient)
        raw = message(name, "update" if was else "register", f"P{patient}^^^RXX^MR", mark, self.now)
        self.spoken.append(rows.Spoken("pathology", name, 1, True))
        self.arrive(name, raw, "A31" if was else "A28")
        self.op("amend" if was else "register", who="pas", mark=mark)
        numbers = frozenset({f"RXX^P{patient}"}) | (was.numbers if was else frozenset())
        self.pas_patients[patient] = rows.Patient(patient + 100, mark, numbers)
        change, pk = None, self.number()
        if outcome == "applied":
            change = self._applied(patient, mark, numbers, pk)
        inbound = self.tables["inbound"]
        inbound.append(
            rows.Inbound(
                pk, 1, len(inbound) + 1, self.now, "DEMOPAS|RXX", name, self.now - 0.2, outcome, patient, change, raw
            )
        )  # fmt: skip

    def _applied(self, patient: int, mark: str, numbers: rows.Numbers, inbound: int) -> int:
        committed, pk, was = self.transaction(), len(self.tables["changes"]) + 1, self.patients.get(patient)
        before = {"patient": {"name": {"family": was.family}}} if was else {}
        after = {"patient": {"name": {"family": mark}}}
        self.tables["changes"].append(
            rows.Change(
                pk, committed, "update" if was else "register", patient, None, None, before, after, after, "feed",
                f"feed:{inbound}", "apply", self.epoch, self.now, self.now,
            )
        )  # fmt: skip
        self.audit("update" if was else "register", change=pk)
        self.patients[patient] = rows.Patient(patient, mark, numbers)
        return pk

    def way_back(self) -> None:
        """Recovery, every captured change replayed and confirmed, hand-back."""
        self.recovery()
        for change in self.captured():
            self.replay(change)
        self.handback()
