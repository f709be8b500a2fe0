"""A file on disk: what it is, how it is written, its digest; read once through, and never whole in memory."""

import codecs
import gzip
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

CHUNK = 1 << 20
GZIP = b"\x1f\x8b"
BEFORE = b"\xef\xbb\xbf\r\n\t \x0b"  # let pass before the first segment
SEGMENTS = (b"FHS", b"BHS", b"MSH")


class FileFault(Exception):
    """The file cannot be loaded at all; the text is one sentence for the person at the keyboard."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file: `digest` is SHA-256 (hex) of what it holds, packed or not; `length` in lines, about."""

    path: Path
    digest: str
    kind: Literal["hl7", "csv"]
    encoding: str
    length: int
    packed: bool

    @property
    def stem(self) -> str:
        """The name without .gz and without its own ending."""
        return Path(self.path.name.removesuffix(".gz")).stem

    def open(self) -> BinaryIO:
        """Open it for reading, unpacked."""
        return _opened(self.path, packed=self.packed)

    def lines(self) -> Iterator[str]:
        """Give its lines as text, ends kept; a quoted cell may go over several of them. What is no text is U+FFFD."""
        with io.TextIOWrapper(self.open(), encoding=self.encoding, errors="replace", newline="") as text:
            yield from text


def look(path: Path, encoding: str = "") -> Source:
    """Read a file through once, for its digest and, unless it is said, its encoding. Raises FileFault."""
    if encoding and not _is_text(encoding):
        raise FileFault(f"--encoding {encoding}: this is no encoding known here, such as utf-8, cp1252 or utf-16.")
    try:
        with path.open("rb") as start:
            packed = start.read(2) == GZIP
        digest, written, head, ends = hashlib.sha256(), _Written(), b"", [0, 0]
        with _opened(path, packed=packed) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                written.read(chunk)
                head, ends = head or chunk, [ends[0] + chunk.count(b"\n"), ends[1] + chunk.count(b"\r")]
    except (OSError, EOFError) as fault:
        raise FileFault(f"{path.name} cannot be read: {_why(fault)}.") from None
    if head.startswith(b"PK\x03\x04"):
        raise FileFault(f"{path.name} is a spreadsheet or a zip archive: save it as CSV (UTF-8) and load that.")
    if not head:
        raise FileFault(f"{path.name} is empty.")
    found = encoding or _marked(head) or written.encoding()
    if found is None:
        raise FileFault(f"{path.name} is UTF-8 in some places only: --encoding says how it is written (utf-8, cp1252).")
    kind: Literal["hl7", "csv"] = "hl7" if head.lstrip(BEFORE)[:3] in SEGMENTS else "csv"
    text = head[:200].decode(found, "ignore").lstrip("\ufeff\r\n\t ")
    if "\0" in text.partition("\n")[0] or (kind == "csv" and text[:3].encode("ascii", "ignore") in SEGMENTS):
        raise FileFault(f"{path.name} is written in two bytes a character: save it as UTF-8, and load that.")
    return Source(path, digest.hexdigest(), kind, found, 1 + max(ends), packed)


def _opened(path: Path, *, packed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


class _Written:
    """How text is written, as far as it has been read: by the bytes that UTF-8 could mean, and those it cannot."""

    def __init__(self) -> None:
        self.sequences = self.strays = 0
        self._tail = b""

    def read(self, chunk: bytes) -> None:
        """Go on reading; what may be half a character is left for the next time."""
        octets = self._tail + chunk
        begun = _BEGUN.search(octets[-3:]) if chunk else None
        whole = octets[: len(octets) - len(begun[0])] if begun else octets
        self._tail = octets[len(whole) :]
        if whole.isascii():
            return
        try:
            whole.decode()
            self.sequences += len(whole) - len(whole.translate(None, _LEADING))
        except UnicodeDecodeError:
            found = _OF_UTF8.findall(whole)
            self.sequences += len(found)
            self.strays += len(whole) - len(whole.translate(None, _HIGH)) - sum(map(len, found))

    def encoding(self) -> str | None:
        """Give it: Windows' own Latin where nothing looks like UTF-8; None if it could be either.

        In UTF-8 that somebody has spoilt here and there, whoever reads it finds U+FFFD.
        """
        self.read(b"")
        if self.strays <= self.sequences:
            return "utf-8-sig"
        return None if self.sequences else "cp1252"


_BEGUN = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")
_HIGH, _LEADING = bytes(range(0x80, 0x100)), bytes(range(0xC0, 0x100))
_OF_UTF8 = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def _marked(head: bytes) -> str:
    """Give the encoding that a byte order mark tells of, but that of UTF-8; "" if there is none."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""


def _is_text(encoding: str) -> bool:
    try:
        "".encode(encoding)
    except LookupError:
        return False
    return True


def _why(fault: Exception) -> str:
    if isinstance(fault, gzip.BadGzipFile | EOFError):
        return "it is not whole (gzip)"
    return getattr(fault, "strerror", None) or type(fault).__name__
