"""The feed's door: takes MLLP frames, has them stored, and only then answers. Knows sockets and limits, no table.

Frames of all connections that arrive while a commit is under way go into the next one (group commit); they are
stored by one worker thread. If they cannot be stored, nothing is answered and the connection ends: never a false AA.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import structlog

from messaging.hl7.habits import FeedPolicy
from messaging.mllp.frames import Framer, Junk, TooLong, frame
from messaging.services.intake import Frame
from pasmirror.lib import crash
from pasmirror.lib.crash import Point

log = structlog.get_logger()
Store = Callable[[FeedPolicy, Sequence[Frame]], Sequence[bytes | None]]
BATCH = 500  # frames in one commit at most
LINGER = 0.2  # seconds to wait for the CR of a frame that ends in FS alone
LAST_LOOK = 0.05  # seconds a stopping listener looks for bytes that have come already
PATIENCE = 5.0  # seconds a stopping listener gives its connections to take their answers


class NotStored(Exception):
    """The frames could not be stored, so they get no answer."""


class Listener:
    """One feed's door on `host`:`port` (0: any free one).

    `store` gets frames in order and gives their answers, None for one it could not store; it may raise anything.
    """

    def __init__(
        self, policy: FeedPolicy, store: Store, *, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self.policy = policy
        self.host = host
        self.port = port
        self.tls = tls
        self.worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")
        self.frames = self.batches = self.junk = self.turned_away = 0
        self._store = store
        self._waiting: list[tuple[Frame, asyncio.Future[bytes]]] = []
        self._arrived = asyncio.Event()
        self._stopping = False
        self._heard: dict[asyncio.Task[None], float] = {}
        self._inlets: set[tuple[asyncio.StreamReader, asyncio.Transport]] = set()
        self._server: asyncio.Server | None = None
        self._committer: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; raises OSError when the port is in use."""
        self._server = await asyncio.start_server(self._talk, self.host, self.port, ssl=self.tls, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]
        self._committer = asyncio.create_task(self._commit_forever())
        log.info("listen.open", channel=self.policy.channel, port=self.port)

    async def stop(self) -> None:
        """Accept nothing more, store and answer what is whole, and end."""
        self._stopping = True
        if self._server:
            self._server.close()
        if self._heard:
            await asyncio.sleep(LAST_LOOK)  # what has come already is still taken
            for reader, transport in self._inlets:
                transport.pause_reading()
                reader.feed_eof()
            await asyncio.wait(list(self._heard), timeout=PATIENCE)
        for task in list(self._heard):
            task.cancel()
        if self._committer:
            self._committer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._committer
        self.worker.shutdown(wait=True)
        log.info("listen.closed", channel=self.policy.channel, frames=self.frames)

    def sentence(self) -> str:
        """Say what it is doing, for the heartbeat."""
        return (
            f"{self.policy.channel} on port {self.port}: {len(self._heard)} connections, {self.frames} messages in "
            f"{self.batches} commits, {self.turned_away} connections turned away."
        )

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("unknown",))[0])
        task = asyncio.current_task()
        inlet = (reader, cast(asyncio.Transport, writer.transport))
        try:
            if task and self._admitted(peer):
                self._heard[task] = time.monotonic()
                self._inlets.add(inlet)
                _keep_alive(writer)
                await self._converse(peer, reader, writer, task)
        except (OSError, asyncio.IncompleteReadError, NotStored) as fault:
            log.warning("listen.ended", peer=peer, fault=type(fault).__name__)
        except asyncio.CancelledError:
            log.warning("listen.cut", peer=peer)
        finally:
            if task:
                self._heard.pop(task, None)
            self._inlets.discard(inlet)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    def _admitted(self, peer: str) -> bool:
        why = "it is stopping" if self._stopping else self.policy.why_not_peer(peer)
        if not why and len(self._heard) >= self.policy.connections:
            task, heard = min(self._heard.items(), key=lambda each: each[1])
            if time.monotonic() - heard > self.policy.frame_seconds:
                task.cancel()  # silent for longest: most likely a connection its peer has forgotten
            else:
                why = "there are too many connections"
        if why:
            self.turned_away += 1
            log.warning("listen.turned_away", peer=peer, why=why)
        return not why

    async def _converse(
        self, peer: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> None:
        framer = Framer(self.policy.frame_limit)
        begun_at = 0.0  # when the frame under way began
        while True:
            wait = self.policy.frame_seconds - (time.monotonic() - begun_at) if framer.begun else None
            octets = await _next(reader, LINGER if framer.pending else wait)
            if octets == b"":
                await self._settle(peer, framer.flush(), writer)
                return
            under_way = framer.begun
            pieces = framer.feed(octets) if octets else framer.flush()
            if octets is None and not pieces:
                log.warning("listen.frame_too_slow", peer=peer)
                return
            self._heard[task] = time.monotonic()
            if not await self._settle(peer, pieces, writer):
                return
            if pieces or not under_way:
                begun_at = time.monotonic()

    async def _settle(self, peer: str, pieces: Sequence[bytes | Junk | TooLong], writer: asyncio.StreamWriter) -> bool:
        """Have frames stored, and answer them in their order; False where nothing more can be read."""
        futures = []
        readable = True
        for piece in pieces:
            if isinstance(piece, Junk):
                self.junk += piece.octets
                if piece.octets > 1:
                    log.info("listen.junk", peer=peer, octets=piece.octets, torn=piece.torn)
                continue
            if isinstance(piece, TooLong):
                readable = False
                reason = f"Longer than {self.policy.frame_limit} bytes: only its beginning is kept"
                futures.append(self._submit(Frame(peer, piece.head, reason)))
            else:
                futures.append(self._submit(Frame(peer, piece)))
        for answer in await asyncio.gather(*futures):
            writer.write(frame(answer))
        if futures:
            await writer.drain()
            crash.at(Point.INTAKE_ANSWERED)
        return readable

    def _submit(self, arrived: Frame) -> asyncio.Future[bytes]:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrived, future))
        self._arrived.set()
        return future

    async def _commit_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            if not self._waiting:
                self._arrived.clear()
            try:
                answers = await loop.run_in_executor(
                    self.worker, self._store, self.policy, [arrived for arrived, _ in batch]
                )
            except Exception as fault:  # noqa: BLE001 - whatever it is: not stored, so not answered
                log.error("listen.not_stored", frames=len(batch), fault=type(fault).__name__)
                answers = [None] * len(batch)
            for answer, (_, future) in zip(answers, batch, strict=True):
                if future.done():
                    continue
                if answer is None:
                    future.set_exception(NotStored())
                else:
                    future.set_result(answer)
                    self.frames += 1
            self.batches += 1


async def _next(reader: asyncio.StreamReader, wait: float | None) -> bytes | None:
    """Give the next bytes: b"" at the end or when stopping, None when nothing came in `wait` seconds."""
    if wait is None:
        return await reader.read(65536)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(wait, 0.001)):
            return await reader.read(65536)
    return None


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Have the kernel find out within two minutes that a silent peer is gone."""
    sock = writer.get_extra_info("socket")
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 20), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
