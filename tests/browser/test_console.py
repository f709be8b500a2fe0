"""The IT console: what each switch asks before it is thrown, and the way back through all modes on one open page."""

import pytest

from pasmirror.demo.cast import PASSWORD
from tests.browser.conftest import Visitor
from tests.browser.person import Person
from tests.eventually import eventually
from tests.hospital import HANDBACK, MIRROR, NORMAL, RECOVERY, Hospital

pytestmark = pytest.mark.timeout(180)

CHECKLIST = ("service_desk_release", "restore_point_known", "users_told", "outbound_empty", "feed_quiet")


def acts(operator: Person, verb: str, **typed: str) -> None:
    operator.opens(f"/console/do/{verb}")
    operator.sends("#confirm", **typed)


def told(operator: Person) -> list[str]:
    return operator.page.locator("#error-summary a").all_inner_texts()


def given_the_way_back_is_proposed(hospital: Hospital) -> None:
    hospital.given_mirror()
    hospital.capture_something()
    hospital.start_pas()
    eventually(lambda: "Proposed: Release" in hospital.console(), within=20, every=0.3, why="the way back is proposed")


def test_the_way_back_asks_for_checklist_password_and_signature(hospital: Hospital, visitor: Visitor) -> None:
    given_the_way_back_is_proposed(hospital)
    operator, clerk = visitor("itops"), visitor("clerk")
    operator.sees("#do-release", "Proposed: Release the replay")
    operator.finds_it_accessible()

    operator.page.click("#do-release")
    operator.finds_it_accessible()
    operator.sends("#confirm")
    assert len(told(operator)) == len(CHECKLIST) + 2
    operator.finds_it_accessible()
    for name in CHECKLIST[1:]:
        operator.page.check(f"#{name}")
    operator.sends("#confirm", reason="the PAS is well", password=PASSWORD)
    assert told(operator) == ["Not checked: The service desk has released the PAS"]
    operator.page.check(f"#{CHECKLIST[0]}")
    operator.sends("#confirm", password="wrong")
    assert told(operator) == ["User name or password is wrong. Nothing was done."]
    assert hospital.mode() == MIRROR
    operator.sends("#confirm", password=PASSWORD)

    clerk.sees(f'[data-mode="{RECOVERY}"]', "PAS is back:")
    clerk.finds_it_accessible()
    operator.sees("#mode", "RECOVERY")
    operator.sees("#ledger", "Ledger: balanced", within=30)
    operator.finds_it_accessible()

    with hospital.frozen("monitor"):  # who would end the hand-back in a moment: it is looked at meanwhile
        acts(operator, "hand-back", reason="balanced", password=PASSWORD)
        clerk.sees(f'[data-mode="{HANDBACK}"]', "saving is frozen")
        clerk.finds_it_accessible()
        operator.finds_it_accessible()
    hospital.until(NORMAL)
    clerk.sees(f'[data-mode="{NORMAL}"]', "PAS is up")
    operator.sees("#mode", "NORMAL")


def test_opening_mirror_mode_needs_a_reason(hospital: Hospital, visitor: Visitor) -> None:
    hospital.given_normal()
    operator = visitor("itops")
    operator.sees("#pas", "UP")  # else it would not be planned, and would end by itself
    operator.sees("#flags", "None")
    acts(operator, "open-mirror")
    assert told(operator) == ["Enter the reason"]
    assert hospital.mode() == NORMAL
    operator.sends("#confirm", reason="upgrade of the PAS tonight")
    operator.sees("#mode", "MIRROR")
    operator.sees("#timeline", "upgrade of the PAS tonight")
    operator.sees("#emission", "HELD")
    acts(operator, "stand-down", reason="postponed")
    assert told(operator) == []
    operator.sees("#mode", "NORMAL")


def test_emission_can_be_held_and_asks_for_the_password_to_open_again(hospital: Hospital, visitor: Visitor) -> None:
    hospital.given_mirror()
    operator = visitor("itops")
    acts(operator, "hold-emission", reason="the laboratory asks us to wait")
    operator.sees("#emission", "HELD")
    operator.sees("#mode-banner", "Other systems are not being told yet")
    acts(operator, "open-emission", reason="they are ready", password="wrong")
    assert told(operator) == ["User name or password is wrong. Nothing was done."]
    operator.sends("#confirm", password=PASSWORD)
    operator.sees("#emission", "OPEN")
