"""The scripted clerk: does on the real screens what a ward clerk does, and reads back what the screen said."""

import re

from pasmirror.demo.browser import Browser, Page, PageRefused


class Clerk:
    """One signed-in clerk."""

    def __init__(self, host: str, port: int, *, name: str, password: str) -> None:
        self.browser = Browser(host, port)
        page = self.browser.open("/sign-in")
        if "/sign-in" in self.browser.send(page, username=name, password=password).path:
            raise PageRefused("the clerk could not sign in")
        self.patient = 0

    def register(self, **typed: str) -> None:
        """Register a person; remembers whose record it is."""
        page = self.browser.send(self.browser.open("/patients/register"), **typed)
        found = re.search(r"/patients/(\d+)/", page.path)
        if found is None:
            raise PageRefused("registering did not lead to a record")
        self.patient = int(found[1])

    def book(self, clinic: str, day: str) -> None:
        """Book the first free slot of a day."""
        path = f"/patients/{self.patient}/book"
        shown = self.browser.send(self.browser.open(path), clinic=clinic, day=day, show_slots="1")
        slot = shown.options["starts_at"][0]
        kind = next(code for code in shown.options["appointment_type"] if code)
        self.browser.send(shown, clinic=clinic, day=day, starts_at=slot, appointment_type=kind)

    def admit(self, ward: str) -> None:
        """Admit to the first free bed of a ward."""
        shown = self._beds(self.browser.open(f"/patients/{self.patient}/admit"), ward)
        self.browser.send(
            shown,
            bed=_first(shown, "bed"),
            admission_method="21",
            admission_source="19",
            consultant="C1234567",
            consultant_name="SMITH, Ann (Dr)",
            specialty="300",
            patient_class="I",
        )

    def transfer(self, ward: str) -> None:
        """Move to the first free bed of another ward."""
        shown = self._beds(self.browser.open(self._stay("transfer")), ward)
        self.browser.send(shown, bed=_first(shown, "bed"))

    def discharge(self) -> None:
        """Discharge home."""
        page = self.browser.open(self._stay("discharge"))
        self.browser.send(page, discharge_method="1", discharge_destination="19")

    def _beds(self, page: Page, ward: str) -> Page:
        return self.browser.send(page, ward=ward, show_beds="1")

    def _stay(self, verb: str) -> str:
        record = self.browser.open(f"/patients/{self.patient}/")
        return next(link for link in record.links if link.endswith(f"/{verb}"))


def _first(page: Page, name: str) -> str:
    return next(value for value in page.options[name] if value)
