"""Orders worked off in lots, what could not be written, the resync list, and what is saved meanwhile."""

import pytest

from messaging.hl7.telling import CannotSay
from messaging.models import Destination, Outbound, ResendOrder, ResyncPatient
from messaging.resends import Asked, Scope
from messaging.services import outbox, rendering, resending
from pasmirror.lib import alarms
from patients.models import Gate, JournalTail
from patients.refusals import Refused
from tests.factories import lanes as make
from tests.factories.resends import ALL, IVY, accepted, counted, order, resent, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def pathology(db: None) -> Destination:
    make.mirror_mode()
    return make.destination("pathology")


def unwritable(monkeypatch: pytest.MonkeyPatch, why: Exception) -> None:
    """Nothing can be written, for this reason."""

    def refuse(*args: object, **options: object) -> None:
        raise why

    monkeypatch.setattr(rendering, "rendered", refuse)


def test_an_order_goes_on_lot_by_lot_where_it_was_left(pathology: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resending, "LOT", 2)
    monkeypatch.setattr(resending.pace, "size", 2)
    monkeypatch.setattr(resending, "LONG", 1e9)  # however slow this machine is
    people = [make.register(family) for family in ("ADAMS", "BAKER", "COOK")]
    for saved in people:
        make.update(saved, 1, "111")
    accepted()
    made = resending.order("pathology", ALL, by=IVY, reason="restored")
    assert resending.run_once() == 2
    made.refresh_from_db()
    assert (made.next, made.current, made.ended_at) == (3, 2, None)
    make.register("FROST")
    assert [resending.run_once() for _ in range(4)] == [2, 2, 0, 0]
    made.refresh_from_db()
    assert made.ended_at
    assert counted(made) == (3, 3, 0)
    whose = [row.patient for row in resent(made) if row.snapshot]
    assert sorted(whose) == sorted(saved.patient for saved in people), "each patient once, over all lots"
    assert [row.seq for row in Outbound.objects.order_by("seq")] == list(range(1, make.lane().head + 1)), "no gap"
    assert "FROST" not in str([bytes(row.body) for row in resent(made)]), "what came after it was ordered is no part"


def test_lots_shrink_where_they_take_long_and_grow_where_they_do_not() -> None:
    pace = resending.Pace()
    sizes = []
    for seconds in (0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 0.6, 0.6, *([5.0] * 8), 0.1):
        pace.after(seconds)
        sizes.append(pace.size)
    assert sizes == [20, 40, 80, 100, 100, 100, 50, 25, 12, 6, 3, 1, 1, 1, 1, 1, 2]


