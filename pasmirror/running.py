"""One run of the product: what must be true before it starts, the order of starting and ending, and what is watched.

Knows no patient, no message and no mode.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from messaging.services import incarnation
from pasmirror import embedded, supervise, tether
from pasmirror.lib import alarms

MUST_BE_ON = ("fsync", "full_page_writes", "synchronous_commit")
OLDEST_POSTGRES = 17
DJANGOS_OWN = {"pool", "options", "server_side_binding"}  # among the options of a database, not the driver's
WATCH_EVERY = 0.5  # seconds


class CannotRun(Exception):
    """Something the run needs is missing; the text is one plain sentence."""


class Run:
    """The product's processes under one supervisord, with the embedded services where no others are named.

    `tell` gets a line for each step; `prepare` is called once the tables are there, before any process.
    Use it from the main thread: what it starts is tied to that thread.
    """

    def __init__(
        self,
        *,
        simulators: bool = False,
        tell: Callable[[str], object] = lambda _: None,
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        self.var: Path = settings.VAR
        self.root: Path = settings.BASE_DIR
        self.tell = tell
        self.prepare = prepare
        self.postgres = None if os.environ.get("DATABASE_URL") else embedded.Postgres(self.var)
        self.processes = dict(supervise.PROCESSES)
        if not os.environ.get("REDIS_URL"):
            self.processes |= supervise.valkey(self.var)
        self.simulators = simulators
        if simulators:
            self.processes |= supervise.simulators(
                var=self.var, mllp_port=settings.MLLP_PORT, base_port=settings.SIM_BASE_PORT
            )
        self._supervisord: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._asked_to_end = threading.Event()

    def start(self) -> None:
        """Check, start, migrate, supervise. Raises CannotRun with nothing left running."""
        try:
            self._take_var()
            self._check_ports()
            if self.postgres is not None:
                self.tell("Starting the embedded PostgreSQL …")
                self.postgres.start()
            check_database()
            migrate()
            self._know_the_database()
            self.prepare()
            connection.close()
            self._supervise()
        except embedded.EmbeddedFault as fault:
            self.stop()
            raise CannotRun(str(fault)) from fault
        except BaseException:
            self.stop()
            raise

    def forever(self, beside: Callable[[], int | None] | None = None) -> int:
        """Keep it all running until SIGINT, SIGTERM or SIGHUP, then end it; returns the exit code.

        `beside` runs in a thread meanwhile. If it returns a number, that ends the run and is the exit code.
        """
        ending: list[int | None] = []
        for wish in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(wish, self._on_wish)
        try:
            if not self._asked_to_end.is_set():
                self.start()
            if beside is not None:
                threading.Thread(target=self._beside, args=(beside, ending), name="beside", daemon=True).start()
            while not self._asked_to_end.wait(WATCH_EVERY):
                self._watch()
        finally:
            self.stop()
        return next((code for code in ending if code is not None), 0)

    def await_screens(self, *, within: float = 60.0) -> bool:
        """Wait until the screens can be asked for; False if they cannot `within` seconds, or the run ends."""
        deadline = time.monotonic() + within
        while not answers(settings.HTTP_HOST, settings.HTTP_PORT):
            if time.monotonic() > deadline or self._asked_to_end.wait(0.1):
                return False
        return True

    def end(self) -> None:
        """Ask `forever` to end; safe from any thread."""
        self._asked_to_end.set()

    def stop(self) -> None:
        """End everything in order, PostgreSQL last."""
        if self._supervisord is not None:
            self._supervisord.terminate()
            try:
                self._supervisord.wait(60.0)
            except subprocess.TimeoutExpired:
                self._supervisord.kill()
                self._supervisord.wait()
            self._supervisord = None
        connection.close()
        if self.postgres is not None:
            self.postgres.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _on_wish(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_end.set()

    def _beside(self, work: Callable[[], int | None], ending: list[int | None]) -> None:
        code: int | None = 1
        try:
            code = work()
        finally:
            connection.close()
            ending.append(code)
            if code is not None:
                self.end()

    def _watch(self) -> None:
        """Start again what supervisord cannot: PostgreSQL and supervisord itself."""
        if self.postgres is not None and self.postgres.pid is None:
            self.tell("PostgreSQL has died; starting it again.")
            self.postgres.stop()
            self.postgres.start()
        if self._supervisord is None or self._supervisord.poll() is not None:
            self.tell("The supervisor has died; starting it and its processes again.")
            self._supervise()

    def _know_the_database(self) -> None:
        """Before anybody can speak: is it the database it was, by its own marks and by our anchor?"""
        incarnation.check(self.var / "anchor" / "audit.log")
        if any(alarm.code == incarnation.ALARM for alarm in alarms.standing()):
            self.tell("The database was restored or promoted: a person has to open emission (docs/runbook.md).")

    def _supervise(self) -> None:
        conf = self.var / "supervisord.conf"
        embedded.private_folder(self.var / "log")
        embedded.private_folder(self.var / "sim")
        embedded.private_folder(embedded.socket_folder(self.var))
        conf.write_text(supervise.configuration(self.processes, var=self.var, root=self.root))
        own = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(conf)]
        self._supervisord = subprocess.Popen(
            tether.command(own, on_death=signal.SIGTERM),
            cwd=self.root,
            env={**os.environ, "PASMIRROR_VAR": str(self.var), "PASMIRROR_TRANSACTION_TIMEOUT": self._patience()},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; we end the others in order
        )

    def _patience(self) -> str:
        """The children's transaction timeout: `up` itself may run without one, they may not."""
        return str(settings.TRANSACTION_TIMEOUT or 5000)

    def _take_var(self) -> None:
        self.var.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.var / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise CannotRun(f"PAS Mirror is already running in {self.var}; end it, or set PASMIRROR_VAR.") from None
        self._lock = lock

    def _check_ports(self) -> None:
        wanted = [
            (settings.HTTP_HOST, settings.HTTP_PORT, "the screens", "PASMIRROR_HTTP_PORT"),
            (settings.MLLP_HOST, settings.MLLP_PORT, "the feed", "PASMIRROR_MLLP_PORT"),
        ]
        if self.simulators:
            base = settings.SIM_BASE_PORT
            ports = [base, base + 1, base + 2, base + 10, base + 11, base + 20, base + 21]
            wanted += [("127.0.0.1", port, "a simulator", "PASMIRROR_SIM_BASE_PORT") for port in ports]
        for host, port, purpose, name in wanted:
            if refusal := why_not_listen(host, port):
                raise CannotRun(f"Port {port}, for {purpose}, {refusal}: choose another by {name}.")


