"""Throwing the switches: what each needs, what it leaves behind, and what is refused."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection

from failover.models import Incident, ModeMove, Observation, Policy, Signature, Watch
from failover.selectors import evidence, incidents
from failover.services import switch
from messaging.models import Channel, Inbound
from messaging.services import emission
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
    assert (incident.closing, incident.report) == ("stood_down", {"last_epoch": 2})
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


def test_pause_and_resume_are_remembered_and_said():
    switch.pause(by=OLIVE, reason="PAS upgrade")
    assert Watch.objects.get().paused
    assert [alarm.code for alarm in alarms.standing()] == ["paused"]
    with pytest.raises(Refused, match="paused already"):
        switch.pause(by=OLIVE, reason="again")
    switch.resume(by=OLIVE, reason="done")
    assert not Watch.objects.get().paused
    assert not alarms.standing()


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
        from django.db import transaction

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
