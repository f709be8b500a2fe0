"""Sends one message and waits for its answer, on a connection kept open; every send ends in one of three ways.

Knows bytes and acknowledgements; no destination, no lane, no database.
"""

import contextlib
import select
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Literal

from messaging.hl7.ack import read_answer
from messaging.hl7.read import Unreadable
from messaging.mllp.frames import Framer, Junk, TooLong, frame
from pasmirror.lib import crash
from pasmirror.lib.crash import Point

Phase = Literal["connect", "write", "wait", "reset", "wrong_id", "garbage"]
LINGER = 0.2  # seconds to wait for the CR of a frame that ends in FS alone
STRAY = 8  # bytes outside a frame that are let pass; more is an answer without its frame
POSITIVE = ("AA", "CA")


@dataclass(frozen=True, slots=True)
class Accepted:
    """AA or CA, with our MSH-10 in MSA-2."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """AE, AR, CE or CR, with our MSH-10 in MSA-2; `err` is a code of HL7 table 0357, or ""."""

    code: str
    err: str
    text: str
    answer: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer that is ours: the peer may have taken the message, unless the phase is "connect"."""

    phase: Phase
    detail: str = ""

    @property
    def may_have_left(self) -> bool:
        """Whether any byte may have reached the peer."""
        return self.phase != "connect"


Ending = Accepted | Refused | NoAnswer


class _Ended(Exception):
    def __init__(self, phase: Phase, detail: str = "") -> None:
        super().__init__(phase)
        self.phase: Phase = phase
        self.detail = detail


class Peer:
    """One peer's address and our connection to it; `timeout` seconds bound each whole send. One thread at a time."""

    def __init__(
        self, host: str, port: int, timeout: float, *, limit: int = 1_048_576, tls: ssl.SSLContext | None = None
    ) -> None:
        self.host = host
        self.port = port
        self.timeout = timeout
        self.limit = limit
        self.tls = tls
        self._socket: socket.socket | None = None

    def send(self, body: bytes, control_id: str) -> Ending:
        """Send a message; after NoAnswer the connection is closed, so that a late answer can match nothing."""
        answer = self.query(body, control_id)
        if isinstance(answer, NoAnswer):
            return answer
        said = read_answer(answer)
        if said.code in POSITIVE:
            return Accepted(answer)
        return Refused(said.code, said.err, said.text, answer)

    def query(self, body: bytes, control_id: str) -> bytes | NoAnswer:
        """Send a question; give the answer whose MSA-2 is `control_id`, whatever its code."""
        deadline = time.monotonic() + self.timeout
        try:
            sock = self._connected(deadline)
            self._write(sock, frame(body), deadline)
            crash.at(Point.SENDER_BYTES_SENT)
            raw = self._read(sock, deadline)
            _check(raw, control_id)
        except _Ended as ended:
            self.close()
            return NoAnswer(ended.phase, ended.detail)
        return raw

    def close(self) -> None:
        """End the connection; the next send opens a new one."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _connected(self, deadline: float) -> socket.socket:
        if self._socket is not None and _spoken_to(self._socket):
            self.close()  # gone, or holding an answer nobody asked for
        if self._socket is None:
            try:
                plain = socket.create_connection((self.host, self.port), _left(deadline, "connect"))
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self._socket = self.tls.wrap_socket(plain, server_hostname=self.host) if self.tls else plain
            except OSError as error:
                raise _Ended("connect", type(error).__name__) from None
        return self._socket

    @staticmethod
    def _write(sock: socket.socket, octets: bytes, deadline: float) -> None:
        try:
            sock.settimeout(_left(deadline, "write"))
            sock.sendall(octets)
        except OSError as error:
            raise _Ended("write", type(error).__name__) from None

    def _read(self, sock: socket.socket, deadline: float) -> bytes:
        framer = Framer(self.limit)
        while True:
            pieces = _heard(sock, framer, _left(deadline, "wait"))
            for place, piece in enumerate(pieces, start=1):
                if isinstance(piece, bytes):
                    if len(pieces) > place or framer.begun:
                        self.close()  # it says more than it was asked: nothing of that may meet the next send
                    return piece
                if isinstance(piece, TooLong) or piece.octets > STRAY:
                    raise _Ended("garbage", "too long" if isinstance(piece, TooLong) else "unframed")


def _heard(sock: socket.socket, framer: Framer, left: float) -> list[bytes | Junk | TooLong]:
    """Wait for the next bytes, at most `left` seconds, and give what is now whole."""
    try:
        sock.settimeout(min(left, LINGER) if framer.pending else left)
        octets = sock.recv(65536)
    except TimeoutError:
        return framer.flush()
    except OSError as error:
        raise _Ended("reset", type(error).__name__) from None
    if octets:
        return framer.feed(octets)
    pieces = framer.flush()
    if not pieces:
        raise _Ended("reset", "closed")
    return pieces


def _left(deadline: float, phase: Phase) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise _Ended(phase, "timeout")
    return left


def _spoken_to(sock: socket.socket) -> bool:
    """Whether something can be read where nothing was asked: an end, a fault, or a late answer."""
    try:
        return bool(select.select([sock], [], [], 0)[0])
    except (OSError, ValueError):
        return True


def _check(raw: bytes, control_id: str) -> None:
    try:
        said = read_answer(raw)
    except Unreadable as error:
        raise _Ended("garbage", error.reason) from None
    if said.control_id != control_id:
        raise _Ended("wrong_id")
