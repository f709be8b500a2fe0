"""The monitor's beat against a real simulated PAS on real sockets, with the clocks' faults given by hand."""

import os
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from failover.clocks import Ticks, why_distrust
from failover.health import Health, Verdict
from failover.models import Incident, ModeMove, Observation, Policy, Watch
from failover.selectors import evidence, trust
from failover.services import switch
from failover.services.monitor import Memory, one_beat
from messaging.models import Incarnation
from messaging.services import emission, incarnation
from pasmirror.lib import alarms, clock, locks
from pasmirror.lib.locks import Lock
from patients.selectors import gate
from patients.states import Mode
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories.monitor import Place, beats, health, heard, watched_for
from tests.factories.switching import ALL, OLIVE, save

pytestmark = pytest.mark.django_db


def test_what_was_captured_keeps_mirror_mode_open_and_proposes_the_way_back(place: Place, memory: Memory):
    one_beat(memory)
    place.pas.stop()
    beats(memory, Mode.MIRROR)
    save()
    place.start()
    eventually(lambda: (one_beat(memory), Watch.objects.get().proposal == "recover")[1], within=5, every=0.1)
    assert gate.now().mode == Mode.MIRROR

    switch.release(by=OLIVE, reason="back", checklist=ALL)
    assert one_beat(memory) == "PAS up."
    place.pas.stop()
    assert "fell back to mirror mode" in beats(memory, Mode.MIRROR)
    assert (gate.now().epoch, gate.now().fenced) == (3, 0)


def test_paused_watches_and_never_acts(place: Place, memory: Memory):
    one_beat(memory)
    switch.pause(by=OLIVE, reason="upgrade")
    place.pas.stop()
    eventually(lambda: (one_beat(memory), health() == Health.DOWN)[1], within=5, every=0.1)
    assert one_beat(memory).endswith("paused, so nothing is done.")
    assert (gate.now().mode, Watch.objects.get().proposal) == (Mode.NORMAL, "mirror")
    switch.resume(by=OLIVE, reason="done")
    beats(memory, Mode.MIRROR)


def frozen_in_a_transaction(memory: Memory) -> None:
    """Wake long after the database has ended the transaction that was under way."""
    memory.running, memory.shaken = (lambda: time.monotonic() + 90), "the database was away"


@pytest.mark.parametrize(
    ("move", "why"),
    [
        (lambda m: setattr(m, "wall", lambda: time.time() + 900), "the wall clock jumped by +900 s"),
        (lambda m: setattr(m, "wall", lambda: time.time() - 3600), "the wall clock jumped by -3600 s"),
        (lambda m: setattr(m, "running", lambda: time.monotonic() + 90), "no beat for 90 s"),
        (lambda m: setattr(m, "shaken", "the database was away"), "the database was away"),
        (frozen_in_a_transaction, "no beat for 90 s, and the database was away"),
    ],
)
def test_tilt_votes_unknown_and_decides_nothing_until_it_has_been_well(place: Place, memory: Memory, move, why):
    one_beat(memory)
    place.pas.stop()
    eventually(lambda: (one_beat(memory), health() == Health.SUSPECT)[1], within=3, every=0.05)
    move(memory)
    assert one_beat(memory) == f"TILT: {why}; watching only, nothing is decided."
    assert {word.verdict for word in evidence.words()} == {Verdict.UNKNOWN}
    watch = Watch.objects.get()
    assert watch.tilt_reason == why
    assert [alarm.code for alarm in alarms.standing()] == ["tilt"]
    memory.wall, memory.running = time.time, time.monotonic
    memory.first = memory.last = None
    tilted = time.monotonic()
    beats(memory, Mode.MIRROR)
    assert time.monotonic() - tilted >= 0.5 + 0.6  # well for as long as the rules ask, then evidence from the start
    assert "tilt" not in {alarm.code for alarm in alarms.standing()}


def test_clocks_that_drift_apart_slowly_are_noticed():
    first = Ticks(1000.0, 10.0, 1000.0)
    last = Ticks(1300.0, 307.5, 1300.0)
    assert why_distrust(first, last, Ticks(1301.0, 308.5, 1301.0), 10) == "the wall clock drifts by +2 s"
    assert why_distrust(first, first, Ticks(1001.0, 11.0, 1001.0), 10) == ""


def test_a_clock_apart_from_the_databases_is_noticed():
    ticks = Ticks(1000.0, 10.0, 1900.0)
    assert "apart" in why_distrust(ticks, ticks, ticks, 10)


def test_unwatched_time_does_not_count_as_down(place: Place, memory: Memory):
    """A monitor killed during an outage and started anew begins its evidence from the start."""
    place.pas.stop()
    old = clock.now() - timedelta(minutes=10)
    Observation.objects.create(observer="monitor", way="mllp", verdict="down", at=old, since=old, fails=50)
    one_beat(memory)
    assert gate.now().mode == Mode.NORMAL
    assert {word.way: word.fails for word in evidence.words()}["mllp"] == 1


