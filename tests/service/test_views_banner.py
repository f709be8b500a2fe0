"""The mode banner says who is master and how old the data are; health says whether work is done."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from messaging.models import Channel, Emission
from pasmirror.lib import clock
from patients import cui
from patients.models import Gate, JournalTail
from patients.states import Mode
from tests.factories.desk import signed_in

pytestmark = pytest.mark.django_db


def banner():
    return " ".join(Client().get(reverse("banner")).content.decode().split())


def test_the_pas_is_up():
    Channel.objects.create(code="main", received_at=clock.now())
    assert "PAS is up: look-up only, use the PAS." in banner()
    assert f"Data as at {cui.time(clock.now())[:2]}" in banner()


def test_old_data_show_their_date():
    yesterday = clock.now() - timedelta(days=1)
    Channel.objects.create(code="main", received_at=yesterday)
    assert f"Data as at {cui.moment(yesterday)}" in banner()


def test_the_pas_is_down_with_emission_held_and_open():
    Gate.objects.update(mode=Mode.MIRROR, since=clock.now())
    assert "PAS DOWN since" in banner()
    assert "not being told yet" in banner()
    Emission.objects.update_or_create(pk=1, defaults={"valve": "open", "since": clock.now()})
    assert "Other systems are being told." in banner()


@pytest.mark.parametrize(("mode", "words"), [(Mode.RECOVERY, "PAS is back"), (Mode.HANDBACK, "saving is frozen")])
def test_the_way_back(mode, words):
    Gate.objects.update(mode=mode)
    assert words in banner()
    assert f'data-mode="{mode}"' in banner()


def test_it_is_on_every_page_and_asked_for_every_two_seconds():
    text = signed_in("clerk").get(reverse("wards")).content.decode()
    assert 'id="mode-banner" role="status" hx-get="/banner" hx-trigger="every 2s"' in text


def test_health_is_proven_by_work():
    assert Client().get(reverse("health")).json() == {"database": "answers", "tail_seconds": 0.0, "well": True}
    JournalTail.objects.create(change_id=1, at=clock.now() - timedelta(minutes=5))
    stuck = Client().get(reverse("health"))
    assert stuck.status_code == 503
    assert stuck.json()["well"] is False


def test_a_database_that_is_away_is_said_plainly_and_without_particulars():
    client = signed_in("clerk")

    def away(execute, sql, params, many, context):
        raise OperationalError("connection to server at 10.0.0.1 failed for LOVELACE")

    with connection.execute_wrapper(away):
        answer = client.post(reverse("find"), {"sought": "lovelace"})
        health = client.get(reverse("health"))
    assert answer.status_code == 503
    text = answer.content.decode()
    assert "database does not answer" in text
    assert "it is not certain whether your entry was saved" in text
    assert "LOVELACE" not in text
    assert answer["Cache-Control"] == "no-store"
    assert health.status_code == 503


def test_a_fault_of_ours_shows_no_particulars():
    client = signed_in("clerk", raise_request_exception=False)

    def broken(execute, sql, params, many, context):
        if "patients_ward" in sql:
            raise ValueError("LOVELACE")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(broken):
        answer = client.get(reverse("wards"))
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert "LOVELACE" not in answer.content.decode()
