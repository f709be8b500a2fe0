"""The story of one outage, a line a step: from the PAS's morning to a closed incident, checked at the receivers."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.db import close_old_connections

from failover.selectors import incidents, ledger, verify
from failover.selectors.status import status
from failover.services import handback, switch
from messaging.simulators.control import Control
from pasmirror import supervise
from pasmirror.demo.cast import OPERATOR, PASSWORD, clerk_name
from pasmirror.demo.clerk import Clerk
from patients.models import Change
from patients.refusals import Refused
from patients.states import Mode

STEP_WITHIN = 45.0  # seconds; no step of the story may take longer
PAS = "sim-pas"
PATIENTS = 18


class StoryFailed(Exception):
    """A step did not happen; the text says which and what was seen instead."""


class Story:
    """Plays the story against the running product of this var folder; `tell` prints a line."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        base = settings.SIM_BASE_PORT
        self.tell_line = tell
        self.began = time.monotonic()
        self.pas = Control(base + 1)
        self.receivers = {name: Control(base + 10 * n + 1) for n, name in enumerate(supervise.RECEIVERS, start=1)}

    def tell(self, line: str) -> None:
        """Print a line with the seconds since the story began."""
        self.tell_line(f"{time.monotonic() - self.began:6.1f} s  {line}")

    def play(self) -> bool:
        """Play it through; True if the ledger balanced and both receivers hold each event once."""
        self.tell("Fast profile: the PAS counts as down after 3 s, as well after 3 s (a site: 60 s each).")
        self.finish_what_was_left()
        self.morning()
        self.pas_dies()
        changes = self.clerk_works()
        self.receivers_hear(changes)
        self.pas_returns()
        self.replay()
        balanced = self.hand_back()
        return self.prove(changes) and balanced

    def finish_what_was_left(self) -> None:
        """Bring an outage to its end that an earlier demo left open."""
        if status()["mode"] == Mode.NORMAL:
            return
        self.tell("An earlier demo was stopped in the middle of its outage: that one is finished first.")
        switch.acknowledge(by=switch.confirm_person(OPERATOR, PASSWORD))
        self.until(
            "it stands down or the way back is proposed",
            lambda: status()["mode"] != Mode.MIRROR or status()["proposal"] == "recover",
        )
        if status()["mode"] == Mode.MIRROR:
            self.release()
        if status()["mode"] == Mode.RECOVERY:
            self.replay()
            self.hand_back()
        self.until("the PAS is master again", lambda: status()["mode"] == Mode.NORMAL)

    def morning(self) -> None:
        """The PAS registers, admits and books, as every morning."""
        before = status()["feed"]["applied"]
        self.until("the feed listens", lambda: self.pas.do("quiet"))
        stays: Any = self.pas.do("stays")
        for stay in (each for each in stays if not each["discharged_at"]):  # an earlier story's: the beds are needed
            self.pas.do("send", event="A03", patient=stay["mrn"])
        self.pas.do("morning", patients=PATIENTS, seed=int(time.time()))
        self.pas.do("traffic", per_second=2)
        self.until("the morning is in the record", lambda: status()["feed"]["applied"] > before + PATIENTS)
        self.tell(f"The PAS has sent its morning: {status()['feed']['applied'] - before} messages are in the record.")

    def pas_dies(self) -> None:
        """Kill the PAS without warning; mirror mode opens by itself, and the mirror speaks."""
        pid = supervise.program_pid(PAS, var=settings.VAR)
        if pid is None:
            raise StoryFailed("the simulated PAS is not running")
        self.pas.do("traffic", per_second=0)
        self.until("the PAS has sent what it had", lambda: self.pas.do("quiet"))
        at = time.monotonic()
        kill(pid)
        self.tell("The PAS is dead (kill -9).")
        self.until("mirror mode opens", lambda: status()["mode"] == Mode.MIRROR)
        self.tell(f"Mirror mode opened by itself after {time.monotonic() - at:.1f} s: {status()['reason']}")
        self.until("emission opens", lambda: status()["emission"] == "open")
        self.tell("Emission is open: the mirror speaks for the PAS.")

    def clerk_works(self) -> list[int]:
        """Register, book, admit, transfer, discharge: on the screens, as a clerk does. Gives the changes made."""
        clerk = Clerk(settings.HTTP_HOST, settings.HTTP_PORT, name=clerk_name(), password=PASSWORD)
        stamp = f"{int(time.time()) % 100_000:05d}"
        acts: Iterable[tuple[str, Callable[[], None]]] = (
            ("Registered a patient.", lambda: clerk.register(
                family=f"DEMO{stamp}", given="Anna", born="1 mar 1952", sex="F", postcode="AB1 2CD")),
            ("Booked her into the cardiology clinic.", lambda: clerk.book("CARD", "tomorrow")),
            ("Admitted her to ward WA.", lambda: clerk.admit("WA")),
            ("Transferred her to ward WB.", lambda: clerk.transfer("WB")),
            ("Discharged her home.", clerk.discharge),
        )  # fmt: skip
        for line, act in acts:
            act()
            self.tell(f"Clerk: {line}")
        made = Change.objects.filter(patient_id=clerk.patient, source="clerk").order_by("pk")
        return list(made.values_list("pk", flat=True))

    def receivers_hear(self, changes: list[int]) -> None:
        """Pathology and e-prescribing get it all, in order, while the PAS is dead."""
        self.until("both receivers have acknowledged", lambda: not waiting_receivers())
        self.tell(f"Both receivers have acknowledged all {len(changes)} events.")

    def pas_returns(self) -> None:
        """The PAS comes back; the way back is proposed, a named person releases it."""
        supervise.start_program(PAS, var=settings.VAR)
        self.tell("The PAS is started again.")
        self.until("the way back is proposed", lambda: status()["proposal"] == "recover")
        self.tell(f"Proposed: {status()['monitor']}")
        self.release()

    def release(self) -> None:
        """A named person goes through the list and releases the replay."""
        operator = switch.confirm_person(OPERATOR, PASSWORD)

        def release() -> bool:
            try:
                switch.release(
                    by=operator, reason="demo: the PAS is well again", checklist=dict.fromkeys(switch.CHECKLIST, True)
                )
            except Refused:
                return False
            return True

        self.until("the replay is released", release)
        self.tell(f"{OPERATOR} has checked the list and released the replay.")

    def replay(self) -> None:
        """Everything is replayed to the PAS and confirmed by it."""

        def ended() -> bool:
            now = ledger.ledger(current())
            return now.captured > 0 and not now.waiting and not now.sent

        self.until("everything is replayed", ended)
        self.tell(f"Replayed. Ledger: {ledger.ledger(current()).sentence}.")

    def hand_back(self) -> bool:
        """Control goes back to the PAS, with a signature."""
        incident = current()
        operator = switch.confirm_person(OPERATOR, PASSWORD)
        handback.begin(by=operator, reason="demo: the ledger balances")
        self.until("control is handed back", lambda: status()["mode"] == Mode.NORMAL)
        incident.refresh_from_db()
        self.tell(f"Control is handed back to the PAS, signed by {OPERATOR}; incident {incident.pk} is closed.")
        balanced: bool = incident.report["ledger"]["balanced"]
        return balanced

    def prove(self, changes: list[int]) -> bool:
        """Ask each receiver how often it holds each event, whoever spoke it; and the mirror to verify itself."""
        self.until("the PAS has told what it had to", lambda: self.pas.do("quiet"))
        good = True
        for name, receiver in self.receivers.items():
            twice: Any = receiver.do("duplicates_of_events")
            counted = held_of(receiver, changes)
            good &= not twice and all(n == 1 for n in counted.values()) and len(counted) == len(changes)
            self.tell(
                f"{name} holds each of the {len(counted)} events once."
                if good
                else f"{name}: events held {counted}, more than once: {twice}"
            )
        findings = verify.findings(settings.VAR / "anchor" / "audit.log")
        for finding in findings:
            self.tell(f"verify: {finding}")
        return good and not findings

    def until(self, what: str, is_so: Callable[[], Any]) -> None:
        """Wait for a step; StoryFailed with the state as seen if it does not come."""
        end = time.monotonic() + STEP_WITHIN
        while time.monotonic() < end:
            close_old_connections()
            try:
                if is_so():
                    return
            except OSError:
                pass  # a process that is only just starting
            time.sleep(0.1)
        now = status()
        raise StoryFailed(f"{what}: not within {STEP_WITHIN:.0f} s (mode {now['mode']}, {now['monitor']})")


