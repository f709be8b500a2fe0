"""`manage.py monitor` as a process of its own: it sees an outage, survives being frozen, and ends when asked."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from failover.models import ModeMove, Policy, Watch
from messaging.simulators.pas import Pas
from pasmirror.lib.models import ProcessBeat
from patients.selectors import gate
from patients.states import Mode
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("committed")]


@pytest.fixture
def pas(tmp_path: Path) -> Iterator[Pas]:
    made = Pas(store=tmp_path / "pas.sqlite", lanes={})
    made.start()
    Policy.objects.create(
        probe_every=0.2,
        probe_timeout=0.15,
        suspect_after=2,
        down_after=1.0,
        well_after=0.6,
        probes=[{"kind": "mllp", "host": "127.0.0.1", "port": made.door.listener.port}],
    )
    yield made
    made.stop()


@pytest.fixture
def process(pas: Pas) -> Iterator["subprocess.Popen[bytes]"]:
    database = connection.settings_dict
    user, name, host = (quote(str(database[key]), safe="") for key in ("USER", "NAME", "HOST"))
    url = f"postgresql://{user}@/{name}?host={host}"
    made = subprocess.Popen([sys.executable, "manage.py", "monitor"], env={**os.environ, "DATABASE_URL": url})
    eventually(lambda: Watch.objects.filter(sentence="PAS up.").exists(), within=20)
    yield made
    if made.poll() is None:
        made.send_signal(signal.SIGCONT)
        made.kill()
    made.wait()


def test_it_opens_mirror_mode_and_ends_when_asked(pas: Pas, process: "subprocess.Popen[bytes]"):
    eventually(lambda: ProcessBeat.objects.filter(name="monitor", pid=process.pid).exists(), within=5)
    pas.stop()
    eventually(lambda: gate.now().mode == Mode.MIRROR, within=10)
    assert ModeMove.objects.get().by["subject"] == "monitor"
    process.terminate()
    assert process.wait(15) == 0


def test_frozen_through_the_beginning_of_an_outage_it_tilts_before_it_flips(
    pas: Pas, process: "subprocess.Popen[bytes]"
):
    process.send_signal(signal.SIGSTOP)
    pas.stop()
    frozen = time.monotonic()
    eventually(lambda: time.monotonic() - frozen > 2.0, within=5)  # three beats and more
    process.send_signal(signal.SIGCONT)
    woken = time.monotonic()
    eventually(lambda: Watch.objects.get().tilt_reason.startswith("no beat for"), within=5)
    assert gate.now().mode == Mode.NORMAL
    eventually(lambda: gate.now().mode == Mode.MIRROR, within=15)
    assert time.monotonic() - woken >= 0.6 + 1.0  # its rest, then an outage seen from the start


def test_a_lost_connection_to_the_database_ends_nothing(pas: Pas, process: "subprocess.Popen[bytes]"):
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database()"
            )
        before = Watch.objects.get().beat_at
        eventually(lambda before=before: Watch.objects.get().beat_at > before, within=10)
    assert process.poll() is None
