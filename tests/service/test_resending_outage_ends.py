"""What was being sent again when an outage ends: nothing of it goes out in the next one, and nobody is forgotten."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from failover.health import Health
from failover.models import Incident, Replay
from failover.services import handback, incidents, switch
from messaging.models import Attempt, Destination, Lane, Outbound, ResendOrder, ResyncPatient
from messaging.resends import Asked, Scope
from messaging.services import resending
from pasmirror.lib import alarms, clock
from patients.models import ChangeFate, Gate, Patient
from patients.refusals import Refused
from patients.services.saving import Saved
from tests.factories import lanes as make
from tests.factories.resends import ALL, IVY, accepted, counted, order, resent, told
from tests.factories.switching import MONITOR

pytestmark = pytest.mark.django_db


@pytest.fixture
def pathology(db: None) -> Destination:
    make.mirror_mode()
    return make.destination("pathology")


def begun(epoch: int = 2) -> Incident:
    Gate.objects.update(mode="mirror", epoch=epoch)
    return incidents.open(by=make.OPERATOR, reason="down", epoch=epoch, health=Health.DOWN)


def handed_back(incident: Incident) -> None:
    """As `handback.finish` leaves the lanes."""
    epoch = Gate.objects.get().epoch
    Gate.objects.update(mode="normal", epoch=epoch + 1, fenced=epoch)
    handback.leave_residue(incident)
    incidents.close(incident, closing="handback")


def told_and_listed(pathology: Destination) -> Saved:
    """Somebody of whom an earlier outage left the destination untold: of their stay, which has ended since."""
    first = begun()
    saved = make.register("ADAMS")
    make.admit(saved)
    make.number_and_render()
    handed_back(first)
    assert ResyncPatient.objects.get().epoch == 2
    return saved


def test_what_is_sent_again_and_not_received_stays_on_no_lane_when_mirror_mode_stands_down(
    pathology: Destination,
) -> None:
    saved = told_and_listed(pathology)
    begun(4)
    made = order(Asked(Scope.RESYNC))
    assert {row.leg for row in resent(made)} == {"queued"}
    switch.stand_down(by=MONITOR, reason="PAS up.")
    assert {row.leg for row in resent(made)} == {"set_aside"}, (
        "it would be sent in the next outage, as old as it is by then"
    )
    on_list = ResyncPatient.objects.get(order=None)
    assert (on_list.patient, on_list.epoch) == (saved.patient, 2)
    assert Incident.objects.latest("pk").report["resync_patients"] == [saved.patient]


def test_standing_down_waits_for_an_answer_and_not_for_a_sender_that_is_gone(pathology: Destination) -> None:
    told_and_listed(pathology)
    begun(4)
    row = resent(order(Asked(Scope.RESYNC)))[0]
    Outbound.objects.filter(pk=row.pk).update(leg="sending", attempts=1)
    tried = Attempt.objects.create(outbound=row, token=1, opened_at=clock.now())
    Lane.objects.update(until=clock.now().replace(year=2199))
    with pytest.raises(Refused, match="its answer is awaited"):
        switch.stand_down(by=MONITOR, reason="PAS up.")
    Lane.objects.update(until=clock.now().replace(year=2001))
    switch.stand_down(by=MONITOR, reason="PAS up.")
    tried.refresh_from_db()
    assert tried.ending == "no_answer"
    assert set(make.legs("pathology")) == {"left_to_pas", "set_aside"}


def test_an_order_ends_with_mirror_mode_and_whom_it_had_not_come_to_is_listed(pathology: Destination) -> None:
    people = [make.register(family) for family in ("ADAMS", "BAKER")]
    accepted()
    begun(4)
    Gate.objects.update(fenced=2)
    made = resending.order("pathology", ALL, by=IVY, reason="restored")
    ResendOrder.objects.update(next=2)
    switch.stand_down(by=MONITOR, reason="PAS up.")
    made.refresh_from_db()
    assert made.ending == resending.PAS_SPEAKS
    assert list(ResyncPatient.objects.values_list("patient", "epoch")) == [(people[1].patient, 2)]


def test_whom_two_outages_left_untold_is_told_what_the_first_one_left_out(pathology: Destination) -> None:
    saved = told_and_listed(pathology)
    second = begun(4)
    order(Asked(Scope.RESYNC))
    handed_back(second)
    assert list(ResyncPatient.objects.filter(order=None).values_list("patient", "epoch")) == [(saved.patient, 2)]
    begun(6)
    made = order(Asked(Scope.RESYNC))
    assert counted(made) == (0, 1, 0)
    assert told(resent(made)) == ["ADT^A31", "ADT^A08"]


def test_hand_back_does_not_take_longer_the_more_is_being_sent_again(pathology: Destination) -> None:
    incident = begun()
    for number in range(25):
        make.register(f"FAMILY{number}")
    accepted()
    order()
    assert Outbound.objects.filter(leg="queued").count() == 25
    with CaptureQueriesContext(connection) as asked:
        handback.leave_residue(incident)
    assert not Outbound.objects.filter(leg="queued").exists()
    assert ResyncPatient.objects.count() == 25
    assert not ChangeFate.objects.filter(fate="held").exists(), "they were received the first time"
    assert len(asked) < 20, "none for each of them: the gate is held alone, and there may be 50,000"


def test_no_alarm_stands_for_a_message_that_hand_back_gave_up(pathology: Destination) -> None:
    incident = begun()
    make.register()
    make.number_and_render()
    Outbound.objects.update(leg="held", reason="AE", attempts=1)
    row = Outbound.objects.get()
    alarms.sound("message-refused", "refused", subject=row.control_id)
    alarms.sound("message-refused", "another", subject="M01-9-9")
    alarms.sound("render-failed", "cannot be written", subject=str(row.pk))
    handback.leave_residue(incident)
    standing = {(alarm.code, alarm.subject) for alarm in alarms.standing()}
    assert standing == {("mirror-mode", ""), ("message-refused", "M01-9-9")}


def test_a_person_listed_under_two_records_is_told_once(
    pathology: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, stands = make.register("ADAMS"), make.register("ADAMS")
    make.register("BAKER")
    make.number_and_render()
    handed_back(begun())
    Patient.objects.filter(pk=gone.patient).update(merged_into=stands.patient)
    begun(4)
    monkeypatch.setattr(resending, "LOT", 1)
    made = order(Asked(Scope.RESYNC))
    assert (made.ended_at is not None, counted(made)) == (True, (0, 2, 0))
    assert not ResyncPatient.objects.filter(order=None).exists()


def test_who_is_listed_for_two_reasons_is_listed_from_the_first_of_them_on(pathology: Destination) -> None:
    """One told of what a person has withdrawn since, who is also owed something of a later epoch of that outage."""
    incident = begun()
    saved = make.register("ADAMS")
    make.number_and_render()
    Outbound.objects.update(leg="accepted", attempts=1)
    withdrawn = {"end": Replay.End.VOIDED, "confirmed_by": "person:ann"}
    Replay.objects.create(incident=incident, change=saved.change, patient=saved.patient, **withdrawn)
    Gate.objects.update(epoch=3)
    make.admit(saved)
    make.number_and_render()
    handed_back(incident)
    assert ResyncPatient.objects.get().epoch == 2
