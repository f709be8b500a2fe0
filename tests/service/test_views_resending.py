"""The page for sending again: counted before it is ordered, with reason and password, by whom it is entrusted to."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from messaging.models import Destination, Outbound, ResendOrder
from messaging.resends import Asked, Scope
from messaging.services import resending
from pasmirror.lib.models import AuditRow
from patients.models import Gate
from tests.factories import lanes as make
from tests.factories.desk import PASSWORD, Fields, signed_in
from tests.factories.resends import accepted

pytestmark = pytest.mark.django_db
AGAIN = "/destinations/to/pathology/again"


@pytest.fixture
def engineer() -> Client:
    make.mirror_mode()
    make.destination("pathology")
    saved = make.register("QUILLMARK")
    make.update(saved, 1, "0200 987654")
    make.register("QUILLBACK")
    accepted()
    return signed_in("integration", "ivy")


def text_of(answer: object) -> str:
    return " ".join(answer.content.decode().split())  # type: ignore[attr-defined]


def look(client: Client, query: str = "") -> str:
    answer = client.get(AGAIN + query)
    assert answer.status_code == 200
    return text_of(answer)


def send(client: Client, query: str, **other: str) -> str:
    """Fill in the order as it was counted."""
    page = client.get(AGAIN + query).content.decode()
    form = page[page.index('id="page-form"') :]
    values = Fields(form).values | {"reason": "restored", "password": PASSWORD} | other
    return text_of(client.post(f"{AGAIN}/order", values, follow=True))


def test_it_says_how_many_and_how_before_it_is_ordered(engineer: Client) -> None:
    assert f'href="{AGAIN}" id="resend"' in text_of(engineer.get(reverse("destination", args=["pathology"])))
    text = look(engineer)
    assert "What would be sent" not in text
    text = look(engineer, "?what=range&first=1&last=3")
    found = re.findall(r"<dt>([^<]*)</dt><dd>(\d+)</dd>", text)
    assert found == [
        ("Asked for", "3"), ("Messages sent again as they were", "2"), ("Patients whose current state is sent", "1"),
        ("Messages left out", "0"),
    ]  # fmt: skip
    assert not ResendOrder.objects.exists()
    text = send(engineer, "?what=range&first=1&last=3")
    made = ResendOrder.objects.get()
    assert f"Order {made.pk} to send again to Pathology is being worked off." in text
    assert (made.first, made.last, made.by["subject"], made.reason) == (1, 3, "ivy", "restored")
    assert f'id="stop-{made.pk}"' in text
    while resending.run_once():
        pass
    assert "All of it is on the lane" in look(engineer)
    assert "987654" not in look(engineer) + text
    assert "QUILL" not in look(engineer) + text


def test_password_reason_and_numbers_are_asked_for(engineer: Client) -> None:
    assert "The password is wrong. Nothing was done" in send(engineer, "?what=epoch&epoch=2", password="guess")
    assert AuditRow.objects.filter(action="confirmation_refused", subject="resend").count() == 1
    assert "Enter the reason" in send(engineer, "?what=epoch&epoch=2", reason=" ")
    assert "Enter the first number" in look(engineer, "?what=range")
    assert "The last number is before the first" in look(engineer, "?what=range&first=3&last=1")
    assert "Enter the epoch" in look(engineer, "?what=epoch")
    for odd in ("?what=everything", "?what=range&first=x&last=9", f"?what=range&first=1&last={'9' * 30}"):
        assert "There is a problem" in look(engineer, odd), odd
    assert not ResendOrder.objects.exists()


def test_one_form_sent_twice_orders_once(engineer: Client) -> None:
    page = engineer.get(AGAIN + "?what=epoch&epoch=2").content.decode()
    values = Fields(page[page.index('id="page-form"') :]).values | {"reason": "restored", "password": PASSWORD}
    for _ in range(2):
        assert engineer.post(f"{AGAIN}/order", values).status_code == 302
    assert ResendOrder.objects.count() == 1
    other = text_of(engineer.post(f"{AGAIN}/order", values | {"what": "range", "first": "1", "last": "1"}))
    assert "used before for something else" in other
    assert ResendOrder.objects.count() == 1


def test_two_people_at_once_make_one_order(engineer: Client) -> None:
    other = signed_in("operator", "olive")
    assert "is being worked off" in send(engineer, "?what=epoch&epoch=2")
    assert "by ivy is being worked off: wait, or stop it" in look(other, "?what=epoch&epoch=2")
    made = ResendOrder.objects.get()
    address = reverse("resend-stop", args=[made.pk])
    key = Fields(other.get(address).content.decode()).values["key"]
    assert "Enter why it is stopped" in text_of(other.post(address, {"key": key, "reason": ""}))
    assert "is stopped" in text_of(other.post(address, {"key": key, "reason": "a mistake"}, follow=True))
    made.refresh_from_db()
    assert made.ending == "Stopped by olive"


def test_where_nothing_may_be_ordered_the_page_says_why(engineer: Client) -> None:
    Gate.objects.update(mode="normal", epoch=3, fenced=2)
    text = look(engineer, "?what=epoch&epoch=2")
    assert "Nothing can be ordered now." in text
    assert "The PAS is master and speaks for itself" in text
    assert 'id="confirm"' not in text
    Gate.objects.update(mode="mirror")
    Destination.objects.update(paused=True)
    assert "This destination is paused" in look(engineer, "?what=epoch&epoch=2")


def test_a_received_message_is_ordered_again_from_its_page_and_an_older_as_the_current_state(engineer: Client) -> None:
    rows = {row.seq: row for row in Outbound.objects.all()}
    page = text_of(engineer.get(reverse("outbound", args=[rows[3].pk])))
    assert 'id="do-order-again"' in page
    address = reverse("outbound-decide", args=[rows[3].pk, "order-again"])
    key = Fields(engineer.get(address).content.decode()).values["key"]
    done = text_of(engineer.post(address, {"key": key, "reason": "they lost it"}, follow=True))
    assert "Message 3 is ordered to be sent again." in done
    assert resending.run_once() == 1
    page = text_of(engineer.get(reverse("outbound", args=[rows[3].pk])))
    assert "It was sent again" in page
    again = Outbound.objects.get(again=rows[3])
    assert "The same bytes were put on the lane by order" in text_of(engineer.get(reverse("outbound", args=[again.pk])))
    page = text_of(engineer.get(reverse("outbound", args=[rows[1].pk])))
    assert 'id="do-send-current"' in page
    assert 'id="do-order-again"' not in page


def test_the_engineer_sets_one_aside_and_pauses_nothing(engineer: Client) -> None:
    row = Outbound.objects.get(seq=3)
    Outbound.objects.filter(pk=row.pk).update(leg="held")
    address = reverse("outbound-decide", args=[row.pk, "set-aside"])
    key = Fields(engineer.get(address).content.decode()).values["key"]
    done = text_of(engineer.post(address, {"key": key, "reason": "told by telephone"}, follow=True))
    assert "Message 3 is set aside." in done
    assert engineer.get(reverse("destination-switch", args=["pathology", "pause"])).status_code == 403


@pytest.mark.parametrize("role", ["clerk", "auditor", "data_quality"])
def test_others_may_not(engineer: Client, role: str) -> None:
    other = signed_in(role)
    made = resending.order("pathology", Asked(Scope.EPOCH, epoch=2), by=make.OPERATOR, reason="restored")
    for address in (AGAIN, f"{AGAIN}/order", reverse("resend-stop", args=[made.pk])):
        assert other.get(address).status_code == 403
        assert other.post(address, {"reason": "curious"}).status_code == 403
    made.refresh_from_db()
    assert made.ended_at is None


def test_there_is_no_page_of_what_is_not_there(engineer: Client) -> None:
    assert engineer.get("/destinations/to/nowhere/again").status_code == 404
    assert engineer.post("/destinations/to/nowhere/again/order").status_code == 404
    assert engineer.get(reverse("resend-stop", args=[2**40])).status_code == 404
    assert engineer.get(f"{AGAIN}/order").status_code == 302


def test_every_control_has_a_label(engineer: Client) -> None:
    fields = Fields(engineer.get(AGAIN + "?what=epoch&epoch=2").content.decode())
    assert fields.controls <= fields.labels
    assert {"what", "first", "last", "epoch", "reason", "password"} <= fields.controls
