"""Sends one message and waits for its answer, on a connection kept open; every send ends in one of three ways.

Knows bytes and acknowledgements; no destination, no lane, no database. In enhanced mode there are two answers: the
commit (CA: stored), then the application's (AA, AE, AR); a message is received when both have come.
"""

import contextlib
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from messaging.hl7.ack import answer as acknowledge
from messaging.hl7.ack import read_answer
from messaging.hl7.read import Message, Unreadable
from messaging.mllp import tls
from messaging.mllp.frames import Framer, Junk, TooLong, frame
from pasmirror.lib import crash
from pasmirror.lib.crash import Point

Phase = Literal["connect", "tls", "write", "wait", "reset", "wrong_id", "garbage", "application"]
LINGER = 0.2  # seconds to wait for the CR of a frame that ends in FS alone
STRAY = 8  # bytes outside a frame that are let pass; more is an answer without its frame
POSITIVE = ("AA", "CA")
T = TypeVar("T")
KEPT = 65536  # bytes of an answer that is none, for whoever looks into it


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
    """No answer that is ours: the peer may have taken the message, unless the phase is "connect" or "tls".

    `answer`: what it said instead, if anything; in the phase "application" that is its CA, if nothing came after it.
    """

    phase: Phase
    detail: str = ""
    answer: bytes | None = None

    @property
    def may_have_left(self) -> bool:
        """Whether any byte of the message may have reached the peer."""
        return self.phase not in ("connect", "tls")


Ending = Accepted | Refused | NoAnswer


class _Ended(Exception):
    def __init__(self, phase: Phase, detail: str = "", answer: bytes | None = None) -> None:
        super().__init__(phase)
        self.phase: Phase = phase
        self.detail = detail
        self.answer = answer


