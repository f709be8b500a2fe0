"""A file that grows beside the one being loaded (what was refused, what was warned of), in step with the database.

What is written counts only once its size is committed there; whatever stands behind that size is cut off first, so a
load that was killed and goes on repeats no line and loses none. A file that this load has not made, or that has been
changed since, is left alone: another is begun. It holds patient data: for its owner's eyes only.
"""

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Mark:
    """What counts of a file: where it is ("": none is begun), how many bytes, and their SHA-256 in hex."""

    path: str = ""
    size: int = 0
    digest: str = ""


class Beside:
    """A file in `folder`, begun with the first write under a name of its own: `name`.csv, say, or `name`.2.csv."""

    def __init__(self, folder: Path, name: str, ending: str) -> None:
        """`ending` with its point."""
        self.folder, self.name, self.ending = folder, name, ending
        self.mark = Mark()
        self.path: Path | None = None
        self._digest = self._ahead = hashlib.sha256()

    def go_on(self, mark: Mark) -> bool:
        """Go on behind what counts; False where that does not stand there as it was left, and nothing is changed."""
        digest = hashlib.sha256()
        with suppress(OSError), open(mark.path, "r+b") as file:
            left = mark.size
            while left and (chunk := file.read(min(left, CHUNK))):
                digest.update(chunk)
                left -= len(chunk)
            if not left and digest.hexdigest() == mark.digest:
                self.path, self.mark, self._digest = Path(mark.path), mark, digest
                return True
        return not mark.size

    def write(self, octets: bytes) -> Mark:
        """Write behind what counts and say what there would be; it counts after `count`."""
        if not octets:
            return self.mark
        with self._opened() as file:
            file.truncate(self.mark.size)
            file.seek(self.mark.size)
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        self._ahead = self._digest.copy()
        self._ahead.update(octets)
        return Mark(str(self.path), self.mark.size + len(octets), self._ahead.hexdigest())

    def count(self, mark: Mark) -> None:
        """Let what `write` gave count from now on."""
        if mark != self.mark:
            self.mark, self._digest = mark, self._ahead

    def settle(self) -> None:
        """Cut off what does not count; no file is left where nothing does."""
        if self.path is None or not self.path.exists():
            return
        if self.mark.size:
            os.truncate(self.path, self.mark.size)
        else:
            self.path.unlink()

    def why_not(self) -> str | None:
        """Say why nothing can be written there; None if it can."""
        return None if os.access(self.folder, os.W_OK) else f"nothing can be written to its folder {self.folder}"

    def _opened(self) -> BinaryIO:
        if self.path is None:
            self.path = self._begun()
        return self.path.open("r+b")

    def _begun(self) -> Path:
        """Make an empty file under the first name that is free."""
        names = (f"{self.name}.{number}{self.ending}" for number in count(2))
        for name in chain([f"{self.name}{self.ending}"], names):
            with suppress(FileExistsError):
                os.close(os.open(self.folder / name, os.O_CREAT | os.O_EXCL, 0o600))
                break
        return (self.folder / name).absolute()


def csv_lines(rows: Iterable[Sequence[str]], *, header: Sequence[str], first: bool) -> bytes:
    """Give rows as CSV in UTF-8, with the header before the first; b"" for no rows."""
    rows = list(rows)
    if not rows:
        return b""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([header, *rows] if first else rows)
    return text.getvalue().encode("utf-8-sig" if first else "utf-8")


def batch_of(raw: bytes, line: int, reason: str) -> bytes:
    """Give a refused message as a batch of its own, with the reason as the batch's comment (BHS-10)."""
    plain = reason.translate(str.maketrans("|^~\\&\r\n", " " * 7)).encode()
    return b"BHS|^~\\&||||||||Line %d: %s\r%sBTS|1\r" % (line, plain, raw)
