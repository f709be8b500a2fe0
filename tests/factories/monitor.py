"""A PAS to be watched, and the monitor's beats until something is so."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from failover.health import Health
from failover.models import Policy
from failover.selectors import evidence
from failover.services.monitor import Memory, one_beat
from messaging.models import Channel
from messaging.simulators.pas import Pas
from pasmirror.lib import clock
from patients.selectors import gate
from patients.states import Mode
from tests.eventually import eventually


class Place:
    """A PAS that can be killed and started again on its ports, and the policy that watches it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ports = folder, {}
        self.pas = self.start()
        self.policy = Policy.objects.create(
            probe_every=0.1,
            probe_timeout=0.25,
            suspect_after=2,
            down_after=0.6,
            well_after=0.5,
            feed_silent_after=0.4,
            emission="automatic",
            probes=[
                {"kind": "tcp", "host": "127.0.0.1", "port": self.ports["port"]},
                {"kind": "mllp", "host": "127.0.0.1", "port": self.ports["port"]},
                {"kind": "http", "url": f"http://127.0.0.1:{self.ports['health']}/"},
            ],
        )

    def start(self) -> Pas:
        self.pas = Pas(store=self.folder / "pas.sqlite", lanes={}, **self.ports)
        self.pas.start()
        self.ports = {"port": self.pas.door.listener.port, "health": self.pas.health.listener.port}
        return self.pas


def beats(memory: Memory, until: Mode, within: float = 8.0) -> str:
    """Beat until the mode is as wanted; gives the sentence of that beat."""
    said: list[str] = []

    def beat() -> bool:
        said.append(one_beat(memory))
        return gate.now().mode == until

    eventually(beat, within=within, every=0.1, why=f"{until}: {said[-3:]}")
    return said[-1]


def watched_for(seconds: float, memory: Memory, each: Callable[[], None] = lambda: None) -> None:
    """Beat for so long, longer than a failure would need to flip, and look after each beat."""
    end = time.monotonic() + seconds
    eventually(lambda: (one_beat(memory), each(), time.monotonic() > end)[2], within=seconds + 5, every=0.1)


def health() -> Health:
    return evidence.picture().health


def heard(ago: float = 0.0) -> None:
    Channel.objects.update_or_create(code="pas", defaults={"received_at": clock.now() - timedelta(seconds=ago)})