class Peer:
    """One peer's address and our connection to it; `timeout` seconds bound each whole send. One thread at a time.

    `application_timeout`: seconds from CA to the application's answer; None where one answer is all there is.
    """

    def __init__(
        self,
        host: str,
        port: int,
        timeout: float,
        *,
        limit: int = 1_048_576,
        secured: tls.ClientTls | None = None,
        application_timeout: float | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.timeout = timeout
        self.limit = limit
        self.secured = secured
        self.application_timeout = application_timeout
        self._socket: socket.socket | None = None

    def send(self, body: bytes, control_id: str) -> Ending:
        """Send a message; after NoAnswer the connection is closed, so that a late answer can match nothing."""
        return self._within(body, control_id, self._settled)

    def query(self, body: bytes, control_id: str) -> bytes | NoAnswer:
        """Send a question; give the answer whose MSA-2 is `control_id`, whatever its code."""
        return self._within(body, control_id, lambda _sock, _ears, raw, _id: raw)

    def close(self) -> None:
        """End the connection; the next send opens a new one."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def _within(
        self, body: bytes, control_id: str, then: Callable[[socket.socket, "_Ears", bytes, str], T]
    ) -> T | NoAnswer:
        deadline = time.monotonic() + self.timeout
        try:
            sock = self._connected(deadline)
            _write(sock, frame(body), deadline)
            crash.at(Point.SENDER_BYTES_SENT)
            ears = _Ears(sock, self.limit)
            raw = ears.next(deadline)
            _check(raw, control_id)
            found = then(sock, ears, raw, control_id)
        except _Ended as ended:
            self.close()
            return NoAnswer(ended.phase, ended.detail, ended.answer[:KEPT] if ended.answer else None)
        if ears.more:
            self.close()  # it says more than it was asked: nothing of that may meet the next send
        return found

    def _settled(self, sock: socket.socket, ears: "_Ears", raw: bytes, control_id: str) -> Accepted | Refused:
        """Make an ending of the first answer, and of the second where the first is only the commit."""
        said = read_answer(raw)
        if said.code == "CA" and self.application_timeout is not None:
            raw = _application(ears, raw, control_id, time.monotonic() + self.application_timeout)
            said = read_answer(raw)
            _commit(sock, raw, control_id, self.timeout)
        if said.code in POSITIVE:
            return Accepted(raw)
        return Refused(said.code, said.err, said.text, raw)

    def _connected(self, deadline: float) -> socket.socket:
        if self._socket is not None and _spoken_to(self._socket):
            self.close()  # gone, or holding an answer nobody asked for
        if self._socket is None:
            try:
                plain = socket.create_connection((self.host, self.port), _left(deadline, "connect"))
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            except OSError as error:
                raise _Ended("connect", type(error).__name__) from None
            self._socket = _secured(plain, self.secured, self.host, deadline) if self.secured else plain
        return self._socket


class _Ears:
    """What one connection says from one send to the next, message by message."""

    def __init__(self, sock: socket.socket, limit: int) -> None:
        self._sock = sock
        self._framer = Framer(limit)
        self._whole: deque[bytes | Junk | TooLong] = deque()

    @property
    def more(self) -> bool:
        """Whether something was said beyond what was asked for."""
        return bool(self._whole) or self._framer.begun

    def next(self, deadline: float) -> bytes:
        """Wait for the next whole message; raises _Ended."""
        while True:
            while self._whole:
                piece = self._whole.popleft()
                if isinstance(piece, bytes):
                    return piece
                if isinstance(piece, TooLong):
                    raise _Ended("garbage", "too long", piece.head)
                if piece.octets > STRAY:
                    raise _Ended("garbage", "unframed")
            self._whole.extend(_heard(self._sock, self._framer, _left(deadline, "wait")))


def _secured(plain: socket.socket, declared: tls.ClientTls, host: str, deadline: float) -> socket.socket:
    """Shake hands; nothing of the message has left before that is done and the peer is who it should be."""
    try:
        plain.settimeout(_left(deadline, "tls"))
        made = tls.client_context(declared).wrap_socket(plain, server_hostname=declared.name or host)
    except tls.TlsUnusable as error:
        plain.close()
        raise _Ended("tls", str(error)) from None
    except OSError as error:
        plain.close()
        told = getattr(error, "verify_message", "") or getattr(error, "reason", "") or type(error).__name__
        raise _Ended("tls", told) from None
    except _Ended:
        plain.close()
        raise
    if why := declared.why_not(tls.shown(made)[1]):
        made.close()
        raise _Ended("tls", why)
    return made


def _write(sock: socket.socket, octets: bytes, deadline: float) -> None:
    try:
        sock.settimeout(_left(deadline, "write"))
        sock.sendall(octets)
    except OSError as error:
        raise _Ended("write", type(error).__name__) from None


def _application(ears: _Ears, committed: bytes, control_id: str, deadline: float) -> bytes:
    """Wait for what the application says of a message that was committed to; a second commit is passed over."""
    try:
        while True:
            raw = ears.next(deadline)
            _check(raw, control_id)
            if read_answer(raw).code != "CA":
                return raw
    except _Ended as ended:
        raise _Ended("application", ended.detail or ended.phase, ended.answer or committed) from None


def _commit(sock: socket.socket, raw: bytes, control_id: str, timeout: float) -> None:
    """Commit to the application's answer where it asks for that (MSH-15); what we know does not hang on it."""
    message = Message.of(raw)
    if (message.get("MSH-15") or "") not in ("AL", "SU"):
        return
    octets = frame(acknowledge(message, "CA", control_id=f"{control_id}C"[-20:]))
    with contextlib.suppress(_Ended):
        _write(sock, octets, time.monotonic() + timeout)


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
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            return True
        return bool(select.select([sock], [], [], 0)[0])
    except (OSError, ValueError):
        return True


def _check(raw: bytes, control_id: str) -> None:
    try:
        said = read_answer(raw)
    except Unreadable as error:
        raise _Ended("garbage", error.reason, raw) from None
    if said.control_id != control_id:
        raise _Ended("wrong_id", "", raw)
