"""What carries the wakes: each known way in which Celery or Redis loses or delays work, and the setting against it."""

import ast
import functools
import importlib.metadata
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app

import messaging.site
from messaging import tasks
from messaging.management.commands import sweep
from pasmirror import supervise
from pasmirror.celery import app
from pasmirror.lib import beat, bell
from pasmirror.lib.models import ProcessBeat
from pasmirror.lib.sections import SiteText
from tests.factories import lanes as make
from tests.unit.test_site import SOUND, faults

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = ("messaging", "failover", "patients", "pasmirror")
SAY = """
import json
from django.conf import settings
from pasmirror.celery import app
print(json.dumps({"broker": dict(app.conf.broker_transport_options), "pool": settings.POOL}))
"""


def worker(option: str) -> str:
    """What the worker's command says for `option`."""
    command = supervise.PROCESSES["work"].command
    return command[command.index(option) + 1]


@functools.cache
def settled_for(role: str) -> dict[str, Any]:
    """The settings of a process of that role."""
    environment = {name: value for name, value in os.environ.items() if name != "PASMIRROR_DB_POOL"}
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", SAY],
        cwd=ROOT,
        env={**environment, "PASMIRROR_ROLE": role},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


class Published:
    """Stands in the place of the way to the broker, and keeps what would have gone: nobody listens there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        monkeypatch.setattr(current_app._get_current_object(), "send_task", self._send)

    def _send(self, name: str, **how: Any) -> None:
        self.sent.append((name, how))


def test_kombu_notices_a_connection_that_is_half_open() -> None:
    """Below 5.7 a BRPOP on a connection that died without a word waited for ever: alive, and consuming nothing."""
    release = tuple(int(part) for part in importlib.metadata.version("kombu").split(".")[:2])
    assert release >= (5, 7)


def test_a_worker_asks_after_its_broker_and_waits_for_no_ring_of_its_own() -> None:
    waiting = settled_for("work")["broker"]
    assert 0 < waiting["health_check_interval"] <= 10
    assert waiting["socket_keepalive"] is True
    assert 1 < waiting["socket_timeout"] <= 5, "longer than a BRPOP, which waits 1 s, and not for ever"
    assert 0 < waiting["socket_connect_timeout"] <= 2


@pytest.mark.parametrize("role", ["web", "sweep"])
def test_whoever_rings_gives_up_after_a_quarter_of_a_second(role: str) -> None:
    ringing = settled_for(role)["broker"]
    assert ringing == {"socket_timeout": 0.25, "socket_connect_timeout": 0.25, "max_retries": 0}


def test_a_broker_away_at_the_start_or_for_long_ends_no_worker() -> None:
    assert app.conf.broker_connection_retry_on_startup is True
    assert app.conf.broker_connection_max_retries is None, "for ever"
    assert app.conf.broker_channel_error_retry is True
    assert app.conf.worker_cancel_long_running_tasks_on_connection_loss is False


def test_a_worker_keeps_no_wake_it_has_no_slot_for() -> None:
    assert app.conf.worker_prefetch_multiplier == 1
    assert not app.conf.task_acks_late, "a wake taken is a wake gone: the sweep is the guarantee"


def test_there_is_a_thread_and_a_connection_for_every_lane_that_a_site_may_declare() -> None:
    """Processes would cost memory each, and with fewer slots than lanes silent destinations delay the others."""
    assert worker("-P") == "threads"
    assert int(worker("-c")) >= messaging.site.LANES + 2, "two more: to number, and to beat"
    assert settled_for("work")["pool"] >= int(worker("-c"))
    beside = 4  # of the sweep's own threads
    assert settled_for("sweep")["pool"] >= messaging.site.LANES + beside


def test_a_site_that_declares_more_is_refused_with_the_line_of_the_first_beyond() -> None:
    known = len(messaging.site.read(SiteText(SOUND, {})).destinations)
    more = [
        f'[[destination]]\ncode = "more{n}"\nname = "More {n}"\nhost = "127.0.0.1"\nport = {40_000 + n}\n'
        for n in range(messaging.site.LANES - known + 1)
    ]
    assert faults(SOUND + "\n" + "\n".join(more[:-1])) == []
    assert any("there may be 30 destinations" in each for each in faults(SOUND + "\n" + "\n".join(more)))


def test_a_wake_is_a_name_it_expires_and_nobody_tries_again_or_waits_for_its_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published = Published(monkeypatch)
    bell.ring("pathology")
    (name, how), *others = published.sent
    assert (name, others) == ("messaging.wake", [])
    assert how == {"args": ["pathology"], "expires": bell.WAKE_EXPIRES, "retry": False, "ignore_result": True}
    assert 0 < bell.WAKE_EXPIRES <= 60
    assert list(inspect.signature(tasks.wake.run).parameters) == ["name"]
    assert app.conf.task_publish_retry is False
    assert (app.conf.result_backend, app.conf.task_ignore_result) == (None, True)
    assert (app.conf.task_serializer, app.conf.accept_content) == ("json", ["json"])


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the product, with where it stands."""
    for name in APPS:
        for path in (ROOT / name).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield str(path.relative_to(ROOT)), node


def test_nothing_is_published_but_by_the_bell_and_nothing_for_later() -> None:
    """An eta or a countdown lies in a worker's memory, a retry() is a second truth beside the table of attempts."""
    publishing: set[str] = set()
    for where, call in calls():
        called = ast.unparse(call.func)
        if called.endswith((".send_task", ".apply_async", ".delay", ".s", ".si")) and "simulators" not in where:
            publishing.add(where)
        assert not called.endswith(("wake.retry", "self.retry", "task.retry")), where
        if called.endswith((".send_task", ".apply_async")):
            assert not {"eta", "countdown"} & {word.arg for word in call.keywords}, where
    assert publishing == {"pasmirror/lib/bell.py"}
    own = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert [task.name for task in own] == ["messaging.wake"], "there is one task"
    assert not app.conf.beat_schedule, "and nobody who starts it by the clock"


@pytest.mark.django_db
def test_a_worker_that_takes_no_wakes_is_seen_by_its_row() -> None:
    """That its process lives proves nothing: only a wake that was taken writes the row."""
    assert not ProcessBeat.objects.filter(name="work").exists()
    tasks.wake(tasks.BEAT)
    row = ProcessBeat.objects.get(name="work")
    assert row.pid == os.getpid()
    assert "work" not in beat.silent()
    ProcessBeat.objects.update(at=row.at - beat.SILENT_AFTER * 2)
    assert "work" in beat.silent()
    assert beat.SILENT_AFTER.total_seconds() / 2 > sweep.BEAT_EVERY, "it is asked for its beat often enough"


@pytest.mark.django_db
def test_a_wake_says_nothing_of_a_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    published = Published(monkeypatch)
    make.mirror_mode()
    make.destination("pathology")
    make.register("ZQNAMED")
    tasks.number_and_render()
    told = {how["args"][0] for _, how in published.sent}
    assert told == {"pathology"}
    assert "ZQNAMED" not in str(published.sent)
