"""Answers what the PAS is asked (QBP^Q22, QRY^A19, SQM^S25); an unknown patient is an empty answer, never an error."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from messaging.simulators import dialect
from messaging.simulators.messages import Message, ack, answer_header, encode, segment
from messaging.simulators.record import AUTHORITY, Patient, Record

ANSWERS = {"QBP^Q22": "RSP^K22^RSP_K21", "QRY^A19": "ADR^A19^ADR_A19", "SQM^S25": "SQR^S25^SQR_S25"}
QUERY_TYPES = frozenset({"QBP", "QRY", "SQM", "QRF"})
# Demographic parameters of QPD-3 by the detail they are compared with; `*` stands for any letters.
_DETAIL = {"PID.5.1": "family", "PID.5.2": "given", "PID.7": "dob", "PID.7.1": "dob", "PID.8": "sex"}
_DETAIL |= {"PID.11.5": "postcode"}


class Queries:
    """Reads the record for a query and writes the answer."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def answer(self, message: Message) -> bytes:
        """The answer to a query; AR with 201 for one this PAS does not know."""
        kind = f"{message.kind}^{message.trigger}"
        if kind not in ANSWERS:
            return ack(message, "AR", app=dialect.APP, facility=AUTHORITY, err="201", text="unknown query")
        answers: dict[str, Callable[[Message], list[str]]] = {
            "QBP^Q22": self._candidates,
            "QRY^A19": self._person_and_stays,
            "SQM^S25": self._appointments,
        }
        msh = answer_header(message, app=dialect.APP, facility=AUTHORITY, kind=ANSWERS[kind])
        return encode([msh, f"MSA|AA|{message.control_id}", *answers[kind](message)])

    @staticmethod
    def _echoed(message: Message, name: str) -> str:
        return message.bar.join(next(iter(message.all(name)), [name]))

    def _candidates(self, message: Message) -> list[str]:
        asked = [(parts[0].removeprefix("@"), [*parts, ""][1]) for parts in message.repeats("QPD", 3)]
        found = [each for each in self.record.patients() if asked and all(self._fits(each, *one) for one in asked)]
        limit = message.component("RCP", 2)
        shown = found[: int(limit)] if limit.isdigit() else found
        qak = {1: message.field("QPD", 2), 2: "OK" if found else "NF", 3: message.field("QPD", 1), 4: str(len(found))}
        pids = [dialect.pid(each, self.record.identifiers(each.id), n) for n, each in enumerate(shown, 1)]
        return [segment("QAK", qak), self._echoed(message, "QPD"), *pids]

    def _fits(self, patient: Patient, name: str, value: str) -> bool:
        if name in ("PID.3", "PID.3.1"):
            return patient.id in self.record.known_as(value)
        if name in ("PID.19", "PID.19.1"):
            return patient.id in self.record.known_as(value, "NHS")
        if name not in _DETAIL or not value:
            return False
        held = str(getattr(patient, _DETAIL[name])).casefold()
        return fnmatchcase(held, value.casefold().replace("[", "[[]").replace("?", "[?]"))

    def _who(self, message: Message) -> Patient | None:
        """The patient of QRD-8."""
        who = next(iter(message.repeats("QRD", 8)), [""])
        owners = self.record.known_as(who[0], who[8] if len(who) > 8 else "")
        return self.record.patient(owners.pop()) if len(owners) == 1 else None

    def _status(self, message: Message, hits: int) -> list[str]:
        qak = {1: message.field("QRD", 4), 2: "OK" if hits else "NF", 4: str(hits)}
        return [segment("QAK", qak), self._echoed(message, "QRD")]

    def _person_and_stays(self, message: Message) -> list[str]:
        patient = self._who(message)
        if patient is None:
            return self._status(message, 0)
        stays = enumerate(self.record.stays(patient.id), 1)
        visits = [line for n, stay in stays for line in (dialect.pv1(stay, set_id=n), *dialect.pv2(stay))]
        pid = dialect.pid(patient, self.record.identifiers(patient.id))
        return [*self._status(message, 1), pid, dialect.pd1(patient), *visits]

    def _appointments(self, message: Message) -> list[str]:
        patient = self._who(message)
        booked = self.record.appointments(patient.id) if patient else []
        lines = self._status(message, len(booked))
        for each in booked if patient else ():
            assert patient is not None  # noqa: S101 - for the type checker
            pid = dialect.pid(patient, self.record.identifiers(patient.id))
            lines += [dialect.sch(each), pid, "RGS|1", dialect.ail(each)]
        return lines
