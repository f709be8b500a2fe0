"""What the switches are thrown by and for: people, a save, what a probe said, a message from the PAS."""

import uuid
from datetime import timedelta

from failover.models import Observation
from failover.services import switch
from messaging.models import Channel, Inbound
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.models import Role
from patients.models import NumberPool
from patients.services import registration

OLIVE = Actor("olive", Role.OPERATOR, "password")
CLERK = Actor("clare", Role.CLERK, "password")
MONITOR = system("monitor")
ALL = dict.fromkeys(switch.CHECKLIST, True)
PERSON = {"name": {"family": "SMITH", "given": "Ann"}, "birth": {"born": "1952-03-01"}, "sex": {"sex": "F"}}


def save() -> None:
    NumberPool.objects.get_or_create(kind="patient", type="MR", authority="PASMIRROR", prefix="M", next=1, last=99)
    registration.register(patient=PERSON, by=CLERK, key=uuid.uuid4())


def said(verdict: str, way: str = "mllp", seconds: float = 600) -> None:
    now = clock.now()
    since = now - timedelta(seconds=seconds)
    fails = 99 if verdict == "down" else 0
    Observation.objects.create(observer="monitor", way=way, verdict=verdict, at=now, since=since, fails=fails)


def heard(made_ago: float) -> None:
    """A message from the PAS, made so many seconds ago."""
    channel, _ = Channel.objects.get_or_create(code="pas")
    channel.last += 1
    channel.received_at = clock.now()
    channel.save()
    sent = clock.now() - timedelta(seconds=made_ago)
    Inbound.objects.create(
        channel=channel, number=channel.last, received_at=clock.now(), peer="", raw=b"", answer=b"", sent_at=sent
    )
