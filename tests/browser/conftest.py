"""One hospital and one Chromium for all browser tests; a fresh, empty browser window for each.

Playwright runs in this process, so nothing here may touch Django's database: the pages are all there is.
"""

import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.browser.person import Person
from tests.hospital import Hospital

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip
PATIENCE = 15_000  # milliseconds for anything a page is waited for

Visitor = Callable[..., Person]


@pytest.fixture(scope="package")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with Hospital(tmp_path_factory.mktemp("browser") / "var") as running:
        yield running


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, NAMES)), None)
        own = playwright.chromium.executable_path
        try:
            browser = playwright.chromium.launch(executable_path=found or own, args=ARGUMENTS)
        except Exception as fault:  # noqa: BLE001 - whatever it is, say what is missing
            pytest.fail(f"No Chromium: neither on the PATH ({', '.join(NAMES)}) nor Playwright's own. {fault}")
        yield browser
        browser.close()


@pytest.fixture
def windows(chromium: Browser) -> Iterator[list[BrowserContext]]:
    opened: list[BrowserContext] = []
    yield opened
    for window in opened:
        window.close()


@pytest.fixture
def visitor(hospital: Hospital, chromium: Browser, windows: list[BrowserContext]) -> Visitor:
    """Make a person in a browser of their own: `visitor()`, or `visitor("clerk")` signed in."""

    def make(name: str = "") -> Person:
        window = chromium.new_context(viewport={"width": 1280, "height": 900})
        window.set_default_timeout(PATIENCE)
        windows.append(window)
        person = Person(window.new_page(), hospital.address)
        if name:
            person.signs_in(name)
        return person

    return make
