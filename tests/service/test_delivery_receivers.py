"""Receivers that misbehave, one after the other: each leaves its lane right, and the others untouched."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from messaging.models import Attempt, Destination, Outbound
from messaging.selectors import lanes as status
from messaging.services import delivery
from messaging.simulators.receiver import Receiver
from pasmirror.lib import alarms
from tests.authority import Authority
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make

pytestmark = pytest.mark.usefixtures("committed")
Bad = Callable[[Receiver], None]


@pytest.fixture
def receivers(committed: None, tmp_path: Path) -> Iterator[dict[str, Receiver]]:  # noqa: F811
    make.mirror_mode()
    made = {name: make.receiver(tmp_path, name) for name in ("pathology", "radiology")}
    for name, peer in made.items():
        make.destination(name, make.port_of(peer))
    yield made
    delivery.hang_up()
    for peer in made.values():
        peer.stop()


def arm(name: str, **how: object) -> Bad:
    return lambda peer: peer.faults.arm(name, **how)


def refuse_then_accept(peer: Receiver) -> None:
    peer.faults.arm("two_acks", times=2, first="AR")


def away(peer: Receiver) -> None:
    peer.door.stop_listening()


# What it does, how often, and how the first attempt ends: (ending, detail), or nothing where none left.
BAD: dict[str, tuple[Bad, tuple[str, str] | None]] = {
    "never answers": (arm("go_silent", times=2), ("no_answer", "wait")),
    "answers late": (arm("late_ack", times=2, seconds=0.9), ("no_answer", "wait")),
    "answers another's id": (arm("wrong_msa", times=2), ("no_answer", "wrong_id")),
    "answers garbage": (arm("garbage_ack", times=2), ("no_answer", "garbage")),
    "answers without MSA": (arm("no_msa", times=2), ("no_answer", "garbage")),
    "answers without a frame": (arm("unframed_ack", times=2), ("no_answer", "garbage")),
    "answers twice": (arm("two_acks", times=2, first="AA"), ("accepted", "")),
    "answers AR, then AA": (refuse_then_accept, ("refused", "AR")),
    "cuts mid-frame": (arm("cut_after", times=2, bytes=40), ("no_answer", "reset")),
    "accepts and never reads": (arm("accept_but_never_read", times=2), ("no_answer", "wait")),
    "resets": (arm("reset", times=2), ("no_answer", "reset")),
    "takes it and loses the answer": (arm("lose_ack", times=2), ("no_answer", "reset")),
    "is slow": (arm("slow", times=2, seconds=0.2), ("accepted", "")),
    "is away": (away, None),
}


@pytest.mark.parametrize("how", list(BAD))
def test_a_bad_receiver_leaves_its_lane_right_and_the_other_untouched(receivers: dict[str, Receiver], how: str) -> None:
    bad = receivers["pathology"]
    strike, ends = BAD[how]
    people = [make.register(name) for name in ("ADAMS", "BAKER")]
    for seen in (1, 2):
        for person in people:
            make.update(person, seen, str(seen))
    make.number_and_render()
    strike(bad)
    delivery.run("pathology", seconds=0.1)
    first = Attempt.objects.order_by("pk").values_list("ending", "detail").first()
    assert first == (ends or ("no_answer", "connect"))
    assert delivery.run("radiology").sent == 6, "the other lane waits for nobody"
    assert Outbound.objects.filter(lane__destination__code="radiology", attempts=1).count() == 6
    fired = bad.faults.fired()
    assert sum(fired.values()) >= 1, "the fault did not strike"
    if ends is None:
        bad.door.listener.start()
    bad_until_healed(bad)
    rows = list(Outbound.objects.filter(lane__destination__code="pathology").order_by("seq"))
    took = [effect["control_id"] for effect in bad.effects()]
    assert sorted(map(str, took)) == sorted(row.control_id for row in rows), "each had its effect, once"
    for person in people:
        own = [row.control_id for row in rows if row.patient == person.patient]
        assert [one for one in took if one in own] == own
    by_id: dict[str, set[str]] = {}
    for message in bad.messages():
        by_id.setdefault(str(message["control_id"]), set()).add(str(message["base64"]))
    assert all(len(bodies) == 1 for bodies in by_id.values()), "a resend is the identical bytes"
    wrongly = [a.pk for a in Attempt.objects.filter(ending="accepted") if not answers(a)]
    assert wrongly == [], "an answer was taken that was another's, or none"
    assert alarms.standing() == []


def bad_until_healed(peer: Receiver) -> None:
    """Deliver through what is left of the fault; a receiver that never reads is healed by hand."""

    def slice_of_it() -> bool:
        delivery.run("pathology", seconds=0.5)
        if peer.faults.fired().get("accept_but_never_read", 0) >= 2:
            peer.faults.heal()
        return set(make.legs("pathology")) == {"accepted"}

    eventually(slice_of_it, within=30)


def answers(attempt: Attempt) -> bool:
    return f"|{attempt.outbound.control_id}".encode() in bytes(attempt.answer) and b"MSA|AA|" in bytes(attempt.answer)


def test_a_receiver_with_a_wrong_certificate_is_told_nothing_and_the_alarm_says_why(
    receivers: dict[str, Receiver], tmp_path: Path
) -> None:
    own, stranger = Authority(tmp_path / "own"), Authority(tmp_path / "stranger", "Somebody else")
    secured = Receiver("tlspath", store=tmp_path / "tls.sqlite", tls=server(stranger))
    secured.start()
    make.destination("tlspath", make.port_of(secured), tls={"ca": str(own.ca), "name": "path.example"}, timeout=2.0)
    for name in ("ADAMS", "BAKER"):
        make.register(name)
    make.number_and_render()
    assert delivery.run("tlspath").sentence == "no answer (tls): the lane rests"
    assert (secured.messages(), make.legs("tlspath")) == ([], ["queued", "queued"])
    assert set(Outbound.objects.filter(lane__destination__code="tlspath").values_list("attempts", flat=True)) == {0}
    assert Attempt.objects.get().detail.startswith("tls: ")
    alarm = alarms.standing()[0]
    assert (alarm.code, alarm.subject) == ("destination-untrusted", "tlspath")
    assert "certificate" in alarm.sentence
    for name in ("pathology", "radiology"):
        assert delivery.run(name).sent == 2
    secured.door.listener.tls = server(own)  # they have put the right one in place
    make.deliver("tlspath")
    assert secured.counts()["effects"] == 2
    assert alarms.standing() == []
    delivery.hang_up()
    secured.stop()


def server(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.certificate("path.example"))
    return context


def test_an_answer_that_is_none_is_kept_for_whoever_looks_into_it(receivers: dict[str, Receiver]) -> None:
    receivers["pathology"].faults.arm("garbage_ack", times=1)
    make.register()
    make.number_and_render()
    delivery.run("pathology")
    assert bytes(Attempt.objects.get().answer) == b"this is no HL7"


def test_an_answer_that_is_none_holds_the_patient_where_the_site_wants_a_person_to_look(
    receivers: dict[str, Receiver],
) -> None:
    Destination.objects.filter(code="pathology").update(on_unknown_answer="hold")
    receivers["pathology"].faults.arm("garbage_ack", times=1)
    first = make.register("ADAMS")
    make.update(first, 1, "1")
    make.register("BAKER")
    make.number_and_render()
    delivery.run("pathology")
    row = make.of_change(first.change, "pathology")
    assert (row.leg, row.reason) == ("held", "no answer (garbage)")
    assert [(alarm.code, alarm.subject) for alarm in alarms.standing()] == [("message-unanswered", row.control_id)]
    eventually(lambda: delivery.run("pathology") and make.legs("pathology") == ["held", "queued", "accepted"], within=5)


def test_a_slow_receiver_slows_no_other(receivers: dict[str, Receiver]) -> None:
    receivers["pathology"].faults.arm("slow", seconds=0.3)
    for number in range(6):
        make.register(f"FAMILY{number}")
    make.number_and_render()
    crawling = Aside(lambda: delivery.run("pathology"))
    eventually(lambda: receivers["pathology"].faults.fired().get("slow"), within=5)
    assert delivery.run("radiology").sent == 6
    assert crawling.is_alive()
    crawling.result()
    make.deliver()
    assert all(lane["resends"] == 0 for lane in status.lane_status())