def why_not_listen(host: str, port: int) -> str | None:
    """Why nobody could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
            trial.listen(1)
        except PermissionError:
            return "is not allowed for this account"
        except OSError:
            return "is in use by another program"
    return None


def answers(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def check_database() -> None:
    """Raise CannotRun unless the database answers, is new enough and keeps what it has acknowledged."""
    parts: dict[str, Any] = settings.DATABASES["default"]
    try:
        with psycopg.connect(
            host=parts["HOST"],
            port=parts["PORT"] or None,
            user=parts["USER"],
            password=parts["PASSWORD"] or None,
            dbname=parts["NAME"],
            **{name: value for name, value in parts["OPTIONS"].items() if name not in DJANGOS_OWN},
        ) as trial:
            if trial.info.server_version < OLDEST_POSTGRES * 10_000:
                raise CannotRun(
                    f"The database is PostgreSQL older than {OLDEST_POSTGRES}, which is the oldest that does."
                )
            for name in MUST_BE_ON:
                row = trial.execute("SELECT current_setting(%s)", [name]).fetchone()
                if name != "synchronous_commit" and (row is None or row[0] == "off"):
                    raise CannotRun(f"The database has {name} off, so it may lose what was saved: set it on.")
    except psycopg.OperationalError:
        raise CannotRun("The database named by DATABASE_URL does not answer, or refuses this account.") from None


def migrate() -> None:
    """Bring the tables up to date, one run at a time."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_lock(hashtext('pasmirror.migrate'))")
    try:
        call_command("migrate", interactive=False, verbosity=0)
    finally:
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()
