"""The fault verbs strike real processes and a real PostgreSQL; each is believed for what the machine shows then."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pasmirror import embedded
from tests.eventually import eventually
from tests.faults.verbs import clocks, database, needs, signals
from tests.product import Product

pytestmark = pytest.mark.timeout(240)
LOGS = "log/postgres-*.log"
FORKS_WHEN_HUNG_UP_ON = """
import os, signal, time
signal.signal(signal.SIGHUP, lambda *_: os.fork() or time.sleep(30))
print(flush=True)
while True: time.sleep(1)
"""
STARTS_IT = """
import subprocess, sys, time
with subprocess.Popen([sys.executable, "-c", sys.argv[1]], process_group=0): time.sleep(30)
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    """A process with two children."""
    with subprocess.Popen(["sh", "-c", "sleep 600 & sleep 600 & wait"]) as made:
        everybody = eventually(lambda: three(made.pid), within=10)
        try:
            yield made
        finally:
            signals.kill_all(everybody)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Postgres]:
    var = tmp_path_factory.mktemp("verbs") / "var"
    var.mkdir(mode=0o700)
    with embedded.Postgres(var) as made:
        yield made


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("verbs") / "var") as made:
        yield made


def three(pid: int) -> list[psutil.Process]:
    """A process and both its children; nobody until both are there."""
    head = psutil.Process(pid)
    found = [head, *head.children()]
    return found if len(found) == 3 else []


def states(pid: int) -> set[str]:
    return {one.status() for one in signals.family(pid)}


def test_one_process_is_stopped_continued_and_killed(parent: subprocess.Popen[bytes]) -> None:
    signals.stop(parent.pid)
    assert psutil.Process(parent.pid).status() == psutil.STATUS_STOPPED
    assert states(parent.pid) != {psutil.STATUS_STOPPED}, "its children are not meant"
    signals.cont(parent.pid)
    assert psutil.Process(parent.pid).status() != psutil.STATUS_STOPPED
    signals.kill(parent.pid)
    assert parent.wait(10) == -9


def test_a_family_is_frozen_and_thawed_whatever_happens_meanwhile(parent: subprocess.Popen[bytes]) -> None:
    with pytest.raises(ZeroDivisionError), signals.frozen(parent.pid):  # noqa: PT012
        assert states(parent.pid) == {psutil.STATUS_STOPPED}
        raise ZeroDivisionError
    assert psutil.STATUS_STOPPED not in states(parent.pid)
    stopped = signals.freeze(parent.pid)
    assert len(stopped) == 3
    signals.kill(stopped[-1])
    signals.thaw(stopped)
    assert psutil.STATUS_STOPPED not in states(parent.pid)


def test_nobody_there_to_strike_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(signals.NotStruck):
        signals.power_lost(tmp_path)
    with pytest.raises(signals.NotStruck), signals.frozen_run(tmp_path):
        pass
    with pytest.raises(signals.NotStruck):
        database.postmaster(tmp_path)


def test_the_database_is_crashed_and_has_to_recover(server: embedded.Postgres) -> None:
    with database.connect(server.var) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        crashed = database.crash(server.var, back_within=None)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    server.stop()
    server.start()
    assert database.postmaster(server.var) != crashed
    log = "".join(path.read_text() for path in server.var.glob(LOGS))
    assert "automatic recovery in progress" in log
    with database.connect(server.var) as connection:
        assert connection.execute("SELECT count(*) >= 1 FROM kept").fetchone() == (True,)


def test_the_database_frozen_answers_nobody_and_thawed_everybody(server: embedded.Postgres) -> None:
    with database.connect(server.var):
        with database.frozen(server.var):
            assert states(database.postmaster(server.var)) == {psutil.STATUS_STOPPED}
            assert len(signals.family(database.postmaster(server.var))) > 3
            with pytest.raises(psycopg.OperationalError):
                database.connect(server.var, timeout=2)
        with database.connect(server.var) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    stopped = database.freeze(server.var)
    assert states(database.postmaster(server.var)) == {psutil.STATUS_STOPPED}
    database.thaw(stopped)
    database.connect(server.var).close()


def test_connections_are_exhausted_but_for_so_many(server: embedded.Postgres) -> None:
    with database.exhausted(server.var, leave=2) as opened:
        assert opened > 90
        with database.connect(server.var), database.connect(server.var), pytest.raises(psycopg.OperationalError):
            database.connect(server.var)
    with database.exhausted(server.var), pytest.raises(psycopg.OperationalError):
        database.connect(server.var)
    eventually(lambda: not database.connect(server.var).close(), within=10)


