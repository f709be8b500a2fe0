"""Peers that play a script on each connection, over plain TCP or TLS, and messages and answers for them."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from messaging.hl7 import ack
from messaging.hl7.read import Message
from messaging.mllp.sender import Peer

BODY = "MSH|^~\\&|MIRROR|RXX|ROUTE||20260701120000||ADT^A28^ADT_A05|{id}|P|2.4\rPID|1||P{id}^^^RXX^MR||SMITH\r"
Talk = Callable[[socket.socket], object]


def body(control_id: str) -> bytes:
    return BODY.format(id=control_id).encode()


def yes(control_id: str, code: str = "AA") -> bytes:
    return b"\x0b" + ack.answer(Message.of(body(control_id)), code, "why", control_id="A1") + b"\x1c\r"


class Scripted:
    """A peer whose every connection plays the next script."""

    def __init__(self, *scripts: Talk, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.connections = 0
        self._scripts = scripts
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            with sock:
                sock.settimeout(10)
                with contextlib.suppress(OSError):
                    if self.tls is None:
                        script(sock)
                        continue
                    with self.tls.wrap_socket(sock, server_side=True) as spoken:
                        script(spoken)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for a connection
        self.server.close()
        self._thread.join(5)


def heard(sock: socket.socket) -> None:
    held = b""
    while not held.endswith(b"\x1c\r"):
        octets = sock.recv(65536)
        if not octets:
            raise OSError
        held += octets


def says(*answers: bytes) -> Talk:
    def talk(sock: socket.socket) -> None:
        for answer in answers:
            heard(sock)
            sock.sendall(answer)
        sock.recv(1)

    return talk


@pytest.fixture
def peers() -> Iterator[Callable[..., tuple[Scripted, Peer]]]:
    """Make a scripted peer and our line to it; both are closed with the test."""
    made: list[tuple[Scripted, Peer]] = []

    def make(
        *scripts: Talk, timeout: float = 5.0, tls: ssl.SSLContext | None = None, **line: object
    ) -> tuple[Scripted, Peer]:
        scripted = Scripted(*scripts, tls=tls)
        made.append((scripted, Peer("127.0.0.1", scripted.port, timeout, **line)))
        return made[-1]

    yield make
    for scripted, peer in made:
        peer.close()
        scripted.close()
