"""A destination is probed on a connection of its own, each answer is recorded as it was, and its lane is untouched."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from messaging.conformance import RIGHT
from messaging.management.commands.sweep import Sweep
from messaging.mllp.sender import Peer
from messaging.models import Destination, Emission, Lane, Outbound, Probe
from messaging.selectors import probes
from messaging.services import lanes, probing
from messaging.simulators.receiver import Receiver
from pasmirror.lib import alarms
from pasmirror.lib.models import AuditRow
from patients.refusals import Refused
from tests.committed import Aside, aside
from tests.eventually import eventually
from tests.factories import lanes as make
from tests.factories.scripted import Scripted, Talk, heard, peers  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def pathology(db: None, tmp_path: Path) -> Iterator[Receiver]:
    make.mirror_mode(valve="held")
    made = make.receiver(tmp_path)
    make.destination("pathology", make.port_of(made))
    yield made
    made.stop()


def probed(**more: object) -> probes.Probed:
    """Order a probe as an engineer does, carry it out as the sweep does."""
    probing.order("pathology", by=make.OPERATOR, reason="it is new", **more)
    assert probing.run_once()
    return newest()


def newest() -> probes.Probed:
    found = probes.newest(Destination.objects.get(code="pathology"))
    assert found
    return found


def said(found: probes.Probed) -> list[str]:
    return [answer.code or answer.phase for _, answer in found.answers]


def declare(**columns: object) -> None:
    Destination.objects.filter(code="pathology").update(**columns)


def test_four_messages_of_nobody_are_sent_and_each_answer_is_kept(pathology: Receiver) -> None:
    found = probed()
    assert said(found) == ["AA"] * 4
    assert [row["control_id"] for row in pathology.messages()] == [f"T1-{found.row.pk}-{n}" for n in (1, 1, 2, 3)]
    assert all("ZZZTEST" in str(row["raw"]) for row in pathology.messages() if "PID|" in str(row["raw"]))
    assert all(answer.ms >= 0 for _, answer in found.answers)
    assert any("accepts all" in finding for finding in found.findings)
    written = AuditRow.objects.filter(subject="destination:pathology").order_by("pk")
    assert [(row.action, row.actor["subject"]) for row in written] == [
        ("probe_ordered", "operator"),
        ("probe_ended", "probe"),
    ]
    assert written[1].detail["answers"] == ["AA"] * 4
    assert not probing.run_once(), "it is done once"


def test_the_lane_is_as_it_was(pathology: Receiver) -> None:
    make.register()
    make.number_and_render()
    before = (Lane.objects.values().get(), list(Outbound.objects.values()))
    probed()
    assert (Lane.objects.values().get(), list(Outbound.objects.values())) == before


def test_a_probe_in_enhanced_mode_hears_both_answers(pathology: Receiver) -> None:
    declare(ack_mode="enhanced", application_timeout=2.0)
    pathology.faults.arm("enhanced")
    assert said(probed()) == ["AA"] * 4
    assert b"|AL|AL" in bytes(str(pathology.messages()[0]["raw"]), "utf-8")


@pytest.mark.parametrize(
    ("fault", "arguments", "answers"),
    [
        ("refuse", {"code": "AR", "err": "202", "for_patient": "", "text": "no T here"}, ["AR"] * 4),
        ("go_silent", {}, ["wait"]),
        ("accept_but_never_read", {}, ["wait"]),
        ("garbage_ack", {}, ["garbage"]),
        ("wrong_msa", {}, ["wrong_id"]),
        ("no_msa", {}, ["garbage"]),
        ("reset", {"for_patient": ""}, ["reset"]),
    ],
)
def test_whatever_it_answers_is_recorded_as_such(
    pathology: Receiver, fault: str, arguments: dict[str, object], answers: list[str]
) -> None:
    pathology.faults.arm(fault, **arguments)
    found = probed()
    assert said(found) == answers
    assert found.findings
    assert not found.row.ending


def test_where_nobody_listens_that_is_recorded(pathology: Receiver) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        declare(port=free.getsockname()[1])
    found = probed()
    assert said(found) == ["connect"]
    assert "no connection (ConnectionRefusedError)" in found.findings[0]


def test_it_goes_on_after_a_message_that_is_not_answered_behind_one_that_was(
    pathology: Receiver,
    peers: Callable[..., tuple[Scripted, Peer]],  # noqa: F811
) -> None:
    """The right one is answered, the repeat cut off, the third refused: each stands as it was."""

    def answers(*codes: str) -> Talk:
        def talk(sock: socket.socket) -> None:
            for code in codes:
                body = _frame(sock)
                if not code:
                    return
                sock.sendall(_answer(body, code))
            sock.recv(1)

        return talk

    scripted, _ = peers(answers("AA", ""), answers("AE", "AE"))
    declare(port=scripted.port)
    assert said(probed()) == ["AA", "reset", "AE", "AE"]


def _frame(sock: socket.socket) -> bytes:
    held = b""
    while not held.endswith(b"\x1c\r"):
        held += sock.recv(65536)
    return held[1:-2]


def _answer(body: bytes, code: str) -> bytes:
    control_id = body.split(b"|")[9]
    head = b"MSH|^~\\&|LAB|RXX|MIRROR|RXX|20260701||ACK|L" + control_id + b"|T|2.4\r"
    return b"\x0b" + head + b"MSA|" + code.encode() + b"|" + control_id + b"\r\x1c\r"


def test_a_receiver_that_gives_its_first_answer_again_is_found_to_know_a_repeat(
    pathology: Receiver,
    peers: Callable[..., tuple[Scripted, Peer]],  # noqa: F811
) -> None:
    def talk(sock: socket.socket) -> None:
        for _ in range(4):
            sock.sendall(_answer(_frame(sock), "AA"))  # its own id is that of the message
        sock.recv(1)

    scripted, _ = peers(talk)
    declare(port=scripted.port)
    found = probed()
    assert found.answers[1][1].as_before
    assert any("has one effect" in finding for finding in found.findings)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_refused(pathology: Receiver) -> None:
    pathology.faults.arm("slow", seconds=0.2)
    probing.order("pathology", by=make.OPERATOR, reason="first")
    running = Aside(probing.run_once)
    eventually(lambda: pathology.faults.fired().get("slow"), within=10)
    with pytest.raises(Refused, match="under way already"):
        probing.order("pathology", by=make.OPERATOR, reason="second")
    assert not aside(probing.run_once)
    assert running.result()
    assert Probe.objects.count() == 1
    probed()


def test_one_whose_bearer_died_is_ended_and_another_may_be_ordered(pathology: Receiver) -> None:
    lost = probing.order("pathology", by=make.OPERATOR, reason="first", here=True)
    with pytest.raises(Refused, match="under way already"):
        probing.order("pathology", by=make.OPERATOR, reason="second")
    Probe.objects.update(until=lost.ordered_at)
    probed()
    assert Probe.objects.get(pk=lost.pk).ending == probing.LOST
    probing.run(lost)
    assert Probe.objects.get(pk=lost.pk).ending == probing.LOST, "what comes too late changes nothing"


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"paused": True}, "is paused"),
        ({"declared": False}, "does not name it"),
        ({"is_pas": True}, "The PAS is not probed"),
        ({"shadow": True}, "only rehearses"),
    ],
)
def test_where_it_may_not_be_probed_it_is_refused(pathology: Receiver, columns: dict[str, bool], why: str) -> None:
    declare(**columns)
    with pytest.raises(Refused, match=why):
        probing.order("pathology", by=make.OPERATOR, reason="x")
    assert not probing.run_once()
    assert pathology.messages() == []


def test_it_wants_a_reason_and_a_destination(pathology: Receiver) -> None:
    with pytest.raises(Refused, match="Enter why"):
        probing.order("pathology", by=make.OPERATOR, reason=" ")
    with pytest.raises(Refused, match="no such destination"):
        probing.order("nowhere", by=make.OPERATOR, reason="x")


def test_while_emission_is_open_a_person_must_confirm_it(pathology: Receiver) -> None:
    Emission.objects.update(valve="open")
    with pytest.raises(Refused, match="Emission is open") as refused:
        probing.order("pathology", by=make.OPERATOR, reason="x")
    assert refused.value.field == "confirmed"
    assert said(probed(confirmed=True)) == ["AA"] * 4


def test_what_changes_after_the_order_ends_it_before_the_next_byte(pathology: Receiver) -> None:
    probing.order("pathology", by=make.OPERATOR, reason="x")
    Emission.objects.update(valve="open")
    assert probing.run_once()
    assert newest().row.ending.startswith("Emission is open")
    Emission.objects.update(valve="held")
    lanes.pause("pathology", by=make.OPERATOR, reason="their work")
    with pytest.raises(Refused, match="is paused"):
        probing.order("pathology", by=make.OPERATOR, reason="x")
    assert pathology.messages() == []


def test_a_destination_told_of_nothing_that_can_be_said_of_nobody_says_so(pathology: Receiver) -> None:
    declare(events=["merge"])
    assert "told of nothing" in probed().row.ending
    assert pathology.messages() == []


def test_one_answer_is_waited_for_no_longer_than_is_bearable(
    pathology: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "WAIT", 0.3)
    declare(timeout=300.0)
    pathology.faults.arm("go_silent")
    found = probed()
    assert said(found) == ["wait"]
    assert found.answers[0][0] == "A right message"
    assert found.answers[0][1].asked == RIGHT
    assert found.answers[0][1].ms < 5000


@pytest.mark.django_db(transaction=True)
def test_the_sweep_carries_out_what_was_ordered_in_a_thread_of_its_own(pathology: Receiver, tmp_path: Path) -> None:
    pathology.faults.arm("slow", seconds=0.3)
    sweep = Sweep(overdue=0.5, anchor=tmp_path / "audit.log")
    sweep._probe()
    assert sweep._prober is None, "nothing was ordered"
    probing.order("pathology", by=make.OPERATOR, reason="it is new")
    sweep._probe()
    assert newest().under_way, "its four answers take more than a second, and the sweep does not wait for them"
    eventually(lambda: newest().row.ended_at, within=15)
    assert said(newest()) == ["AA"] * 4
    sweep._prober.join(10)
    assert alarms.standing() == []