def test_an_idle_transaction_holds_the_horizon(server: embedded.Postgres) -> None:
    with database.connect(server.var) as witness:
        with database.idle_in_transaction(server.var) as waiting:
            witness.execute("SELECT pg_current_xact_id()")
            oldest = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
            assert witness.execute(oldest).fetchone() == (waiting.xid,)
            assert psutil.Process(waiting.pid).name().startswith("postgres")
        row = witness.execute(oldest).fetchone()
        assert row
        assert row[0] > waiting.xid


def test_a_program_of_the_supervisor_is_frozen_and_killed_with_its_children(product: Product) -> None:
    with signals.frozen_program("web", product.var):
        assert states(product.pid("web")) == {psutil.STATUS_STOPPED}
        assert len(signals.family(product.pid("web"))) > 1, "gunicorn has workers"
    assert psutil.STATUS_STOPPED not in states(product.pid("web"))
    before = signals.kill_program("sweep", product.var)
    eventually(lambda: product.pid("sweep") != before, within=30, every=0.1, why="it is started again")


def test_the_database_of_a_run_crashes_and_another_postmaster_answers(product: Product) -> None:
    before = database.postmaster(product.var)
    after = database.crash(product.var)
    assert after != before
    assert psutil.Process(after).status() != psutil.STATUS_ZOMBIE
    assert not psutil.pid_exists(before)


def test_a_whole_run_is_frozen_and_then_loses_power(product: Product) -> None:
    assert product.up
    with signals.frozen_run(product.var):
        assert states(database.postmaster(product.var)) == {psutil.STATUS_STOPPED}
        assert states(product.up.pid) == {psutil.STATUS_STOPPED}
    logs = {path: path.stat().st_size for path in product.var.glob(LOGS)}
    with subprocess.Popen(["sleep", "600"], env=product.environment) as spared:
        doomed = signals.everyone(product.var, spare=[spared.pid])
        names = {one.name() for one in doomed}
        struck = signals.power_lost(product.var, spare=[spared.pid])
        left, outlived = signals.everyone(product.var, spare=[spared.pid]), spared.poll() is None
        spared.kill()
    assert struck >= len(doomed) > 12
    assert {"postgres", "valkey-server", "gunicorn"} <= names
    assert (left, outlived) == ([], True)
    product.up.wait(20)
    said = b"".join(path.read_bytes()[size:] for path, size in logs.items())
    assert b"shut down" not in said, "PostgreSQL noticed its end"
    product.start()
    eventually(
        lambda: any(b"automatic recovery in progress" in path.read_bytes() for path in logs), within=20, every=0.1
    )


def test_nobody_is_woken_by_the_deaths_around_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The kernel hangs up on a stopped process group whose parent dies; gunicorn starts a worker on that."""
    kill = psutil.Process.kill

    def slowly(process: psutil.Process) -> None:
        kill(process)
        time.sleep(0.05)

    monkeypatch.setattr(psutil.Process, "kill", slowly)
    command = [sys.executable, "-c", STARTS_IT, FORKS_WHEN_HUNG_UP_ON]
    environment = {**os.environ, signals.OURS: str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, start_new_session=True) as elder:
        assert elder.stdout
        assert elder.stdout.readline(), "the younger is ready"
        assert signals.power_lost(tmp_path) == 2
        left = signals.everyone(tmp_path)
        signals.kill_all(left)
    assert left == []


def test_what_is_missing_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(needs.Missing, match="A small disk needs root: run the tests as root"):
        needs.root("A small disk")
    with pytest.raises(needs.Missing, match="install Debian's package faketime"):
        needs.command("no-such-program", package="faketime")
    monkeypatch.setattr(clocks, "LIBRARIES", (str(tmp_path),))
    with pytest.raises(needs.Missing, match="install Debian's package faketime"):
        clocks.environment(tmp_path / "clock")


def test_a_clock_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for nonsense in ("15m", "+15 m", "yesterday"):
        with pytest.raises(ValueError, match="not an offset"):
            clocks.change(tmp_path / "clock", offset=nonsense)
    with pytest.raises(ValueError, match="runs forward"):
        clocks.change(tmp_path / "clock", rate=0)