def kill(pid: int) -> None:
    """Kill a process of our own run without warning."""
    os.kill(pid, signal.SIGKILL)


def current() -> Any:
    """Give the open incident, StoryFailed if there is none."""
    incident = incidents.current()
    if incident is None:
        raise StoryFailed("there is no open incident")
    return incident


def waiting_receivers() -> int:
    """Count what receivers have not acknowledged; the journal's tail counts too."""
    waiting: int = status()["ledger"]["tail"] + sum(
        lane["queued"] + lane["in_doubt"] + lane["held"] for lane in status()["lanes"] if not lane["is_pas"]
    )
    return waiting


def held_of(receiver: Control, changes: list[int]) -> dict[str, int]:
    """Count a receiver's effects for each of the story's changes, matched by trigger and the numbers in its facts."""
    effects: Any = receiver.do("effects")
    triggers = {"register": "A28", "book": "S12", "admit": "A01", "transfer": "A02", "discharge": "A03"}
    counted: dict[str, int] = {}
    for change in Change.objects.filter(pk__in=changes):
        numbers = {value for _, _, value in change.facts["patient_ids"]}
        counted[change.event] = sum(
            effect["trigger"] == triggers[change.event] and bool(numbers & set(effect["patient_ids"]))
            for effect in effects
        )
    return counted
