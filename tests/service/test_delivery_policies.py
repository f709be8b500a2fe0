"""What a destination declares: what refusals mean, who waits behind them, pace, pauses, rehearsal, and two answers."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.hl7.read import Message
from messaging.models import Attempt, Destination, Lane, Outbound
from messaging.selectors import lanes as status
from messaging.services import delivery, emission, lanes, outbox
from messaging.simulators.receiver import Receiver
from pasmirror.lib import alarms
from pasmirror.lib.models import AuditRow
from patients.models import ChangeFate
from patients.refusals import Refused
from tests.committed import Aside, committed  # noqa: F401
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


def declare(**columns: object) -> None:
    Destination.objects.filter(code="pathology").update(**columns)


def refuse(peer: Receiver, code: str, *, times: int = 1) -> None:
    peer.faults.arm("refuse", times=times, code=code, err="", for_patient="", text="")


def sounding() -> list[str]:
    return [alarm.code for alarm in alarms.standing()]


def two_patients() -> None:
    """ADAMS, BAKER, and then another change of each."""
    people = [make.register("ADAMS"), make.register("BAKER")]
    for person in people:
        make.update(person, 1, "1")
    make.number_and_render()


@pytest.mark.parametrize(
    ("policy", "code", "stand"),
    [
        ({"on_ae": "set_aside"}, "AE", ["set_aside", "accepted", "accepted", "accepted"]),
        ({"on_ae": "set_aside"}, "CE", ["set_aside", "accepted", "accepted", "accepted"]),
        ({"on_ar": "hold"}, "AR", ["held", "accepted", "queued", "accepted"]),
        ({"on_ar": "set_aside"}, "CR", ["set_aside", "accepted", "accepted", "accepted"]),
        ({"on_ae": "retry"}, "AE", ["accepted"] * 4),
    ],
)
def test_a_site_says_what_a_refusal_means(
    pathology: Receiver, policy: dict[str, str], code: str, stand: list[str]
) -> None:
    declare(**policy)
    two_patients()
    refuse(pathology, code)
    eventually(lambda: delivery.run("pathology", seconds=0.5) and make.legs("pathology") == stand, within=10)
    assert pathology.faults.fired()["refuse"] == 1


def test_where_the_whole_lane_waits_nothing_passes_what_is_held(pathology: Receiver) -> None:
    declare(holds="lane")
    two_patients()
    refuse(pathology, "AE")
    assert delivery.run("pathology").sent == 0
    assert make.legs("pathology") == ["held", "queued", "queued", "queued"]
    assert delivery.run("pathology").sentence == "nothing is due"
    assert status.due() == []
    assert alarms.standing()[0].sentence.endswith("Its whole lane waits.")
    held = Outbound.objects.get(leg="held")
    make_way(held)
    assert (
        make.received(pathology)[1:] == list(Outbound.objects.order_by("seq").values_list("control_id", flat=True))[1:]
    )


def make_way(held: Outbound) -> None:
    """A person gives the held message up, and the rest goes in order."""
    outbox.set_aside(held.pk, by=make.OPERATOR, reason="told by telephone")
    eventually(lambda: delivery.run("pathology").sent == 3, within=10)
    assert make.legs("pathology") == ["set_aside", "accepted", "accepted", "accepted"]


def test_where_the_whole_lane_waits_nothing_passes_what_is_tried_again(pathology: Receiver) -> None:
    declare(holds="lane")
    two_patients()
    refuse(pathology, "AR", times=3)
    make.deliver()
    ids = list(Outbound.objects.order_by("seq").values_list("control_id", flat=True))
    assert make.received(pathology) == [ids[0]] * 3 + ids


def test_the_least_interval_is_kept_within_a_slice_and_between_slices(pathology: Receiver) -> None:
    declare(min_interval=0.3)
    two_patients()
    began = time.monotonic()
    eventually(
        lambda: delivery.run("pathology", seconds=0.4) and set(make.legs("pathology")) == {"accepted"}, within=15
    )
    assert time.monotonic() - began >= 3 * 0.3
    opened = list(Attempt.objects.order_by("pk").values_list("opened_at", flat=True))
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(opened)]
    assert min(gaps) >= 0.29, gaps  # the database keeps the interval, the attempt bears our own clock's time


def test_a_lane_that_keeps_a_long_interval_gives_its_thread_back_and_is_due_again_in_time(pathology: Receiver) -> None:
    declare(min_interval=60.0)
    two_patients()
    began = time.monotonic()
    done = delivery.run("pathology", seconds=1.0)
    assert (done.sent, done.sentence, done.more) == (1, "the lane keeps its least interval", False)
    assert time.monotonic() - began < 5
    assert status.due() == []
    Lane.objects.update(next_at=None)
    assert status.due() == ["pathology"]


def test_a_person_pauses_a_lane_and_resumes_it_and_both_are_in_the_audit_trail(pathology: Receiver) -> None:
    lanes.pause("pathology", by=make.OPERATOR, reason="they restore their database")
    two_patients()
    assert delivery.run("pathology").sentence == "the destination is paused"
    assert status.due() == []
    assert make.received(pathology) == []
    said = status.lane_status()[0]
    assert (said["paused"], said["paused_reason"]) == (True, "they restore their database")
    lanes.resume("pathology", by=make.OPERATOR, reason="it is restored")
    make.deliver()
    assert len(make.received(pathology)) == 4
    written = AuditRow.objects.filter(subject="destination:pathology").order_by("pk")
    assert [(row.action, row.actor["subject"], row.actor["reason"]) for row in written] == [
        ("lane_paused", "operator", "they restore their database"),
        ("lane_resumed", "operator", "it is restored"),
    ]
    assert status.lane_status()[0]["paused_reason"] == ""


def test_pausing_needs_a_reason_and_something_to_pause(pathology: Receiver) -> None:
    with pytest.raises(Refused, match="Enter why"):
        lanes.pause("pathology", by=make.OPERATOR, reason=" ")
    with pytest.raises(Refused, match="Nobody has paused"):
        lanes.resume("pathology", by=make.OPERATOR, reason="why not")
    with pytest.raises(Refused, match="no such destination"):
        lanes.pause("nowhere", by=make.OPERATOR, reason="x")
    lanes.pause("pathology", by=make.OPERATOR, reason="x")
    with pytest.raises(Refused, match="paused already"):
        lanes.pause("pathology", by=make.OPERATOR, reason="x")
    declare(paused=True)
    lanes.resume("pathology", by=make.OPERATOR, reason="x")
    assert delivery.run("pathology").sentence == "the destination is paused", "the site file's own pause stands"
    assert status.lane_status()[0]["paused_reason"] == "by the site file"


def test_a_pause_lets_what_is_on_its_way_be_settled_and_opens_nothing_more(pathology: Receiver) -> None:
    two_patients()
    pathology.faults.arm("slow", times=1, seconds=0.3)
    sender = Aside(lambda: delivery.run("pathology"))
    eventually(lambda: pathology.faults.fired().get("slow"), within=5)
    lanes.pause("pathology", by=make.OPERATOR, reason="stop")
    sender.result()
    assert make.legs("pathology") == ["accepted", "queued", "queued", "queued"]
    assert len(make.received(pathology)) == 1


def test_a_shadow_is_written_for_and_told_nothing(pathology: Receiver) -> None:
    declare(shadow=True)
    two_patients()
    assert status.due() == ["pathology"]
    done = delivery.run("pathology")
    assert (done.sent, done.more) == (0, False)
    assert make.legs("pathology") == ["shadowed"] * 4
    assert make.received(pathology) == []
    assert not Attempt.objects.exists()
    rows = list(Outbound.objects.order_by("seq"))
    assert all(row.body and row.control_id and row.attempts == 0 and row.speaker == "pas" for row in rows)
    said = status.lane_status()[0]
    assert (said["shadow"], said["shadowed"], said["accepted"], said["queued"], said["last_ack_at"]) == (
        True, 4, 0, 0, None,
    )  # fmt: skip
    assert set(ChangeFate.objects.values_list("fate", flat=True)) == {"withdrawn"}
    assert status.due() == []
    declare(shadow=False)
    later = make.register("CLARK")
    make.number_and_render()
    assert delivery.run("pathology").sent == 1
    assert make.received(pathology) == [make.of_change(later.change, "pathology").control_id]


def test_while_emission_is_held_nothing_is_rehearsed_either(pathology: Receiver) -> None:
    declare(shadow=True)
    two_patients()
    emission.hold(by=make.OPERATOR, reason="")
    assert delivery.run("pathology").sentence == "emission is held"
    assert set(make.legs("pathology")) == {"queued"}


def test_what_had_left_before_a_destination_became_a_shadow_is_not_sent_again(pathology: Receiver) -> None:
    two_patients()
    pathology.faults.arm("lose_ack", times=1)
    delivery.run("pathology")
    declare(shadow=True)
    eventually(lambda: delivery.run("pathology") and make.legs("pathology")[1:] == ["shadowed"] * 3, within=5)
    assert make.legs("pathology")[0] == "sending", "in doubt, for a person or for when it is a real one again"
    assert len(make.received(pathology)) == 1


def test_in_enhanced_mode_a_message_is_received_when_the_application_says_so(pathology: Receiver) -> None:
    declare(ack_mode="enhanced", application_timeout=0.5)
    pathology.faults.arm("enhanced")
    two_patients()
    make.deliver()
    assert pathology.faults.fired()["enhanced"] == 4
    assert all(b"MSA|AA|" in bytes(attempt.answer) for attempt in Attempt.objects.all())
    sent = Message.of(bytes(Outbound.objects.order_by("seq")[0].body))
    assert (sent.get("MSH-15"), sent.get("MSH-16")) == ("AL", "AL")


@pytest.mark.parametrize(
    ("does", "leg", "ending", "alarm"),
    [
        ("retry", "sending", "no_answer", []),
        ("hold", "held", "no_answer", ["message-unanswered"]),
        ("accept", "accepted", "accepted", []),
    ],
)
def test_a_lost_application_answer_is_what_the_site_says_it_is(
    pathology: Receiver, does: str, leg: str, ending: str, alarm: list[str]
) -> None:
    declare(ack_mode="enhanced", application_timeout=0.3, on_no_application_answer=does)
    pathology.faults.arm("enhanced")
    pathology.faults.arm("lose_application_ack", times=1)
    make.register("ADAMS")
    make.number_and_render()
    delivery.run("pathology")
    assert pathology.faults.fired()["lose_application_ack"] == 1
    assert make.legs("pathology") == [leg]
    attempt = Attempt.objects.get()
    assert (attempt.ending, attempt.detail) == (ending, "application")
    assert b"MSA|CA|" in bytes(attempt.answer)
    assert sounding() == alarm
    if does == "accept":
        assert Lane.objects.get().failures == 0
    if does == "retry":
        make.deliver()
        first, second = (str(message["base64"]) for message in pathology.messages())
        assert first == second
        assert pathology.counts()["effects"] == 1


def test_where_the_commit_is_enough_a_lane_does_not_rest_after_it(pathology: Receiver) -> None:
    declare(ack_mode="enhanced", application_timeout=0.2, on_no_application_answer="accept")
    pathology.faults.arm("enhanced")
    pathology.faults.arm("lose_application_ack", times=0)
    two_patients()
    delivery.run("pathology", seconds=10.0)
    assert make.legs("pathology") == ["accepted"] * 4
    assert pathology.counts()["repeats"] == 0
