"""The simulated PAS with its two peers, all in this process, on ports and stores of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from messaging.simulators.control import Control
from messaging.simulators.messages import Message
from messaging.simulators.pas import Pas
from messaging.simulators.receiver import Receiver
from tests.eventually import eventually
from tests.factories import lanes as make

Do = Callable[..., Any]


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Receiver]:
    made = make.receiver(tmp_path, "mirror")
    yield made
    made.stop()


@pytest.fixture
def pathology(tmp_path: Path) -> Iterator[Receiver]:
    made = make.receiver(tmp_path, "pathology")
    yield made
    made.stop()


@pytest.fixture
def pas(tmp_path: Path, feed: Receiver, pathology: Receiver) -> Iterator[Pas]:
    lanes = {"feed": make.port_of(feed), "pathology": make.port_of(pathology)}
    made = Pas(store=tmp_path / "pas.db", lanes={name: ("127.0.0.1", port) for name, port in lanes.items()})
    made.start()
    yield made
    made.stop()


@pytest.fixture
def do(pas: Pas) -> Do:
    return Control(pas.control.listener.port).do


def heard(receiver: Receiver, count: int) -> list[Message]:
    eventually(lambda: receiver.counts()["effects"] == count, within=10, why=f"{count} effects")
    return [Message(str(row["raw"]).encode()) for row in receiver.messages()]


def quiet(do: Do) -> None:
    eventually(lambda: do("quiet"), within=10)
