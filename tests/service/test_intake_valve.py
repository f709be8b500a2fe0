"""Intake while the mirror speaks: the gate is passed alone, and who has seen the valve open asks for it so at once."""

from datetime import timedelta

import pytest

from messaging.models import Channel, Inbound
from messaging.services import emission
from pasmirror.lib import clock
from pasmirror.lib.actor import system
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
