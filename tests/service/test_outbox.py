"""Single messages: left to the PAS, released with their mark, resent or set aside by a person, never out of order."""

import pytest

from messaging.models import Attempt, Outbound
from messaging.services import outbox, rendering, sequencer
from pasmirror.lib import alarms, clock
from pasmirror.lib.models import AuditRow
from patients.models import Change, ChangeFate, Gate
from patients.refusals import Refused
from tests.factories import lanes as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def lanes(db: None) -> None:
    make.mirror_mode()
    make.destination("pas", is_pas=True)
    make.destination("pathology")
    make.destination("eprescribing")


def fate(change: int, code: str) -> str:
    return ChangeFate.objects.get(change_id=change, destination=code).fate


def stand(change: int, code: str, leg: str, **more: object) -> Outbound:
    row = make.of_change(change, code)
    Outbound.objects.filter(pk=row.pk).update(leg=leg, **more)
    return make.of_change(change, code)


def test_what_was_never_tried_is_left_to_the_pas_and_what_was_is_named(lanes: None) -> None:
    change = make.register().change
    make.number_and_render()
    stand(change, "pathology", "sending", attempts=1, speaker="mirror")
    assert outbox.leave_to_pas(change) == ["pathology"]
    left = make.of_change(change, "eprescribing")
    assert (left.leg, left.speaker, fate(change, "eprescribing")) == ("left_to_pas", "pas", "left_to_pas")
    assert make.of_change(change, "pathology").leg == "sending"
    assert make.of_change(change, "pas").leg == "unreleased"
    assert outbox.leave_to_pas(change) == ["pathology"]


def test_the_pass_copy_is_written_at_release_with_the_mark(lanes: None) -> None:
    change = make.register().change
    make.number_and_render()
    assert make.of_change(change, "pas").body is None
    assert outbox.release(change, told=["eprescribing", "pathology"])
    row = make.of_change(change, "pas")
    assert row.leg == "queued"
    assert f"ZPM|{change}|eprescribing~pathology\r".encode() in bytes(row.body)
    assert b"ZPM" not in bytes(make.of_change(change, "pathology").body)
    assert not outbox.release(change)
    assert bytes(make.of_change(change, "pas").body) == bytes(row.body)


def test_what_the_pas_refused_is_released_again_as_the_same_bytes(lanes: None) -> None:
    change = make.register().change
    make.number_and_render()
    assert outbox.release(change, told=["pathology"])
    first = bytes(make.of_change(change, "pas").body)
    stand(change, "pas", "held", attempts=1, rejects=1)
    assert outbox.release(change, told=[])
    row = make.of_change(change, "pas")
    assert (row.leg, row.rejects, bytes(row.body)) == ("queued", 0, first)


def test_what_was_never_written_for_the_pas_is_not_written_here_without_its_mark(lanes: None) -> None:
    """Sent again by a person it would name nobody as told, and the PAS would tell them all a second time."""
    change = make.register().change
    make.number_and_render()
    row = stand(change, "pas", "held", body=None, reason="cannot be written (KeyError)")
    with pytest.raises(Refused, match="never written: settle it on the page Discrepancies"):
        outbox.resend(row.pk, by=make.OPERATOR, reason="mended")
    assert (make.of_change(change, "pas").leg, make.of_change(change, "pas").body) == ("held", None)


def test_a_marked_copy_the_pas_refused_is_sent_again_with_its_mark(lanes: None) -> None:
    change = make.register().change
    make.number_and_render()
    assert outbox.release(change, told=["eprescribing", "pathology"])
    row = stand(change, "pas", "held", attempts=1, rejects=1)
    outbox.resend(row.pk, by=make.OPERATOR, reason="mended")
    again = make.of_change(change, "pas")
    assert again.leg == "queued"
    assert f"ZPM|{change}|eprescribing~pathology\r".encode() in bytes(again.body)


def test_a_skipped_copy_is_never_released(lanes: None) -> None:
    change = make.register().change
    make.number_and_render()
    assert outbox.skip(change, reason="already there")
    assert not outbox.skip(change, reason="again")
    assert not outbox.release(change)
    assert make.of_change(change, "pas").leg == "skipped"


