"""Opening emission: once, not while the PAS is seen to speak, and in a restored database by a person alone."""

from datetime import timedelta

import pytest

from failover.health import Health
from failover.models import Incident, ModeMove
from failover.selectors import evidence, incidents
from failover.services import switch
from messaging.models import Attempt, Channel, Inbound, Incarnation, Outbound
from messaging.services import emission, incarnation, outbox
from pasmirror.lib import alarms, clock
from patients.models import NumberPool
from patients.refusals import Refused
from patients.selectors import gate
from patients.states import Mode
from tests.factories import lanes as make
from tests.factories.switching import MONITOR, OLIVE, heard, said

pytestmark = pytest.mark.django_db


@pytest.fixture
def restored(db: None) -> None:
    """Mirror mode with emission open, two lanes, one message acknowledged and one not; then the database is another."""
    NumberPool.objects.create(kind="patient", type="MR", authority="PASMIRROR", prefix="M", next=1, last=99)
    make.destination("pas", is_pas=True)
    make.destination("pathology")
    incarnation.check()
    switch.open_mirror(by=OLIVE, reason="down")
    switch.open_emission(by=OLIVE, reason="speak")
    for name in ("ADAMS", "BAKER", "CLARK"):
        make.register(name)
    make.number_and_render()
    first, second, _ = Outbound.objects.filter(lane__destination__code="pathology").order_by("seq")
    Outbound.objects.filter(pk=first.pk).update(leg="accepted", attempts=1)
    Outbound.objects.filter(pk=second.pk).update(leg="sending", attempts=1)
    Attempt.objects.create(outbound=second, token=1, opened_at=clock.now())
    Incarnation.objects.update(timeline=99)
    incarnation.check()


def test_opening_emission_in_a_restored_database_begins_an_epoch_without_what_may_have_been_sent(restored: None):
    assert emission.now().valve == "held"
    switch.open_emission(by=OLIVE, reason="compared")
    assert (gate.now().mode, gate.now().epoch, emission.now().valve) == (Mode.MIRROR, 3, "open")
    assert make.legs("pathology") == ["accepted", "set_aside", "set_aside"]
    assert make.legs("pas") == ["unreleased"] * 3  # what was captured is still the PAS's to be told
    assert not Attempt.objects.filter(closed_at=None).exists()
    move = ModeMove.objects.order_by("-pk")[0]
    assert (move.after, move.epoch) == ("open", 3)
    assert move.sentence == (
        "olive opened emission: compared. The database had been restored: epoch 3 begins, and 2 messages that may "
        "have been sent before are set aside."
    )
    assert incarnation.ALARM not in {alarm.code for alarm in alarms.standing()}
    make.register("DAVIS")
    make.number_and_render()
    assert make.legs("pathology")[3:] == ["queued"]
    doubtful = Outbound.objects.get(lane__destination__code="pathology", seq=2)
    outbox.resend(doubtful.pk, by=OLIVE, reason="pathology never had it")


def test_no_process_opens_emission_in_a_restored_database(restored: None):
    with pytest.raises(Refused, match="Only a person may open emission: the database was restored or promoted"):
        switch.open_emission(by=MONITOR, reason="PAS down.")
    assert (gate.now().epoch, emission.now().valve) == (2, "held")


def test_emission_waits_until_every_change_is_on_the_lanes_of_a_restored_database(restored: None):
    make.register("DAVIS")
    with pytest.raises(Refused, match="try again"):
        switch.open_emission(by=OLIVE, reason="compared")
    assert (gate.now().epoch, emission.now().valve) == (2, "held")
    make.number_and_render()
    switch.open_emission(by=OLIVE, reason="compared")
    assert make.legs("pathology")[3] == "set_aside"


def test_emission_opens_once_and_is_told_in_the_timeline():
    switch.open_mirror(by=OLIVE, reason="down")
    switch.open_emission(by=OLIVE, reason="speak")
    with pytest.raises(Refused, match="open already"):
        switch.open_emission(by=OLIVE, reason="speak")
    switch.hold_emission(by=OLIVE, reason="doubt")
    with pytest.raises(Refused, match="held already"):
        switch.hold_emission(by=OLIVE, reason="doubt")
    incident = Incident.objects.get()
    moves = [(m.before, m.after) for m in incidents.timeline(incident)]
    assert moves == [("normal", "mirror"), ("held", "open"), ("open", "held")]
    assert incident.emission_opened_at is not None


def test_emission_stays_held_while_the_pas_is_seen_to_speak():
    switch.open_mirror(by=OLIVE, reason="down")
    heard(made_ago=3600)  # backlog, made before
    switch.open_emission(by=OLIVE, reason="speak")
    switch.hold_emission(by=OLIVE, reason="doubt")
    Incident.objects.update(opened_at=clock.now() - timedelta(minutes=5))
    heard(made_ago=2)
    with pytest.raises(Refused, match="two systems would speak"):
        switch.open_emission(by=OLIVE, reason="speak")
    assert emission.now().valve == "held"


def test_a_learned_clock_difference_counts_when_the_pas_spoke():
    opened = clock.now() - timedelta(minutes=5)
    heard(made_ago=-3600)  # its clock runs an hour ahead, so the message was made now
    Channel.objects.update(clock_ahead=3600 + 600)  # ten minutes ago, by our clock
    assert evidence.spoke_at(opened) is None
    Channel.objects.update(clock_ahead=3600)
    assert evidence.spoke_at(opened) is not None


def test_what_arrives_late_was_made_before_and_is_no_sign_of_life():
    began = clock.now() - timedelta(seconds=60)
    said("down", seconds=60)
    heard(made_ago=300)
    assert evidence.spoke_at(began) is None
    assert evidence.picture().health == Health.DOWN
    heard(made_ago=5)
    assert evidence.picture().health == Health.UNREACHABLE


def test_a_message_cannot_have_been_made_after_it_came():
    began = clock.now() - timedelta(minutes=10)
    heard(made_ago=-86400)  # dated tomorrow
    Inbound.objects.update(received_at=began - timedelta(minutes=1))
    assert evidence.spoke_at(began) is None


def test_a_frame_that_was_refused_is_no_sign_that_the_pas_speaks():
    heard(made_ago=1)
    Inbound.objects.update(outcome="refused")
    assert evidence.spoke_at() is None
