"""Nothing is ever sent to an address that is not a declared destination: by watching every connection that is made."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.models import Destination, Outbound
from messaging.selectors import lanes as status
from messaging.services import attempts, delivery, lanes
from messaging.services.attempts import Nothing
from messaging.simulators.receiver import Receiver
from tests.committed import Aside, aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make

pytestmark = pytest.mark.usefixtures("committed")
ROOT = Path(__file__).resolve().parent.parent.parent
_watched: list[set[tuple[str, int]]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and _watched and isinstance(arguments[1], tuple):
        for seen in _watched:
            seen.add((str(arguments[1][0]), int(str(arguments[1][1]))))


sys.addaudithook(_note)  # for good, as all audit hooks are; it notes only while somebody watches


@pytest.fixture
def connected() -> Iterator[set[tuple[str, int]]]:
    """Every TCP address this process has connected to since the test began; the database is on a socket file."""
    seen: set[tuple[str, int]] = set()
    _watched.append(seen)
    yield seen
    _watched.remove(seen)


@pytest.fixture
def two(committed: None, tmp_path: Path) -> Iterator[dict[str, Receiver]]:  # noqa: F811
    make.mirror_mode()
    made = {name: make.receiver(tmp_path, name) for name in ("pathology", "elsewhere")}
    make.destination("pathology", make.port_of(made["pathology"]))
    yield made
    delivery.hang_up()
    for peer in made.values():
        peer.stop()


def place(peer: Receiver) -> tuple[str, int]:
    return ("127.0.0.1", make.port_of(peer))


def test_only_declared_addresses_are_ever_connected_to(
    two: dict[str, Receiver], connected: set[tuple[str, int]]
) -> None:
    make.destination("elsewhere", make.port_of(two["elsewhere"]))
    make.register("ADAMS")
    make.number_and_render()
    Destination.objects.filter(code="elsewhere").update(declared=False)
    assert delivery.run("elsewhere").sentence == "there is no such destination"
    assert status.due() == ["pathology"]
    assert delivery.run("pathology").sent == 1
    make.register("BAKER")
    make.number_and_render()
    assert make.legs("elsewhere") == ["queued"], "and nothing more is queued for it"
    assert delivery.run("pathology").sent == 1
    assert connected == {place(two["pathology"])}
    assert two["elsewhere"].messages() == []


def test_a_destination_that_has_moved_is_sent_to_at_its_new_address_alone(
    two: dict[str, Receiver], connected: set[tuple[str, int]]
) -> None:
    make.register("ADAMS")
    make.number_and_render()
    assert delivery.run("pathology").sent == 1
    connected.clear()
    Destination.objects.update(port=make.port_of(two["elsewhere"]))
    make.register("BAKER")
    make.number_and_render()
    assert delivery.run("pathology").sent == 1
    assert connected == {place(two["elsewhere"])}
    assert (len(two["pathology"].messages()), len(two["elsewhere"].messages())) == (1, 1)


def test_a_sender_in_mid_slice_stops_when_the_address_it_holds_is_declared_no_more(two: dict[str, Receiver]) -> None:
    """Its connection is open, messages are queued: after the change not one more goes the old way."""
    for number in range(6):
        make.register(f"FAMILY{number}")
    make.number_and_render()
    two["pathology"].faults.arm("slow", seconds=0.2)
    sender = Aside(lambda: delivery.run("pathology", seconds=10.0))
    eventually(lambda: two["pathology"].faults.fired().get("slow", 0) >= 2, within=10)
    Destination.objects.update(port=make.port_of(two["elsewhere"]))
    had = len(two["pathology"].messages())
    assert "declared anew" in sender.result().sentence
    assert len(two["pathology"].messages()) <= had + 1, "at most the one that was on its way"
    two["pathology"].faults.heal()
    make.deliver()
    assert len(make.received(two["pathology"])) + len(make.received(two["elsewhere"])) == 6


@pytest.mark.parametrize("columns", [{"host": "localhost"}, {"tls": {"ca": "x"}}, {"ack_mode": "enhanced"}])
def test_no_attempt_is_opened_on_a_lease_taken_for_another_declaration(
    two: dict[str, Receiver], columns: dict[str, object]
) -> None:
    make.register("ADAMS")
    make.number_and_render()
    to = Destination.objects.get()
    lease = aside(lambda: lanes.claim(to, holder="other", seconds=30))
    Destination.objects.update(**columns)
    assert aside(lambda: attempts.step(lease, None)) == Nothing("the destination was declared anew")
    assert set(Outbound.objects.values_list("attempts", flat=True)) == {0}


def test_there_is_one_way_out_and_it_starts_from_a_declared_row() -> None:
    """In the product's own code, a line to a peer is made by `services.peers` alone, and by the probes of the PAS."""
    making: set[str] = set()
    opening: set[str] = set()
    for app in ("messaging", "failover", "patients", "pasmirror"):
        for path in (ROOT / app).rglob("*.py"):
            if "simulators" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call):
                    continue
                called = ast.unparse(node.func)
                if called == "Peer":
                    making.add(str(path.relative_to(ROOT)))
                if called.endswith(("create_connection", "open_connection")):
                    opening.add(str(path.relative_to(ROOT)))
    assert making == {"messaging/services/peers.py", "failover/probes.py"}
    senders = {name for name in opening if name.startswith(("messaging/", "failover/", "patients/"))}
    assert senders == {"messaging/mllp/sender.py", "failover/probes.py"}
