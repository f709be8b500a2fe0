"""Mirror mode, destinations, and saves to deliver: made by the product's own services."""

import uuid
from pathlib import Path

from messaging.models import Destination, Emission, Lane, Outbound
from messaging.services import delivery, rendering, sequencer
from messaging.simulators.receiver import Receiver
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from patients.models import Bed, Change, Gate, NumberPool, Ward
from patients.services import admissions, registration
from patients.services.saving import Saved
from tests.eventually import eventually

CLERK = Actor("clerk", "clerk", "password")
OPERATOR = Actor("operator", "operator", "password")


def mirror_mode(*, valve: str = "open", mode: str = "mirror") -> None:
    """Put the mirror in charge in epoch 2, with numbers, beds and emission as told."""
    Gate.objects.update(mode=mode, epoch=2, fenced=1)
    Emission.objects.update(valve=valve, since=clock.now())
    NumberPool.objects.create(kind="patient", type="MR", authority="PASMIRROR", prefix="M", next=1, last=999999)
    NumberPool.objects.create(kind="stay", type="VN", authority="RXX", prefix="V9", next=1, last=999999)
    for code in ("WA", "WB"):
        ward = Ward.objects.create(code=code, name=f"Ward {code}")
        for number in range(1, 10):
            Bed.objects.create(ward=ward, bay="A", bed=f"{code}{number}")


def destination(code: str, port: int = 1, **more: object) -> Destination:
    """Declare a destination on this machine, impatient, with its lane."""
    settled = {
        "name": code.title(),
        "host": "127.0.0.1",
        "timeout": 0.5,
        "retry_after": 0.05,
        "retry_most": 0.2,
        **more,
    }
    made = Destination.objects.create(code=code, port=port, **settled)
    Lane.objects.create(destination=made)
    return made


def receiver(folder: Path, name: str = "pathology", **more: object) -> Receiver:
    """Start a receiver on any free port."""
    made = Receiver(name, store=folder / f"{name}.sqlite", **more)
    made.start()
    return made


def port_of(peer: Receiver) -> int:
    """Its MLLP port."""
    return int(peer.door.listener.port)


def register(family: str = "SMITH") -> Saved:
    """Save a new person."""
    said = {"name": {"family": family, "given": "Ann"}, "birth": {"born": "1952-03-01"}, "sex": {"sex": "F"}}
    return registration.register(patient=said, by=CLERK, key=uuid.uuid4())


def update(saved: Saved, seen: int, phone: str) -> Saved:
    """Save a new telephone number."""
    return registration.update(
        patient_id=saved.patient, seen=seen, patient={"phones": {"phone": phone}}, by=CLERK, key=uuid.uuid4()
    )


def admit(saved: Saved, *, ward: str = "WA", bed: str = "WA1") -> Saved:
    """Save an admission."""
    return admissions.admit(
        patient_id=saved.patient,
        seen=1,
        stay={"place": {"ward": ward, "bay": "A", "bed": bed}, "admission": {"patient_class": "I"}},
        occurred_at=clock.now(),
        by=CLERK,
        key=uuid.uuid4(),
    )


def number_and_render() -> None:
    """Do the sweep's first half until nothing is left of it."""
    while sequencer.run_once() + rendering.run_once():
        pass


def legs(code: str) -> list[str]:
    """Give the legs of a lane's messages in order."""
    return list(Outbound.objects.filter(lane__destination__code=code).order_by("seq").values_list("leg", flat=True))


def received(peer: Receiver) -> list[str]:
    """Give MSH-10 of every frame the receiver got, in order, repeats included."""
    return [str(message["control_id"]) for message in peer.messages()]


def of_change(change: int, code: str) -> Outbound:
    """Give the outbound row of a change at a destination."""
    return Outbound.objects.get(change=change, lane__destination__code=code)


def patients_of_changes() -> dict[int, int]:
    """Give change -> patient."""
    return dict(Change.objects.values_list("pk", "patient_id"))


def deliver(code: str = "pathology", *, until: str = "accepted", within: float = 15.0) -> None:
    """Run slices until every message of the lane stands at `until`."""

    def slice_of_it() -> bool:
        delivery.run(code, seconds=0.5)
        return set(legs(code)) == {until}

    eventually(slice_of_it, within=within, why=f"{code} stands at {until}")


def lane(code: str = "pathology") -> Lane:
    """Give the lane as it stands."""
    return Lane.objects.get(destination__code=code)
