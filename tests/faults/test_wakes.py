"""The real worker, the real sweep, the real broker: wakes are quick, and losing all of them changes latency only."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from messaging import tasks
from messaging.models import Incarnation, Outbound
from messaging.services import emission
from messaging.simulators.receiver import Receiver
from pasmirror import embedded
from pasmirror.lib import alarms, audit, beat
from pasmirror.lib.models import AuditTail, ProcessBeat
from patients.models import JournalTail
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(120)]
ROOT = Path(__file__).resolve().parent.parent.parent
CODES = ("pathology", "eprescribing")
SWEEP = [sys.executable, "manage.py", "sweep"]
WORK = [sys.executable, "-m", "celery", "-A", "pasmirror", "worker", "-P", "threads", "-c", "8"]


class Processes:
    """Our own commands as real processes on this test's database; all ended at the end."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, command: list[str], role: str, **more: str) -> subprocess.Popen[bytes]:
        stood = settings.DATABASES["default"]
        host, user = quote(str(stood["HOST"]), safe=""), stood["USER"]
        database = f"postgresql://{user}@/{connection.settings_dict['NAME']}?host={host}"
        if stood["PORT"]:
            database += f"&port={stood['PORT']}"
        with (self.output / f"{role}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={
                    **os.environ,
                    "DATABASE_URL": os.environ.get("DATABASE_URL", database),
                    "PASMIRROR_ROLE": role,
                    "PASMIRROR_DB_POOL": "16",
                    "PASMIRROR_LOG_LEVEL": "INFO",
                    **more,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def sweep(self) -> subprocess.Popen[bytes]:
        process = self.start(SWEEP, "sweep")
        eventually(lambda: ProcessBeat.objects.filter(name="sweep", pid=process.pid).exists(), within=30)
        return process

    def work(self, **more: str) -> subprocess.Popen[bytes]:
        process = self.start(WORK, "work", **more)
        eventually(lambda: b" ready." in (self.output / "work.log").read_bytes(), within=30)
        return process

    def stop(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(10)


@pytest.fixture
def processes(committed: None, tmp_path: Path) -> Iterator[Processes]:  # noqa: F811
    shutil.rmtree(Path(settings.VAR) / "anchor", ignore_errors=True)  # of another test's database
    running = Processes(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def receivers(committed: None, tmp_path: Path) -> Iterator[list[Receiver]]:  # noqa: F811
    make.mirror_mode()
    peers = [make.receiver(tmp_path, code) for code in CODES]
    for code, peer in zip(CODES, peers, strict=True):
        make.destination(code, make.port_of(peer))
    yield peers
    for peer in peers:
        peer.stop()


def saves(people: int = 4, updates: int = 5) -> list[float]:
    """A clerk's work; gives how long each save took, in seconds."""
    took = []

    def timed(work: object) -> object:
        began = time.monotonic()
        done = work()  # type: ignore[operator]
        took.append(time.monotonic() - began)
        return done

    persons = [timed(lambda n=n: make.register(f"FAMILY{n}")) for n in range(people)]
    for seen in range(1, updates + 1):
        for person in persons:
            timed(lambda p=person, s=seen: make.update(p, s, str(s)))
    return took


def everything_arrived(peers: list[Receiver], *, within: float) -> None:
    """All lanes empty, every receiver has every change once, and each patient's in order."""
    eventually(
        lambda: not JournalTail.objects.exists() and all(set(make.legs(code)) == {"accepted"} for code in CODES),
        within=within,
    )
    patient_of = make.patients_of_changes()
    for peer in peers:
        took = [str(effect["control_id"]) for effect in peer.effects()]
        change_of = dict(Outbound.objects.filter(control_id__in=took).values_list("control_id", "change"))
        changes = [change_of[one] for one in took]
        assert sorted(changes) == sorted(patient_of)
        for patient in set(patient_of.values()):
            own = [change for change in changes if patient_of[change] == patient]
            assert own == sorted(own)


@pytest.mark.broker("it is the wakes that are to deliver")
def test_wakes_alone_deliver_at_once(
    valkey_server: embedded.Valkey, processes: Processes, receivers: list[Receiver]
) -> None:
    processes.work()
    saves(people=2, updates=1)
    everything_arrived(receivers, within=15)


@pytest.mark.broker("the broker is there at first, and is then struck")
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_with_worker_and_broker_gone_or_frozen_saves_stay_quick_and_the_sweep_delivers_in_order(
    fault: signal.Signals, valkey_server: embedded.Valkey, processes: Processes, receivers: list[Receiver]
) -> None:
    worker = processes.work()
    sweep = processes.sweep()
    eventually(lambda: ProcessBeat.objects.filter(name="work", pid=worker.pid).exists(), within=15)
    assert valkey_server.pid
    broker = valkey_server.pid
    try:
        os.kill(broker, fault)
        worker.send_signal(fault)
        took = saves()
        assert len(took) == 24
        assert sorted(took)[len(took) // 2] < 0.6, took
        assert max(took) < 2.0, took
        everything_arrived(receivers, within=30)
    finally:
        if fault == signal.SIGSTOP:
            os.kill(broker, signal.SIGCONT)
            worker.send_signal(signal.SIGCONT)
    saves(people=1, updates=1)
    everything_arrived(receivers, within=30)
    sweep.terminate()
    assert sweep.wait(30) == 0
    eventually(lambda: not AuditTail.objects.exists() or tasks.number_and_render(), within=5)  # type: ignore[func-returns-value]
    assert audit.verify() == []


@pytest.mark.broker("the sender frozen is a worker on a wake; tests/faults/test_two_workers.py has it for any")
def test_a_worker_frozen_in_mid_send_loses_its_lane_and_its_late_settlement_counts_for_nothing(
    valkey_server: embedded.Valkey, processes: Processes, receivers: list[Receiver]
) -> None:
    """The receiver is slow, the worker is frozen while it waits; the sweep takes over and finishes; then it thaws."""
    worker = processes.work()
    receivers[0].faults.arm("slow", times=1, seconds=0.4)
    make.register("ADAMS")
    eventually(lambda: receivers[0].faults.fired().get("slow"), within=15)
    worker.send_signal(signal.SIGSTOP)
    try:
        processes.sweep()
        saves(people=2, updates=2)
        everything_arrived(receivers, within=40)
    finally:
        worker.send_signal(signal.SIGCONT)
    saves(people=1, updates=1)
    everything_arrived(receivers, within=30)
    again = [row.lane_id for row in Outbound.objects.filter(attempts__gt=1)]
    assert len(again) == len(set(again)) >= 1  # the other lane's message may have been in its hands as well
    assert receivers[0].counts()["repeats"] == 1


def test_a_thousand_wakes_shuffled_and_doubled_change_nothing(receivers: list[Receiver]) -> None:
    saves(people=3, updates=3)
    wakes = [tasks.TAIL, *CODES] * 60
    random.Random(7).shuffle(wakes)

    def worker(share: list[str]) -> None:
        for name in share:
            tasks.wake(name)

    for thread in [Aside(lambda n=n: worker(wakes[n::4])) for n in range(4)]:
        thread.result(within=60)
    everything_arrived(receivers, within=5)
    assert Outbound.objects.filter(attempts__gt=1).count() == 0


def test_a_wake_for_nobody_and_a_wake_without_a_database_are_harmless(receivers: list[Receiver]) -> None:
    tasks.wake("no such lane")
    emission.hold(by=make.OPERATOR, reason="")
    make.register()
    tasks.wake(tasks.TAIL)
    assert make.legs("pathology") == ["queued"]
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 1")
    tasks.wake("pathology")
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")


def test_the_sweep_outlives_its_connections_and_anchors_the_audit_chain(
    processes: Processes, receivers: list[Receiver]
) -> None:
    process = processes.sweep()
    saves(people=1, updates=1)
    everything_arrived(receivers, within=15)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name LIKE 'pasmirror-sweep%' AND datname = current_database()"
        )
        assert cursor.fetchone()[0] >= 1
    saves(people=1, updates=2)
    everything_arrived(receivers, within=20)
    assert process.poll() is None
    assert (Path(settings.VAR) / "anchor" / "audit.log").exists()
    assert beat.silent() == []


def test_a_database_restored_under_the_running_processes_begins_a_new_life_with_emission_held(
    processes: Processes, receivers: list[Receiver]
) -> None:
    process = processes.sweep()
    saves(people=1, updates=0)
    everything_arrived(receivers, within=15)
    Incarnation.objects.update(system_identifier=99)
    late = make.register("LATE")
    anew = Outbound.objects.filter(change=late.change, control_id__startswith="M02-")
    eventually(lambda: anew.count() == len(CODES), within=20)
    assert "restored-database" in {alarm.code for alarm in alarms.standing()}
    assert emission.now().valve == "held"
    assert process.poll() is None
    assert [len(peer.messages()) for peer in receivers] == [1, 1]
