"""Which processes make up the product, and how supervisord is told and asked about them. Starts nothing itself."""

import http.client
import shlex
import signal
import socket
import sys
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults

from pasmirror import embedded, tether

GROUPS = ("broker", "pasmirror", "simulators")
"""In their order of starting; supervisord ends them the other way round, and the programs of one group at once."""


@dataclass(frozen=True)
class Process:
    """One process: the command that starts it and whether it is started again when it dies."""

    command: tuple[str, ...]
    restart: bool = True
    group: str = "pasmirror"


PROCESSES: dict[str, Process] = {
    "work": Process(
        ("celery", "-A", "pasmirror", "worker", "-P", "threads", "-c", "32", "--without-gossip", "--without-mingle")
    ),
    "sweep": Process(("python", "manage.py", "sweep")),
    "apply": Process(("python", "manage.py", "apply")),
    "listen": Process(("python", "manage.py", "listen")),
    "web": Process(("gunicorn", "pasmirror.wsgi", "-c", "python:pasmirror.serving")),
    "monitor": Process(("python", "manage.py", "monitor")),
}
"""The product's processes, the same under supervisord, in the compose file and under systemd."""

RECEIVERS = ("pathology", "eprescribing")


def simulators(*, var: Path, mllp_port: int, base_port: int) -> dict[str, Process]:
    """The demo's PAS and receivers, on ports counted from `base_port`; the one that dies stays dead."""
    found: dict[str, Process] = {}
    downstream: list[str] = []
    for number, name in enumerate(RECEIVERS, start=1):
        port = base_port + 10 * number
        words = ("--name", name, "--port", str(port), "--control", str(port + 1))
        found[f"sim-{name}"] = _simulator("receiver", *words, store=var / "sim" / f"{name}.sqlite")
        downstream += ["--downstream", f"{name}=127.0.0.1:{port}"]
    ports = ("--port", str(base_port), "--control", str(base_port + 1), "--health", str(base_port + 2))
    feed = ("--feed", f"127.0.0.1:{mllp_port}")
    found["sim-pas"] = _simulator("pas", *ports, *feed, *downstream, store=var / "sim" / "pas.sqlite")
    return found


def _simulator(module: str, *words: str, store: Path) -> Process:
    command = ("python", "-m", f"messaging.simulators.{module}", *words, "--store", str(store))
    return Process(command, restart=False, group="simulators")


def valkey(var: Path) -> dict[str, Process]:
    """The embedded broker, for a run without REDIS_URL."""
    return {"valkey": Process(tuple(embedded.Valkey(var).command()), group="broker")}


def control_socket(var: Path) -> Path:
    """Where the supervisord of the run in `var` listens."""
    return embedded.socket_folder(var) / "supervisor.sock"


def configuration(processes: dict[str, Process], *, var: Path, root: Path) -> str:
    """The text of supervisord.conf."""
    pidfile = var / "supervisord.pid"
    head: dict[str, dict[str, object]] = {
        "unix_http_server": {"file": control_socket(var), "chmod": "0700"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface",
        },
        "supervisord": {
            "nodaemon": "true",
            "silent": "true",
            "directory": root,
            "pidfile": pidfile,
            "logfile": var / "log" / "supervisord.log",
            "logfile_maxbytes": "5MB",
            "logfile_backups": "2",
            "childlogdir": var / "log",
            "umask": "077",
        },
    }
    programs = {
        f"program:{name}": _program(name, process, pidfile=pidfile, var=var, root=root)
        for name, process in processes.items()
    }
    groups = {f"group:{group}": _group(group, processes) for group in {p.group: None for p in processes.values()}}
    return "\n".join(_section(name, values) for name, values in {**head, **groups, **programs}.items())


def _group(group: str, processes: dict[str, Process]) -> dict[str, object]:
    members = ",".join(name for name, process in processes.items() if process.group == group)
    return {"programs": members, "priority": GROUPS.index(group)}


def _section(name: str, values: dict[str, object]) -> str:
    lines = (f"{key} = {str(value).replace('%', '%%')}" for key, value in values.items())
    return "\n".join([f"[{name}]", *lines, ""])


def _program(name: str, process: Process, *, pidfile: Path, var: Path, root: Path) -> dict[str, object]:
    tied = tether.prefix(on_death=signal.SIGTERM, owner=str(pidfile))
    return {
        "command": shlex.join([*tied, "--", *on_this_machine(process.command)]),
        "directory": root,
        "environment": f'PASMIRROR_ROLE="{name}"',
        "autorestart": "true" if process.restart else "false",
        "startsecs": 1 if process.restart else 0,
        "startretries": 1_000_000,
        "stopwaitsecs": 8,
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": var / "log" / f"{name}.log",
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 3,
    }


def on_this_machine(command: Iterable[str]) -> list[str]:
    """The command with its program as found beside the Python that runs us."""
    program, *rest = command
    beside = Path(sys.executable).parent / program
    return [sys.executable if program == "python" else str(beside) if beside.exists() else program, *rest]


def program_pid(name: str, *, var: Path) -> int | None:
    """The process id of a program of the run in `var`; None while it is not running."""
    return states(var=var)[name][1]


def states(*, var: Path) -> dict[str, tuple[str, int | None]]:
    """Each program's state as supervisord calls it (RUNNING, STOPPED, EXITED, …) and its process id.

    Raises OSError where no supervisord answers; so do the two below.
    """
    with _server(var) as server:
        rows: Any = server.supervisor.getAllProcessInfo()
    return {row["name"]: (row["statename"], row["pid"] or None) for row in rows}


def stop_program(name: str, *, var: Path) -> None:
    """Stop a program and wait until it has; one that is not running is left as it is."""
    with _server(var) as server:
        try:
            server.supervisor.stopProcess(_full(server, name))
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != Faults.NOT_RUNNING:
                raise


def start_program(name: str, *, var: Path) -> None:
    """Start a program and wait until it has; one that is running is left as it is."""
    with _server(var) as server:
        try:
            server.supervisor.startProcess(_full(server, name))
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != Faults.ALREADY_STARTED:
                raise


def _full(server: xmlrpc.client.ServerProxy, name: str) -> str:
    rows: Any = server.supervisor.getAllProcessInfo()
    return next(f"{row['group']}:{name}" for row in rows if row["name"] == name)


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over the Unix socket at `path`; supervisor's own transport leaks its socket where nobody listens."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self.path))
        except OSError:
            self.close()
            raise


class _SocketTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        if self._connection and self._connection[0] == host and self._connection[1] is not None:
            return self._connection[1]
        connection = _SocketConnection(self.path)
        self._connection = host, connection  # what close() closes
        return connection


def _server(var: Path) -> xmlrpc.client.ServerProxy:
    return xmlrpc.client.ServerProxy("http://localhost", transport=_SocketTransport(control_socket(var)))
