"""Exceptions and messages of the feed: found, read, decided by keyboard; accessible; nobody in an address."""

import re
import socket
from urllib.parse import unquote_plus

import pytest

from pasmirror.demo.cast import PASSWORD
from tests.browser.conftest import Visitor
from tests.browser.person import Person
from tests.eventually import eventually
from tests.hospital import Hospital

pytestmark = pytest.mark.timeout(240)

PAGE = 50  # messages on a page
NUMBER, STRANGER = "X987001", "X987002"
TRACES = re.compile(r"quillmark|mirrorly|x98700|1944|1990", re.IGNORECASE)


def hl7(trigger: str, control_id: str, person: str, number: str = NUMBER, *more: str) -> bytes:
    pid = f"PID|1||{number}^^^RXX^MR||{person}|F"
    head = f"MSH|^~\\&|DEMOPAS|RXX|MIRROR|RXX|20260301080000||ADT^{trigger}|{control_id}|P|2.4"
    return "\r".join([head, f"EVN|{trigger}|20260301080000", pid, *more, ""]).encode()


def told(hospital: Hospital, *messages: bytes) -> None:
    """Send messages as the PAS would, each after the answer to the one before."""
    with socket.create_connection(("127.0.0.1", hospital.product.mllp), 10) as peer:
        for message in messages:
            peer.sendall(b"\x0b" + message + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += peer.recv(4096)
            assert b"MSA|AA|" in answer, answer


@pytest.fixture(scope="module")
def doubtful(hospital: Hospital) -> None:
    """One message that needs a person, one that waits behind it, and a merge without its MRG."""
    hospital.given_normal()
    known, another = "QUILLMARK^Ann||19440301", "MIRRORLY^Eve||19900412"
    told(
        hospital, hl7("A28", "Q1", known), hl7("A31", "Q2", another), hl7("A31", "Q3", known),
        hl7("A28", "Q4", another, STRANGER), hl7("A34", "Q5", another, STRANGER),
    )  # fmt: skip
    cookies = "; ".join(f"{name}={value}" for name, value in hospital.signed_in("quality").cookies.items())

    def both() -> bool:
        return hospital.fetch("GET", "/exceptions/", Cookie=cookies)[2].count('id="exception-') == 2

    eventually(both, within=20, every=0.3, why="both are set aside")


def then_nobody_is_named_in_addresses_or_titles(person: Person) -> None:
    assert person.walk.hosts() == {"127.0.0.1"}
    for text in (*person.walk.requests, *person.walk.titles):
        assert not TRACES.search(unquote_plus(text)), text


def test_an_exception_is_found_narrowed_read_and_skipped(hospital: Hospital, visitor: Visitor, doubtful: None) -> None:
    quality = visitor("quality")
    quality.page.click("#menu-exceptions")
    quality.sees("#exceptions", "the person seems to be another")
    quality.finds_it_accessible()

    quality.fills(number=NUMBER)
    quality.page.press("#number", "Enter")
    quality.page.wait_for_selector("#exceptions tbody tr:only-child")
    quality.finds_it_accessible()
    quality.page.click("#exceptions [data-row]")
    quality.sees("#patient-banner", "QUILLMARK, Ann")
    quality.sees("#set-aside", "and 1 waits behind")
    quality.sees(".app-segment", "MIRRORLY")
    quality.sees("#behind", "ADT^A31")
    quality.finds_it_accessible()

    quality.tabs_to("do-skip")
    quality.goes("Enter")
    assert quality.at() == "reason"
    quality.finds_it_accessible()
    quality.goes("Enter")
    quality.sees("#error-summary", "Enter the reason")
    quality.finds_it_accessible()
    quality.sends("#confirm", reason="told of the wrong patient")
    quality.sees("[data-message]", "is skipped; 1 that waited behind it follows")
    quality.sees("#decisions", "told of the wrong patient")
    quality.finds_it_accessible()
    then_nobody_is_named_in_addresses_or_titles(quality)


def test_a_rule_is_made_and_ended(hospital: Hospital, visitor: Visitor, doubtful: None) -> None:
    engineer = visitor("engine")
    engineer.opens("/exceptions/")
    engineer.fills(trigger="ADT^A34")
    engineer.page.click("#show")
    engineer.page.wait_for_selector("#exceptions tbody tr:only-child")
    engineer.page.click("#exceptions [data-row]")
    engineer.page.click("#do-rule")
    engineer.finds_it_accessible()
    engineer.sends("#confirm", reason="the supplier is mending it", password="wrong")
    engineer.sees("#error-summary", "The password is wrong")
    engineer.finds_it_accessible()
    engineer.sends("#confirm", password=PASSWORD)
    engineer.sees("#rules", "the supplier is mending it")
    engineer.finds_it_accessible()
    engineer.page.click("#rules a")
    engineer.finds_it_accessible()
    engineer.sends("#confirm", reason="mended")
    engineer.sees("[data-message]", "has ended")
    assert engineer.page.locator("#rules").count() == 0


def test_a_message_is_found_and_read_with_a_reason(hospital: Hospital, visitor: Visitor, doubtful: None) -> None:
    engineer = visitor("engine")
    engineer.page.click("#menu-messages")
    engineer.sees("#messages")
    engineer.finds_it_accessible()
    told(hospital, *(hl7("A28", f"R{n}", "MIRRORLY^Eve||19900412", STRANGER) for n in range(PAGE)))
    engineer.page.click("#show")
    engineer.sees("#messages tbody", f"R{PAGE - 1}")
    engineer.page.click("#older")
    engineer.sees("#messages tbody", "Q1")
    engineer.fills(control_id="Q1")
    engineer.page.press("#control_id", "Enter")
    engineer.page.wait_for_selector("#messages tbody tr:only-child")
    engineer.page.click("#messages [data-row]")
    engineer.finds_it_accessible()
    assert engineer.page.locator("text=QUILLMARK").count() == 0
    engineer.sends("#read", reason="the ward asks where the name comes from")
    engineer.sees("#changes", "QUILLMARK")
    engineer.sees("#said", "Patient name")
    engineer.sees("#answer", "MSA|AA|Q1")
    engineer.finds_it_accessible()
    then_nobody_is_named_in_addresses_or_titles(engineer)
