"""The embedded PostgreSQL crashed, frozen, and out of connections; and a transaction that holds the horizon back.

Knows the server's folder and its private socket, and no table. Every verb proves that it struck.
"""

import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from pasmirror import embedded
from tests.eventually import eventually
from tests.faults.verbs import signals

GONE_WITHIN = 20.0  # seconds, for an immediate shutdown
BACK_WITHIN = 60.0  # seconds, for whoever runs the server to start it again, and for its recovery
IMMEDIATE = b"received immediate shutdown request"


@dataclass(frozen=True)
class Waiting:
    """A transaction that was begun, was given a number and is idle: its process id in the server, and that number."""

    pid: int
    xid: int


def connect(var: Path, *, timeout: int = 10) -> psycopg.Connection:
    """A connection of our own to the run's database, with autocommit; `timeout` in seconds."""
    url = embedded.postgres_url(var)
    return psycopg.connect(url, autocommit=True, connect_timeout=timeout, application_name="fault")


def postmaster(var: Path) -> int:
    """The postmaster's process id; NotStruck if no server runs."""
    try:
        pid = int((var / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        raise signals.NotStruck(f"no PostgreSQL runs in {var}") from None
    if not psutil.pid_exists(pid):
        raise signals.NotStruck(f"PostgreSQL's process {pid} in {var} does not exist")
    return pid


def crash(var: Path, *, back_within: float | None = BACK_WITHIN) -> int:
    """What `pg_ctl stop -m immediate` does: no checkpoint, no goodbye. Gives the new postmaster's process id.

    Proves that the server ended so, and that another one answers `back_within` seconds; None: nobody will start it,
    and the old process id is given.
    """
    before = psutil.Process(postmaster(var))
    began = before.create_time()
    said = _said(var)
    before.send_signal(signal.SIGQUIT)
    eventually(lambda: not before.is_running() or before.status() == psutil.STATUS_ZOMBIE, within=GONE_WITHIN)
    assert _said(var) > said, "PostgreSQL did not end by an immediate shutdown"
    if back_within is None:
        return before.pid
    eventually(lambda: _answers_anew(var, began), within=back_within, every=0.1, why="a new PostgreSQL answers")
    return postmaster(var)


@contextmanager
def frozen(var: Path) -> Iterator[None]:
    """The postmaster and everything it has started are stopped (SIGSTOP) meanwhile."""
    with signals.frozen(postmaster(var)):
        yield


def freeze(var: Path) -> list[int]:
    """Stop the postmaster and everything it has started; gives their process ids, for `thaw`."""
    return signals.freeze(postmaster(var))


def thaw(pids: list[int]) -> None:
    """Let them go on."""
    signals.thaw(pids)


@contextmanager
def exhausted(var: Path, *, leave: int = 0) -> Iterator[int]:
    """So many idle connections that at most `leave` slots are free; gives how many they are.

    What is connected already stays so; of `leave` slots, the server keeps its reserved ones for superusers.
    """
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(connect(var))
        opened = 1
        while _free(first) > leave:
            try:
                stack.enter_context(connect(var))
            except psycopg.OperationalError:  # somebody else took the last
                break
            opened += 1
        assert _free(first) <= leave, "slots were freed while they were being taken"
        yield opened


@contextmanager
def idle_in_transaction(var: Path) -> Iterator[Waiting]:
    """A transaction with a number of its own is open meanwhile and does nothing: it holds back the xid horizon."""
    with connect(var) as connection, connect(var) as witness:
        connection.execute("SET transaction_timeout = 0")
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        with connection.transaction():
            xid = _number(connection, "SELECT pg_current_xact_id()::text::bigint")
            pid = connection.info.backend_pid
            held = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'idle in transaction'"
            eventually(lambda: _number(witness, f"{held} AND backend_xid IS NOT NULL", pid) == 1, within=10)
            yield Waiting(pid, xid)


def _answers_anew(var: Path, began: float) -> bool:
    try:
        if psutil.Process(postmaster(var)).create_time() == began:
            return False
        with connect(var, timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except (signals.NotStruck, psutil.NoSuchProcess, psycopg.OperationalError):
        return False


def _said(var: Path) -> int:
    """How often the server's logs tell of an immediate shutdown."""
    logs = (var / "log").glob("postgres-*.log")
    return sum(log.read_bytes().count(IMMEDIATE) for log in logs)


def _free(connection: psycopg.Connection) -> int:
    taken = "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
    return _number(connection, f"SELECT current_setting('max_connections')::int - {taken}")


def _number(connection: psycopg.Connection, query: str, *values: object) -> int:
    row = connection.execute(query.encode(), values or None).fetchone()
    assert row is not None
    return int(row[0])
