"""Destinations: paused and resumed, a refused message read and sent again, by keyboard; accessible; nobody named."""

from urllib.parse import unquote_plus, urlsplit

import pytest

from tests.browser.conftest import Visitor
from tests.browser.person import Person
from tests.eventually import eventually
from tests.hospital import Hospital

pytestmark = pytest.mark.timeout(240)


def decides(operator: Person, button: str, reason: str) -> None:
    """Choose an action with the keyboard; the reason is where typing begins."""
    operator.tabs_to(button)
    operator.goes("Enter")
    assert operator.at() == "reason"
    operator.finds_it_accessible()
    operator.types(reason)
    operator.goes("Enter")


def received(operator: Person) -> bool:
    operator.page.reload()
    return operator.page.locator("#message-facts dd:text-is('Accepted')").count() == 1


def test_a_refused_message_is_sent_again_and_a_destination_is_paused(hospital: Hospital, visitor: Visitor) -> None:
    hospital.given_mirror()
    hospital.receivers["pathology"].do("refuse", code="AE", err="204", times=1)
    hospital.capture_something()
    operator, engineer = visitor("itops"), visitor("engine")
    operator.page.click("#menu-destinations")
    operator.sees("#lane-pathology td:nth-of-type(4)", "1", within=20)
    operator.finds_it_accessible()
    operator.tabs_to("to-pathology")
    operator.goes("Enter")
    operator.sees("#standing", "Held")
    operator.finds_it_accessible()

    decides(operator, "do-pause", "their upgrade")
    operator.sees("[data-message]", "Nothing more is sent")
    operator.sees("#state", "by itops: their upgrade")
    operator.finds_it_accessible()
    decides(operator, "do-resume", "it is done")
    operator.sees("[data-message]", "is sent to again")

    operator.page.click("#show-person")
    operator.sees("#messages", "Refused")
    operator.page.focus("#messages [data-row]")
    operator.goes("Enter")
    operator.sees("#attempts", "AE")
    operator.finds_it_accessible()
    where = urlsplit(operator.page.url).path
    decides(operator, "do-send-again", "their code table is mended")
    operator.sees("#decisions", "their code table is mended")
    eventually(lambda: received(operator), within=20, every=1.0, why="the laboratory has it")

    engineer.opens(where)
    engineer.page.click("#content")
    engineer.finds_it_accessible()
    assert engineer.page.locator("text=CAPTURED").count() == 0
    engineer.sends("#read", reason="the laboratory asks")
    engineer.sees("#said", "CAPTURED")
    engineer.sees("#answers", "MSA|AE")
    engineer.finds_it_accessible()
    for person in (operator, engineer):
        assert person.walk.hosts() == {"127.0.0.1"}
        assert not [at for at in (*person.walk.requests, *person.walk.titles) if "captured" in unquote_plus(at).lower()]
