"""Throwing the switches: what each needs, what it leaves behind, and what is refused."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction

from failover.models import Incident, ModeMove, Policy, Signature, Watch
from failover.selectors import evidence, incidents
from failover.services import switch
from messaging.services import emission
from pasmirror.lib import alarms, audit, clock
from pasmirror.lib.models import AuditRow
from patients.refusals import NotWritable, Refused
from patients.selectors import gate
from patients.states import Mode
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories.switching import ALL, MONITOR, OLIVE, said, save

pytestmark = pytest.mark.django_db


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
