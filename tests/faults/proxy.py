"""A TCP proxy in front of any peer, and its faults as verbs; knows bytes and MLLP frames, nothing of who speaks.

Every verb is armed with `times`, 0 for "until healed", and counted when it strikes. A verb of one connection
(`cut_after`, `silence`, `timeout`, `half_open`) is counted once a connection; `delay` and `slice` once a turn, which is
what one side says until the other speaks; those of an ACK once an ACK.
"""

import contextlib
import functools
import socket
import threading
from collections import Counter
from collections.abc import Callable
from typing import Literal, Self

from tests.faults.proxy_faults import Direction, Fault, Faults, Way
from tests.faults.proxy_link import Address, Link, reset
from tests.faults.proxy_mllp import MllpLink, Seen

HOST = "127.0.0.1"


class Proxy:
    """Listens on a port of this machine (0: any free one) and carries every connection on to `to`."""

    def __init__(self, listen_port: int, to: Address, *, seed: int = 1) -> None:
        self.port = listen_port
        self.to = to
        self._faults = Faults(seed)
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._door: socket.socket | None = None
        self._listening = False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Listen; OSError if somebody else does."""
        self._open()
        return self

    def stop(self) -> None:
        """Heal, let go of the port, and reset whatever is still connected."""
        self._faults.heal(lambda: None)
        self._shut()
        self._end_links()

    # Verbs

    def delay(self, seconds: float, *, jitter: float = 0.0, direction: Direction = "both", times: int = 0) -> None:
        """Each turn begins so much later, more or less up to `jitter` seconds by the seed."""
        self._arm("delay", direction, times, seconds=seconds, jitter=jitter)

    def slice(self, size: int, pause: float = 0.0, *, direction: Direction = "both", times: int = 0) -> None:
        """Each turn goes in pieces of `size` bytes, `pause` seconds apart."""
        if size < 1:
            raise ValueError("a slice has at least one byte")
        self._arm("slice", direction, times, size=size, seconds=pause)

    def cut_after(
        self, n_bytes: int, *, direction: Way, times: int = 0, how: Literal["reset", "close"] = "reset"
    ) -> None:
        """End a connection at the byte after the next `n_bytes` in that direction; those do arrive.

        `cut_after(0, direction="down", times=1)`: the request goes up whole, the reply is lost.
        """
        self._arm("cut_after", direction, times, size=n_bytes, how=how)

    def silence(self, direction: Way, *, times: int = 0) -> None:
        """From its next bytes in that direction a connection swallows them, and the end too; healing resets it."""
        self._arm("silence", direction, times)

    def timeout(self, *, times: int = 0) -> None:
        """Accept, carry nothing, answer nothing: connections that are open, then new ones; healing resets them."""
        self._arm("timeout", "both", times)
        self._freeze("timeout")

    def half_open(self, *, times: int = 0) -> None:
        """The server loses the connection and the client is not told; new ones find nobody. Healing resets them."""
        self._arm("half_open", "both", times)
        self._freeze("half_open")

    def reset(self, *, times: int | None = None) -> None:
        """Reset every connection now (done on return), and the next `times` at their door; None: no more than now."""
        for _ in range(self._end_links()):
            self._faults.count("reset")
        if times is not None:
            self._arm("reset", "both", times)

    def refuse(self) -> None:
        """Stop accepting: the port refuses, and stays ours. What is connected stays so."""
        if self._shut():
            self._faults.count("refuse")
        with contextlib.suppress(OSError):
            self._door = _bound(self.port)

    def open_again(self) -> None:
        """Accept again after `refuse`."""
        if not self._listening:
            self._open()

    def heal(self) -> None:
        """End every fault: delays pass, held ACKs go, swallowing connections are reset, the port is open."""
        self._faults.heal(self._mend)
        self.open_again()

    def fired(self) -> Counter[str]:
        """How often each verb struck; `upstream_refused` counts the connections that found nobody behind."""
        return self._faults.fired()

    def connections(self) -> int:
        """How many are open now."""
        return len(self._all())

    # What it is made of

    def _link(self, client: socket.socket) -> Link:
        return Link(self._faults, client, self.to)

    def _arm(
        self,
        verb: str,
        direction: Direction,
        times: int,
        *,
        seconds: float = 0.0,
        jitter: float = 0.0,
        size: int = 0,
        how: str = "",
    ) -> None:
        self._faults.arm(Fault(verb, direction, times or None, seconds, jitter, size, how))

    def _freeze(self, verb: str) -> None:
        for link in self._all():
            link.freeze(verb)

    def _all(self) -> list[Link]:
        with self._lock:
            return [link for link in self._links if not link.closed.is_set()]

    def _mend(self) -> None:
        for link in self._all():
            link.mend()

    def _end_links(self) -> int:
        links = self._all()
        for link in links:
            link.end()
        for link in links:
            link.closed.wait(10)
        return len(links)

    def _open(self) -> None:
        self._shut()
        door = _bound(self.port)
        door.listen(128)
        self.port = door.getsockname()[1]
        self._door, self._listening = door, True
        threading.Thread(target=self._accept, args=(door,), daemon=True).start()

    def _shut(self) -> bool:
        """Close the door; whether it was open."""
        door, was_open = self._door, self._listening
        self._door, self._listening = None, False
        if door is not None:
            with contextlib.suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)  # wakes who accepts
            door.close()
        return was_open

    def _accept(self, door: socket.socket) -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                if self._door is not door:
                    return
                continue
            if self._door is not door or self._faults.take("reset"):
                reset(client)
                continue
            with contextlib.suppress(OSError):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = self._link(client)
            with self._lock:
                self._links.add(link)
            threading.Thread(target=self._run, args=(link,), daemon=True).start()

    def _run(self, link: Link) -> None:
        try:
            link.run()
        finally:
            with self._lock:
                self._links.discard(link)


class MllpProxy(Proxy):
    """A proxy that knows frames, so that it can tell which have passed and lose, delay, hold or double an ACK."""

    def __init__(self, listen_port: int, to: Address, *, seed: int = 1) -> None:
        super().__init__(listen_port, to, seed=seed)
        self._passed: list[Seen] = []

    def lose_ack(self, *, times: int = 0) -> None:
        """Drop an ACK; the connection stays as it is."""
        self._arm("lose_ack", "down", times)

    def delay_ack(self, seconds: float, *, jitter: float = 0.0, times: int = 0) -> None:
        """Let an ACK arrive so much later."""
        self._arm("delay_ack", "down", times, seconds=seconds, jitter=jitter)

    def hold_ack(self, *, times: int = 0) -> None:
        """Keep an ACK, and what comes behind it on its connection, until `release_ack`."""
        self._arm("hold_ack", "down", times)

    def release_ack(self) -> None:
        """Let every ACK go that is held, and hold no more."""
        self._faults.release("hold_ack")

    def held(self) -> int:
        """How many ACKs are held now."""
        return self._faults.holding()

    def double_ack(self, *, times: int = 0) -> None:
        """Send an ACK twice."""
        self._arm("double_ack", "down", times)

    def seen(self) -> list[Seen]:
        """Every whole frame that passed, in order: direction, MSH-10 or MSA-2, and when."""
        with self._lock:
            return list(self._passed)

    def _link(self, client: socket.socket) -> Link:
        return MllpLink(self._faults, client, self.to, saw=self._saw)

    def _saw(self, frame: Seen) -> Callable[[], None]:
        with self._lock:
            self._passed.append(frame)
        return functools.partial(self._saw_not, frame)

    def _saw_not(self, frame: Seen) -> None:
        with self._lock:
            self._passed = [one for one in self._passed if one is not frame]


def _bound(port: int) -> socket.socket:
    """A socket that has the port and does not listen yet: until it does, the port refuses."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((HOST, port))
    except OSError:
        door.close()
        raise
    return door
