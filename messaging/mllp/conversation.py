"""One peer's connection: frames cut out of what it sends, handed on, and answered in their order. Stores nothing.

Nothing more is read while frames of this connection are being stored, or while the peer does not take its answers: so a
connection holds at most one read and one begun frame. What takes too long is looked for by the listener (`overdue`).
"""

import asyncio
import itertools
import time
from collections.abc import Sequence
from typing import Any, Protocol, cast

import structlog

from messaging.hl7.habits import FeedPolicy
from messaging.mllp import tls
from messaging.mllp.frames import Framer, Junk, TooLong, frame
from messaging.services.arrivals import Frame
from pasmirror.lib import crash
from pasmirror.lib.crash import Point

log = structlog.get_logger()
LINGER = 0.2  # seconds to wait for the CR of a frame that ends in FS alone
DRAIN = 5.0  # seconds that a peer we have refused may go on sending, so that it can read why
_numbers = itertools.count(1)


class House(Protocol):
    """What a conversation needs of the listener it belongs to."""

    policy: FeedPolicy
    junk: int
    turned_away: int

    def submit(self, arrived: Frame, by: "Conversation") -> None:
        """Have a frame stored; `by` is told its answer."""

    def weigh(self, by: "Conversation") -> None:
        """Count the memory `by` holds."""

    def entered(self, who: "Conversation") -> str | None:
        """Take note of a new connection; gives why it may not stay."""

    def left(self, who: "Conversation") -> None:
        """Forget a connection."""


