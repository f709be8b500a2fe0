"""The PAS's own users at work, and what its feed said: written down from the simulator's control port and outbox.

Keys of the log:
- register, amend, admit, transfer, discharge, book, cancel by `pas`: said `mark` (family name; admit: the consultant's;
  book: the reason; else ""), `event` (A28 …), `patient` (the PAS's number, "" to register), `visit`, `appointment`
  where they apply, `typed`; told `control_id`, `patient`, `visit`, `appointment`, `place` as the PAS answered, or
  `sentence` where it refused. Unknown: its control port did not answer.
- feed (to the mirror) and tell (to a receiver) by `pas`: said `lane`, `control_id`, `trigger`, `row`; told `attempts`,
  `made_at`, `sent_at` as the PAS wrote them. ok: answered AA; unknown: tried, and not answered AA; a message that was
  never tried is not there. Times are to the second.
"""

import random
import threading
import time
from collections import Counter
from typing import Any

from messaging.simulators.control import Control, ControlRefused
from messaging.simulators.messages import moment
from tests.faults.recorder.log import End, Log
from tests.faults.recorder.marks import born, mark, nhs_number, number_of

PERSON = 0  # whose numbers the PAS's users have
ANSWERS_WITHIN = 5.0  # seconds
EVENTS = {
    "register": "A28",
    "amend": "A31",
    "admit": "A01",
    "transfer": "A02",
    "discharge": "A03",
    "book": "S12",
    "cancel": "S15",
}
WEIGHTS = {"amend": 3, "admit": 3, "transfer": 2, "discharge": 2, "book": 3, "cancel": 1}
NEW = 0.3  # the share of registrations


class PasDesk:
    """A user of the PAS; `pace` is the mean pause between acts in seconds."""

    def __init__(self, log: Log, control: Control, *, seed: int = 1, pace: float = 0.3) -> None:
        self._log, self._seed, self._pace = log, seed, pace
        self._control = Control(control.port, control.host, timeout=ANSWERS_WITHIN)
        self._chance = random.Random(f"{seed} pas")
        self._entries = 0
        self._own: list[str] = []
        self._ends: Counter[str] = Counter()
        self._over = threading.Event()
        self._faults: list[BaseException] = []
        self._thread = threading.Thread(target=self._work, daemon=True)

    def start(self) -> "PasDesk":
        """Begin to work."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the work, the act in hand is finished; raises what the user stumbled over, a fault of ours."""
        self._over.set()
        self._thread.join(4 * ANSWERS_WITHIN)
        if self._faults:
            raise self._faults[0]
        if self._thread.is_alive():
            raise AssertionError("the PAS's user did not finish the act in hand")

    def done(self) -> Counter[str]:
        """How many acts ended how."""
        return self._ends.copy()

    def register(self, **typed: str) -> dict[str, Any]:
        """Register a person under a new mark; what was told, with its `end`."""
        text, number = self._mark()
        person = {"family": text, "given": "Ann", "dob": born(number).replace("-", ""), "sex": "F"}
        if number % 2 and (nhs := nhs_number(self._seed, number)):
            person["nhs"] = nhs
        return self._do("register", mark=text, typed=person | typed)

    def amend(self, patient: str) -> dict[str, Any]:
        """Give a patient a new family name."""
        text, _ = self._mark()
        return self._do("amend", mark=text, patient=patient, typed={"family": text})

    def admit(self, patient: str, **typed: str) -> dict[str, Any]:
        """Admit to a free bed."""
        text, _ = self._mark()
        return self._do("admit", mark=text, patient=patient, typed={"consultant_family": text, **typed})

    def transfer(self, patient: str, **typed: str) -> dict[str, Any]:
        """Move to a free bed."""
        return self._do("transfer", patient=patient, typed=typed)

    def discharge(self, patient: str) -> dict[str, Any]:
        """Discharge home."""
        return self._do("discharge", patient=patient, typed={})

    def book(self, patient: str, **typed: str) -> dict[str, Any]:
        """Book the first free slot."""
        text, _ = self._mark()
        return self._do("book", mark=text, patient=patient, typed={"reason": text, **typed})

    def cancel(self, patient: str, appointment: str) -> dict[str, Any]:
        """Call a booking off."""
        return self._do("cancel", patient=patient, appointment=appointment, typed={})

    def _do(
        self, what: str, *, mark: str = "", patient: str = "", typed: dict[str, str], **about: str
    ) -> dict[str, Any]:
        event = EVENTS[what]
        asked = {"event": event, "patient": patient, **about, **typed}
        number = self._log.call("pas", what, mark=mark, event=event, patient=patient, typed=typed, **about)
        end, told = self._answer(asked)
        self._log.end(number, end, **told)
        self._ends[end] += 1
        if what == "register" and end == "ok":
            self._own.append(told["patient"])
        return {**told, "end": end}

    def _answer(self, asked: dict[str, str]) -> tuple[End, dict[str, Any]]:
        try:
            told: Any = self._control.do("send", **asked)
        except ControlRefused as refused:
            return "refused", {"sentence": str(refused)}
        except (OSError, ValueError) as fault:
            return "unknown", {"fault": type(fault).__name__}
        return "ok", dict(told)

    def _mark(self) -> tuple[str, int]:
        self._entries += 1
        number = number_of(PERSON, self._entries)
        return mark(self._seed, number), number

    def _work(self) -> None:
        try:
            while not self._over.is_set():
                self._act()
                self._over.wait(self._pace * self._chance.uniform(0.5, 1.5))
        except BaseException as fault:  # noqa: BLE001 - it is raised again by stop()
            self._faults.append(fault)

    def _act(self) -> None:
        if not self._own or self._chance.random() < NEW:
            self.register()
            return
        number = self._chance.choice(self._own)
        try:
            known: Any = self._control.do("find", id=number)
        except (OSError, ValueError):
            self.register()  # the PAS is away: an act that gets no answer either, and is written down as such
            return
        self._one(number, known)

    def _one(self, number: str, known: dict[str, Any]) -> None:
        """Something that fits what the PAS holds of the patient."""
        admitted = any(not stay["discharged_at"] for stay in known["stays"])
        booked = [each["placer"] for each in known["appointments"] if each["status"] == "Booked"]
        fits = [
            "amend",
            "book",
            *(["transfer", "discharge"] if admitted else ["admit"]),
            *(["cancel"] if booked else []),
        ]
        what = self._chance.choices(fits, [WEIGHTS[each] for each in fits])[0]
        if what == "cancel":
            self.cancel(number, booked[0])
        else:
            getattr(self, what)(number)


def feed(log: Log, control: Control) -> int:
    """Write down what the PAS's outbox tried to send, with its own times; gives how many messages that were."""
    rows: Any = control.do("spoken")
    tried = [row for row in rows if row["attempts"]]
    read_at = time.time()
    for row in tried:
        sent = row["sent_at"]
        log.add(
            "pas",
            "feed" if row["lane"] == "feed" else "tell",
            called=moment(row["made_at"]).timestamp(),
            ended=moment(sent).timestamp() if sent else read_at,
            end="ok" if sent else "unknown",
            said={"lane": row["lane"], "control_id": row["control_id"], "trigger": row["trigger"], "row": row["id"]},
            told={name: row[name] for name in ("attempts", "made_at", "sent_at")},
        )
    return len(tried)
