"""A morning's traffic and a trickle after it, by seed; knows the staff's verbs, not how anything is stored or said."""

from __future__ import annotations

import random
import threading
from datetime import datetime, timedelta

from messaging.simulators import people
from messaging.simulators.changes import Refused
from messaging.simulators.messages import LONDON, stamp
from messaging.simulators.record import CLINICS, Record
from messaging.simulators.staff import Staff


class Town:
    """People the PAS does not know yet."""

    def __init__(self, record: Record, chance: random.Random) -> None:
        self._record = record
        self.chance = chance

    def someone(self) -> dict[str, str]:
        """A new person, whose NHS number the PAS has not."""
        while True:
            person = people.person(self.chance)
            if not self._record.known_as(person["nhs"], "NHS"):
                return person


def consultant(chance: random.Random) -> dict[str, str]:
    """Who looks after an inpatient, and how they came."""
    code, family, given = chance.choice(people.CONSULTANTS)
    return {
        "consultant": code,
        "consultant_family": family,
        "consultant_given": given,
        "specialty": chance.choice(("300", "110", "320")),
        "method": chance.choice(("11", "21", "22")),
    }


class Day:
    """Plays a morning at once, or a trickle of so many events a second."""

    def __init__(self, staff: Staff) -> None:
        self.staff = staff
        self._trickle: threading.Event | None = None

    def morning(self, patients: int = 30, seed: int = 1) -> dict[str, int]:
        """A28 for all, a third admitted, some moved or discharged, clinics booked; returns how many of each event."""
        chance = random.Random(seed)  # noqa: S311 - the same morning again for the same seed
        town = Town(self.staff.record, chance)
        clock = datetime.now(LONDON) - timedelta(hours=3)
        step = timedelta(hours=2, minutes=30) / max(1, int(patients) * 3)
        said: dict[str, int] = {}

        def say(event: str, **given: str) -> dict[str, str]:
            nonlocal clock
            clock += step
            said[event] = said.get(event, 0) + 1
            return self.staff.send(event, at=stamp(clock), **given)

        numbers = [say("A28", **town.someone())["patient"] for _ in range(int(patients))]
        beds = len(self.staff.record.free_beds())
        admitted = chance.sample(numbers, min(len(numbers) // 3, beds))
        for number in admitted:
            bed = dict(zip(("ward", "bay", "bed"), chance.choice(self.staff.record.free_beds()), strict=True))
            say("A01", patient=number, **consultant(chance), **bed)
        others = [number for number in numbers if number not in admitted]
        booked = [
            say("S12", patient=number, clinic=CLINICS[n % 2])["appointment"]
            for n, number in enumerate(others[: len(numbers) // 2])
        ]
        for number in admitted[: len(admitted) // 3]:
            if self.staff.record.free_beds():
                say("A02", patient=number)
        for number in admitted[-(len(admitted) // 4) :] if len(admitted) > 3 else []:
            say("A03", patient=number)
        for placer in booked[: len(booked) // 5]:
            say("S15", appointment=placer)
        for number in numbers[:2]:
            moved = people.person(chance)
            say("A31", patient=number, **{key: moved[key] for key in ("line1", "town", "county", "postcode", "phone")})
        return said

    def traffic(self, per_second: float = 0) -> float:
        """Background traffic at that rate, 0 to end it."""
        if self._trickle is not None:
            self._trickle.set()
            self._trickle = None
        if float(per_second) > 0:
            self._trickle = threading.Event()
            args = (self._trickle, 1 / float(per_second))
            threading.Thread(target=self._run, args=args, daemon=True).start()
        return float(per_second)

    def _run(self, ended: threading.Event, pause: float) -> None:
        chance = random.Random()  # noqa: S311 - made-up people
        while not ended.wait(pause):
            self.something(chance)

    def something(self, chance: random.Random) -> dict[str, str]:
        """One event that fits what the PAS holds; a new patient where the chosen one does not."""
        record = self.staff.record
        known = record.patients()
        event = chance.choices(("A28", "A31", "A01", "A02", "A03", "S12", "S15"), (4, 3, 2, 2, 2, 3, 1))[0]
        given: dict[str, str] = {}
        if event == "S15":
            booked = [each.placer for each in record.appointments() if each.status == "Booked"]
            given = {"appointment": chance.choice(booked) if booked else ""}
        elif event != "A28" and known:
            inpatients = [stay.patient for stay in record.stays() if stay.state == "in"]
            chosen = chance.choice(inpatients) if event in ("A02", "A03") and inpatients else chance.choice(known).id
            given = {"patient": record.mrn(chosen)}
            if event == "A31":
                given["phone"] = people.person(chance)["phone"]
            elif event == "A01":
                given |= consultant(chance)
        try:
            return self.staff.send(event, **given)
        except (Refused, LookupError):
            return self.staff.send("A28", **Town(record, chance).someone())