def test_a_person_sends_a_refused_message_again_as_it_was(lanes: None) -> None:
    change = make.register().change
    make.number_and_render()
    row = stand(change, "pathology", "held", attempts=1, rejects=1)
    alarms.sound("message-refused", "refused", subject=row.control_id)
    outbox.resend(row.pk, by=make.OPERATOR, reason="their code table is mended")
    again = make.of_change(change, "pathology")
    assert (again.leg, again.rejects, bytes(again.body)) == ("queued", 0, bytes(row.body))
    assert alarms.standing() == []
    written = AuditRow.objects.get(action="outbound_resend")
    assert (written.actor["subject"], written.actor["reason"]) == ("operator", "their code table is mended")


def test_nothing_is_sent_again_that_would_turn_the_clock_back(lanes: None) -> None:
    first = make.register()
    later = make.update(first, 1, "1")
    make.number_and_render()
    row = stand(first.change, "pathology", "set_aside", attempts=1)
    stand(later.change, "pathology", "accepted", attempts=1)
    with pytest.raises(Refused, match="turn the clock back"):
        outbox.resend(row.pk, by=make.OPERATOR, reason="")
    assert make.of_change(first.change, "pathology").leg == "set_aside"


@pytest.mark.parametrize("leg", ["sending", "set_aside", "queued", "held"])
def test_nothing_is_sent_again_before_a_later_one_that_may_have_arrived(lanes: None, leg: str) -> None:
    first = make.register()
    later = make.update(first, 1, "1")
    make.number_and_render()
    row = stand(first.change, "pathology", "set_aside", attempts=1)
    stand(later.change, "pathology", leg, attempts=1)
    with pytest.raises(Refused, match="turn the clock back"):
        outbox.resend(row.pk, by=make.OPERATOR, reason="")


def test_a_later_one_that_was_only_ever_refused_forbids_nothing(lanes: None) -> None:
    first = make.register()
    later = make.update(first, 1, "1")
    make.number_and_render()
    row = stand(first.change, "pathology", "set_aside", attempts=1)
    refused = stand(later.change, "pathology", "held", attempts=1)
    Attempt.objects.create(
        outbound=refused, token=1, opened_at=clock.now(), closed_at=clock.now(), ending=Attempt.Ending.REFUSED
    )
    outbox.resend(row.pk, by=make.OPERATOR, reason="")
    assert make.of_change(first.change, "pathology").leg == "queued"


def test_nothing_is_sent_again_for_an_epoch_that_was_ended(lanes: None) -> None:
    change = make.register().change
    make.number_and_render()
    row = stand(change, "pathology", "set_aside", attempts=1)
    Gate.objects.update(epoch=3, fenced=2)
    with pytest.raises(Refused, match="its epoch was ended"):
        outbox.resend(row.pk, by=make.OPERATOR, reason="")


@pytest.mark.parametrize("leg", ["accepted", "sending", "queued", "left_to_pas"])
def test_only_a_refused_or_set_aside_message_is_sent_again(lanes: None, leg: str) -> None:
    change = make.register().change
    make.number_and_render()
    row = stand(change, "pathology", leg)
    with pytest.raises(Refused):
        outbox.resend(row.pk, by=make.OPERATOR, reason="")


def test_a_person_sets_a_message_aside(lanes: None) -> None:
    change = make.register().change
    make.number_and_render()
    row = stand(change, "pathology", "held", attempts=1)
    outbox.set_aside(row.pk, by=make.OPERATOR, reason="told by telephone")
    assert make.of_change(change, "pathology").leg == "set_aside"
    assert AuditRow.objects.filter(action="outbound_set_aside", change=change).exists()
    with pytest.raises(Refused):
        outbox.set_aside(stand(change, "pathology", "sending").pk, by=make.OPERATOR, reason="")


def test_a_message_that_cannot_be_written_is_held_and_the_others_are_written(lanes: None) -> None:
    broken, whole = make.register("ADAMS"), make.register("BAKER")
    sequencer.run_once()
    Outbound.objects.filter(change=broken.change, lane__destination__code="pathology").update(
        change=Change.objects.order_by("-pk").first().pk + 1000
    )
    rendering.run_once()
    assert make.legs("pathology") == ["held", "queued"]
    assert make.of_change(whole.change, "pathology").body is not None
    assert make.of_change(broken.change, "eprescribing").body is not None
    assert [alarm.code for alarm in alarms.standing()] == [rendering.ALARM]
    assert rendering.run_once() == 0
