"""What a proxy knows of MLLP: where a frame begins and ends, its control id, and what can happen to an ACK."""

import re
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

from tests.faults.proxy_faults import Faults, Way
from tests.faults.proxy_link import Address, Link

START, END = b"\x0b", b"\x1c\r"
LONGEST = 32 * 1024 * 1024  # bytes held back for a frame's end; beyond that they are let through as they are


class Seen(NamedTuple):
    """A whole frame that passed: its way, its MSH-10 (up) or MSA-2 (down), and when, in seconds since 1970."""

    direction: Way
    control_id: str
    at: float


class Splitter:
    """Cuts a stream into whole frames with their envelopes, and whatever lies between them."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The pieces that are whole now, in order; nothing is dropped."""
        self._held += chunk
        pieces: list[bytes] = []
        while self._held:
            start = self._held.find(START)
            end = self._held.find(END, start) + len(END)
            if start > 0 or start < 0:
                cut = start if start > 0 else len(self._held)
            elif end >= len(END):
                cut = end
            elif len(self._held) > LONGEST:
                cut = len(self._held)
            else:
                break
            pieces.append(self._held[:cut])
            self._held = self._held[cut:]
        return pieces

    def rest(self) -> bytes:
        """What is held back of a frame without an end."""
        held, self._held = self._held, b""
        return held


def is_frame(piece: bytes) -> bool:
    """Whether it is one whole frame."""
    return piece.startswith(START) and piece.endswith(END)


def control_id(way: Way, frame: bytes) -> str:
    """MSH-10 of what goes up, MSA-2 of what comes down; empty where there is none."""
    segments = [one for one in re.split(rb"[\r\n]+", frame[1 : -len(END)]) if one]
    if not segments or not segments[0].startswith(b"MSH"):
        return ""
    name, place = (b"MSH", 9) if way == "up" else (b"MSA", 2)
    for segment in segments:
        fields = segment.split(segments[0][3:4])
        if fields[0] == name and len(fields) > place:
            return fields[place].decode("latin-1")
    return ""


def is_ack(frame: bytes) -> bool:
    """Whether a frame acknowledges another."""
    return is_frame(frame) and re.search(rb"[\r\n]MSA", frame) is not None


class MllpLink(Link):
    """A connection that speaks MLLP: what goes up streams through, what comes down goes on frame by frame."""

    def __init__(
        self, faults: Faults, client: socket.socket, to: Address, *, saw: Callable[[Seen], Callable[[], None]]
    ) -> None:
        super().__init__(faults, client, to)
        self._saw = saw
        self._split: dict[Way, Splitter] = {"up": Splitter(), "down": Splitter()}

    def arrived(self, way: Way, chunk: bytes) -> None:
        """Bytes have come: up they stream on at once, down they wait for the end of their frame."""
        pieces = self._split[way].feed(chunk)
        if way == "up":
            self._pass(way, chunk, [piece for piece in pieces if is_frame(piece)])
            return
        for piece in pieces:
            if is_ack(piece):
                self._acknowledge(piece)
            else:
                self._pass(way, piece, [piece] if is_frame(piece) else [])

    def rest(self, way: Way) -> None:
        """Down, a frame that will never be whole is let go as it is; up it has gone already."""
        left = self._split[way].rest()
        if left and way == "down":
            self.carry(way, left)

    def _acknowledge(self, ack: bytes) -> None:
        if self._faults.take("lose_ack", "down"):
            return
        if late := self._faults.take("delay_ack", "down"):
            self._faults.pause(self._faults.late(late), self.is_over)
        if self._faults.take("hold_ack", "down"):
            self._faults.hold(self.is_over)
        self._pass("down", ack, [ack])
        if self._faults.take("double_ack", "down"):
            self._pass("down", ack, [ack])

    def _pass(self, way: Way, piece: bytes, frames: list[bytes]) -> None:
        """Carry it, and note the frames that end in it: beforehand, since who receives may ask at once."""
        take_back = [self._saw(Seen(way, control_id(way, frame), time.time())) for frame in frames]
        if not self.carry(way, piece):
            for undo in take_back:
                undo()
