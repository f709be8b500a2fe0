"""What the monitor makes of how the PAS answers: up, slow, degraded, down, or not to be reached from here."""

import time
from datetime import timedelta

import pytest

from failover.health import Health, Verdict
from failover.models import ModeMove, Policy, Watch
from failover.probes import Prober, Target
from failover.selectors import evidence
from failover.services import switch
from failover.services.monitor import Memory, one_beat
from messaging.models import Channel, Inbound
from messaging.services import emission
from pasmirror.lib import alarms, clock
from pasmirror.lib.models import ProcessBeat
from patients.selectors import gate
from patients.states import Mode
from tests.eventually import eventually
from tests.factories.monitor import Place, beats, health, heard, watched_for
from tests.factories.switching import OLIVE

pytestmark = pytest.mark.django_db


def test_a_living_pas_is_up_by_every_way(place: Place, memory: Memory):
    assert one_beat(memory) == "PAS up."
    assert {word.way: word.verdict for word in evidence.words()} == dict.fromkeys(("tcp", "mllp", "http"), Verdict.UP)
    assert Watch.objects.get().well_since is not None


def test_a_dead_pas_opens_mirror_mode_within_the_bound_and_not_before(place: Place, memory: Memory):
    one_beat(memory)
    place.pas.stop()
    began = time.monotonic()
    sentence = beats(memory, Mode.MIRROR)
    assert 0.6 <= time.monotonic() - began < 5
    assert sentence.startswith("PAS down for 1 s by reach:monitor; mirror mode opened; emission held")
    assert emission.now().valve == "held"
    assert (Watch.objects.get().proposal, ModeMove.objects.get().by["subject"]) == ("open", "monitor")
    assert {"mirror-mode", "pas-down"} <= {alarm.code for alarm in alarms.standing()}


def test_with_the_feed_silent_too_emission_opens_by_itself_and_once_an_hour(place: Place, memory: Memory):
    heard()
    one_beat(memory)
    place.pas.stop()
    sentence = beats(memory, Mode.MIRROR)
    assert sentence.endswith("by reach:monitor and feed; mirror mode opened; emission opened.")
    assert emission.now().valve == "open"

    place.start()
    heard()
    beats(memory, Mode.NORMAL)
    assert emission.now().valve == "held"

    place.pas.stop()
    beats(memory, Mode.MIRROR)
    assert emission.now().valve == "held"
    switch.acknowledge(by=OLIVE)
    one_beat(memory)
    assert emission.now().valve == "open"


def test_a_pas_that_accepts_and_never_answers_is_down(place: Place, memory: Memory):
    one_beat(memory)
    place.pas.faults.arm("go_silent")
    beats(memory, Mode.MIRROR)
    assert {word.way: word.verdict for word in evidence.words()}["tcp"] == Verdict.UP


def test_a_pas_that_answers_with_errors_is_degraded_and_nothing_flips(place: Place, memory: Memory):
    place.pas.faults.arm("refuse_all", code="AE", err="207", text="database error")
    watched_for(1.2, memory)
    assert (gate.now().mode, health()) == (Mode.NORMAL, Health.DEGRADED)
    assert Watch.objects.get().proposal == "mirror"
    assert [alarm.code for alarm in alarms.standing()] == ["pas-degraded"]
    place.pas.faults.heal()
    one_beat(memory)
    assert alarms.standing() == []


def test_a_pas_that_answers_late_is_slow_and_never_flips(place: Place, memory: Memory):
    Policy.objects.update(probe_timeout=0.1, down_after=0.9)
    place.pas.faults.arm("slow", seconds=0.2)
    seen = set()

    def note() -> None:
        seen.add({word.way: word.verdict for word in evidence.words()}["mllp"])
        assert gate.now().mode == Mode.NORMAL

    watched_for(2.5, memory, note)
    assert Verdict.SLOW in seen


def test_unreachable_from_here_while_its_messages_arrive_is_an_alarm_only(place: Place, memory: Memory):
    one_beat(memory)
    place.pas.stop()

    def beat() -> bool:
        heard()
        channel = Channel.objects.get()
        Channel.objects.update(last=channel.last + 1)
        Inbound.objects.create(
            channel=channel, number=channel.last + 1, received_at=clock.now(), sent_at=clock.now(), raw=b"", answer=b""
        )
        one_beat(memory)
        return health() == Health.UNREACHABLE and bool(alarms.standing())

    eventually(beat, within=5, every=0.1)
    assert gate.now().mode == Mode.NORMAL
    assert [alarm.code for alarm in alarms.standing()] == ["pas-unreachable"]


def test_silence_says_nothing_while_our_own_listener_is_silent(place: Place, memory: Memory):
    heard(ago=60)
    ProcessBeat.objects.create(name="listen", node="here", pid=1, at=clock.now() - timedelta(minutes=1))
    one_beat(memory)
    assert {word.way: word.verdict for word in evidence.words()}["feed"] == Verdict.UNKNOWN
    ProcessBeat.objects.create(name="listen", node="there", pid=2, at=clock.now())
    one_beat(memory)
    assert {word.way: word.verdict for word in evidence.words()}["feed"] == Verdict.DOWN


def test_no_probe_and_no_feed_decide_nothing(memory: Memory):
    assert one_beat(memory) == "Nobody can say how the PAS is."
    assert gate.now().mode == Mode.NORMAL


@pytest.mark.parametrize("fault", ["wrong_msa", "garbage_ack", "no_msa", "reset"])
def test_an_answer_that_is_not_ours_is_no_answer(place: Place, fault: str):
    place.pas.faults.arm(fault)
    prober = Prober()
    reports = prober.look([Target("mllp", "127.0.0.1", place.ports["port"])], timeout=1.0, patience=1.0)
    prober.close()
    assert [(report.way, report.verdict) for report in reports] == [("mllp", Verdict.DOWN)]
