"""What a sender may not do any more: a fenced epoch, a lane taken over, many workers at once."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.mllp.sender import Peer
from messaging.models import Attempt, Lane, Outbound
from messaging.selectors import lanes as status
from messaging.services import attempts, delivery, lanes, settling
from messaging.simulators.receiver import Receiver
from patients.models import Gate
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


def test_nothing_leaves_for_an_epoch_that_hand_back_ended(pathology: Receiver) -> None:
    make.register("ADAMS")
    make.number_and_render()
    Gate.objects.update(epoch=3, fenced=2)
    assert delivery.run("pathology").sent == 0
    assert status.due() == []
    assert make.received(pathology) == []
    late = make.register("BAKER")
    make.number_and_render()
    assert delivery.run("pathology").sent == 1
    assert make.received(pathology) == [make.of_change(late.change, "pathology").control_id]


def test_an_answer_is_settled_even_when_the_epoch_has_ended_meanwhile(pathology: Receiver) -> None:
    make.register("ADAMS")
    make.register("BAKER")
    make.number_and_render()
    pathology.faults.arm("slow", times=1, seconds=0.3)
    sender = Aside(lambda: delivery.run("pathology"))
    eventually(lambda: pathology.faults.fired().get("slow"), within=5)
    Gate.objects.update(epoch=3, fenced=2)
    sender.result()
    assert make.legs("pathology") == ["accepted", "queued"]


def test_a_sender_whose_lane_was_taken_over_settles_nothing(pathology: Receiver) -> None:
    """Lease ends in mid-send; the new holder sends the same bytes again, the old one's answer counts for nothing."""
    saved = make.register()
    make.number_and_render()
    to = Lane.objects.get().destination
    stale = aside(lambda: lanes.claim(to, holder="stale", seconds=0))
    assert stale is not None
    parcel = aside(lambda: attempts.step(stale, None))
    assert isinstance(parcel, settling.Parcel)
    fresh = eventually(lambda: lanes.claim(to, holder="fresh", seconds=0.0), within=5)
    peer = Peer(to.host, to.port, to.timeout)
    ending = peer.send(parcel.body, parcel.control_id)
    peer.close()
    with pytest.raises(lanes.LostLease):
        aside(lambda: attempts.step(stale, (parcel, ending)))
    lanes.release(fresh)
    assert make.legs("pathology") == ["sending"]
    eventually(lambda: delivery.run("pathology").sent, within=10)
    first, second = (str(message["base64"]) for message in pathology.messages())
    assert first == second
    assert pathology.counts()["effects"] == 1
    assert make.of_change(saved.change, "pathology").attempts == 2
    assert list(Attempt.objects.order_by("pk").values_list("detail", flat=True)) == ["sender lost", ""]


def test_many_workers_on_many_lanes_keep_every_patients_order(pathology: Receiver, tmp_path: Path) -> None:
    """Six workers run all lanes at once while answers get lost; each has each patient's events in order, once."""
    second = make.receiver(tmp_path, "eprescribing")
    make.destination("eprescribing", make.port_of(second))
    people = [make.register(f"FAMILY{n}") for n in range(5)]
    for seen in range(1, 7):
        for person in people:
            make.update(person, seen, str(seen))
    make.number_and_render()
    for peer in (pathology, second):
        peer.faults.arm("lose_ack", times=3)
    ended = threading.Event()

    def worker() -> None:
        while not ended.is_set():
            for code in ("pathology", "eprescribing"):
                delivery.run(code, seconds=0.1)

    workers = [Aside(worker) for _ in range(6)]
    try:
        eventually(lambda: {*make.legs("pathology"), *make.legs("eprescribing")} == {"accepted"}, within=40)
    finally:
        ended.set()
    for thread in workers:
        thread.result()
    patient_of = make.patients_of_changes()
    for peer in (pathology, second):
        assert peer.faults.fired()["lose_ack"] == 3
        took = [str(effect["control_id"]) for effect in peer.effects()]
        change_of = dict(Outbound.objects.filter(control_id__in=took).values_list("control_id", "change"))
        for person in people:
            own = [change_of[one] for one in took if patient_of[change_of[one]] == person.patient]
            assert own == sorted(own)
            assert len(own) == 7
    second.stop()
