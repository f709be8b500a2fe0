"""MLLP frames: <VT> body <FS><CR>, cut out of a stream whatever its packets, and tolerant of it; pure, no sockets."""

import re
from dataclasses import dataclass

VT, FS, CR = b"\x0b", b"\x1c", b"\r"
_END = re.compile(rb"\x1c[\r\n\x0b]")
HEAD = 4096  # bytes kept of a frame that is too long: its header, to answer it


@dataclass(frozen=True, slots=True)
class Junk:
    """Bytes outside any frame, or of a frame torn by the next one's beginning."""

    octets: int
    torn: bool = False


@dataclass(frozen=True, slots=True)
class TooLong:
    """A frame beyond the limit, refused before it was buffered; nothing after it can be read."""

    head: bytes


class Framer:
    """Cuts a stream into bodies of at most `limit` bytes.

    FS ends a frame when CR, LF or VT follows. An FS with nothing behind it yet may be one whose CR is still on its way,
    one whose CR was never sent, or a byte of the text: `pending` is then true, and whoever has waited long enough
    calls `flush`.
    """

    def __init__(self, limit: int = 1_048_576) -> None:
        self.limit = limit
        self._held = bytearray()
        self._seen = 0  # how much of a begun frame has been searched
        self._inside = False
        self._after_flush = False
        self.refused = False  # a frame was too long: what comes after it cannot be read

    @property
    def held(self) -> int:
        """Bytes held of a frame that is not whole."""
        return len(self._held)

    @property
    def begun(self) -> bool:
        """Whether part of a frame is held."""
        return self._inside

    @property
    def pending(self) -> bool:
        """Whether the frame held ends in FS."""
        return self._inside and self._held.endswith(FS)

    def feed(self, octets: bytes) -> list[bytes | Junk | TooLong]:
        """Add received bytes; give what is now whole, in order."""
        self._held += octets
        out: list[bytes | Junk | TooLong] = []
        while self._held:
            if not self._inside and not self._enter(out):
                break
            end = self._end()
            if end < 0:
                if len(self._held) - self._held.endswith(FS) > self.limit:
                    out.append(TooLong(bytes(self._held[:HEAD])))
                    self._reset()
                    self.refused = True
                break
            self._cut(end, out)
        return out

    def flush(self) -> list[bytes | Junk | TooLong]:
        """Take the FS at the end of what is held as the frame's end."""
        if not self.pending:
            return []
        out: list[bytes | Junk | TooLong] = []
        self._cut(len(self._held) - 1, out)
        self._after_flush = True
        return out

    def _enter(self, out: list[bytes | Junk | TooLong]) -> bool:
        start = self._held.find(VT)
        outside = bytes(self._held if start < 0 else self._held[:start])
        if self._after_flush and outside[:1] == CR:  # the CR that came late
            outside = outside[1:]
        self._after_flush = False
        if outside:
            out.append(Junk(len(outside)))
        del self._held[: len(self._held) if start < 0 else start + 1]
        self._inside, self._seen = start >= 0, 0
        return self._inside

    def _end(self) -> int:
        """Give where the frame's FS stands, -1 if it is not whole yet."""
        found = _END.search(self._held, self._seen)
        if found:
            return found.start()
        self._seen = max(0, len(self._held) - 1)  # an FS there may yet be the end
        return -1

    def _cut(self, end: int, out: list[bytes | Junk | TooLong]) -> None:
        body = bytes(self._held[:end])
        follows_cr = self._held[end + 1 : end + 2] == CR
        del self._held[: end + (2 if follows_cr else 1)]
        self._inside, self._seen = False, 0
        if len(body) > self.limit:
            self.refused = True
            out.append(TooLong(body[:HEAD]))
            return
        restart = max(body.rfind(VT + b"MSH"), body.rfind(VT + b"FHS"), body.rfind(VT + b"BHS"))
        if restart >= 0:
            out.append(Junk(restart, torn=True))
            body = body[restart + 1 :]
        out.append(body)

    def drop(self) -> None:
        """Forget the frame that is not whole."""
        self._reset()

    def _reset(self) -> None:
        self._held.clear()
        self._inside, self._seen = False, 0


def frame(body: bytes) -> bytes:
    """Give a body as one frame."""
    return VT + body + FS + CR
