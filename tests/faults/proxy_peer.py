"""Who speaks through a proxy in its own tests: a server that answers lines, and a client's few moves."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.proxy import HOST, Proxy


class Talk(socketserver.StreamRequestHandler):
    """Answers each line with the same line behind `did `, and notes lines and ends."""

    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Peer)
        try:
            for line in self.rfile:
                server.lines.append(line)
                self.wfile.write(b"did " + line)
        except OSError:
            server.ends.append("reset")
        else:
            server.ends.append("eof")


class Peer(socketserver.ThreadingTCPServer):
    """The server behind."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), Talk)
        self.lines: list[bytes] = []
        self.ends: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


@contextmanager
def client(proxy: Proxy, *, patience: float = 10.0) -> Iterator[socket.socket]:
    with socket.create_connection((HOST, proxy.port), patience) as sock:
        yield sock


def says(sock: socket.socket, line: bytes) -> bytes:
    """One line there, one back; what came before the end where there is none."""
    sock.sendall(line + b"\n")
    return hears(sock)


def hears(sock: socket.socket) -> bytes:
    got = b""
    while not got.endswith(b"\n") and (chunk := sock.recv(4096)):
        got += chunk
    return got


def exactly(sock: socket.socket, n_bytes: int) -> bytes:
    """So many bytes; ConnectionError if they do not all come."""
    got = b""
    while len(got) < n_bytes:
        got += sock.recv(n_bytes - len(got))
    return got


def is_silent(sock: socket.socket, seconds: float = 0.3) -> bool:
    """Whether nothing comes for so long: neither bytes nor an end."""
    sock.settimeout(seconds)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(10)
    return False


def is_refused(sock: socket.socket, line: bytes) -> bool:
    try:
        sock.sendall(line)
    except ConnectionError:
        return True
    return False
