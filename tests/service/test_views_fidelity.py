"""The fidelity pages: figures for all to see who integrate, particulars with a reason only, and what is accepted."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from messaging.models import Destination, FidelityAcceptance, FidelityExample, FidelityPoint
from messaging.services import fidelity
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import AuditRow
from tests.factories.desk import Fields, signed_in
from tests.factories.fidelity import destination, hear_and_compare, listening
from tests.factories.identity import SMITH, hl7, pid, pv1

pytestmark = pytest.mark.django_db
SECRETS = ("SMITH", "High St", "19520301", "LS1 4AP")


@pytest.fixture
def engineer() -> Client:
    listening()
    destination("pathology", fidelity_least=99)
    destination("radiology", port=2)
    hear_and_compare(
        hl7("A28", pid("A", SMITH, "", "", "1 High St^^LEEDS^^LS1 4AP^^^^x"), "ZPI|1|SECRET WORD"),
        hl7("A09", pid("A"), pv1("V1")),
    )
    return signed_in("integration")


def page(client: Client, name: str, *at: object) -> str:
    answer = client.get(reverse(name, args=at))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def point(field: str, code: str = "pathology") -> int:
    return FidelityPoint.objects.exclude(verdict="same").get(destination__code=code, event="register", field=field).pk


def send(client: Client, name: str, *at: object, reason: str = "the laboratory does not read it") -> str:
    address = reverse(name, args=at)
    key = Fields(client.get(address).content.decode()).values["key"]
    return " ".join(client.post(address, {"key": key, "reason": reason}, follow=True).content.decode().split())


def test_every_destination_is_listed_with_what_holds_emission(engineer: Client) -> None:
    text = page(engineer, "fidelities")
    assert re.search(r'id="to-pathology">Pathology</a>.*?99 %.*?Kept held', text)
    assert re.search(r'id="to-radiology">Radiology</a>.*?None.*?May open', text)
    assert 'id="menu-fidelities"' in text
    assert 'aria-current="page"' in text


def test_a_destination_shows_its_figures_by_event_and_field_and_no_particulars(engineer: Client) -> None:
    text = page(engineer, "fidelity", "pathology")
    assert re.search(r'id="event-register">.*?Registered</th> <td[^>]*>\d+(\.\d)? %', text)
    assert re.search(r">MSH-17</a> Country code</th> <td[^>]*>We say it, the PAS says nothing</td>", text)
    assert re.search(r"ZPI-2</a>.*?The PAS says it, we say nothing.*?1 of 1.*?Open", text)
    assert re.search(r"PID-11</a> Patient address</th> <td[^>]*>We (say something else|leave out a part)", text)
    assert "MSH-10" in text, "what is not compared is said"
    assert not [word for word in (*SECRETS, "SECRET WORD") if word in text]


def test_what_was_said_is_shown_with_a_reason_only_and_that_is_kept(engineer: Client) -> None:
    at = point("ZPI-2")
    before = page(engineer, "fidelity-difference", at)
    assert "SECRET WORD" not in before
    message = FidelityExample.objects.get(point=at).message
    assert f'id="message-{message}"' in before
    assert "Enter the reason" in send(engineer, "fidelity-difference", at, reason=" ")
    assert not AuditRow.objects.filter(action="looked:fidelity").exists()
    shown = send(engineer, "fidelity-difference", at, reason="is the Z segment needed")
    assert re.search(r"The PAS said</dt><dd><code>SECRET WORD</code>.*?We would have said</dt><dd><code>Nothing", shown)
    row = AuditRow.objects.get(action="looked:fidelity", subject=f"inbound:{message}")
    assert (row.actor["subject"], row.actor["reason"]) == ("integration", "is the Z segment needed")
    assert AuditRow.objects.filter(action="looked:fidelity", subject__startswith="patient:").count() == 1


def test_accepted_with_a_reason_and_withdrawn_again(engineer: Client) -> None:
    at = point("MSH-17")
    assert "Enter the reason" in send(engineer, "fidelity-decide", at, "accept", reason="")
    text = send(engineer, "fidelity-decide", at, "accept")
    assert "The difference is accepted." in text
    assert re.search(r"MSH-17</a>.*?Accepted.*?by integration: the laboratory does not read it", text)
    assert 'id="do-withdraw"' in page(engineer, "fidelity-difference", at)
    assert "It counts as a difference" in send(engineer, "fidelity-decide", at, "withdraw", reason="radiology does")
    assert FidelityAcceptance.objects.get().ended_by["reason"] == "radiology does"
    assert not FidelityAcceptance.objects.filter(point__destination__code="radiology").exists()


def test_a_double_click_accepts_once(engineer: Client) -> None:
    address = reverse("fidelity-decide", args=[point("MSH-17"), "accept"])
    key = Fields(engineer.get(address).content.decode()).values["key"]
    for _ in range(2):
        assert engineer.post(address, {"key": key, "reason": "nobody reads it"}).status_code == 302
    assert FidelityAcceptance.objects.count() == 1
    assert AuditRow.objects.filter(action="fidelity.accept").count() == 1


def test_two_engineers_at_once_leave_one_acceptance_and_a_sentence(engineer: Client) -> None:
    at = point("MSH-17")
    fidelity.accept(point=at, by=Actor("ivy", "integration", "password"), reason="first")
    address = reverse("fidelity-decide", args=[at, "accept"])
    key = Fields(engineer.get(address).content.decode()).values["key"]
    assert "accepted already" in engineer.post(address, {"key": key, "reason": "second"}).content.decode()


def test_counted_anew_with_a_reason(engineer: Client) -> None:
    assert "Counted anew from now on" in send(engineer, "fidelity-anew", "pathology", reason="mended")
    assert "Nothing has been compared yet" in page(engineer, "fidelity", "pathology")
    assert "Nothing has been compared yet" not in page(engineer, "fidelity", "radiology")


def test_there_is_no_page_of_what_is_not_there(engineer: Client) -> None:
    Destination.objects.create(code="pas", name="PAS", host="127.0.0.1", port=9, is_pas=True)
    same = FidelityPoint.objects.filter(verdict="same")[0].pk
    for name, *at in (
        ("fidelity", "nowhere"), ("fidelity", "pas"), ("fidelity-anew", "nowhere"), ("fidelity-difference", 2**40),
        ("fidelity-difference", same), ("fidelity-decide", point("MSH-17"), "forget"),
    ):  # fmt: skip
        assert engineer.get(reverse(name, args=at)).status_code == 404, (name, at)


@pytest.mark.parametrize("role", ["clerk", "operator", "data_quality", "auditor"])
def test_only_the_integration_engineer_sees_and_decides(engineer: Client, role: str) -> None:
    at = point("MSH-17")
    other = signed_in(role)
    for address in (
        reverse("fidelities"),
        reverse("fidelity", args=["pathology"]),
        reverse("fidelity-difference", args=[at]),
        reverse("fidelity-decide", args=[at, "accept"]),
        reverse("fidelity-anew", args=["pathology"]),
    ):
        assert other.get(address).status_code == 403
        assert other.post(address, {"reason": "curious"}).status_code == 403
    assert not FidelityAcceptance.objects.exists()


def test_every_control_has_a_label(engineer: Client) -> None:
    at = point("ZPI-2")
    for address in (
        reverse("fidelity-difference", args=[at]),
        reverse("fidelity-decide", args=[at, "accept"]),
        reverse("fidelity-anew", args=["pathology"]),
    ):
        fields = Fields(engineer.get(address).content.decode())
        assert fields.controls
        assert fields.controls <= fields.labels
