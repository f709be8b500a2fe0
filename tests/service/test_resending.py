"""Orders to send again: identical bytes where nothing later was received, else the current state; once, in order."""

import uuid
from pathlib import Path

import pytest

from messaging.models import Attempt, Destination, Outbound
from messaging.resends import Asked, Scope
from messaging.selectors import resending as reading
from messaging.services import outbox, resending
from pasmirror.lib import alarms, clock
from pasmirror.lib.models import AuditRow
from patients.models import Change, Gate, Patient, Stay
from patients.refusals import Refused
from patients.services import admissions, stays
from tests.factories import lanes as make
from tests.factories.resends import ALL, IVY, accepted, counted, order, resent, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def pathology(db: None) -> Destination:
    make.mirror_mode()
    return make.destination("pathology")


def test_one_message_of_which_nothing_later_was_received_goes_as_the_identical_bytes(pathology: Destination) -> None:
    saved = make.register()
    accepted()
    first = make.of_change(saved.change, "pathology")
    made = order()
    (row,) = resent(made)
    assert counted(made) == (1, 0, 0)
    assert (row.seq, row.leg, row.again_id, row.change) == (2, "queued", first.pk, first.change)
    assert (row.control_id, bytes(row.body)) == (first.control_id, bytes(first.body))
    assert make.lane().head == 2
    first.refresh_from_db()
    assert (first.leg, first.attempts) == ("accepted", 1), "an original is never changed"
    assert made.ended_at
    done = AuditRow.objects.filter(action__startswith="resend_").order_by("pk")
    assert [(each.action, each.actor["subject"]) for each in done] == [
        ("resend_ordered", "ivy"), ("resend_ended", "sweep"),
    ]  # fmt: skip


def test_what_would_turn_the_clock_back_goes_as_the_current_state_once(pathology: Destination) -> None:
    saved = make.register("SMITH")
    make.update(saved, 1, "111")
    make.update(saved, 2, "222")
    other = make.register("BAKER")
    accepted()
    made = order(Asked(Scope.RANGE, first=1, last=2))
    (row,) = resent(made)
    assert counted(made) == (0, 1, 0)
    assert (row.snapshot, row.event, row.patient) == (True, "update", saved.patient)
    assert told([row]) == ["ADT^A31"]
    assert b"222" in bytes(row.body)
    assert b"111" not in bytes(row.body)
    assert row.control_id.endswith(f"-{row.seq}"), "a message of its own"
    assert not Outbound.objects.filter(order=made, patient=other.patient).exists()


def test_the_current_state_is_followed_by_the_newest_as_it_was(pathology: Destination) -> None:
    saved = make.register()
    stayed = make.admit(saved)
    accepted()
    made = order()
    assert counted(made) == (1, 1, 0)
    rows = resent(made)
    assert told(rows) == ["ADT^A31", "ADT^A01"]
    assert [row.snapshot for row in rows] == [True, False]
    assert rows[1].change == stayed.change


def test_a_stay_that_is_on_is_told_by_its_update_and_one_that_ended_by_its_end(pathology: Destination) -> None:
    saved = make.register()
    stay = Stay.objects.get(pk=make.admit(saved).stay)
    place = {"ward": "WB", "bay": "A", "bed": "WB1"}
    admissions.transfer(stay_id=stay.pk, seen=1, place=place, occurred_at=clock.now(), by=make.CLERK, key=uuid.uuid4())
    accepted()
    made = order(Asked(Scope.RANGE, first=1, last=2))
    rows = resent(made)
    assert told(rows) == ["ADT^A31", "ADT^A08"]
    assert b"WB^A^WB1" in bytes(rows[1].body)
    said = {"discharge_method": "1", "discharge_destination": "19"}
    admissions.discharge(
        stay_id=stay.pk, seen=2, discharge=said, occurred_at=clock.now(), by=make.CLERK, key=uuid.uuid4()
    )
    accepted()
    assert told(resent(order(Asked(Scope.RANGE, first=1, last=2)))) == ["ADT^A31", "ADT^A03"]


def test_the_end_of_a_stay_that_was_corrected_afterwards_is_told_too(pathology: Destination) -> None:
    saved = make.register()
    stay = make.admit(saved).stay or 0
    said = {"discharge_method": "1", "discharge_destination": "19"}
    admissions.discharge(stay_id=stay, seen=1, discharge=said, occurred_at=clock.now(), by=make.CLERK, key=uuid.uuid4())
    details = {"consultant": {"consultant": "C7654321"}}
    stays.update(stay_id=stay, seen=2, stay=details, by=make.CLERK, key=uuid.uuid4())
    accepted()
    assert told(resent(order(Asked(Scope.RANGE, first=3, last=3)))) == ["ADT^A31", "ADT^A03", "ADT^A08"]
    assert told(resent(order(Asked(Scope.RANGE, first=1, last=1)))) == ["ADT^A31"], "only what was lost"


def test_a_range_an_epoch_and_one_message_mean_what_they_say(pathology: Destination) -> None:
    for family in ("ADAMS", "BAKER", "COOK"):
        make.register(family)
    accepted()
    assert [row.again.seq for row in resent(order(Asked(Scope.RANGE, first=2, last=3)))] == [2, 3]
    Gate.objects.update(epoch=3)
    make.register("DEAN")
    accepted()
    assert [row.again.seq for row in resent(order(Asked(Scope.EPOCH, epoch=3)))] == [6]
    row = Outbound.objects.get(seq=1)
    resending.one(row.pk, by=IVY, reason="they lost it")
    assert resending.run_once() == 1
    assert Outbound.objects.get(again=row).control_id == row.control_id


