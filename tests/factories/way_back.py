"""The way back on real peers: a simulated PAS whose feed reaches this test's database, and all that is due, done."""

import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from django.db import connection

from failover.models import Incident, Policy, Replay
from failover.services import way_back
from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel, Emission, Lane
from messaging.services import apply, delivery, intake
from messaging.services.intake import Frame
from messaging.simulators.pas import Pas
from messaging.simulators.wire import Frames, Listener, wrap
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from patients.models import Change, ChangeFate, Gate, Patient, PatientIdentifier, Stay, Ward
from patients.services import admissions, registration
from patients.services.saving import Saved
from patients.states import Mode
from tests.factories import lanes as make

ANN = Actor("ann", "operator", "password")
BOB = Actor("bob", "operator", "password")
End = Replay.End
POLICY = FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX")


class Ear:
    """Takes the simulated PAS's feed into this test's database: stored first, then answered."""

    def __init__(self) -> None:
        Channel.objects.update_or_create(code="pas", defaults={"policy": POLICY.as_json()})
        self.listener = Listener(self._talk, port=0)
        self.listener.start()

    def _talk(self, sock: socket.socket) -> None:
        frames = Frames()
        try:
            while chunk := sock.recv(65536):
                for raw in frames.feed(chunk):
                    answer = intake.store("pas", [Frame("127.0.0.1", raw)], policy=POLICY)[0]
                    sock.sendall(wrap(answer))
        finally:
            connection.close()


class WorldOfTest:
    """A PAS, receivers, and the mirror in an open incident of epoch 2."""

    def __init__(self, folder: Path, *receivers: str) -> None:
        make.mirror_mode()
        Ward.objects.update(site="RXX")
        Policy.objects.create(handback_within=5.0)
        self.incident = Incident.objects.create(opened_at=clock.now(), opened_by={}, reason="test", first_epoch=2)
        self.ear = Ear()
        self.receivers = {name: make.receiver(folder, name) for name in receivers}
        ports = {name: ("127.0.0.1", make.port_of(peer)) for name, peer in self.receivers.items()}
        self.pas = Pas(store=folder / "pas.sqlite", lanes={"feed": ("127.0.0.1", self.ear.listener.port), **ports})
        self.pas.start()
        make.destination("pas", self.pas.door.listener.port, is_pas=True, timeout=2.0)
        for name, peer in self.receivers.items():
            make.destination(name, make.port_of(peer))

    def close(self) -> None:
        """End every peer."""
        delivery.hang_up()
        for peer in (self.pas, *self.receivers.values()):
            peer.stop()
        self.ear.listener.stop()

    def do(self, verb: str, **args: object) -> object:
        """Tell the PAS to do something."""
        return self.pas.control._verbs[verb](**args)

    def release(self) -> None:
        """Go from MIRROR to RECOVERY."""
        Gate.objects.update(mode=Mode.RECOVERY)
        Emission.objects.update(valve="held")

    def step(self) -> None:
        """Do once all that the processes would."""
        make.number_and_render()
        for code in Lane.objects.values_list("destination__code", flat=True):
            delivery.run(code, seconds=0.2)
        apply.run_once()
        way_back.step()

    def until(self, so: Callable[[], object], *, within: float = 20.0) -> None:
        """Step until `so`."""
        end = time.monotonic() + within
        while not so():
            assert time.monotonic() < end, f"not within {within} s: {so.__name__}"
            self.step()

    def hear(self) -> None:
        """Let everything that the PAS has to say arrive and be applied."""
        self.until(lambda: self.do("quiet") and not apply.run_once())


def ends() -> list[str]:
    return list(Replay.objects.order_by("change").values_list("end", flat=True))


def ended() -> bool:
    return bool(ends()) and not {End.WAITING, End.SENT} & set(ends())


def outage() -> list[int]:
    """Register, admit, transfer and discharge one patient; gives the changes."""
    saved = make.register()
    stayed = make.admit(saved, bed="WA1")
    stay = Stay.objects.get(pk=stayed.stay)
    place = {"ward": "WB", "bay": "A", "bed": "WB1"}
    admissions.transfer(stay_id=stay.pk, seen=1, place=place, occurred_at=clock.now(), by=make.CLERK, key=uuid.uuid4())
    admissions.discharge(
        stay_id=stay.pk,
        seen=2,
        discharge={"discharge_method": "1", "discharge_destination": "19"},
        occurred_at=clock.now(),
        by=make.CLERK,
        key=uuid.uuid4(),
    )
    return list(Change.objects.filter(source="clerk").order_by("pk").values_list("pk", flat=True))


def known_to_the_pas(world: WorldOfTest, **details: object) -> Patient:
    """A patient the PAS has told us of."""
    told = world.do("send", event="A28", family="JONES", given="Eve", dob="19600102", sex="F", **details)
    world.hear()
    number = str(told["patient"])  # type: ignore[index]
    return PatientIdentifier.objects.get(value=number).patient


def phone(patient: Patient, number: str) -> Saved:
    patient.refresh_from_db()
    return registration.update(
        patient_id=patient.pk,
        seen=patient.version,
        patient={"phones": {"phone": number}},
        by=make.CLERK,
        key=uuid.uuid4(),
    )


def mrn(patient: Patient) -> str:
    return str(PatientIdentifier.objects.filter(patient=patient, authority="RXX").values_list("value", flat=True)[0])


def fates() -> list[str]:
    return list(ChangeFate.objects.filter(destination="pas").order_by("change_id").values_list("fate", flat=True))


def change(patient: Patient, **groups: dict[str, str]) -> Saved:
    patient.refresh_from_db()
    said = {group: dict(values) for group, values in groups.items()}
    return registration.update(
        patient_id=patient.pk, seen=patient.version, patient=said, by=make.CLERK, key=uuid.uuid4()
    )
