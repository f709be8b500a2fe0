"""The feed's door: lets peers in, has their frames stored, and only then answers. Knows sockets and limits, no table.

Frames of all connections that arrive while a commit is under way go into the next one (group commit); they are
stored by one worker thread. If they cannot be stored, nothing is answered and the connection ends: never a false AA.
"""

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from messaging.hl7.habits import FeedPolicy
from messaging.mllp import ports
from messaging.mllp.conversation import Conversation
from messaging.mllp.gathering import Gathering
from messaging.services.arrivals import Frame

log = structlog.get_logger()
Store = Callable[[FeedPolicy, Sequence[Frame]], Sequence[bytes | None]]
BATCH = 500  # frames in one commit at most
BATCH_OCTETS = 8_388_608  # and bytes, unless the first frame alone has more
LAST_LOOK = 0.05  # seconds a stopping listener looks for bytes that have come already
PATIENCE = 5.0  # seconds a stopping listener gives its connections to take their answers
HANDSHAKE = 10.0  # seconds a TLS handshake may take
BREATH = 0.1  # seconds until the next try where no connection can be accepted
WATCH_EVERY = 0.25  # seconds between looks for what takes too long


class Listener:
    """One feed's door on `host`:`port` (0: any free one).

    `store` gets frames in order and gives their answers, None for one it could not store; it may raise anything.
    `shared`: other processes may listen on the same port, and the kernel deals connections out.
    `at_end` is called once, on the thread that called `store`.
    """

    def __init__(
        self,
        policy: FeedPolicy,
        store: Store,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        shared: bool = False,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        self.policy = policy
        self.host = host
        self.port = port
        self.tls = tls
        self.shared = shared
        self.worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")
        self.failed: asyncio.Future[BaseException]  # done once it stands still for good, and the process should end
        self.frames = self.batches = self.junk = self.turned_away = 0
        self._store = store
        self._at_end = at_end
        self._waiting: deque[tuple[Frame, Conversation]] = deque()
        self._gathering = Gathering()
        self._stopping = False
        self._entering: dict[asyncio.Task[object], str] = {}  # peers whose handshake is under way
        self._inside: dict[Conversation, int] = {}  # with the bytes of the frame it has begun
        self._octets = 0  # of all frames, begun or waiting to be stored
        self._sockets: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen; raises OSError when the port is in use."""
        self._sockets = ports.listening(self.host, self.port, shared=self.shared)
        self.port = self._sockets[0].getsockname()[1]
        self.failed = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(self._accept_forever(each)) for each in self._sockets]
        self._tasks += [asyncio.create_task(self._commit_forever()), asyncio.create_task(self._watch_forever())]
        for task in self._tasks:
            task.add_done_callback(self._task_ended)
        log.info("listen.open", channel=self.policy.channel, port=self.port, tls=self.tls is not None)

    async def stop(self) -> None:
        """Accept nothing more, store and answer what is whole, and end."""
        self._stopping = True
        for task in self._tasks[: len(self._sockets)]:
            task.cancel()
        for sock in self._sockets:
            sock.close()
        if self._inside:
            await asyncio.sleep(LAST_LOOK)  # what has come already is still taken
        deadline = time.monotonic() + PATIENCE
        for who in list(self._inside):
            who.stop()
        while self._inside and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        for who in list(self._inside):
            who.cut("it does not take its last answers")
        unfinished: list[asyncio.Future[Any]] = [*self._entering, *self._tasks]
        for each in unfinished:
            each.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        if self._at_end:
            await asyncio.get_running_loop().run_in_executor(self.worker, self._at_end)
        self.worker.shutdown(wait=True)
        log.info("listen.closed", channel=self.policy.channel, frames=self.frames)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self.failed.done() and (fault := task.exception()):
            log.error("listen.failed", channel=self.policy.channel, fault=type(fault).__name__)
            self.failed.set_result(fault)

    def adopt(self, policy: FeedPolicy) -> None:
        """Go by a changed policy; whoever it would not let in is cut off."""
        self.policy = policy
        for who in list(self._inside):
            if why := who.why_not():
                who.cut(f"the declaration has changed: {why}")

    def cut_all(self, why: str) -> None:
        """End every connection, those whose handshake is under way too."""
        for task in self._entering:
            task.cancel()
        for who in list(self._inside):
            who.cut(why)

    def sentence(self) -> str:
        """Say what it is doing, for the heartbeat."""
        return (
            f"{self.policy.channel} on port {self.port}: {len(self._inside)} connections, {self.frames} messages in "
            f"{self.batches} commits, {self.turned_away} connections turned away."
        )

    async def _accept_forever(self, door: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(door)
            except OSError as fault:  # out of file descriptors, most likely
                log.warning("listen.cannot_accept", fault=fault.strerror or type(fault).__name__)
                self._make_room(None)
                await asyncio.sleep(BREATH)
                continue
            if why := self._why_not(str(address[0])):
                self._turn_away(sock, str(address[0]), why)
                continue
            task: asyncio.Task[object] = asyncio.create_task(self._let_in(sock, str(address[0])))
            self._entering[task] = str(address[0])
            task.add_done_callback(self._entered)

    def _entered(self, task: asyncio.Task[object]) -> None:
        self._entering.pop(task, None)
        if not task.cancelled() and (fault := task.exception()):
            log.warning("listen.no_handshake", fault=type(fault).__name__, why=getattr(fault, "reason", None))

    async def _let_in(self, sock: socket.socket, peer: str) -> None:
        ports.keep_alive(sock)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Conversation(self, peer),
                sock,
                ssl=self.tls,
                ssl_handshake_timeout=min(HANDSHAKE, self.policy.frame_seconds) if self.tls else None,
            )
        except BaseException:
            sock.close()
            raise

    def _why_not(self, peer: str) -> str | None:
        """Say why a peer is not let in, before anything it sends is looked at."""
        if self._stopping:
            return "it is stopping"
        if self._octets > self.policy.memory_limit:
            return "too much is waiting to be stored"
        if why := self.policy.why_not_peer(peer):
            return why
        own = sum(who.peer == peer for who in self._inside) + sum(each == peer for each in self._entering.values())
        if own >= self.policy.peer_connections and not self._make_room(peer):
            return "it has too many connections"
        if len(self._inside) + len(self._entering) >= self.policy.connections and not self._make_room(None):
            return "there are too many connections"
        return None

    def _make_room(self, peer: str | None) -> bool:
        """Cut the connection (of `peer`, if given) silent for longest: its peer has forgotten it, most likely."""
        candidates = [who for who in self._inside if peer in (None, who.peer) and not who.waiting]
        longest = min(candidates, key=lambda who: who.heard, default=None)
        if longest is None or time.monotonic() - longest.heard <= self.policy.frame_seconds:
            return False
        longest.cut("it was silent for longest, and room is needed")
        return True

    def _turn_away(self, sock: socket.socket, peer: str, why: str) -> None:
        self.turned_away += 1
        log.warning("listen.turned_away", peer=peer, why=why)
        sock.close()

    def entered(self, who: Conversation) -> str | None:
        """Take note of a new connection; gives why it may not stay."""
        self._inside[who] = 0
        return "it is stopping" if self._stopping else None

    def left(self, who: Conversation) -> None:
        """Forget a connection."""
        self._octets -= self._inside.pop(who, 0)

    def weigh(self, by: Conversation) -> None:
        """Count the memory `by` holds; where all together hold too much, cut the frame that has been begun longest.

        So all frames together hold `memory_limit` bytes, and one read of each connection beyond it, at most.
        """
        if by not in self._inside:
            return
        self._octets += by.framer.held - self._inside[by]
        self._inside[by] = by.framer.held
        while self._octets > self.policy.memory_limit:
            oldest = min((who for who in self._inside if who.framer.held), key=lambda who: who.begun_at, default=None)
            if oldest is None:
                return
            self._octets -= self._inside[oldest]
            self._inside[oldest] = 0
            oldest.framer.drop()
            oldest.cut("all frames under way together hold too much memory")

    def submit(self, arrived: Frame, by: Conversation) -> None:
        """Have a frame stored; `by` is told its answer, unless it has gone by then."""
        self._octets += len(arrived.raw)
        self._waiting.append((arrived, by))
        self._gathering.came(len(self._waiting))

    async def _commit_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._gathering.due()
            batch = self._next_batch()
            frames = [arrived for arrived, _ in batch]
            answers: Sequence[bytes | None]
            try:
                answers = await loop.run_in_executor(self.worker, self._store, self.policy, frames)
            except Exception as fault:  # noqa: BLE001 - whatever it is: not stored, so not answered
                log.error("listen.not_stored", frames=len(batch), fault=type(fault).__name__)
                answers = [None] * len(batch)
            self.batches += 1
            self.frames += sum(answer is not None for answer in answers)
            told: dict[Conversation, list[bytes | None]] = {}
            for (arrived, by), answer in zip(batch, answers, strict=True):
                self._octets -= len(arrived.raw)
                told.setdefault(by, []).append(answer)
            for by, own in told.items():
                self._tell(by, own)

    def _tell(self, by: Conversation, answers: Sequence[bytes | None]) -> None:
        if None in answers:
            self._drop(by)
        try:
            by.answered(answers)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it must cost no other its answer
            log.error("listen.not_answered", peer=by.peer, fault=type(fault).__name__)
            by.cut("it cannot be answered")

    def _drop(self, by: Conversation) -> None:
        """Drop what came behind a frame that was not stored: the peer sends both again, and in their order."""
        self._octets -= sum(len(arrived.raw) for arrived, who in self._waiting if who is by)
        self._waiting = deque(each for each in self._waiting if each[1] is not by)
        self._gathering.dropped(left=len(self._waiting))

    def _next_batch(self) -> list[tuple[Frame, Conversation]]:
        batch, octets = [self._waiting.popleft()], 0
        octets = len(batch[0][0].raw)
        while self._waiting and len(batch) < BATCH:
            octets += len(self._waiting[0][0].raw)
            if octets > BATCH_OCTETS:
                break
            batch.append(self._waiting.popleft())
        self._gathering.taken({arrived.connection for arrived, _ in batch}, left=len(self._waiting))
        return batch

    async def _watch_forever(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY)
            now = time.monotonic()
            for who in list(self._inside):
                if why := who.overdue(now):
                    who.cut(why)
