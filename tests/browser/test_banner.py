"""The mode banner of an open page: it follows the mode without a reload, and never stays green when nobody answers."""

import time

import pytest

from tests.browser.conftest import Visitor
from tests.browser.person import Person
from tests.hospital import Hospital

pytestmark = pytest.mark.timeout(180)

# Seconds, fast profile: from the death of the PAS to the banner of an open page.
DOWN_AFTER, PROBE_EVERY, PROBE_TIMEOUT, POLL_EVERY = 3.0, 0.5, 0.4, 2.0
SLACK = 3.0  # a beat, a page and Chromium on two shared cores
BOUND = DOWN_AFTER + PROBE_EVERY + PROBE_TIMEOUT + POLL_EVERY + SLACK
# From the stop of the web process to the page's own words: one poll, and the wait for its answer.
LOST_WITHIN = POLL_EVERY + 4.0 + SLACK


def given_an_open_page(visitor: Visitor) -> Person:
    clerk = visitor("clerk")
    clerk.opens("/patients/")
    clerk.page.evaluate("window.stillTheSamePage = true")
    return clerk


def then_it_was_never_reloaded(clerk: Person) -> None:
    assert clerk.page.evaluate("window.stillTheSamePage") is True


def test_the_banner_says_mirror_within_the_bound_and_normal_again_without_a_reload(
    hospital: Hospital, visitor: Visitor
) -> None:
    hospital.given_normal()
    clerk = given_an_open_page(visitor)
    clerk.sees('[data-mode="normal"]', "PAS is up")

    hospital.kill_pas()
    died = time.monotonic()
    clerk.sees('[data-mode="mirror"]', "PAS DOWN since", within=BOUND)
    assert time.monotonic() - died < BOUND
    clerk.sees("#mode-banner", "Data as at")
    clerk.finds_it_accessible()

    hospital.given_normal()
    clerk.sees('[data-mode="normal"]', "PAS is up", within=POLL_EVERY + SLACK)
    then_it_was_never_reloaded(clerk)


def test_a_page_nobody_answers_says_since_when_and_recovers(hospital: Hospital, visitor: Visitor) -> None:
    clerk = given_an_open_page(visitor)
    operator = visitor("itops")
    clerk.sees("[data-mode]", "PAS")
    operator.sees("#mode")
    with hospital.frozen("web"):
        clerk.sees('[data-mode="unknown"]', "Connection lost since", within=LOST_WITHIN)
        operator.sees('[data-mode="unknown"]', "Connection lost since", within=LOST_WITHIN)
        operator.sees("[data-lost]", "Connection lost: what is below may be old")
        assert clerk.page.locator('[data-mode="normal"], [data-mode="mirror"]').count() == 0
        clerk.finds_it_accessible()
        operator.finds_it_accessible()
    clerk.page.wait_for_selector('[data-mode]:not([data-mode="unknown"])')
    operator.page.wait_for_selector('[data-mode]:not([data-mode="unknown"])')
    operator.page.wait_for_selector("[data-lost]", state="hidden")
    then_it_was_never_reloaded(clerk)
