"""Delivery to real TCP peers: order per patient, identical resends, refusals, silence, fences and takeovers."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.models import Attempt, Destination, Lane, Outbound
from messaging.selectors import lanes as status
from messaging.services import delivery
from messaging.simulators.receiver import Receiver
from pasmirror.lib import alarms
from patients.models import ChangeFate
from tests.committed import Aside, aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def pathology(committed: None, tmp_path: Path) -> Iterator[Receiver]:  # noqa: F811
    make.mirror_mode()
    peer = make.receiver(tmp_path, "pathology")
    make.destination("pathology", make.port_of(peer))
    yield peer
    delivery.hang_up()
    peer.stop()


def deliver(code: str = "pathology", *, until: str = "accepted", within: float = 10.0) -> None:
    """Run slices until every message of the lane stands at `until`."""

    def slice_of_it() -> bool:
        delivery.run(code, seconds=0.5)
        return set(make.legs(code)) == {until}

    eventually(slice_of_it, within=within)


def fate(change: int, code: str = "pathology") -> str:
    return ChangeFate.objects.get(change_id=change, destination=code).fate


def bodies(peer: Receiver) -> list[str]:
    return [str(message["base64"]) for message in peer.messages()]


def test_a_saved_change_arrives_with_its_control_id_and_is_told_so(pathology: Receiver) -> None:
    saved = make.register()
    make.number_and_render()
    done = delivery.run("pathology")
    assert (done.sent, done.more) == (1, False)
    row = make.of_change(saved.change, "pathology")
    assert (row.leg, row.speaker, row.attempts) == ("accepted", "mirror", 1)
    assert make.received(pathology) == [row.control_id]
    assert len(row.control_id) <= 20
    assert fate(saved.change) == "accepted"
    closed = Attempt.objects.get()
    assert (closed.ending, closed.token) == ("accepted", 1)
    assert b"MSA|AA|" in bytes(closed.answer)
    assert Lane.objects.get().until is None


def test_many_changes_leave_in_order_on_one_connection(pathology: Receiver) -> None:
    people = [make.register(name) for name in ("ADAMS", "BAKER")]
    for seen in range(1, 6):
        for person in people:
            make.update(person, seen, f"0113 000 {seen}")
    make.number_and_render()
    deliver()
    in_order = Outbound.objects.order_by("seq").values_list("control_id", flat=True)
    assert make.received(pathology) == list(in_order)
    assert len(make.received(pathology)) == 12


def test_a_lost_answer_brings_the_identical_bytes_again(pathology: Receiver) -> None:
    pathology.faults.arm("lose_ack", times=1)
    saved = make.register()
    make.number_and_render()
    assert delivery.run("pathology").sent == 0
    assert make.legs("pathology") == ["sending"]
    assert fate(saved.change) == "sent"
    deliver()
    assert pathology.faults.fired()["lose_ack"] == 1
    first, second = bodies(pathology)
    assert first == second
    assert pathology.counts()["effects"] == 1
    assert make.of_change(saved.change, "pathology").attempts == 2
    assert list(Attempt.objects.order_by("pk").values_list("ending", "detail")) == [
        ("no_answer", "reset"),
        ("accepted", ""),
    ]
    assert status.lane_status()[0]["resends"] == 1


def test_a_late_answer_is_matched_to_nothing(pathology: Receiver) -> None:
    """The answer to the first comes after its timeout; the second must not take it for its own."""
    pathology.faults.arm("late_ack", times=1, seconds=0.8)
    first, second = make.register("ADAMS"), make.register("BAKER")
    make.number_and_render()
    delivery.run("pathology")
    assert make.legs("pathology") == ["sending", "queued"]
    deliver()
    assert pathology.faults.fired()["late_ack"] == 1
    answers = {a.outbound.change: bytes(a.answer) for a in Attempt.objects.filter(ending="accepted")}
    for saved in (first, second):
        assert make.of_change(saved.change, "pathology").control_id.encode() in answers[saved.change]


@pytest.mark.parametrize(
    ("fault", "phase"), [("wrong_msa", "wrong_id"), ("garbage_ack", "garbage"), ("no_msa", "garbage")]
)
def test_an_answer_that_is_not_ours_accepts_nothing(pathology: Receiver, fault: str, phase: str) -> None:
    pathology.faults.arm(fault, times=1)
    make.register()
    make.number_and_render()
    assert delivery.run("pathology").sent == 0
    assert make.legs("pathology") == ["sending"]
    assert Attempt.objects.get().detail == phase
    deliver()
    assert pathology.faults.fired()[fault] == 1
    assert len(set(make.received(pathology))) == 1


def test_while_the_peer_is_silent_nothing_later_leaves(pathology: Receiver) -> None:
    Destination.objects.update(retry_after=1.5, retry_most=1.5)  # longer than a loaded machine takes to look again
    pathology.faults.arm("go_silent", times=2)
    for name in ("ADAMS", "BAKER", "CLARK"):
        make.register(name)
    make.number_and_render()
    delivery.run("pathology")
    assert make.legs("pathology") == ["sending", "queued", "queued"]
    assert delivery.run("pathology").sentence == "the lane rests after a failure"
    deliver()
    ids = make.received(pathology)
    assert len(ids) == 5
    assert ids[:3] == [ids[0]] * 3


def test_a_refusal_holds_that_patient_alone(pathology: Receiver) -> None:
    refused, other = make.register("ADAMS"), make.register("BAKER")
    make.update(refused, 1, "1")
    make.update(other, 1, "2")
    make.number_and_render()
    pathology.faults.arm("refuse", times=1, code="AE", err="", for_patient="", text="")
    delivery.run("pathology")
    assert make.legs("pathology") == ["held", "accepted", "queued", "accepted"]
    assert fate(refused.change) == "held"
    row = make.of_change(refused.change, "pathology")
    assert [alarm.code for alarm in alarms.standing()] == ["message-refused"]
    assert alarms.standing()[0].subject == row.control_id
    assert delivery.run("pathology").sent == 0
    assert make.received(pathology).count(row.control_id) == 1


def test_the_words_of_a_refusal_stay_in_the_attempt(pathology: Receiver) -> None:
    """A peer may name the patient in them; code and error number go further, where they look like such."""
    saved = make.register("ADAMS")
    make.number_and_render()
    pathology.faults.arm("refuse", times=1, code="AE", err="204", for_patient="", text="ADAMS, Ann 9990000018 unknown")
    delivery.run("pathology")
    row = make.of_change(saved.change, "pathology")
    assert row.reason == "AE 204"
    assert ChangeFate.objects.get(change_id=saved.change).reason == "AE 204"
    assert b"ADAMS, Ann 9990000018 unknown" in bytes(Attempt.objects.get().answer)
    said = [*status.open_lines("pathology"), *(alarm.sentence for alarm in alarms.standing())]
    assert "ADAMS" not in " ".join(said)


def test_an_error_number_that_is_none_goes_no_further(pathology: Receiver) -> None:
    saved = make.register("ADAMS")
    make.number_and_render()
    pathology.faults.arm("refuse", times=1, code="AE", err="ADAMS Ann", for_patient="", text="")
    delivery.run("pathology")
    assert make.of_change(saved.change, "pathology").reason == "AE"
    assert Attempt.objects.get().detail == "AE"


@pytest.mark.parametrize(("code", "err"), [("AR", ""), ("CR", ""), ("AE", "206"), ("AE", "207")])
def test_a_passing_refusal_is_tried_again_while_others_pass(pathology: Receiver, code: str, err: str) -> None:
    make.register("ADAMS")
    make.register("BAKER")
    make.number_and_render()
    pathology.faults.arm("refuse", times=2, code=code, err=err, for_patient="", text="")
    deliver()
    assert pathology.faults.fired()["refuse"] == 2
    assert sorted(Outbound.objects.values_list("rejects", flat=True)) in ([0, 2], [1, 1])
    assert alarms.standing() == []


def test_at_the_limit_a_refused_message_is_set_aside_and_the_patient_goes_on(pathology: Receiver) -> None:
    refused = make.register("ADAMS")
    make.update(refused, 1, "1")
    make.number_and_render()
    Outbound.objects.update(rejects=9)
    pathology.faults.arm("refuse", times=1, code="AR", err="", for_patient="", text="")
    delivery.run("pathology")
    assert make.legs("pathology") == ["set_aside", "accepted"]
    assert [alarm.code for alarm in alarms.standing()] == ["message-given-up"]


def test_a_peer_that_is_away_was_told_nothing(pathology: Receiver) -> None:
    pathology.door.stop_listening()
    saved = make.register()
    make.number_and_render()
    for _ in range(3):
        eventually(lambda: delivery.run("pathology").sentence.startswith("no answer"), within=5)
    row = make.of_change(saved.change, "pathology")
    assert (row.leg, row.attempts, row.speaker) == ("queued", 0, "")
    assert fate(saved.change) == "queued"
    assert [alarm.code for alarm in alarms.standing()] == ["destination-silent"]
    pathology.door.listener.start()
    deliver()
    assert alarms.standing() == []
    assert Lane.objects.get().failures == 0


def test_a_dead_destination_starves_no_other(pathology: Receiver, tmp_path: Path) -> None:
    """Two destinations never answer; the third gets everything meanwhile."""
    deaf = [make.receiver(tmp_path, name) for name in ("deaf1", "deaf2")]
    for peer in deaf:
        peer.faults.arm("go_silent")
        make.destination(peer.app.lower(), make.port_of(peer), timeout=20.0)
    for name in ("ADAMS", "BAKER", "CLARK"):
        make.register(name)
    make.number_and_render()
    stuck = [Aside(lambda code=code: delivery.run(code)) for code in ("deaf1", "deaf2")]
    eventually(lambda: all(peer.faults.fired() for peer in deaf), within=5)
    assert delivery.run("pathology").sent == 3
    assert all(thread.is_alive() for thread in stuck)
    for peer in deaf:
        peer.stop()
    for thread in stuck:
        thread.result()


def test_a_paused_destination_gets_nothing(pathology: Receiver) -> None:
    make.register()
    make.number_and_render()
    row = Lane.objects.get().destination
    row.paused = True
    row.save()
    assert delivery.run("pathology").sentence == "the destination is paused"
    assert status.due() == []
    assert make.received(pathology) == []


def test_the_lane_is_free_again_after_every_slice(pathology: Receiver) -> None:
    started = time.monotonic()
    assert delivery.run("pathology").sentence == "nothing is due"
    assert delivery.run("nowhere").sentence == "there is no such destination"
    assert time.monotonic() - started < 5
    assert Lane.objects.get().holder == ""


def test_control_ids_say_incarnation_lane_and_number(pathology: Receiver) -> None:
    make.register()
    make.register("BAKER")
    make.number_and_render()
    ids = list(Outbound.objects.order_by("seq").values_list("control_id", flat=True))
    assert all(re.fullmatch(r"M01-[0-9A-Z]+-\d+", one) for one in ids)
    assert ids[0].endswith("-1")
    assert ids[1].endswith("-2")
