"""A file that grows beside the one being loaded (what was refused, what was warned of), in step with the database.

What is written counts only once its size is committed there; whatever stands behind that size is cut off first, so a
load that was killed and goes on repeats no line and loses none. It holds patient data: for its owner's eyes only.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path


class Beside:
    """The file at `path`, of which `size` bytes count."""

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path, self.size = path, size

    def write(self, octets: bytes) -> int:
        """Write behind what counts and give the size there would be; it counts after `count`."""
        if not octets:
            return self.size
        with open(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            file.truncate(self.size)
            file.seek(self.size)
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        return self.size + len(octets)

    def count(self, size: int) -> None:
        """Let `size` bytes count from now on."""
        self.size = size

    def settle(self) -> None:
        """Cut off what does not count; no file is left where nothing does."""
        if self.size == 0:
            self.path.unlink(missing_ok=True)
        elif self.path.exists():
            os.truncate(self.path, self.size)

    def why_not(self) -> str | None:
        """Say why nothing can be written there; None if it can."""
        folder = self.path.parent
        if self.path.exists() and not os.access(self.path, os.W_OK):
            return f"{self.path.name} cannot be written"
        return None if os.access(folder, os.W_OK) else f"nothing can be written to its folder {folder}"


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
