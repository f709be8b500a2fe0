"""Orders to send again that may not be, that end before their time, and what else leaves them alone."""

import pytest
from django.db import DataError, IntegrityError

from messaging.models import Destination, Outbound, ResendOrder
from messaging.resends import Asked, Scope
from messaging.selectors import resending as reading
from messaging.services import outbox, resending
from pasmirror.lib import alarms
from patients.models import Gate
from patients.refusals import Refused
from tests.factories import lanes as make
from tests.factories.resends import ALL, IVY, accepted, counted, order, resent

pytestmark = pytest.mark.django_db


@pytest.fixture
def pathology(db: None) -> Destination:
    make.mirror_mode()
    return make.destination("pathology")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"is_pas": True}, "told on the way back only"),
        ({"declared": False}, "does not name this destination"),
        ({"shadow": True}, "only rehearses"),
    ],
)
def test_nothing_is_ordered_where_nothing_may_be_sent(
    pathology: Destination, change: dict[str, bool], why: str
) -> None:
    make.register()
    accepted()
    Destination.objects.update(**change)
    with pytest.raises(Refused, match=why):
        order()
    assert not ResendOrder.objects.exists()


def test_nothing_is_ordered_while_the_pas_is_master_nor_worked_off(pathology: Destination) -> None:
    make.register()
    accepted()
    made = resending.order("pathology", ALL, by=IVY, reason="restored")
    Gate.objects.update(mode="handback")
    assert resending.run_once() == 0
    assert ResendOrder.objects.get().ended_at is None, "it may fall back"
    Gate.objects.update(mode="normal", epoch=3, fenced=2)
    assert resending.run_once() == 0
    made.refresh_from_db()
    assert made.ending == resending.PAS_SPEAKS
    assert Outbound.objects.count() == 1
    with pytest.raises(Refused, match="The PAS is master"):
        order()


def test_two_people_order_one_after_the_other(pathology: Destination) -> None:
    make.register()
    accepted()
    first = resending.order("pathology", ALL, by=IVY, reason="restored")
    with pytest.raises(Refused, match=f"Order {first.pk} by ivy is being worked off"):
        resending.order("pathology", ALL, by=make.OPERATOR, reason="restored")
    resending.stop(first.pk, by=make.OPERATOR, reason="by mistake")
    assert resending.run_once() == 0
    with pytest.raises(Refused, match="ended already"):
        resending.stop(first.pk, by=IVY, reason="again")
    assert counted(order()) == (1, 0, 0)


def test_an_order_has_a_reason_and_means_something(pathology: Destination) -> None:
    with pytest.raises(Refused, match="no such message"):
        order()
    make.register()
    accepted()
    with pytest.raises(Refused, match="Enter why"):
        resending.order("pathology", ALL, by=IVY, reason=" ")
    with pytest.raises(Refused, match="no such destination"):
        order(code="nowhere")
    with pytest.raises(Refused, match="resync list of Pathology is empty"):
        order(Asked(Scope.RESYNC))


def test_a_resent_message_is_itself_not_ordered_again(pathology: Destination) -> None:
    make.register()
    accepted()
    row = resent(order())[0]
    with pytest.raises(Refused, match="order the first one"):
        resending.one(row.pk, by=IVY, reason="again")


def test_leaving_a_change_to_the_pas_leaves_its_resend_alone(pathology: Destination) -> None:
    saved = make.register()
    accepted()
    (row,) = resent(order())
    assert outbox.leave_to_pas(saved.change) == ["pathology"]
    row.refresh_from_db()
    assert row.leg == "queued"


@pytest.mark.parametrize("fault", [ValueError, IntegrityError, DataError])
def test_a_fault_ends_the_order_with_an_alarm_and_no_other(
    pathology: Destination, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    make.destination("radiology")
    make.register()
    accepted()
    accepted("radiology")
    broken = resending.order("pathology", ALL, by=IVY, reason="restored")
    whole = resending.order("radiology", ALL, by=IVY, reason="restored")
    honest = reading.persons

    def strike(patients: set[int]) -> dict[int, set[int]]:
        monkeypatch.setattr(reading, "persons", honest)
        raise fault

    monkeypatch.setattr(reading, "persons", strike)
    assert resending.run_once() == 1
    broken.refresh_from_db()
    whole.refresh_from_db()
    assert f"fault of PAS Mirror ({fault.__name__})" in broken.ending
    assert whole.same == 1
    assert [alarm.code for alarm in alarms.standing()] == [resending.ALARM]
    order()
    assert alarms.standing() == []


def test_an_order_that_a_person_has_stopped_is_not_ended_once_more_by_a_fault(
    pathology: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.register()
    accepted()
    made = resending.order("pathology", ALL, by=IVY, reason="restored")

    def strike(patients: set[int]) -> dict[int, set[int]]:
        raise ValueError

    monkeypatch.setattr(reading, "persons", strike)
    give_up = resending._give_up

    def stopped_first(pk: int, error: str) -> None:
        resending.stop(pk, by=IVY, reason="too many")
        give_up(pk, error)

    monkeypatch.setattr(resending, "_give_up", stopped_first)
    resending.run_once()
    made.refresh_from_db()
    assert made.ending == "Stopped by ivy"
    assert alarms.standing() == []