class Conversation(asyncio.Protocol):
    """The protocol of one connection from `peer`."""

    def __init__(self, house: House, peer: str) -> None:
        self.house = house
        self.peer = peer
        self.number = next(_numbers)  # of all this process has had
        self.framer = Framer(house.policy.frame_limit)
        self.heard = time.monotonic()  # when the last whole frame came, or the connection
        self.begun_at = 0.0  # when the frame under way began, or could be read on
        self.waiting = 0  # frames whose answer is outstanding
        self.transport: asyncio.Transport | None = None
        self._paused = False  # nothing is read for now
        self._clogged_at = 0.0  # since when the peer does not take its answers
        self._ending_at = 0.0  # since when nothing more is taken
        self._linger: asyncio.TimerHandle | None = None

    @property
    def ending(self) -> bool:
        """Whether nothing more is taken: it is closed once its answers are out."""
        return bool(self._ending_at)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if its certificate will do."""
        self.transport = cast(asyncio.Transport, transport)
        if why := self.house.entered(self) or self.why_not():
            self.house.turned_away += 1
            log.warning("listen.turned_away", peer=self.peer, why=why)
            self.transport.abort()

    def why_not(self) -> str | None:
        """Say why its peer may not speak here, by what is declared now; None if it may."""
        declared, spoken = self.house.policy.tls, self._extra("ssl_object")
        if (why := self.house.policy.why_not_peer(self.peer)) or declared is None:
            return why
        if spoken is None:
            return "it does not speak TLS"
        names, fingerprint = tls.shown(spoken)
        return declared.why_not(names, fingerprint)

    def _extra(self, name: str) -> Any:
        return self.transport.get_extra_info(name) if self.transport else None

    def data_received(self, octets: bytes) -> None:
        """Cut frames out of what came."""
        if self._ending_at or self.transport is None or self.transport.is_closing():
            return
        under_way = self.framer.begun
        pieces = self.framer.feed(octets)
        self._take(pieces)
        if pieces or not under_way:
            self.begun_at = time.monotonic()
        if self._linger:
            self._linger.cancel()
            self._linger = None
        if self.framer.pending:
            self._linger = asyncio.get_running_loop().call_later(LINGER, self.flush)

    def eof_received(self) -> bool:
        """Take what is whole; stay half open while answers are outstanding."""
        self.flush()
        self._ending_at = time.monotonic()
        return bool(self.waiting) and self._extra("ssl_object") is None

    def flush(self) -> None:
        """Take an FS at the end of what is held as the frame's end."""
        if not self._ending_at:
            self._take(self.framer.flush())

    def _take(self, pieces: Sequence[bytes | Junk | TooLong]) -> None:
        for piece in pieces:
            if isinstance(piece, Junk):
                self.house.junk += piece.octets
                if piece.octets > 1:
                    log.info("listen.junk", peer=self.peer, octets=piece.octets, torn=piece.torn)
                continue
            arrived = self._frame(piece) if isinstance(piece, bytes) else self._too_long(piece)
            self.heard = time.monotonic()
            self.waiting += 1
            self.house.submit(arrived, self)
        self._flow()
        self.house.weigh(self)

    def _too_long(self, piece: TooLong) -> Frame:
        """Nothing behind it can be read: the answer is the last thing said."""
        self._ending_at = time.monotonic()
        limit = self.house.policy.frame_limit
        return self._frame(piece.head, f"Longer than {limit} bytes: only its beginning is kept")

    def _frame(self, raw: bytes, fault: str = "") -> Frame:
        return Frame(self.peer, raw, fault, self.number)

    def answered(self, answers: Sequence[bytes | None]) -> None:
        """Say the answers to the next frames; None for one that was not stored: then end."""
        self.waiting -= len(answers)
        said = list(answers)
        failed = None in said
        told = [answer for answer in said[: said.index(None) if failed else None] if answer is not None]
        if self.transport and not self.transport.is_closing():
            self.transport.write(b"".join(map(frame, told)))
            crash.at(Point.INTAKE_ANSWERED)
            if failed:
                log.warning("listen.ended", peer=self.peer, fault="NotStored")
                self.waiting, self._ending_at = 0, time.monotonic()
                self.transport.close()
            else:
                self._flow()

    def _flow(self) -> None:
        """Read on, or not; end where nothing more is outstanding."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._ending_at:
            if not self.waiting:
                self._part()
        elif self.waiting or self._clogged_at:
            self._paused = True
            self.transport.pause_reading()
        elif self._paused:
            self._paused = False
            self.begun_at = time.monotonic()
            self.transport.resume_reading()

    def _part(self) -> None:
        """Say goodbye; what a refused peer is still sending is thrown away meanwhile, so that it can read why."""
        assert self.transport is not None  # noqa: S101 - for the types
        try:
            if self.framer.refused and self.transport.can_write_eof():
                self.transport.resume_reading()
                self.transport.write_eof()
                return
        except OSError:  # it has hung up on what we told it
            pass
        self.transport.close()

    def stop(self) -> None:
        """Take what is whole, answer it, and end."""
        self.flush()
        if not self._ending_at:
            self._ending_at = time.monotonic()
        self._flow()

    def overdue(self, now: float) -> str | None:
        """Say why it should be cut off, if it should."""
        policy = self.house.policy
        if self._ending_at:
            return "it goes on sending" if not self.waiting and now - self._ending_at > DRAIN else None
        if self._clogged_at and now - self._clogged_at > policy.frame_seconds:
            return "it does not take its answers"
        if self.waiting or self._clogged_at:
            return None  # it is we who do not read on
        if self.framer.begun and not self.framer.pending and now - self.begun_at > policy.frame_seconds:
            return "its frame is not whole in time"
        if policy.idle_seconds and now - self.heard > policy.idle_seconds:
            return "it brought nothing for too long"
        return None

    def cut(self, why: str) -> None:
        """End it at once."""
        log.warning("listen.cut", peer=self.peer, why=why)
        if self.transport:
            self.transport.abort()

    def pause_writing(self) -> None:
        """The peer does not take its answers: nothing more is read from it."""
        self._clogged_at = time.monotonic()
        self._flow()

    def resume_writing(self) -> None:
        """It does again."""
        self._clogged_at = 0.0
        self._flow()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; what it had brought whole is stored all the same."""
        if exc is not None:
            log.warning("listen.ended", peer=self.peer, fault=type(exc).__name__)
        if self._linger:
            self._linger.cancel()
        self.framer.drop()
        self.house.left(self)
