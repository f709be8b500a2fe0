"""Intake while the mirror speaks: the gate is passed alone, and who has seen the valve open asks for it so at once."""

import threading
from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from messaging.models import Channel, Inbound
from messaging.services import emission
from pasmirror.lib import clock
from pasmirror.lib.actor import system
from pasmirror.lib.locks import Lock
from tests.service.test_intake import POLICY, message, open_valve, taken

pytestmark = pytest.mark.django_db


def test_an_open_valve_costs_a_second_look_only_the_first_time():
    """What is stored a second time has drawn two ids of the table's own for each message."""
    Channel.objects.create(code="pas", policy=POLICY.as_json())
    backlog = clock.now() - timedelta(minutes=6)
    open_valve(ago=timedelta(minutes=5))
    for number in range(4):
        taken(message(f"PAS{number}", sent=backlog))
    emission.hold(by=system("test"), reason="test")
    for number in range(4, 8):
        taken(message(f"PAS{number}", sent=backlog))
    ids = list(Inbound.objects.order_by("number").values_list("pk", flat=True))
    assert ids == list(range(ids[0], ids[0] + 8))


@pytest.mark.django_db(transaction=True)
def test_a_message_is_received_once_its_listener_has_the_gate():
    """Were it received before, a sender still within the gate would seem to have spoken after the PAS did."""
    Channel.objects.create(code="pas", policy=POLICY.as_json())
    open_valve(ago=timedelta(minutes=5))
    let_go = []
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.Cursor}) as sender:
        sender.execute("SELECT pg_advisory_xact_lock_shared(%s)", [int(Lock.GATE)])

        def opens_its_attempt() -> None:
            let_go.append(clock.now())
            sender.commit()

        threading.Timer(0.3, opens_its_attempt).start()
        taken(message("PAS1", sent=clock.now()))
    assert Inbound.objects.get().received_at > let_go[0]