def test_a_lot_that_is_cut_short_leaves_nothing_behind(pathology: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    make.update(make.register(), 1, "111")
    accepted()
    made = resending.order("pathology", ALL, by=IVY, reason="restored")

    def cut(rows: object) -> None:
        raise InterruptedError  # an OSError: a fault of ours, so the order ends, and all of the lot is undone

    with monkeypatch.context() as broken:
        broken.setattr(rendering, "write", cut)
        assert resending.run_once() == 0
    assert make.lane().head == 2
    assert resent(made) == []
    assert counted(order()) == (1, 1, 0)


def test_what_was_saved_meanwhile_is_numbered_first_and_counts_as_later(pathology: Destination) -> None:
    saved = make.register()
    accepted()
    make.update(saved, 1, "222")
    assert JournalTail.objects.count() == 1
    made = order()
    (row,) = resent(made)
    assert (row.seq, row.snapshot) == (3, True)
    assert b"222" in bytes(row.body)
    assert JournalTail.objects.count() == 0


def test_why_it_cannot_be_written_is_said(pathology: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = make.register()
    with monkeypatch.context() as broken:
        unwritable(broken, CannotSay("the change does not say prior_ids"))
        make.number_and_render()
        row = make.of_change(saved.change, "pathology")
        assert row.reason == "cannot be written: the change does not say prior_ids"
        with pytest.raises(Refused, match="still cannot be written: the change does not say prior_ids"):
            outbox.resend(row.pk, by=IVY, reason="mended")
        unwritable(broken, KeyError("QUILLMARK"))
        with pytest.raises(Refused) as refused:
            outbox.resend(row.pk, by=IVY, reason="mended")
        assert "a fault of PAS Mirror, KeyError in rendering.py, line" in refused.value.reason
        assert "QUILLMARK" not in refused.value.reason
    Outbound.objects.update(change=10**6)
    with pytest.raises(Refused, match="change 1000000 is not in the journal"):
        outbox.resend(row.pk, by=IVY, reason="mended")


def test_all_that_could_not_be_written_alike_is_written_once_that_is_mended(
    pathology: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        unwritable(broken, CannotSay("one thing"))
        first = make.register("ADAMS")
        make.update(first, 1, "111")
        make.number_and_render()
        unwritable(broken, CannotSay("another"))
        make.register("BAKER")
        make.number_and_render()
        alike = Asked(Scope.UNWRITTEN, alike="cannot be written: one thing")
        assert counted(order(alike)) == (0, 0, 2)
        assert {row.reason for row in Outbound.objects.all()} == {"cannot be written: another"}, "and says why now"
    assert counted(order(Asked(Scope.UNWRITTEN))) == (3, 0, 0)
    assert make.legs("pathology") == ["queued"] * 3
    assert Outbound.objects.filter(body=None).count() == 0
    assert alarms.standing() == []
    with pytest.raises(Refused, match="no such message"):
        order(Asked(Scope.UNWRITTEN))


def test_a_current_state_that_cannot_be_written_is_held_and_written_again(
    pathology: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.update(make.register(), 1, "111")
    accepted()
    with monkeypatch.context() as broken:
        unwritable(broken, CannotSay("one thing"))
        made = order(Asked(Scope.RANGE, first=1, last=1))
        (row,) = resent(made)
        assert (row.leg, row.body) == ("held", None)
    outbox.resend(row.pk, by=IVY, reason="mended")
    (row,) = resent(made)
    assert row.leg == "queued"
    assert told([row]) == ["ADT^A31"]


def test_whom_a_receiver_was_not_told_of_before_hand_back_is_told_in_the_next_outage(pathology: Destination) -> None:
    told_of, other = make.register("ADAMS"), make.register("BAKER")
    make.admit(told_of)
    accepted()
    going = resending.order("pathology", ALL, by=IVY, reason="restored")
    ResendOrder.objects.update(next=going.upto + 1)  # it has come to everybody
    resending.end_all(untold={(pathology.pk, told_of.patient): 2})
    resending.end_all(untold={(pathology.pk, told_of.patient): 2})
    going.refresh_from_db()
    assert going.ending == resending.PAS_SPEAKS
    assert ResyncPatient.objects.count() == 1, "on the list once"
    Gate.objects.update(mode="normal", epoch=3, fenced=2)
    with pytest.raises(Refused, match="have its people send Pathology what it lacks"):
        order(Asked(Scope.RESYNC))
    Gate.objects.update(mode="mirror", epoch=4)
    made = order(Asked(Scope.RESYNC))
    assert counted(made) == (0, 1, 0)
    rows = resent(made)
    assert told(rows) == ["ADT^A31", "ADT^A08"]
    assert {(row.patient, row.epoch) for row in rows} == {(told_of.patient, 4)}
    assert not Outbound.objects.filter(order=made, patient=other.patient).exists()
    assert ResyncPatient.objects.get().order_id == made.pk
    with pytest.raises(Refused, match="list of Pathology is empty"):
        order(Asked(Scope.RESYNC))


def test_a_paused_destination_keeps_what_is_ordered(pathology: Destination) -> None:
    make.register()
    accepted()
    Destination.objects.update(paused=True)
    assert counted(order()) == (1, 0, 0)
    assert make.legs("pathology") == ["accepted", "queued"]
    assert ResendOrder.objects.count() == 1
