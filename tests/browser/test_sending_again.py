"""Sending again and probing a destination: counted, ordered with the password, worked off; accessible; nobody named."""

import re
from urllib.parse import unquote_plus

import pytest
from playwright.sync_api import expect

from pasmirror.demo.cast import PASSWORD
from tests.browser.conftest import Visitor
from tests.browser.person import Person
from tests.hospital import Hospital

pytestmark = pytest.mark.timeout(240)
PATIENCE = 30_000  # milliseconds for what the sweep works off


def settled(person: Person, selector: str, words: str) -> None:
    """Look again until the page says so: what was ordered is worked off by another process."""
    there = person.page.locator(selector)
    for _ in range(30):
        if there.filter(has_text=re.compile(words, re.DOTALL)).count():
            return
        person.page.wait_for_timeout(1000)
        person.page.reload()
    raise AssertionError(f"{selector} does not say {words}: {there.all_inner_texts()}")


def test_messages_are_counted_and_sent_again_by_password(hospital: Hospital, visitor: Visitor) -> None:
    hospital.given_mirror()
    hospital.capture_something()
    operator = visitor("itops")
    operator.opens("/destinations/to/pathology?show=newest")
    expect(operator.page.locator("#messages")).to_contain_text("Accepted", timeout=PATIENCE)
    operator.tabs_to("resend")
    operator.goes("Enter")
    operator.finds_it_accessible()
    operator.sends("#count", what="range", first="5", last="2")
    operator.sees("#error-summary")
    operator.finds_it_accessible()
    operator.sends("#count", first="1", last="1")
    operator.sees("#foreseen", "Asked for")
    operator.finds_it_accessible()
    operator.sends("#confirm", reason="their database was restored", password="not mine")
    operator.sees("#error-summary", "Nothing was done")
    operator.finds_it_accessible()
    operator.sends("#confirm", reason="their database was restored", password=PASSWORD)
    operator.sees("[data-message]", "is being worked off")
    settled(operator, "#orders", "itops: their database was restored.*All of it")
    operator.finds_it_accessible()
    assert operator.walk.hosts() == {"127.0.0.1"}
    assert not [at for at in (*operator.walk.requests, *operator.walk.titles) if "captured" in unquote_plus(at).lower()]


def test_a_destination_is_probed_by_keyboard_and_its_answers_are_shown(hospital: Hospital, visitor: Visitor) -> None:
    hospital.given_mirror()
    engineer = visitor("engine")
    engineer.opens("/destinations/to/pathology")
    engineer.tabs_to("do-probe")
    engineer.goes("Enter")
    assert engineer.at() == "reason"
    engineer.finds_it_accessible()
    engineer.types("their new release")
    if engineer.page.locator("#confirmed").count():
        engineer.tabs_to("confirmed")
        engineer.presses("Space")
    engineer.goes("Control+Enter")
    engineer.sees("[data-message]", "A probe of")
    settled(engineer, "#probe", "Probed .*their new release")
    engineer.sees("#findings li")
    engineer.sees("#probe-answers", "AA")
    engineer.finds_it_accessible()
