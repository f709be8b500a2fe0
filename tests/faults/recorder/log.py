"""The record of what was asked and told: each operation's call and its end, as lines of JSON; knows no product.

A log that was not closed, or lacks lines, cannot be judged: `read` raises rather than let a lost line pass for a good
run.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

End = Literal["ok", "refused", "unknown"]
"""ok: acknowledged; refused: told that nothing was done; unknown: no answer, so it may or may not have been done."""


class Unjudgeable(Exception):
    """The log is empty, torn or not closed; the text says which."""


@dataclass(frozen=True, slots=True)
class Op:
    """One operation of one client. Times are seconds since 1970 by this machine's clock."""

    number: int
    who: str  # clerk:1, pas, pathology …
    what: str  # register, amend, admit, transfer, discharge, book, cancel, look, feed …
    called: float
    ended: float
    end: End
    said: dict[str, Any] = field(default_factory=dict)  # what was asked; `mark` is a text that occurs nowhere else
    told: dict[str, Any] = field(default_factory=dict)  # what was answered: patient, sentence, mode, control_id …


class Log:
    """One client's log, written as it goes; safe between threads."""

    def __init__(self, path: Path, *, seed: int) -> None:
        self.path = path
        self._file = path.open("x", encoding="utf-8")
        self._lock = threading.Lock()
        self._lines = 0
        self._number = 0
        self._write({"log": path.stem, "seed": seed})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, who: str, what: str, **said: Any) -> int:
        """Note that something is asked; gives the operation's number."""
        with self._lock:
            self._number += 1
            number = self._number
            self._write({"call": number, "who": who, "what": what, "at": time.time(), "said": said})
        return number

    def end(self, number: int, end: End, **told: Any) -> None:
        """Note how it ended."""
        with self._lock:
            self._write({"end": number, "how": end, "at": time.time(), "told": told})

    def add(
        self, who: str, what: str, *, called: float, ended: float, end: End, said: dict[str, Any], told: dict[str, Any]
    ) -> int:
        """Note an operation that another kept the times of; gives its number."""
        with self._lock:
            self._number += 1
            number = self._number
            self._write({"call": number, "who": who, "what": what, "at": called, "said": said})
            self._write({"end": number, "how": end, "at": ended, "told": told})
        return number

    @contextmanager
    def op(self, who: str, what: str, **said: Any) -> Iterator[dict[str, Any]]:
        """Note a call and its end around a block: ok, or `unknown` if the block raises (and raises on).

        The block may put what it was told into the dictionary it is given, and its end under the key `end`.
        """
        number = self.call(who, what, **said)
        told: dict[str, Any] = {}
        try:
            yield told
        except BaseException:
            self.end(number, "unknown", **told)
            raise
        self.end(number, told.pop("end", "ok"), **told)

    def close(self) -> None:
        """Write the last line, which says how many there are, and let go of the file."""
        with self._lock:
            if self._file.closed:
                return
            self._write({"closed": self._lines})
            os.fsync(self._file.fileno())
            self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
        self._lines += 1


def read(path: Path) -> list[Op]:
    """Every operation of a closed log in the order of its call; one without an end is `unknown`. Raises Unjudgeable."""
    lines = _lines(path)
    if not lines or "log" not in lines[0]:
        raise Unjudgeable(f"{path.name} has no beginning")
    if lines[-1].get("closed") != len(lines) - 1:
        raise Unjudgeable(f"{path.name} was not closed, or lines of it are missing")
    calls = {line["call"]: line for line in lines if "call" in line}
    ends = {line["end"]: line for line in lines if "end" in line}
    if not calls:
        raise Unjudgeable(f"{path.name} is empty: nothing was done, so nothing can be said")
    if strays := ends.keys() - calls.keys():
        raise Unjudgeable(f"{path.name} has ends without calls: {sorted(strays)}")
    closed_at = max(line["at"] for line in lines if "at" in line)
    return [_op(call, ends.get(number), closed_at) for number, call in sorted(calls.items())]


def _op(call: dict[str, Any], ended: dict[str, Any] | None, closed_at: float) -> Op:
    end: End = ended["how"] if ended else "unknown"
    if end not in get_args(End):
        raise Unjudgeable(f"operation {call['call']} ended in {end!r}, which is no end")
    at = ended["at"] if ended else closed_at
    told = ended["told"] if ended else {}
    return Op(call["call"], call["who"], call["what"], call["at"], at, end, call["said"], told)


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as fault:
        raise Unjudgeable(f"{path.name} cannot be read: {fault.strerror}") from fault
    except ValueError as fault:
        raise Unjudgeable(f"{path.name} holds a torn line") from fault
