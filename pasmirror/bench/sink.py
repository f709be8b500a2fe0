"""Receivers that answer AA at once and keep nothing: what is measured against them is the sender alone."""

import asyncio
import threading
from typing import Self

from pasmirror.bench.product import Address

VT, END = b"\x0b", b"\x1c\r"


class Sinks:
    """Some receivers on free ports of this machine, in a thread of their own, while the `with` block lasts."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.addresses: list[Address] = []
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Transport] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sinks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.addresses = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> list[Address]:
        for _ in range(self.count):
            self._servers.append(await self._loop.create_server(lambda: _Sink(self._open), "127.0.0.1", 0))
        return [("127.0.0.1", int(server.sockets[0].getsockname()[1])) for server in self._servers]

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for transport in list(self._open):
            transport.abort()
        await asyncio.sleep(0)  # so that what was closed is let go


class _Sink(asyncio.Protocol):
    def __init__(self, open_ones: set[asyncio.Transport]) -> None:
        self.open = open_ones
        self.held = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        if isinstance(transport, asyncio.Transport):
            self.transport = transport
            self.open.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self.transport is not None:
            self.open.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        """Answer each whole frame."""
        *frames, self.held = (self.held + data).split(END)
        for frame in frames:
            if self.transport is not None:
                self.transport.write(VT + accept(frame) + END)


def accept(frame: bytes) -> bytes:
    """Give the AA to a frame."""
    header = frame.lstrip(VT).split(b"\r", 1)[0].split(b"|")
    control_id = header[9] if len(header) > 9 else b""
    return b"MSH|^~\\&|SINK|RXX|||||ACK|K" + control_id + b"|P|2.4\rMSA|AA|" + control_id + b"\r"
