"""Known defects of another integration engine (nextgenhealthcare/connect, by its issue numbers), on our lanes."""

import copy
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.models import Attempt, Destination, Lane, Outbound
from messaging.selectors import lanes as status
from messaging.services import delivery
from messaging.simulators.receiver import Receiver
from pasmirror.lib import alarms
from patients.models import Change, JournalTail
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(180)]


@pytest.fixture
def pathology(committed: None, tmp_path: Path) -> Iterator[Receiver]:  # noqa: F811
    make.mirror_mode()
    peer = make.receiver(tmp_path, "pathology")
    make.destination("pathology", make.port_of(peer))
    yield peer
    delivery.hang_up()
    peer.stop()


def own_answer(attempt: Attempt) -> bool:
    return f"|{attempt.outbound.control_id}".encode() in bytes(attempt.answer)


def test_1314_a_receiver_that_answers_after_its_time_is_not_flooded_with_duplicates(pathology: Receiver) -> None:
    """There, each late answer made the queue send again at once, and the next as well."""
    late = 4
    pathology.faults.arm("late_ack", times=late, seconds=0.8)  # the timeout is 0.5 s
    for number in range(5):
        make.register(f"FAMILY{number}")
    make.number_and_render()
    make.deliver(within=30)
    copies = Counter(make.received(pathology))
    assert pathology.faults.fired()["late_ack"] == late
    assert sum(copies.values()) == 5 + late, "one more for each late answer, and not one beyond"
    assert pathology.counts()["effects"] == 5
    assert status.lane_status()[0]["resends"] == late


def test_1314_while_it_never_answers_the_tries_grow_rarer(pathology: Receiver) -> None:
    Destination.objects.update(timeout=0.1, retry_after=0.2, retry_most=30.0)
    pathology.faults.arm("go_silent")
    make.register()
    make.number_and_render()
    eventually(lambda: delivery.run("pathology", seconds=0.2) and Lane.objects.get().failures >= 4, within=20)
    opened = list(Attempt.objects.order_by("pk").values_list("opened_at", flat=True))
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(opened)]
    assert all(gap >= 0.2 * 2**n for n, gap in enumerate(gaps)), gaps


def test_1441_the_answer_to_one_message_is_never_taken_for_the_next(pathology: Receiver) -> None:
    """There, an answer that came after the timeout was read as the answer to the message sent next."""
    pathology.faults.arm("late_ack", times=3, seconds=0.6)
    pathology.faults.arm("two_acks", times=3, first="AA")
    for number in range(8):
        make.register(f"FAMILY{number}")
    make.number_and_render()
    make.deliver(within=30)
    assert pathology.faults.fired()["late_ack"] == 3
    taken = Attempt.objects.filter(ending="accepted")
    assert taken.count() == 8
    assert [attempt.pk for attempt in taken if not own_answer(attempt)] == []
    assert pathology.counts()["effects"] == 8


def test_1441_a_late_answer_while_the_receiver_falls_over_at_the_next_is_not_that_ones(pathology: Receiver) -> None:
    """As it was reported: the answer to the first comes late, and the receiver dies with the second unread."""
    pathology.faults.arm("late_ack", times=1, seconds=0.8)
    first, second = make.register("ADAMS"), make.register("BAKER")
    make.number_and_render()
    body = bytes(make.of_change(second.change, "pathology").body).decode()
    pathology.faults.arm("reset", times=1, for_patient=body.split("\rPID|")[1].split("|")[2].split("^")[0])
    lost: list[str] = []

    def until_it_has_died() -> bool:
        delivery.run("pathology", seconds=0.2)
        row = make.of_change(second.change, "pathology")
        lost.append(row.leg)
        return bool(pathology.faults.fired().get("reset"))

    eventually(until_it_has_died, within=20)
    assert "accepted" not in lost, "the second counts as received, and nobody has it"
    make.deliver(within=30)
    effects = [str(effect["control_id"]) for effect in pathology.effects()]
    assert effects == [make.of_change(saved.change, "pathology").control_id for saved in (first, second)]
    assert [attempt.pk for attempt in Attempt.objects.filter(ending="accepted") if not own_answer(attempt)] == []


def test_1664_destinations_that_cannot_be_reached_or_never_answer_hold_up_no_other(
    pathology: Receiver, tmp_path: Path
) -> None:
    """There, one destination whose queue could not be sent stopped the others' threads."""
    dead = make.receiver(tmp_path, "dead")
    deaf = make.receiver(tmp_path, "deaf")
    for peer in (dead, deaf):
        make.destination(peer.app.lower(), make.port_of(peer), timeout=20.0, retry_most=60.0)
    dead.door.stop_listening()
    deaf.faults.arm("accept_but_never_read")
    for number in range(10):
        make.register(f"FAMILY{number}")
    make.number_and_render()
    stuck = Aside(lambda: delivery.run("deaf"))
    eventually(lambda: deaf.faults.fired(), within=5)
    for _ in range(3):
        eventually(lambda: delivery.run("dead").sentence.startswith("no answer (connect)"), within=5)
    assert delivery.run("pathology").sent == 10
    assert stuck.is_alive()
    assert set(make.legs("dead")) == {"queued"}
    assert [alarm.subject for alarm in alarms.standing()] == ["dead"]
    deaf.faults.heal()
    stuck.result()
    dead.door.listener.start()
    for peer in (dead, deaf):
        make.deliver(peer.app.lower(), within=20)
        assert make.received(peer)[-10:] == ids(peer.app.lower()), "and the drain is in order"
        peer.stop()


def ids(code: str) -> list[str]:
    return list(
        Outbound.objects.filter(lane__destination__code=code).order_by("seq").values_list("control_id", flat=True)
    )


MANY = 1100  # more than the sequencer takes at once, 1000, and the renderer, 200


@pytest.mark.timeout(400)
def test_1682_of_a_long_queue_none_is_skipped_and_none_overtakes(pathology: Receiver) -> None:
    """There, a queue beyond a buffer of 1,000 (and another of 100,000) lost its place and left messages behind."""
    pathology.door.stop_listening()
    for number in range(3):
        make.register(f"FAMILY{number}")
    as_many_saves_would_leave(MANY)
    make.number_and_render()
    assert make.lane().head == MANY
    eventually(lambda: delivery.run("pathology").sentence.startswith("no answer"), within=5)
    pathology.door.listener.start()
    make.deliver(within=300)
    assert make.received(pathology) == ids("pathology")
    seqs = list(Outbound.objects.order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, MANY + 1))
    assert pathology.counts()["effects"] == MANY
    assert status.lane_status()[0]["resends"] == 0


LOT = 2000  # in one transaction: a hundred thousand in one would meet its time limit on a machine at work


def as_many_saves_would_leave(changes: int) -> None:
    """Copy what the clerks' changes there are left in the journal and its tail, until there are so many changes."""
    templates = list(Change.objects.order_by("pk"))
    copies = [copy.copy(templates[n % len(templates)]) for n in range(changes - len(templates))]
    for each in copies:
        each.pk = None
        each._state.adding = True
    for first in range(0, len(copies), LOT):
        made = Change.objects.bulk_create(copies[first : first + LOT])
        JournalTail.objects.bulk_create(JournalTail(change_id=each.pk, at=each.recorded_at) for each in made)
