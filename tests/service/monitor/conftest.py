"""A simulated PAS and a monitor's memory, each ended after its test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.services.monitor import Memory
from tests.factories.monitor import Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.pas.stop()


@pytest.fixture
def memory() -> Iterator[Memory]:
    made = Memory()
    yield made
    made.prober.close()