def test_another_living_monitor_decides(place: Place, memory: Memory):
    one_beat(memory)
    other = Memory(holder="elsewhere:1", prober=memory.prober)
    assert one_beat(other) == f"Monitor {memory.holder} decides; standing by."


def test_a_silent_monitor_is_replaced(place: Place, memory: Memory):
    one_beat(memory)
    Watch.objects.update(holder="elsewhere:1", beat_at=clock.now() - timedelta(seconds=5))
    assert one_beat(memory) == "PAS up."
    assert Watch.objects.get().holder == memory.holder


def test_a_monitor_that_died_on_this_machine_is_replaced_at_once(place: Place, memory: Memory):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    node = memory.holder.rpartition(":")[0]
    Watch.objects.create(pk=1, holder=f"{node}:{gone.pid}", beat_at=clock.now())
    assert one_beat(memory) == "PAS up."


def test_emission_held_by_a_person_or_by_two_masters_stays_held(place: Place, memory: Memory):
    heard()
    one_beat(memory)
    place.pas.stop()
    beats(memory, Mode.MIRROR)
    switch.acknowledge(by=OLIVE)  # so that the hourly limit is not what holds it
    switch.hold_emission(by=OLIVE, reason="doubt")
    assert one_beat(memory).endswith("emission held: a person holds it.")

    switch.open_emission(by=OLIVE, reason="no doubt")
    emission.hold(by=OLIVE, reason="the feed saw the PAS speak")
    alarms.sound("two-masters", "The PAS spoke.", subject="pas")
    assert one_beat(memory).endswith("emission held: the PAS itself was heard to speak.")
    assert emission.now().valve == "held"
    switch.open_emission(by=OLIVE, reason="it is silent for good")
    assert "two-masters" not in {alarm.code for alarm in alarms.standing()}


@pytest.mark.parametrize("when", ["in mirror mode", "before the outage"])
def test_after_a_restore_only_a_person_opens_emission(place: Place, memory: Memory, when: str):
    heard()
    one_beat(memory)
    incarnation.check()
    if when == "in mirror mode":
        place.pas.stop()
        beats(memory, Mode.MIRROR)
        assert emission.now().valve == "open"
        switch.acknowledge(by=OLIVE)  # so that the hourly limit is not what holds it
    Incarnation.objects.update(system_identifier=99)
    assert incarnation.check() == 2
    place.pas.stop()
    beats(memory, Mode.MIRROR)
    watched_for(0.6, memory)
    assert emission.now().valve == "held"
    assert one_beat(memory).endswith("emission held: the database was restored or promoted.")
    assert Watch.objects.get().proposal == "open"

    epoch = gate.now().epoch
    switch.open_emission(by=OLIVE, reason="compared with every receiver")
    assert (emission.now().valve, gate.now().epoch) == ("open", epoch + 1)
    assert incarnation.ALARM not in {alarm.code for alarm in alarms.standing()}


@pytest.mark.usefixtures("committed")
def test_a_frozen_save_delays_the_flip_without_tilt(place: Place, memory: Memory):
    Policy.objects.update(probe_every=0.2)
    one_beat(memory)
    holding, go = threading.Event(), threading.Event()

    def frozen_save() -> None:
        with transaction.atomic():
            locks.share(Lock.GATE)
            holding.set()
            assert go.wait(20)

    save_under_way = Aside(frozen_save)
    assert holding.wait(5)
    place.pas.stop()
    eventually(lambda: "holds the gate" in one_beat(memory), within=8, every=0.1)
    assert gate.now().mode == Mode.NORMAL
    go.set()
    save_under_way.result()
    assert "mirror mode opened" in one_beat(memory)
    assert (gate.now().mode, Watch.objects.get().tilt_until) == (Mode.MIRROR, None)


@pytest.mark.usefixtures("committed")
def test_two_monitors_at_once_flip_once(place: Place):
    """Each believes it holds the watch; the epoch lets one of them flip."""
    place.pas.stop()
    ended = threading.Event()

    def watch(holder: str) -> None:
        memory = Memory(observer=holder, holder=f"{holder}:{os.getpid()}")
        while not ended.is_set():
            Watch.objects.update(holder="")
            one_beat(memory)
            ended.wait(0.03)
        memory.prober.close()

    watchers = [Aside(lambda: watch("one")), Aside(lambda: watch("two"))]
    eventually(lambda: gate.now().mode == Mode.MIRROR, within=10)
    ended.set()
    for watcher in watchers:
        watcher.result()
    assert (gate.now().epoch, Incident.objects.count()) == (2, 1)
    assert ModeMove.objects.filter(after="mirror").count() == 1


def test_a_database_that_could_lose_saves_is_named():
    assert trust.unsafe_settings() == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    assert trust.unsafe_settings() == ["synchronous_commit"]
    assert one_beat(Memory()).startswith("TILT: the database runs with synchronous_commit off")
