"""The way back on real peers: a simulated PAS whose feed reaches this test's database, and all that is due, done."""

import socket
import time
from collections.abc import Callable
from pathlib import Path

from django.db import connection

from failover.models import Incident, Policy
from failover.services import way_back
from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel, Emission, Lane
from messaging.services import apply, delivery, intake
from messaging.services.intake import Frame
from messaging.simulators.pas import Pas
from messaging.simulators.wire import Frames, Listener, wrap
from pasmirror.lib import clock
from patients.models import Gate, Ward
from patients.states import Mode
from tests.factories import lanes as make

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
