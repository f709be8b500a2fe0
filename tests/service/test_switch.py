"""Throwing the switches: what each needs, what it leaves behind, and what is refused."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction

from failover.health import Health
from failover.models import Incident, ModeMove, Observation, Policy, Signature, Watch
from failover.selectors import evidence, incidents
from failover.services import switch
from messaging.models import Attempt, Channel, Inbound, Incarnation, Outbound
from messaging.services import emission, incarnation, outbox
from pasmirror.lib import alarms, audit, clock
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.models import AuditRow, Role, User
from patients.models import NumberPool
from patients.refusals import NotWritable, Refused
from patients.selectors import gate
from patients.services import registration
from patients.states import Mode
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make

OLIVE = Actor("olive", Role.OPERATOR, "password")
CLERK = Actor("clare", Role.CLERK, "password")
MONITOR = system("monitor")
ALL = dict.fromkeys(switch.CHECKLIST, True)
PERSON = {"name": {"family": "SMITH", "given": "Ann"}, "birth": {"born": "1952-03-01"}, "sex": {"sex": "F"}}

pytestmark = pytest.mark.django_db


def save() -> None:
    NumberPool.objects.get_or_create(kind="patient", type="MR", authority="PASMIRROR", prefix="M", next=1, last=99)
    registration.register(patient=PERSON, by=CLERK, key=uuid.uuid4())


def said(verdict: str, way: str = "mllp", seconds: float = 600) -> None:
    now = clock.now()
    since = now - timedelta(seconds=seconds)
    fails = 99 if verdict == "down" else 0
    Observation.objects.create(observer="monitor", way=way, verdict=verdict, at=now, since=since, fails=fails)


def heard(made_ago: float) -> None:
    """A message from the PAS, made so many seconds ago."""
    channel, _ = Channel.objects.get_or_create(code="pas")
    channel.last += 1
    channel.received_at = clock.now()
    channel.save()
    sent = clock.now() - timedelta(seconds=made_ago)
    Inbound.objects.create(
        channel=channel, number=channel.last, received_at=clock.now(), peer="", raw=b"", answer=b"", sent_at=sent
    )


def test_opening_begins_an_epoch_and_an_incident_with_emission_held():
    now = switch.open_mirror(by=OLIVE, reason="power cut in the PAS's machine room")
    incident = Incident.objects.get()
    move = ModeMove.objects.get()
    assert (now.mode, now.epoch, emission.now().valve) == (Mode.MIRROR, 2, "held")
    assert (incident.first_epoch, incident.opened_by["subject"], incident.closed_at) == (2, "olive", None)
    assert (move.before, move.after, move.epoch, move.incident) == ("normal", "mirror", 2, incident)
    assert move.sentence == "olive opened mirror mode: power cut in the PAS's machine room"
    assert move.by["reason"] == "power cut in the PAS's machine room"
    assert AuditRow.objects.filter(action="mode_move", epoch=2, actor__subject="olive").exists()
    assert "mirror-mode" in {alarm.code for alarm in alarms.standing()}


def test_the_evidence_at_hand_is_kept_with_the_move():
    said("down")
    switch.open_mirror(by=OLIVE, reason="as proposed")
    assert [(w["kind"], w["verdict"]) for w in ModeMove.objects.get().evidence] == [("reach:monitor", "down")]


def test_a_second_opening_is_refused():
    switch.open_mirror(by=OLIVE, reason="once")
    with pytest.raises(Refused, match="now mirror mode is open"):
        switch.open_mirror(by=OLIVE, reason="twice")
    assert gate.now().epoch == 2


def test_a_flip_decided_in_another_epoch_is_refused():
    with pytest.raises(Refused, match="Another epoch"):
        switch.open_mirror(by=MONITOR, reason="PAS down.", expected=0)
    assert gate.now().mode == Mode.NORMAL
    assert not Incident.objects.exists()


def test_clerks_may_write_in_mirror_and_not_before_or_after():
    with pytest.raises(NotWritable):
        save()
    switch.open_mirror(by=OLIVE, reason="down")
    save()


def test_standing_down_ends_the_incident_only_while_nothing_was_captured():
    switch.open_mirror(by=MONITOR, reason="PAS down.")
    now = switch.stand_down(by=MONITOR, reason="PAS up; nothing was captured.")
    incident = Incident.objects.get()
    assert (now.mode, now.epoch, now.fenced) == (Mode.NORMAL, 3, 0)
    assert (incident.closing, incident.report) == ("stood_down", {"health": "unknown", "last_epoch": 2})
    assert not alarms.standing()

    switch.open_mirror(by=MONITOR, reason="PAS down.")
    save()
    with pytest.raises(Refused, match="Changes were captured"):
        switch.stand_down(by=OLIVE, reason="it is back")
    assert gate.now().mode == Mode.MIRROR


@pytest.mark.parametrize("missing", list(switch.CHECKLIST))
def test_release_needs_every_item_of_the_checklist(missing: str):
    switch.open_mirror(by=OLIVE, reason="down")
    with pytest.raises(Refused) as refusal:
        switch.release(by=OLIVE, reason="back", checklist=ALL | {missing: False})
    assert switch.CHECKLIST[missing] in refusal.value.reason
    assert (gate.now().mode, Signature.objects.count()) == (Mode.MIRROR, 0)


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


def test_release_holds_emission_signs_and_acknowledges_in_one():
    switch.open_mirror(by=OLIVE, reason="down")
    switch.open_emission(by=OLIVE, reason="speak")
    now = switch.release(by=OLIVE, reason="back", checklist=ALL)
    assert (now.mode, now.epoch, emission.now().valve) == (Mode.RECOVERY, 2, "held")
    signature = Signature.objects.get()
    assert (signature.purpose, signature.by["subject"], signature.statement) == ("release", "olive", ALL)
    assert Incident.objects.get().acknowledged_at is not None


def test_release_is_refused_while_the_pas_does_not_answer():
    switch.open_mirror(by=OLIVE, reason="down")
    said("down")
    with pytest.raises(Refused, match="does not answer"):
        switch.release(by=OLIVE, reason="hope", checklist=ALL)


def test_release_and_stand_down_are_refused_in_normal():
    for throw in (
        lambda: switch.release(by=OLIVE, reason="x", checklist=ALL),
        lambda: switch.stand_down(by=OLIVE, reason="x"),
        lambda: switch.fall_back(by=OLIVE, reason="x"),
        lambda: switch.open_emission(by=OLIVE, reason="x"),
        lambda: switch.acknowledge(by=OLIVE),
    ):
        with pytest.raises(Refused):
            throw()
    assert (gate.now().mode, gate.now().epoch, ModeMove.objects.count()) == (Mode.NORMAL, 1, 0)


def test_falling_back_begins_an_epoch_and_fences_nothing():
    switch.open_mirror(by=OLIVE, reason="down")
    switch.release(by=OLIVE, reason="back", checklist=ALL)
    now = switch.fall_back(by=MONITOR, reason="PAS down again.")
    assert (now.mode, now.epoch, now.fenced, emission.now().valve) == (Mode.MIRROR, 3, 0, "held")
    assert Incident.objects.count() == 1


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


def test_pause_and_resume_are_remembered_and_said():
    switch.pause(by=OLIVE, reason="PAS upgrade")
    assert Watch.objects.get().paused
    assert [alarm.code for alarm in alarms.standing()] == ["paused"]
    with pytest.raises(Refused, match="paused already"):
        switch.pause(by=OLIVE, reason="again")
    switch.resume(by=OLIVE, reason="done")
    assert not Watch.objects.get().paused
    assert not alarms.standing()


@pytest.mark.parametrize(
    "throw",
    [
        lambda epoch: switch.open_mirror(by=MONITOR, reason="PAS down.", expected=epoch),
        lambda epoch: switch.open_emission(by=MONITOR, reason="PAS down.", expected=epoch),
        lambda epoch: switch.stand_down(by=MONITOR, reason="PAS up.", expected=epoch),
    ],
)
def test_what_was_decided_before_a_pause_or_tilt_is_not_done_after_it(throw: Callable[[int], object]):
    if throw.__code__.co_names[1] != "open_mirror":
        switch.open_mirror(by=MONITOR, reason="PAS down.")
    before = (gate.now().epoch, gate.now().mode, emission.now().valve)
    switch.pause(by=OLIVE, reason="PAS upgrade")
    with pytest.raises(Refused, match="paused"):
        throw(before[0])
    switch.resume(by=OLIVE, reason="done")
    Watch.objects.update(tilt_until=clock.now(), tilt_reason="no beat for 90 s")
    with pytest.raises(Refused, match="TILT"):
        throw(before[0])
    assert (gate.now().epoch, gate.now().mode, emission.now().valve) == before


@pytest.mark.usefixtures("committed")
def test_a_pause_waits_for_a_flip_under_way():
    """Nobody is told that the monitor is paused while it still flips."""
    flipping, go = threading.Event(), threading.Event()

    def slow_flip() -> None:
        with transaction.atomic():
            switch.open_mirror(by=MONITOR, reason="PAS down.", expected=1)
            flipping.set()
            assert go.wait(10)

    flipper = Aside(slow_flip)
    assert flipping.wait(10)
    pauser = Aside(lambda: switch.pause(by=OLIVE, reason="PAS upgrade"))
    eventually(waits_for_the_gate, within=5, why="the pause waits for the flip")
    go.set()
    flipper.result()
    pauser.result()
    assert Watch.objects.get().paused


def test_acknowledging_lets_the_monitor_act_by_itself_again():
    Policy.objects.create()
    switch.open_mirror(by=MONITOR, reason="PAS down.")
    switch.open_emission(by=MONITOR, reason="PAS down.")
    hour_ago = clock.now() - timedelta(hours=1)
    assert (incidents.automatic_flips(hour_ago), incidents.automatic_emissions(hour_ago)) == (1, 1)
    switch.acknowledge(by=OLIVE)
    assert (incidents.automatic_flips(hour_ago), incidents.automatic_emissions(hour_ago)) == (0, 0)


def test_a_person_who_opens_without_an_outage_plans_a_window():
    switch.open_mirror(by=OLIVE, reason="upgrade tonight")
    assert incidents.planned(Incident.objects.get())


def test_a_person_who_confirms_an_outage_does_not():
    said("down")
    switch.open_mirror(by=OLIVE, reason="as proposed")
    assert not incidents.planned(Incident.objects.get())


def test_a_window_planned_at_night_with_the_feed_silent_is_a_persons_to_end():
    said("up")
    said("down", way="feed")
    switch.open_mirror(by=OLIVE, reason="upgrade tonight")
    assert incidents.planned(Incident.objects.get())


def test_attesting_takes_up_or_down_only():
    switch.attest(by=OLIVE, verdict="down", reason="ward 7 rang")
    word = evidence.words()[0]
    assert (word.kind, word.verdict, word.observer) == ("person", "down", "olive")
    with pytest.raises(Refused):
        switch.attest(by=OLIVE, verdict="slow", reason="")


def person(role: str = Role.OPERATOR, **more: object) -> User:
    return User.objects.create_user("olive", password="right horse", role=role, **more)


def test_the_right_password_names_the_person():
    person()
    by = switch.confirm_person("olive", "right horse")
    assert (by.subject, by.role, by.how) == ("olive", "operator", "password again")


@pytest.mark.parametrize(
    ("role", "active", "name", "password"),
    [
        (Role.OPERATOR, True, "olive", "wrong"),
        (Role.OPERATOR, True, "olive", ""),
        (Role.OPERATOR, True, "nobody", "right horse"),
        (Role.OPERATOR, False, "olive", "right horse"),
        (Role.CLERK, True, "olive", "right horse"),
    ],
)
def test_anybody_else_is_refused_and_it_is_kept(role: str, active: bool, name: str, password: str):
    person(role, is_active=active)
    with pytest.raises(Refused):
        switch.confirm_person(name, password)
    row = AuditRow.objects.get(action="confirmation_refused")
    assert row.actor["subject"] == ("olive" if name == "olive" else "unknown")
    assert "horse" not in str(row.detail) + str(row.actor)


def test_who_may_not_operate_is_no_named_person():
    person(Role.CLERK)
    for name in ("olive", "nobody"):
        with pytest.raises(Refused, match="may operate"):
            switch.named_person(name)


def test_the_audit_chain_holds_after_the_moves():
    switch.open_mirror(by=OLIVE, reason="down")
    switch.open_emission(by=OLIVE, reason="speak")
    audit.link()
    assert audit.verify() == []


@pytest.mark.usefixtures("committed")
def test_of_two_flips_at_once_one_wins():
    ready = threading.Barrier(2)

    def flip() -> str:
        ready.wait(5)
        try:
            switch.open_mirror(by=MONITOR, reason="PAS down.", expected=1)
        except Refused as refusal:
            return refusal.reason
        return "flipped"

    results = [thread.result() for thread in [Aside(flip), Aside(flip)]]
    assert sorted(results) == ["Another epoch has begun since this was decided.", "flipped"]
    assert (gate.now().epoch, ModeMove.objects.count(), Incident.objects.count()) == (2, 1, 1)


@pytest.mark.usefixtures("committed")
def test_a_change_saved_while_standing_down_is_decided_keeps_mirror_mode_open():
    switch.open_mirror(by=MONITOR, reason="PAS down.")
    writing, go = threading.Event(), threading.Event()

    def slow_save() -> None:
        with transaction.atomic():
            save()
            writing.set()
            assert go.wait(10)

    saver = Aside(slow_save)
    assert writing.wait(10)
    flipper = Aside(lambda: switch.stand_down(by=MONITOR, reason="PAS up."))
    eventually(waits_for_the_gate, within=5, why="the flip waits for the save")
    go.set()
    saver.result()
    with pytest.raises(Refused, match="Changes were captured"):
        flipper.result()
    assert gate.now().mode == Mode.MIRROR


def waits_for_the_gate() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])
