"""An appointment of somebody not yet known waits for the channel that tells of patients, and holds up nobody else."""

from datetime import timedelta

import pytest

from messaging.models import Channel, Inbound
from messaging.services import apply
from pasmirror.lib import clock
from patients.models import Appointment, Patient

pytestmark = pytest.mark.django_db
GRACE = 30.0


@pytest.fixture(autouse=True)
def channels(db):
    for place, code in enumerate(("adt", "siu")):
        policy = {"place": place, "port": 2575 + place, "grace": GRACE, "default_authority": "RXX"}
        Channel.objects.create(code=code, policy=policy)


def told(trigger, number, *, appointment="", family="SMITH", ids="^^^RXX^MR"):
    event = trigger[-3:]
    lines = [f"MSH|^~\\&|DEMOPAS|RXX|||20260301080000||{trigger}|{number}{event}{appointment}|P|2.4"]
    lines += [f"EVN|{event}|20260301080000"] if trigger.startswith("ADT") else []
    times = "^^30^20260401090000^20260401093000"
    lines += [f"SCH|{appointment}^RXX|{appointment}^RXX|||||^Review|FU|||{times}"] if appointment else []
    lines += [f"PID|1||{number}{ids}||{family}^Ann||19520301|F"]
    lines += ["PV1|1|O|CARD^^^RXX", "RGS|1", "AIL|1||CARD^^^RXX"] if appointment else []
    return "\r".join(lines) + "\r"


def store(code, *texts, ago=0.0):
    channel = Channel.objects.get(code=code)
    for text in texts:
        channel.last += 1
        came = clock.now() - timedelta(seconds=ago)
        row = {"channel": channel, "number": channel.last, "received_at": came, "peer": "", "answer": b""}
        Inbound.objects.create(raw=text.encode(), sender="DEMOPAS|RXX", trigger=text.split("|")[8], **row)
    channel.save()


def drain():
    """Apply until nothing more goes; how many went."""
    went = 0
    while count := apply.run_once():
        went += count
    return went


def outcomes(code):
    return list(Inbound.objects.filter(channel__code=code).order_by("number").values_list("outcome", flat=True))


def test_it_waits_until_the_other_channel_has_told_of_the_patient():
    store("siu", told("SIU^S12", "P1", appointment="A1"), told("SIU^S12", "P2", appointment="A2", family="JONES"))
    assert drain() == 0
    assert outcomes("siu") == ["stored", "stored"]
    store("adt", told("ADT^A28", "P1"))
    assert drain() == 2
    assert outcomes("siu") == ["applied", "stored"], "the other goes on waiting"
    assert Appointment.objects.get().patient == Patient.objects.get()
    assert not Patient.objects.get().provisional


def test_it_does_not_wait_longer_than_the_grace():
    store("siu", told("SIU^S12", "P1", appointment="A1"))
    assert drain() == 0
    Inbound.objects.update(received_at=clock.now() - timedelta(seconds=GRACE + 1))
    assert drain() == 1
    assert Patient.objects.get().provisional
    assert Inbound.objects.get().warnings


def test_it_holds_up_nobody_else_however_many_wait():
    store("adt", told("ADT^A28", "P0", family="KNOWN"))
    assert drain() == 1
    store("siu", *(told("SIU^S12", f"N{n}", appointment=f"N{n}") for n in range(30)))
    store("siu", told("SIU^S12", "P0", appointment="A0", family="KNOWN"))
    assert apply.run_once(limit=4) == 0
    went = sum(apply.run_once(limit=4) for _ in range(30))
    assert went == 1
    assert outcomes("siu") == ["stored"] * 30 + ["applied"]


def test_what_speaks_of_the_same_person_or_appointment_stays_behind_it():
    store("siu", told("SIU^S12", "P1", appointment="A1"))
    assert drain() == 0
    store("siu", told("SIU^S15", "P1", appointment="A1"), told("SIU^S12", "P1", appointment="A2"), ago=GRACE + 1)
    assert drain() == 0, "though their own grace is over"
    store("adt", told("ADT^A28", "P1"))
    assert drain() == 4
    assert dict(Appointment.objects.values_list("identifiers__value", "status")) == {"A1": "cancelled", "A2": "booked"}


def test_the_registration_may_come_in_the_same_channel_and_the_same_batch():
    store("siu", told("ADT^A28", "P1"), told("SIU^S12", "P1", appointment="A1"))
    assert drain() == 2
    store("siu", told("SIU^S12", "P2", appointment="A2"), told("ADT^A28", "P2", family="JONES"))
    assert drain() == 2
    assert outcomes("siu") == ["applied"] * 4
    assert not Patient.objects.filter(provisional=True).exists()


def test_a_patient_known_by_the_nhs_number_alone_is_known():
    both = told("ADT^A28", "P1").replace("P1^^^RXX^MR", "P1^^^RXX^MR~9990000018^^^NHS^NH")
    store("adt", both)
    store("siu", told("SIU^S12", "9990000018", appointment="A1", ids="^^^NHS^NH"))
    assert drain() == 2


def test_with_one_channel_nobody_waits():
    Channel.objects.filter(code="adt").update(declared=False)
    store("siu", told("SIU^S12", "P1", appointment="A1"))
    assert drain() == 1


def test_what_waited_goes_at_once_when_there_is_nothing_to_wait_for_any_more():
    store("siu", told("SIU^S12", "P1", appointment="A1"))
    assert drain() == 0
    Channel.objects.filter(code="adt").update(declared=False)
    assert drain() == 1


def test_singly_passes_by_those_that_wait():
    store("siu", told("SIU^S12", "P1", appointment="A1"))
    store("adt", told("ADT^A31", "P2", family="JONES"))
    alone = apply.singly()
    assert (len(alone.went), alone.refused) == (1, {})
    assert outcomes("adt") == ["applied"]
    assert outcomes("siu") == ["stored"]
