"""The real `manage.py listen` on this test's database, and a hand-written peer that talks to it."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from django.db import connection

from messaging.models import Channel
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parent.parent
VT, END = b"\x0b", b"\x1c\r"


def database_url() -> str:
    """The address of this test's database, for another process."""
    stood = connection.settings_dict
    query = f"?host={quote(str(stood['HOST']), safe='')}" + (f"&port={stood['PORT']}" if stood["PORT"] else "")
    password = f":{quote(str(stood['PASSWORD']), safe='')}" if stood["PASSWORD"] else ""
    return f"postgresql://{stood['USER']}{password}@/{stood['NAME']}{query}"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Listening:
    """One `manage.py listen`; `policy` is the feed's, as the site file would declare it.

    `beside` another: the second process of the same declaration, on the port of its environment or a shared one.
    """

    def __init__(
        self,
        log: Path,
        *words: str,
        beside: "Listening | None" = None,
        port_from_environment: bool = False,
        **policy: Any,
    ) -> None:
        self.log = log
        self.words = words
        self.port_from_environment = beside.port_from_environment if beside else port_from_environment
        self.port = beside.port if beside and not self.port_from_environment else free_port()
        if beside is None:
            port = {} if self.port_from_environment else {"port": self.port}
            Channel.objects.update_or_create(code="pas", defaults={"policy": {**port, **policy}})
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        opened = self.said().count('"listen.open"')
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "listen", *self.words],
                cwd=ROOT,
                env={
                    **os.environ,
                    "DATABASE_URL": database_url(),
                    "PASMIRROR_ROLE": "listen",
                    "PASMIRROR_MLLP_PORT": str(self.port),
                    "PASMIRROR_DB_POOL": "4",
                    "PASMIRROR_LOG_LEVEL": "INFO",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self._is_open(opened), within=60, why="it does not listen")
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def _is_open(self, opened: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said()
        return self.said().count('"listen.open"') > opened

    def end(self) -> int:
        """Ask it to end; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def said(self) -> str:
        """What it has logged."""
        return self.log.read_text() if self.log.exists() else ""


class HandWritten:
    """A peer on a bare socket, written without any library of ours."""

    def __init__(
        self, port: int, *, timeout: float = 10.0, tls: ssl.SSLContext | None = None, source: str = "127.0.0.1"
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.held = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def write(self, *pieces: bytes) -> None:
        """Send pieces, each in a packet of its own as far as that can be had."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            self.socket.sendall(piece)

    def answer(self) -> bytes:
        """The next framed answer's body; b"" if the connection ended before it."""
        while END not in self.held:
            try:
                octets = self.socket.recv(65536)
            except ConnectionResetError:
                return b""
            if not octets:
                return b""
            self.held += octets
        body, self.held = self.held.split(END, 1)
        assert body[:1] == VT
        return body[1:]

    def ask(self, raw: bytes) -> bytes:
        """Send one message, give its answer."""
        self.write(VT + raw + END)
        return self.answer()


def msa(answer: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-2 of an answer, by hand."""
    for line in answer.split(b"\r"):
        if line.startswith(b"MSA"):
            code, control_id = [*line.split(line[3:4]), b"", b""][1:3]
            return code.decode(), control_id.decode("latin-1")
    return "", ""
