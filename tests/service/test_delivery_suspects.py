"""A message that silences its receiver holds its patient in the end, and an outage of any length holds nobody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from messaging.models import Destination, Lane, Outbound
from messaging.services import delivery, outbox
from messaging.simulators.receiver import Receiver
from pasmirror.lib import alarms
from patients.services.saving import Saved
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make

pytestmark = pytest.mark.usefixtures("committed")
LIMIT = 3


@pytest.fixture
def pathology(committed: None, tmp_path: Path) -> Iterator[Receiver]:  # noqa: F811
    make.mirror_mode()
    peer = make.receiver(tmp_path, "pathology")
    make.destination("pathology", make.port_of(peer), no_answer_limit=LIMIT, timeout=0.2)
    yield peer
    delivery.hang_up()
    peer.stop()


def number_of(saved: Saved) -> str:
    """The patient's number as the receiver reads it."""
    body = bytes(make.of_change(saved.change, "pathology").body).decode()
    return body.split("\rPID|")[1].split("|")[2].split("^")[0]


def falls_over_at(peer: Receiver, saved: Saved) -> None:
    peer.faults.arm("reset", for_patient=number_of(saved))


def run_until(stand: list[str], *, within: float = 20.0) -> None:
    eventually(lambda: delivery.run("pathology", seconds=0.5) and make.legs("pathology") == stand, within=within)


def unanswered() -> list[str]:
    return [alarm.subject for alarm in alarms.standing() if alarm.code == "message-unanswered"]


def test_a_message_the_receiver_falls_over_at_is_held_at_the_limit_and_the_others_pass(pathology: Receiver) -> None:
    poison = make.register("ADAMS")
    make.update(poison, 1, "1")
    others = [make.register(name) for name in ("BAKER", "CLARK")]
    make.number_and_render()
    falls_over_at(pathology, poison)
    run_until(["held", "queued", "accepted", "accepted"])
    row = make.of_change(poison.change, "pathology")
    assert pathology.faults.fired()["reset"] == LIMIT == row.attempts
    assert unanswered() == [row.control_id]
    assert Lane.objects.get().suspect is None, "judged: it is the cause, and stays held"
    pathology.faults.heal()
    outbox.resend(row.pk, by=make.OPERATOR, reason="they have mended their reader")
    make.deliver()
    assert unanswered() == []
    took = make.received(pathology)
    assert took[-2:] == [
        make.of_change(change, "pathology").control_id for change in (poison.change, poison.change + 1)
    ]
    assert len({str(m["base64"]) for m in pathology.messages() if m["control_id"] == row.control_id}) == 1
    assert [row.control_id in took for row in Outbound.objects.all()] == [True] * (2 + len(others))


def test_a_receiver_that_is_dead_for_long_costs_nobody_their_place(pathology: Receiver) -> None:
    """It takes bytes and answers nothing, far beyond the limit; then it is back: all arrives, in order, nobody held."""
    first = make.register("ADAMS")
    make.update(first, 1, "1")
    for name in ("BAKER", "CLARK", "DAVIS"):
        make.register(name)
    make.number_and_render()
    pathology.faults.arm("go_silent")
    eventually(
        lambda: delivery.run("pathology", seconds=0.3) and pathology.faults.fired().get("go_silent", 0) >= 3 * LIMIT,
        within=30,
    )
    assert make.legs("pathology").count("held") == 1, "one at a time is under suspicion, whatever the length"
    pathology.faults.heal()
    make.deliver(within=30)
    assert alarms.standing() == []
    assert Lane.objects.get().suspect is None
    assert pathology.counts()["effects"] == 5
    effects = [str(effect["control_id"]) for effect in pathology.effects()]
    own = [make.of_change(change, "pathology").control_id for change in (first.change, first.change + 1)]
    assert [one for one in effects if one in own] == own


def test_nobody_is_held_while_there_is_no_other_to_try(pathology: Receiver) -> None:
    alone = make.register("ADAMS")
    make.update(alone, 1, "1")
    make.number_and_render()
    pathology.faults.arm("go_silent")
    eventually(
        lambda: delivery.run("pathology", seconds=0.3) and pathology.faults.fired().get("go_silent", 0) > 2 * LIMIT,
        within=30,
    )
    assert make.legs("pathology") == ["sending", "queued"]
    assert unanswered() == []


@pytest.mark.parametrize("policy", [{"no_answer_limit": 0}, {"holds": "lane"}])
def test_a_site_may_want_its_lane_to_wait_for_ever(pathology: Receiver, policy: dict[str, object]) -> None:
    Destination.objects.update(**policy)
    poison = make.register("ADAMS")
    make.register("BAKER")
    make.number_and_render()
    falls_over_at(pathology, poison)
    eventually(
        lambda: delivery.run("pathology", seconds=0.3) and pathology.faults.fired().get("reset", 0) > 2 * LIMIT,
        within=30,
    )
    assert make.legs("pathology") == ["sending", "queued"]


def test_a_receiver_that_cannot_be_reached_puts_no_message_under_suspicion(pathology: Receiver) -> None:
    pathology.door.stop_listening()
    for name in ("ADAMS", "BAKER"):
        make.register(name)
    make.number_and_render()
    eventually(lambda: delivery.run("pathology", seconds=0.3) and Lane.objects.get().failures > 2 * LIMIT, within=30)
    assert make.legs("pathology") == ["queued", "queued"]
    assert set(Outbound.objects.values_list("silences", flat=True)) == {0}


def test_what_a_person_has_given_up_meanwhile_is_not_sent_again(pathology: Receiver) -> None:
    suspect = make.register("ADAMS")
    make.register("BAKER")
    make.number_and_render()
    pathology.faults.arm("go_silent")
    run_until(["held", "sending"])
    row = make.of_change(suspect.change, "pathology")
    outbox.set_aside(row.pk, by=make.OPERATOR, reason="told by telephone")
    pathology.faults.heal()
    run_until(["set_aside", "accepted"])
    assert Lane.objects.get().suspect is None
    assert make.received(pathology).count(row.control_id) == LIMIT
