"""One connection through a proxy: bytes carried both ways, and what each fault does to them; knows no protocol."""

import contextlib
import fcntl
import os
import select
import socket
import struct
import termios
import threading
import time
from pathlib import Path

from tests.faults.proxy_faults import Faults, Way

CONNECT_WITHIN = 5.0  # seconds, to the server behind
FLUSH_WITHIN = 1.0  # seconds without any progress of bytes that are to arrive before a reset
PIECE = 65_536  # bytes
Address = tuple[str, int] | Path
"""Where the server behind is: host and port, or the path of its Unix socket."""


class Link:
    """A client's connection and ours to the server behind it. `run` carries until both have ended or somebody ends it.

    Where a way is mute, its bytes are swallowed, and so is its end: the other side is never told. Such a link cannot
    be made good again, so healing ends it with a reset.
    """

    def __init__(self, faults: Faults, client: socket.socket, to: Address) -> None:
        self._faults = faults
        self._to = to
        self._client = client
        self._server: socket.socket | None = None
        self._mute: set[Way] = set()
        self._broken: set[Way] = set()  # ways whose receiver has gone
        self._finished: set[Way] = set()
        self._speaker: Way | None = None
        self._slices: dict[Way, tuple[int, float]] = {}
        self._cut: dict[Way, tuple[object, int]] = {}  # the fault that counts, and the bytes gone since
        self._lock = threading.RLock()
        self._over = False
        self._goodbye = "close"
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.closed = threading.Event()

    def run(self) -> None:
        """Carry bytes until it is over; then close both sides."""
        try:
            self._client.setblocking(False)
            if not (self.freeze("timeout") or self.freeze("half_open")) and not self._reach():
                self.end()
                return
            down = threading.Thread(target=self._pump, args=("down",), daemon=True)
            if self._server is not None:
                down.start()
            self._pump("up")
            if self._server is not None:
                down.join()
        finally:
            self._close()

    def end(self, goodbye: str = "reset") -> None:
        """End it from any thread; both sides see a `reset`, or an orderly `close`."""
        with self._lock:
            if self._over or self.closed.is_set():
                return
            self._goodbye = goodbye
            self._over = True
            os.eventfd_write(self._wake, 1)
        self._faults.wake()

    def freeze(self, verb: str) -> bool:
        """Let a fault of whole connections strike, `timeout` or `half_open`, if it is armed: both ways become mute."""
        with self._faults.lock:
            if self._mute or self.closed.is_set() or not self._faults.take(verb):
                return False
            self._mute.update(("up", "down"))
        if verb == "half_open" and self._server is not None:
            with contextlib.suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
        return True

    def mend(self) -> None:
        """End it if it has swallowed anything: what is missing would be a hole in the stream."""
        if self._mute:
            self.end()

    def arrived(self, way: Way, chunk: bytes) -> None:
        """Bytes have come."""
        self.carry(way, chunk)

    def rest(self, way: Way) -> None:
        """No more will come."""

    def carry(self, way: Way, piece: bytes) -> bool:
        """Take bytes to the other side, through whatever is armed; whether all of them went out."""
        if self._is_mute(way):
            return False
        self._begin_turn(way)
        room = self._room(way, len(piece))
        if room is None:
            return self._send(way, piece)
        fault = self._faults.take("cut_after", way)
        if fault is None:  # another connection had the last of it
            return self._send(way, piece)
        self._send(way, piece[:room])
        _flush(self._sink(way))
        self.end(fault.how)
        return False

    def is_over(self) -> bool:
        """Whether somebody has ended it."""
        return self._over

    def _is_mute(self, way: Way) -> bool:
        """Whether that way is swallowed; a silence strikes here."""
        with self._faults.lock:
            if way not in self._mute and self._faults.take("silence", way):
                self._mute.add(way)
            return way in self._mute

    def _begin_turn(self, way: Way) -> None:
        """A delay and a slicing strike once a turn: at the first bytes after the other side has spoken."""
        with self._lock:
            if self._speaker == way:
                return
            self._speaker = way
        self._slices.pop(way, None)
        if slow := self._faults.take("delay", way):
            self._faults.pause(self._faults.late(slow), self.is_over)
        if slicing := self._faults.take("slice", way):
            self._slices[way] = slicing.size, slicing.seconds

    def _room(self, way: Way, size: int) -> int | None:
        """How many of `size` bytes may still go before the cut; None if there is none, or not yet."""
        fault = self._faults.armed("cut_after", way)
        if fault is None:
            return None
        counted, gone = self._cut.get(way, (fault, 0))
        if counted is not fault:
            gone = 0
        self._cut[way] = fault, gone + size
        return fault.size - gone if gone + size > fault.size else None

    def _send(self, way: Way, piece: bytes) -> bool:
        size, pause = self._slices.get(way, (len(piece), 0.0))
        for start in range(0, len(piece), max(1, size)):
            if start:
                self._faults.pause(pause, self.is_over)
            if not self._send_all(way, memoryview(piece)[start : start + size]):
                return False
        return True

    def _send_all(self, way: Way, left: memoryview) -> bool:
        sink = self._sink(way)
        while left and way not in self._broken and self._await(sink, select.POLLOUT):
            try:
                left = left[sink.send(left) :]
            except BlockingIOError:
                continue
            except OSError:
                self._broken.add(way)
                self._end_if_lonely()  # else: what the other side still says goes on
        return not left

    def _pump(self, way: Way) -> None:
        source = self._sink("down" if way == "up" else "up")
        try:
            while self._await(source, select.POLLIN):
                try:
                    chunk = source.recv(PIECE)
                except BlockingIOError:
                    continue
                if not chunk:
                    self.rest(way)
                    self._say_end(way)
                    return
                self.arrived(way, chunk)
        except OSError:
            if not self._is_mute(way):
                self.end()
        finally:
            self._finish(way)

    def _say_end(self, way: Way) -> None:
        if not self._is_mute(way):
            with contextlib.suppress(OSError):
                self._sink(way).shutdown(socket.SHUT_WR)

    def _finish(self, way: Way) -> None:
        with self._lock:
            self._finished.add(way)
        self._end_if_lonely()

    def _end_if_lonely(self) -> None:
        """Tell a side that still speaks that nobody hears it and nobody will answer."""
        with self._lock:
            lonely = ("up" in self._broken and "down" in self._finished) or (
                "down" in self._broken and "up" in self._finished
            )
        if lonely:
            self.end()

    def _sink(self, way: Way) -> socket.socket:
        if way == "down":
            return self._client
        assert self._server is not None, "nobody is behind"
        return self._server

    def _await(self, sock: socket.socket, event: int) -> bool:
        """Wait until the socket can be read or written; False once it is over."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.register(sock, event)
        poll.poll()
        return not self._over

    def _reach(self) -> bool:
        """Connect to the server behind; whether it lets us."""
        try:
            server = _connected(self._to)
        except OSError:
            self._faults.count("upstream_refused")
            return False
        server.setblocking(False)
        with self._lock:
            self._server = server
        return True

    def _close(self) -> None:
        with self._lock:
            for sock in (self._client, self._server):
                if sock is not None:
                    (reset if self._over and self._goodbye == "reset" else _leave)(sock)
            os.close(self._wake)
            self.closed.set()


def _connected(to: Address) -> socket.socket:
    if isinstance(to, tuple):
        server = socket.create_connection(to, CONNECT_WITHIN)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(str(to))
    except OSError:
        server.close()
        raise
    return server


def _flush(sock: socket.socket) -> None:
    """Wait until the other side's machine has every byte: a reset right behind them would take them back."""
    waiting, since = 0, time.monotonic()
    with contextlib.suppress(OSError):
        while left := struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0]:
            if left != waiting:
                waiting, since = left, time.monotonic()
            if time.monotonic() - since > FLUSH_WITHIN:
                return
            time.sleep(0.001)


def reset(sock: socket.socket) -> None:
    """Close with a TCP reset instead of a goodbye."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _leave(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
    sock.close()
