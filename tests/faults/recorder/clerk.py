"""One clerk at the real screens: each act is written down before it is asked and after it is answered.

Keys of the log, by kind of act:
- register, amend, admit, transfer, discharge, book, cancel: said `mark` (the new family name; admit: the consultant's
  name; book, cancel: the reason; else ""), `key` (the form's idempotency key), `account`, `path`, `patient` (0 to
  register), `stay` or `appointment` where the address has one, `typed`; `again`: number of the first press, where this
  is the same form pressed again; `after`: number of the stale save whose form, as it came back, is saved now.
  Told `answered`, `status`, `paths`, `sentence`, `fault`, and where a page came what it showed: `mode`, `headline`,
  `detail`, `age`, and of a record `patient`, `surname`, `place`, `appointments`, `events`, `changes`; with ok also
  `read_back`: the record shows the entry; with refused also `signed_out`: this press was not taken for want of a
  session, which says nothing of an earlier one.
- look: said `patient`, `path`; banner: said `path`; told as above.
- open: only where a form could not be had: said `path`, `wanted`; nothing was asked for.
- sign-in: said `account`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.recorder import endings
from tests.faults.recorder.browser import PATIENCE, Browser
from tests.faults.recorder.log import End, Log
from tests.faults.recorder.marks import born, mark, nhs_number, number_of
from tests.faults.recorder.screens import EVENTS, Form, Screen

STALE = "Somebody else has changed this record"
PRESSED = ("csrfmiddlewaretoken",)  # fields nobody typed


@dataclass(frozen=True, slots=True)
class Press:
    """A form as it was sent, and how that ended; enough to send it again."""

    number: int
    what: str
    path: str
    fields: dict[str, str]
    said: dict[str, Any]
    end: End
    told: dict[str, Any]
    screen: Screen | None

    @property
    def open_ended(self) -> bool:
        """Whether a person would press again: no answer, or a page that asks to try again later."""
        return self.end == "unknown" or self.told["status"] == 503

    @property
    def stale(self) -> bool:
        """Whether somebody else saved first, and the form came back with both values."""
        return self.end == "refused" and self.told["sentence"].startswith(STALE)

    @property
    def patient(self) -> int:
        """Whose record it led to, or was about; 0 where that is not known."""
        return int(self.told.get("patient", self.said["patient"]))


class Clerk:
    """Clerk `number` of a run, counted from 1, on an account of the product."""

    def __init__(
        self,
        log: Log,
        host: str,
        port: int,
        *,
        account: tuple[str, str],
        number: int = 1,
        seed: int = 1,
        patience: float = PATIENCE,
    ) -> None:
        self.log, self.number, self.seed = log, number, seed
        self.name = f"clerk:{number}"
        self.account, self._password = account
        self.browser = Browser(host, port, patience=patience)
        self._entries = 0
        self._seen: dict[int, set[int]] = {}
        self._acknowledged: set[str] = set()  # keys of forms

    # Looking

    def sign_in(self) -> bool:
        """Sign in; whether it worked."""
        with self.log.op(self.name, "sign-in", account=self.account) as told:
            visit = self.browser.open("/sign-in")
            form = visit.screen.form if visit.screen else None
            if form is not None:
                typed = {"username": self.account, "password": self._password}
                visit = self.browser.send("/sign-in", {**form.fields, **typed})
            told["end"], more = endings.of_look(visit)
            told |= more
            return bool(told["end"] == "ok")

    def look(self, patient: int) -> Screen | None:
        """Open a record; None where it did not open."""
        return self._look("look", f"/patients/{patient}/", patient=patient)

    def banner(self) -> Screen | None:
        """Ask for the mode banner alone, as an open page does every two seconds."""
        return self._look("banner", "/banner")

    def _look(self, what: str, path: str, **said: Any) -> Screen | None:
        with self.log.op(self.name, what, path=path, **said) as told:
            visit = self.browser.open(path)
            told["end"], more = endings.of_look(visit)
            told |= more
        if more.get("signed_out"):
            self.sign_in()
        self._note(more)
        return visit.screen if told.get("status") == 200 and not more.get("signed_out") else None

    # Entering

    def register(self, **typed: str) -> Press | None:
        """Register a person under a new mark; None where no form was to be had."""
        form = self.form("register", "/patients/register")
        if form is None:
            return None
        text, number = self._mark()
        person = {"family": text, "given": "Ann", "born": born(number), "sex": "F"}
        person["nhs_number"] = nhs_number(self.seed, number) if number % 2 else ""
        return self.send("register", "/patients/register", form, person | typed, mark=text)

    def amend(self, patient: int, **typed: str) -> Press | None:
        """Give a patient a new family name."""
        path = f"/patients/{patient}/edit"
        form = self.form("amend", path)
        if form is None:
            return None
        text, _ = self._mark()
        return self.send("amend", path, form, {"family": text} | typed, mark=text)

    def admit(self, patient: int, *, ward: str = "WA", bed: str | None = None) -> Press | None:
        """Admit to a bed of a ward, the first free one if none is named."""
        path = f"/patients/{patient}/admit"
        form = self.form("admit", path, ward=ward, show_beds="1")
        if form is None:
            return None
        text, _ = self._mark()
        typed = {
            "ward": ward,
            "bed": _first(form, "bed") if bed is None else bed,
            "admission_method": "21",
            "admission_source": "19",
            "consultant": "C1234567",
            "consultant_name": f"{text}, Ann (Dr)",
            "specialty": "300",
            "patient_class": "I",
        }
        return self.send("admit", path, form, typed, mark=text)

    def transfer(self, patient: int, stay: int, *, ward: str = "WB", bed: str | None = None) -> Press | None:
        """Move to a bed of another ward."""
        path = f"/patients/{patient}/stays/{stay}/transfer"
        form = self.form("transfer", path, ward=ward, show_beds="1")
        if form is None:
            return None
        typed = {"ward": ward, "bed": _first(form, "bed") if bed is None else bed}
        return self.send("transfer", path, form, typed, stay=stay)

    def discharge(self, patient: int, stay: int) -> Press | None:
        """Discharge home."""
        path = f"/patients/{patient}/stays/{stay}/discharge"
        form = self.form("discharge", path)
        if form is None:
            return None
        typed = {"discharge_method": "1", "discharge_destination": "19"}
        return self.send("discharge", path, form, typed, stay=stay)

    def book(self, patient: int, *, clinic: str = "CARD", day: str = "tomorrow", slot: int = 0) -> Press | None:
        """Book one of a day's free slots, counted from the first."""
        path = f"/patients/{patient}/book"
        form = self.form("book", path, clinic=clinic, day=day, show_slots="1")
        free = form.choices("starts_at") if form else []
        if form is None or not free:
            return None
        text, _ = self._mark()
        chosen = {"starts_at": free[slot % len(free)], "appointment_type": form.choices("appointment_type")[0]}
        return self.send("book", path, form, {"clinic": clinic, "day": day, "reason": text, **chosen}, mark=text)

    def cancel(self, patient: int, appointment: int) -> Press | None:
        """Call an appointment off."""
        path = f"/patients/{patient}/appointments/{appointment}/cancel"
        form = self.form("cancel", path)
        if form is None:
            return None
        text, _ = self._mark()
        return self.send("cancel", path, form, {"reason": text}, mark=text, appointment=appointment)

    # Pressing

    def send(self, what: str, path: str, form: Form, typed: dict[str, str], **said: Any) -> Press:
        """Send a form with `typed` in it."""
        fields = {**form.fields, **typed}
        said = {
            "mark": "",
            "key": fields["key"],
            "account": self.account,
            "path": path,
            "patient": int(parts[2]) if (parts := path.split("/"))[2].isdigit() else 0,
            "typed": {name: value for name, value in fields.items() if name not in (*PRESSED, "key") and value},
            **said,
        }
        return self._press(what, path, fields, said)

    def again(self, press: Press) -> Press:
        """Press the same button again: the same key and the same fields."""
        first = press.said.get("again", press.number)
        return self._press(press.what, press.path, press.fields, {**press.said, "again": first})

    def over(self, press: Press) -> Press | None:
        """Save a stale form again as it came back, on the version that stands now."""
        form = press.screen.form if press.screen else None
        if form is None:
            return None
        said = {name: value for name, value in press.said.items() if name != "again"}
        return self._press(press.what, press.path, {**press.fields, **form.fields}, {**said, "after": press.number})

    def _press(self, what: str, path: str, fields: dict[str, str], said: dict[str, Any]) -> Press:
        number = self.log.call(self.name, what, **said)
        visit = self.browser.send(path, fields)
        end, told = endings.of_press(visit)
        if end == "ok":
            told["read_back"] = self._read_back(what, said, told)
            self._acknowledged.add(said["key"])
        self.log.end(number, end, **told)
        self._note(told)
        if told.get("signed_out"):
            self.sign_in()
        return Press(number, what, path, fields, said, end, told, visit.screen)

    def form(self, wanted: str, path: str, **shown_first: str) -> Form | None:
        """The form of a page, by way of "Show beds" or "Show times"; None, and written down, if there is none."""
        visit = self.browser.open(path)
        form = visit.screen.form if visit.screen and visit.status == 200 else None
        if form is not None and shown_first and not endings.signed_out(visit):
            visit = self.browser.send(path, {**form.fields, **shown_first})
            form = visit.screen.form if visit.screen and visit.status == 200 else None
        if form is not None and "key" in form.fields:
            return form
        with self.log.op(self.name, "open", path=path, wanted=wanted) as told:
            told["end"], more = endings.of_look(visit)
            told |= more | {"end": "unknown" if told["end"] == "unknown" else "refused"}
        if more.get("signed_out"):
            self.sign_in()
        return None

    def _mark(self) -> tuple[str, int]:
        self._entries += 1
        number = number_of(self.number, self._entries)
        return mark(self.seed, number), number

    def _read_back(self, what: str, said: dict[str, Any], told: dict[str, Any]) -> bool:
        """Whether the record landed on shows the entry: a new one, unless this very form was acknowledged before."""
        if what in ("register", "amend") and told["surname"] == said["mark"]:
            return True
        known = set() if said["key"] in self._acknowledged else self._seen.get(told["patient"], set())
        return any(
            change not in known and words == EVENTS[what] and account == self.account
            for change, words, account, _ in told["events"]
        )

    def _note(self, told: dict[str, Any]) -> None:
        if "changes" in told:
            self._seen.setdefault(told["patient"], set()).update(told["changes"])


def acts(screen: Screen) -> Iterator[tuple[str, int]]:
    """What a record page offers to do: (register, amend, admit, …) and the stay or appointment it is about, or 0."""
    words = {"edit": "amend"}
    for link in screen.links:
        parts = link.strip("/").split("/")
        if parts[:2] == ["patients", str(screen.patient)] and len(parts) > 2:
            yield words.get(parts[-1], parts[-1]), int(parts[3]) if len(parts) == 5 else 0


def _first(form: Form, name: str) -> str:
    return next(iter(form.choices(name)), "")
