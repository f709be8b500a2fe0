"""The PAS's own users, by control verb; knows events and the numbers on a screen, not how anything is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from messaging.simulators.changes import Refused
from messaging.simulators.desk import Desk
from messaging.simulators.messages import LONDON, now, stamp
from messaging.simulators.record import CLINICS, DETAILS, Identifier, Patient


class Staff:
    """What a user of the PAS can do; a patient is named by any number the PAS knows."""

    def __init__(self, desk: Desk, someone: Callable[[], dict[str, str]]) -> None:
        self.desk = desk
        self.record = desk.record
        self._someone = someone

    def verbs(self) -> dict[str, Callable[..., object]]:
        """The control verbs of the staff."""
        return {
            "send": self.send,
            "edit_patient": self.edit_patient,
            "give_bed_away": self.give_bed_away,
            "cancel_stay": self.cancel_stay,
        }

    def found(self, number: object) -> Patient:
        """The one patient with that number of any authority; raises LookupError."""
        owners = self.record.known_as(str(number))
        if len(owners) != 1:
            raise LookupError("no patient of that number" if not owners else "several patients have that number")
        return self.record.patient(owners.pop())

    def send(self, event: str, patient: object = "", at: str = "", **given: object) -> dict[str, str]:
        """One event (A28 A31 A01 A02 A03 S12 S15) with the record's own field names; what is missing is made up."""
        events = {
            "A28": self._register,
            "A31": self._update,
            "A01": self._admit,
            "A02": self._transfer,
            "A03": self._discharge,
            "S12": self._book,
            "S15": self._cancel,
        }
        if event not in events:
            raise Refused("201", f"no such event; there are {' '.join(events)}")
        with self.record.store.writing():
            said = events[event](str(patient), at or now(), {key: str(value) for key, value in given.items()})
        self.desk.outbox.ring()
        return said

    def _register(self, _patient: str, at: str, given: dict[str, str]) -> dict[str, str]:
        self._known(given)
        details = (self._someone() if "family" not in given else {}) | given
        numbers = [Identifier(details["nhs"], "NHS", "NH")] if details.get("nhs") else []
        patient, control_id = self.desk.register(details, numbers, at)
        return {"patient": self.record.mrn(patient.id), "nhs": details.get("nhs", ""), "control_id": control_id}

    @staticmethod
    def _known(given: dict[str, str]) -> None:
        if unknown := given.keys() - {*DETAILS, "nhs"}:
            raise Refused("102", f"a patient has no {', '.join(sorted(unknown))}")

    def _update(self, number: str, at: str, given: dict[str, str]) -> dict[str, str]:
        self._known(given)
        numbers = [Identifier(given["nhs"], "NHS", "NH")] if given.get("nhs") else []
        control_id = self.desk.update(self.found(number), given, numbers, at)
        return {"patient": number, "control_id": control_id}

    def _placed(self, given: dict[str, str]) -> dict[str, str]:
        if given.get("ward"):
            return given
        free = self.record.free_beds()
        if not free:
            raise Refused("207", "no bed free")
        return given | dict(zip(("ward", "bay", "bed"), free[0], strict=True))

    def _admit(self, number: str, at: str, given: dict[str, str]) -> dict[str, str]:
        stay, control_id = self.desk.begin("A01", self.found(number), given.get("visit", ""), self._placed(given), at)
        return {"patient": number, "visit": stay.visit, "place": "^".join(stay.place), "control_id": control_id}

    def _transfer(self, number: str, at: str, given: dict[str, str]) -> dict[str, str]:
        control_id = self.desk.step("A02", self.found(number), given.get("visit", ""), self._placed(given), at)
        return {"patient": number, "control_id": control_id}

    def _discharge(self, number: str, at: str, given: dict[str, str]) -> dict[str, str]:
        leaving = {"discharge_method": given.get("method", "1"), "destination": given.get("destination", "19")}
        control_id = self.desk.step("A03", self.found(number), given.get("visit", ""), leaving, at)
        return {"patient": number, "control_id": control_id}

    def _book(self, number: str, _at: str, given: dict[str, str]) -> dict[str, str]:
        wanted = {"clinic": CLINICS[0], "reason": "Review", "kind": "FUP"} | given
        if not wanted.get("starts_at"):
            wanted["starts_at"] = self.free_slot(wanted["clinic"])
        placer, control_id = self.desk.book(self.found(number), given.get("appointment", ""), wanted)
        return {"patient": number, "appointment": placer, "control_id": control_id}

    def free_slot(self, clinic: str) -> str:
        """The first half-hour of that clinic nobody has, from 09:00 to 16:30, tomorrow or later."""
        day = (datetime.now(LONDON) + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0)
        while True:
            for half in range(16):
                starts_at = stamp(day + timedelta(minutes=30 * half))
                if not self.record.in_slot(clinic, starts_at):
                    return starts_at
            day += timedelta(days=1)

    def _cancel(self, _patient: str, _at: str, given: dict[str, str]) -> dict[str, str]:
        placer = given.get("appointment", "")
        return {"appointment": placer, "control_id": self.desk.rebook("S15", placer, {})}

    def edit_patient(self, id: object, **fields: object) -> dict[str, str]:  # noqa: A002 - the verb's own word
        """Edit a patient's details by field name, sent as A31."""
        return self.send("A31", id, "", **fields)

    def give_bed_away(self, ward: str, bay: str, bed: str) -> dict[str, str]:
        """Admit somebody new into a bed."""
        with self.record.store.writing():
            somebody = self.send("A28")
            return self.send("A01", patient=somebody["patient"], ward=ward, bay=bay, bed=bed)

    def cancel_stay(self, visit: str) -> dict[str, str]:
        """Take an admission back, sent as A11."""
        with self.record.store.writing():
            control_id = self.desk.take_back("A11", str(visit))
        self.desk.outbox.ring()
        return {"visit": str(visit), "control_id": control_id}
