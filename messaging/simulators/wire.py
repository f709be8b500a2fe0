"""MLLP framing, a threaded TCP listener and a client for the simulators; knows bytes, not what a message says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable

START = b"\x0b"
END = b"\x1c\r"
LIMIT = 16 * 1024 * 1024
HANDSHAKE = 5.0  # seconds
LAST_WORDS = 2.0  # seconds in which a talk that is cut may end


class FrameTooLong(ValueError):
    """A frame grew beyond the limit without an end."""


class NoAnswer(OSError):
    """The peer closed or stayed silent before a whole answer came."""


def wrap(raw: bytes) -> bytes:
    """One message as an MLLP frame."""
    return START + raw + END


class Frames:
    """Cuts a stream into messages, whatever the packets; bytes before a start byte are counted and dropped."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.junk = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add received bytes, return the messages that are now whole, in order; raises FrameTooLong."""
        self._held += chunk
        whole: list[bytes] = []
        while True:
            start = self._held.find(START)
            if start < 0:
                self.junk += len(self._held)
                self._held.clear()
                return whole
            self.junk += start
            del self._held[:start]
            end = self._held.find(END)
            if end < 0:
                if len(self._held) > LIMIT:
                    raise FrameTooLong
                return whole
            whole.append(bytes(self._held[1:end]))
            del self._held[: end + len(END)]


def reset(sock: socket.socket) -> None:
    """Close with a TCP reset instead of a goodbye."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Listener:
    """One thread a connection; can stop and start listening again on the same port (0: any free one, then kept)."""

    def __init__(
        self,
        talk: Callable[[socket.socket], None],
        *,
        port: int,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._talk = talk
        self.tls = tls
        self.host = host
        self.port = port
        self._socket: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._talking: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Listen; does nothing if it already does; raises OSError when the port is in use."""
        with self._lock:
            if self._socket is not None:
                return
            listening = socket.create_server((self.host, self.port), backlog=128)
            self.port = listening.getsockname()[1]
            self._socket = listening
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening, end every open connection, and give what is being said on them a moment to end."""
        with self._lock:
            listening, self._socket = self._socket, None
            still_open = list(self._open)
        for sock in ([listening] if listening else []) + still_open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if listening:
            listening.close()
        until = time.monotonic() + LAST_WORDS
        with self._lock:
            talking = self._talking - {threading.current_thread()}
        for thread in talking:
            thread.join(max(0.0, until - time.monotonic()))

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            with self._lock:
                if self._socket is not listening:
                    sock.close()
                    return
                self._open.add(sock)
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                self._talking.add(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError, FrameTooLong):
                if self.tls is None:
                    self._talk(sock)
                    return
                sock.settimeout(HANDSHAKE)
                with self.tls.wrap_socket(sock.dup(), server_side=True) as spoken:
                    spoken.settimeout(None)
                    self._talk(spoken)
        finally:
            with self._lock:
                self._open.discard(sock)
                self._talking.discard(threading.current_thread())
            sock.close()


class Client:
    """A persistent MLLP connection that sends one message at a time and waits for one answer (timeout in seconds)."""

    def __init__(self, host: str, port: int, *, timeout: float = 5.0) -> None:
        self.host = host
        self.port = port
        self.timeout = timeout
        self._socket: socket.socket | None = None

    def send(self, raw: bytes) -> bytes:
        """Send a message, return the answer; raises OSError (NoAnswer among them) and is then closed."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection((self.host, self.port), self.timeout)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(wrap(raw))
            return self._answer(self._socket)
        except OSError:
            self.close()
            raise

    def _answer(self, sock: socket.socket) -> bytes:
        frames = Frames()
        while chunk := sock.recv(65536):
            if whole := frames.feed(chunk):
                return whole[0]
        raise NoAnswer("closed without an answer")

    def close(self) -> None:
        """End the connection; the next send opens a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT` as a pair; raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"not HOST:PORT: {text}")
    return host or "127.0.0.1", int(port)
