"""The probe's pages: an engineer orders one with a reason and reads what it showed; nobody else sees texts."""

import re
from dataclasses import asdict

import pytest
from django.test import Client
from django.urls import reverse

from messaging.conformance import ASKED, Answer
from messaging.models import Destination, Emission, Probe
from messaging.services import probing
from pasmirror.lib import clock
from tests.factories import lanes as make
from tests.factories.desk import Fields, signed_in

pytestmark = pytest.mark.django_db
ANSWERS = [
    Answer("right", "AA", text="taken by ZZLAB", ms=12),
    Answer("again", "AA", ms=9, as_before=True),
    Answer("structure", "AE", "101", ms=8),
    Answer("field", phase="wait", ms=500),
]


@pytest.fixture
def engineer() -> Client:
    make.mirror_mode(valve="held")
    make.destination("pathology")
    make.destination("pas", 2, is_pas=True)
    return signed_in("integration")


def text_of(client: Client, name: str, *at: object) -> str:
    answer = client.get(reverse(name, args=at))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def order(client: Client, **said: str) -> str:
    address = reverse("destination-probe", args=["pathology"])
    key = Fields(client.get(address).content.decode()).values["key"]
    answer = client.post(address, {"key": key, "reason": "it is new", **said}, follow=True)
    again = client.post(address, {"key": key, "reason": "it is new", **said}, follow=True)
    assert again.status_code == 200
    return " ".join(answer.content.decode().split())


def done() -> Probe:
    return Probe.objects.create(
        destination=Destination.objects.get(code="pathology"), by={"subject": "ines"}, reason="it is new",
        ordered_at=clock.now(), ended_at=clock.now(), answers=[asdict(answer) for answer in ANSWERS],
    )  # fmt: skip


def test_an_engineer_orders_one_and_a_double_click_orders_no_second(engineer: Client) -> None:
    assert "It has not been probed" in text_of(engineer, "destination", "pathology")
    page = text_of(engineer, "destination-probe", "pathology")
    assert all(words in page for words in ASKED.values())
    assert "Enter the reason" in order(engineer, reason=" ")
    text = order(engineer)
    assert "A probe of Pathology is ordered" in text
    assert "is under way" in text
    assert Probe.objects.count() == 1
    assert probing.waits()
    second = order(signed_in("operator"))
    assert "A probe of this destination is under way already" in second
    assert Probe.objects.count() == 1


def test_while_emission_is_open_it_must_be_confirmed(engineer: Client) -> None:
    Emission.objects.update(valve="open")
    assert "Emission is open" in text_of(engineer, "destination-probe", "pathology")
    refused = order(engineer)
    assert "Confirm that a probe is to be sent all the same" in refused
    assert not Probe.objects.exists()
    order(engineer, confirmed="on")
    assert Probe.objects.get().confirmed


def test_what_it_showed_stands_on_the_page_and_its_part(engineer: Client) -> None:
    done()
    for name in ("destination", "destination-live"):
        text = text_of(engineer, name, "pathology")
        assert "by ines: it is new." in text
        assert "It knows a repeat" in text
        assert "A date of birth that is none: it did not answer in time." in text
        table = re.search(r'id="probe-answers">(.*?)</table>', text)
        assert table
        assert [cell for cell in re.findall(r"<td[^>]*>([^<]*)</td>", table[1]) if cell.endswith(" ms")] == [
            "12 ms", "9 ms", "8 ms", "500 ms",
        ]  # fmt: skip
        assert "None (wait)" in table[1]
        assert "taken by ZZLAB" in table[1]


def test_texts_are_the_engineers_alone_and_others_may_not_order(engineer: Client) -> None:
    done()
    text = text_of(signed_in("auditor"), "destination", "pathology")
    assert "AE" in text
    assert "taken by ZZLAB" not in text
    assert 'id="do-probe"' not in text
    assert 'id="do-probe"' in text_of(engineer, "destination", "pathology")


def test_the_pas_has_no_probe(engineer: Client) -> None:
    assert 'id="probe"' not in text_of(engineer, "destination", "pas")
    assert "The PAS is not probed" in text_of(engineer, "destination-probe", "pas")
