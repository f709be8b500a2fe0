"""A file on disk: what it is, how it is written, its digest; read once through, and never whole in memory."""

import codecs
import gzip
import hashlib
import io
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
    """One file: `digest` is SHA-256 (hex) of what it holds, packed or not; `size` in bytes, unpacked."""

    path: Path
    digest: str
    kind: Literal["hl7", "csv"]
    encoding: str
    size: int
    packed: bool

    @property
    def stem(self) -> str:
        """The name without .gz and without its own ending."""
        return Path(self.path.name.removesuffix(".gz")).stem

    def open(self) -> BinaryIO:
        """Open it for reading, unpacked."""
        return _opened(self.path, packed=self.packed)

    def lines(self) -> Iterator[str]:
        """Give its lines as text, ends kept; a quoted cell may go over several of them. Zero bytes are left out."""
        with io.TextIOWrapper(self.open(), encoding=self.encoding, errors="replace", newline="") as text:
            for line in text:
                yield line.replace("\0", "") if "\0" in line else line


def look(path: Path) -> Source:
    """Read a file through once, for its digest and its encoding. Raises FileFault."""
    try:
        with path.open("rb") as start:
            packed = start.read(2) == GZIP
        digest, decoder, head, size = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")(), b"", 0
        encoding = "utf-8-sig"
        with _opened(path, packed=packed) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                head, size = head or chunk, size + len(chunk)
                encoding = _still(encoding, decoder, chunk)
    except (OSError, EOFError) as fault:
        raise FileFault(f"{path.name} cannot be read: {_why(fault)}.") from None
    if head.startswith(b"PK\x03\x04"):
        raise FileFault(f"{path.name} is a spreadsheet or a zip archive: save it as CSV (UTF-8) and load that.")
    if not size:
        raise FileFault(f"{path.name} is empty.")
    kind: Literal["hl7", "csv"] = "hl7" if head.lstrip(BEFORE)[:3] in SEGMENTS else "csv"
    return Source(path, digest.hexdigest(), kind, encoding, size, packed)


def _opened(path: Path, *, packed: bool) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def _still(encoding: str, decoder: codecs.IncrementalDecoder, chunk: bytes) -> str:
    """Say how the text is written, as far as it has been read: Windows' own Latin where it is no UTF-8."""
    if encoding == "utf-8-sig":
        try:
            decoder.decode(chunk)
        except UnicodeDecodeError:
            return "cp1252"
    return encoding


def _why(fault: Exception) -> str:
    if isinstance(fault, gzip.BadGzipFile | EOFError):
        return "it is not whole (gzip)"
    return getattr(fault, "strerror", None) or type(fault).__name__
