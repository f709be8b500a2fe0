"""The clerk's part of the story with the keyboard alone, each page passing axe; the keys of each task are counted."""

import pytest

from tests.browser.conftest import Visitor
from tests.browser.person import Person
from tests.hospital import Hospital

pytestmark = pytest.mark.timeout(180)

# Keys a task may take: the budget of the screens' design, and the bound above which something is plainly wrong.
BUDGET = {"find": 40, "register": 120, "book": 30, "admit": 30, "transfer": 12, "discharge": 15}
BOUND = {name: 2 * keys for name, keys in BUDGET.items()}
RECEIVERS = ("pathology", "eprescribing")


def test_clerk_story_by_keyboard(hospital: Hospital, visitor: Visitor, capsys: pytest.CaptureFixture[str]) -> None:
    hospital.given_mirror()
    clerk = visitor()
    counted: dict[str, tuple[int, float]] = {}

    given_signed_in_by_keyboard(clerk)
    with clerk.task("find", counted):
        when_nobody_is_found(clerk)
    clerk.finds_it_accessible()
    with clerk.task("register", counted):
        when_registered(clerk)
    then_the_record_is_open(clerk, "KEYBOARDER, Ada")
    with clerk.task("book", counted):
        when_booked(clerk)
    clerk.sees("#appointments", "Cardiology clinic")
    clerk.finds_it_accessible()
    with clerk.task("admit", counted):
        when_admitted(clerk)
    clerk.sees("#current-stay", "Ward A")
    clerk.finds_it_accessible()
    with clerk.task("transfer", counted):
        when_transferred(clerk)
    clerk.sees("#current-stay", "Ward B")
    with clerk.task("discharge", counted):
        when_discharged(clerk)
    clerk.sees("#current-stay", "Not in hospital")
    then_both_receivers_have_all_of_it(clerk, entries=5)
    clerk.finds_it_accessible()
    then_it_is_found_again(clerk)

    with capsys.disabled():
        for name, (keys, seconds) in counted.items():
            print(f"\n  {name:<10} {keys:>3} keys (budget {BUDGET[name]}), {seconds:.1f} s by machine", end="")  # noqa: T201
    assert {name: keys for name, (keys, _) in counted.items() if keys > BOUND[name]} == {}


def test_the_first_key_pressed_is_not_lost(hospital: Hospital, visitor: Visitor) -> None:
    """A page has its focus before it is painted; the browser's own autofocus comes at the first paint."""
    hospital.given_mirror()
    clerk = visitor("clerk")
    ready = "window.ready = document.activeElement.id"
    clerk.page.add_init_script(f"document.addEventListener('DOMContentLoaded', () => {{ {ready}; }});")
    for path, field in (("/patients/", "sought"), ("/patients/register", "family")) * 5:
        clerk.opens(path)
        assert clerk.page.evaluate("window.ready") == field


def given_signed_in_by_keyboard(clerk: Person) -> None:
    clerk.opens("/")
    clerk.finds_it_accessible()
    assert clerk.at() == "username"
    clerk.types("clerk")
    clerk.tabs_to("password")
    clerk.types("mirror-demo")
    clerk.goes("Enter")
    clerk.sees("#signed-in-as", "clerk")


def when_nobody_is_found(clerk: Person) -> None:
    assert clerk.at() == "sought"
    clerk.types("keyboarder, ada")
    clerk.presses("Enter")
    clerk.sees("#results", "Nobody found")


def when_registered(clerk: Person) -> None:
    clerk.tabs_to("register-new")
    clerk.goes("Enter")
    clerk.finds_it_accessible()
    assert clerk.at() == "family"
    clerk.types("Keyboarder")
    clerk.moves_on_to("given")
    clerk.types("Ada")
    clerk.moves_on_to("born")
    clerk.types("1/3/52")
    clerk.moves_on_to("sex")
    clerk.sees("#born-echo", "01-Mar-1952 (")
    clerk.types("f")
    clerk.moves_on_to("nhs_number")
    clerk.moves_on_to("postcode")
    clerk.types("ab12cd")
    clerk.sees("#matches", "No possible match")
    clerk.goes("Control+Enter")


def then_the_record_is_open(clerk: Person, name: str) -> None:
    clerk.sees("#patient-banner", name)
    clerk.sees("#patient-banner", "Hospital No.")
    clerk.sees("#outage-made", "Registered")
    clerk.finds_it_accessible()


def when_booked(clerk: Person) -> None:
    clerk.goes("b")
    clerk.finds_it_accessible()
    assert clerk.at() == "clinic"
    clerk.types("card")
    clerk.moves_on_to("day")
    clerk.types("tomorrow")
    clerk.sees("#slots", "00:00 (30 min)")
    clerk.moves_on_to("starts_at")
    clerk.presses("ArrowDown", "ArrowDown", "ArrowUp")
    clerk.sees_the_focus()
    clerk.moves_on_to("appointment_type")
    clerk.presses("ArrowDown")
    clerk.goes("Control+Enter")


def when_admitted(clerk: Person) -> None:
    clerk.goes("a")
    assert clerk.at() == "ward"
    clerk.types("w")
    clerk.page.wait_for_selector('#bed option[value^="A^B"]', state="attached")
    clerk.finds_it_accessible()
    clerk.moves_on_to("bed")
    clerk.presses("ArrowDown")
    clerk.moves_on_to("admission_method")
    clerk.types("em")
    clerk.moves_on_to("admission_source")
    clerk.presses("ArrowDown")
    clerk.goes("Control+Enter")


def when_transferred(clerk: Person) -> None:
    clerk.goes("t")
    assert clerk.at() == "ward"
    clerk.presses("ArrowDown")
    clerk.page.wait_for_selector('#bed option[value="B^B12"]', state="attached")
    clerk.finds_it_accessible()
    clerk.moves_on_to("bed")
    clerk.presses("ArrowDown")
    clerk.goes("Control+Enter")


def when_discharged(clerk: Person) -> None:
    clerk.goes("d")
    clerk.finds_it_accessible()
    assert clerk.at() == "discharge_method"
    clerk.presses("ArrowDown")
    clerk.moves_on_to("discharge_destination")
    clerk.presses("ArrowDown")
    clerk.goes("Control+Enter")


def then_both_receivers_have_all_of_it(clerk: Person, *, entries: int) -> None:
    for name in RECEIVERS:
        told = clerk.page.locator(f'#outage-made [data-destination="{name}"][data-fate="accepted"]')
        told.nth(entries - 1).wait_for()
        assert told.count() == entries


def then_it_is_found_again(clerk: Person) -> None:
    clerk.opens("/patients/")
    clerk.types("keyboarder")
    clerk.presses("Enter")
    clerk.page.wait_for_selector("#results [data-row]:focus")
    clerk.sees_the_focus()
    clerk.finds_it_accessible()
    clerk.goes("Enter")
    clerk.sees("#patient-banner", "KEYBOARDER, Ada")