def test_a_fenced_epoch_is_never_sent_as_it_was_but_its_patients_are_told_as_they_are(pathology: Destination) -> None:
    saved = make.register()
    accepted()
    Gate.objects.update(epoch=4, fenced=3)
    made = order(Asked(Scope.EPOCH, epoch=2))
    (row,) = resent(made)
    assert (row.snapshot, row.epoch, row.patient) == (True, 4, saved.patient)
    assert counted(made) == (0, 1, 0)


def test_what_the_pas_told_since_is_later_too(pathology: Destination) -> None:
    saved = make.register()
    accepted()
    row = Change.objects.get(pk=saved.change)
    row.pk, row.source, row.origin, row.event = None, "feed", "feed:7", "update"
    row.save()
    assert [each.snapshot for each in resent(order())] == [True]


def test_nothing_that_is_on_its_way_or_being_sent_again_is_sent_twice(pathology: Destination) -> None:
    make.register("ADAMS")
    accepted()
    make.register("BAKER")
    make.number_and_render()
    assert counted(order()) == (1, 0, 1)
    assert counted(order()) == (0, 0, 2), "the first resend is still on the lane"
    assert Outbound.objects.count() == 3


def test_a_held_one_with_a_later_one_received_is_set_aside_for_the_current_state(pathology: Destination) -> None:
    saved = make.register()
    make.update(saved, 1, "222")
    accepted()
    held = make.of_change(saved.change, "pathology")
    Outbound.objects.filter(pk=held.pk).update(leg="held", reason="AE")
    alarms.sound("message-refused", "refused", subject=held.control_id)
    made = resending.one(held.pk, by=IVY, reason="send what is so now")
    assert resending.run_once() == 1
    held.refresh_from_db()
    assert (held.leg, held.reason) == ("set_aside", f"its patient's current state is sent instead (order {made.pk})")
    assert alarms.standing() == []
    assert [row.snapshot for row in resent(made)] == [True]


def test_what_was_never_received_goes_under_its_own_number(pathology: Destination) -> None:
    first, second = make.register("ADAMS"), make.register("BAKER")
    make.number_and_render()
    rows = Outbound.objects.filter(change__in=[first.change, second.change])
    rows.update(leg="set_aside", attempts=1, rejects=1)
    for row in rows:
        now = clock.now()
        Attempt.objects.create(outbound=row, token=1, opened_at=now, closed_at=now, ending=Attempt.Ending.REFUSED)
    made = order()
    assert counted(made) == (2, 0, 0)
    assert resent(made) == []
    assert make.legs("pathology") == ["queued", "queued"]


def test_a_merged_person_is_one_and_told_by_the_record_that_stands(pathology: Destination) -> None:
    gone, stands = make.register("ADAMS"), make.register("ADAMS")
    accepted()
    Patient.objects.filter(pk=gone.patient).update(merged_into=stands.patient)
    made = order(Asked(Scope.RANGE, first=1, last=1))
    (row,) = resent(made)
    assert (row.snapshot, row.patient) == (True, stands.patient)


def test_a_refused_one_of_a_record_merged_since_is_not_sent_again_behind_the_merge(pathology: Destination) -> None:
    gone, stands = make.register("ADAMS"), make.register("ADAMS")
    accepted()
    refused = make.of_change(gone.change, "pathology")
    Outbound.objects.filter(pk=refused.pk).update(leg="held", attempts=1, rejects=1, reason="AE")
    now = clock.now()
    Attempt.objects.create(outbound=refused, token=1, opened_at=now, closed_at=now, ending=Attempt.Ending.REFUSED)
    refused.refresh_from_db()
    assert outbox.why_not_resend(refused) is None
    Patient.objects.filter(pk=gone.patient).update(merged_into=stands.patient)
    assert "turn the clock back" in str(outbox.why_not_resend(refused))
    with pytest.raises(Refused, match="turn the clock back"):
        outbox.resend(refused.pk, by=IVY, reason="mended")


def test_filters_and_the_dialect_hold_for_the_current_state_too(pathology: Destination) -> None:
    Destination.objects.update(events=["admit", "discharge"])
    saved = make.register()
    stay = Stay.objects.get(pk=make.admit(saved).stay)
    said = {"discharge_method": "1", "discharge_destination": "19"}
    admissions.discharge(
        stay_id=stay.pk, seen=1, discharge=said, occurred_at=clock.now(), by=make.CLERK, key=uuid.uuid4()
    )
    accepted()
    made = order(Asked(Scope.RANGE, first=1, last=1))
    assert told(resent(made)) == ["ADT^A03"], "no A31 is wanted there"
    Destination.objects.update(events=["book"])
    assert counted(order(Asked(Scope.RANGE, first=1, last=1))) == (0, 0, 1)


def test_what_is_foreseen_is_what_comes(pathology: Destination) -> None:
    for family in ("ADAMS", "BAKER", "COOK"):
        make.update(make.register(family), 1, "111")
    make.register("DEAN")
    accepted()
    make.register("ELLIS")
    make.number_and_render()
    seen = reading.foreseen(pathology, ALL)
    assert (seen.asked, seen.same, seen.current, seen.left_out) == (8, 4, 3, 1)
    assert counted(order()) == (seen.same, seen.current, seen.left_out)


def test_everything_ordered_is_delivered_in_order_like_the_rest(pathology: Destination, tmp_path: Path) -> None:
    peer = make.receiver(tmp_path)
    try:
        Destination.objects.update(port=make.port_of(peer))
        saved = make.register()
        make.admit(saved)
        make.number_and_render()
        make.deliver()
        order()
        make.register("BAKER")
        make.number_and_render()
        make.deliver()
        names = make.received(peer)
        assert len(names) == 5
        assert names[3] == names[1], "the A01 came again under its own MSH-10"
        assert len(set(names)) == 4
    finally:
        peer.stop()
