"""Fidelity: looked at, read with a reason, accepted and withdrawn by keyboard; accessible; nobody in an address."""

import pytest

from tests.browser.conftest import Visitor
from tests.browser.person import Person
from tests.browser.test_exceptions import hl7, then_nobody_is_named_in_addresses_or_titles, told
from tests.eventually import eventually
from tests.hospital import Hospital

pytestmark = pytest.mark.timeout(240)
SOMEBODY = "X987031"
DIFFERENCE = "#differences a:text-is('ZQX-2')"


def compared(engineer: Person) -> bool:
    engineer.opens("/fidelity/to/pathology")
    return engineer.page.locator(DIFFERENCE).count() == 1


def test_a_difference_is_read_accepted_and_withdrawn(hospital: Hospital, visitor: Visitor) -> None:
    hospital.given_normal()
    told(hospital, hl7("A28", "F1", "QUILLMARK^Ann||19440301", SOMEBODY, "ZQX|1|MIRRORLY"))
    engineer = visitor("engine")
    engineer.page.click("#menu-fidelities")
    engineer.sees("#destinations", "Pathology")
    engineer.finds_it_accessible()
    eventually(lambda: compared(engineer), within=60, every=1.0, why="the morning and this are compared")
    engineer.finds_it_accessible()
    assert engineer.page.locator("#event-register").count() == 1
    engineer.page.click(DIFFERENCE)
    engineer.sees("#difference-facts", "The PAS says it, we say nothing")
    engineer.finds_it_accessible()
    assert engineer.page.locator("text=MIRRORLY").count() == 0
    engineer.sends("#read", reason="is the Z segment needed")
    engineer.sees("#examples", "MIRRORLY")
    engineer.finds_it_accessible()
    engineer.page.click("#do-accept")
    assert engineer.at() == "reason"
    engineer.goes("Enter")
    engineer.sees("#error-summary", "Enter the reason")
    engineer.finds_it_accessible()
    engineer.sends("#confirm", reason="pathology does not read Z segments")
    engineer.sees("[data-message]", "The difference is accepted")
    engineer.sees("#differences", "pathology does not read Z segments")
    engineer.page.click(DIFFERENCE)
    engineer.page.click("#do-withdraw")
    engineer.sends("#confirm", reason="it does")
    engineer.sees("[data-message]", "counts as a difference")
    engineer.page.click("#anew")
    engineer.finds_it_accessible()
    then_nobody_is_named_in_addresses_or_titles(engineer)
