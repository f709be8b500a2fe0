"""Loads a file into the record: lot by lot, each in one transaction with the place reached, so that it can go on.

How far a file has been loaded stands in the audit trail, in the row of its last lot: nothing else has to be kept.
What a row or a message means is decided elsewhere, by the feed's own rules.
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction

from messaging.extracts.ahead import DEPTH, Ahead, lots
from messaging.extracts.beside import Beside, Mark, csv_lines
from messaging.extracts.files import FileFault, Source
from pasmirror.lib import audit
from pasmirror.lib.actor import Actor
from pasmirror.lib.away import is_away
from pasmirror.lib.models import AuditRow
from patients.services.taken import Parked

log = structlog.get_logger()
LOT = 2000  # rows or messages in one transaction, at most
FIRST, AIM = 200, 0.5  # how many to begin with, and the seconds a lot should hold its locks: a clerk waits 3 at most
TRIES, PAUSE = 6, 0.5  # against a database that is away, and seconds between them
LOADED = "load.lot"
WARNED = ("LINE", "WARNING")
COUNTED = ("applied", "already", "filed", "refused", "warned")


class Interrupted(Exception):
    """The database went away; what was committed stays, and the same command goes on from there."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row or message: one of applied, already, filed, refused; why; and what is worth a warning."""

    outcome: str
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A row or a message with the line it begins on; `read` is what its kind makes of it, `fault` why it is refused."""

    line: int
    raw: Any
    read: Any = None
    fault: str = ""


class Taker(Protocol):
    """What knows one kind of file: reads its items, takes them into the record, and writes down refused ones."""

    @property
    def name(self) -> str:
        """As the audit trail calls it."""

    def items(self, skipped: int) -> Iterator[Item]:
        """Give the file's items in order, without the first `skipped`."""

    def take(self, items: list[Item]) -> list[Outcome]:
        """Take them, in the caller's transaction; what the database refuses is raised."""

    def refused(self, lines: list[tuple[Item, str]], *, first: bool) -> bytes:
        """Give refused items with their reasons as they stand in the file of refused ones."""

    def faults(self) -> list[str]:
        """Name what the whole file, read to its end, turned out to have wrong."""


@dataclass(slots=True)
class Place:
    """How far a load is, as its audit rows keep it: items read, what became of them, and the files beside it.

    `line`: of the last item read in this run, not kept.
    """

    read: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    refused: Mark = field(default_factory=Mark)
    warnings: Mark = field(default_factory=Mark)
    done: bool = False
    line: int = 0

    def as_json(self) -> dict[str, Any]:
        """Give it as an audit row's detail."""
        return {
            "read": self.read,
            **{name: self.counts[name] for name in COUNTED},
            "refused_file": [self.refused.path, self.refused.size, self.refused.digest],
            "warnings_file": [self.warnings.path, self.warnings.size, self.warnings.digest],
            "done": self.done,
        }

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Place":
        """Read what `as_json` wrote."""
        counts = Counter({name: kept[name] for name in COUNTED})
        refused, warnings = (Mark(*kept.get(name, ())) for name in ("refused_file", "warnings_file"))
        return cls(kept["read"], counts, refused, warnings, kept["done"])


def reached(source: Source) -> Place | None:
    """Say how far this file, by what it holds, has been loaded; None if never."""
    row = AuditRow.objects.filter(subject=subject(source), action=LOADED).order_by("-id").first()
    return Place.of(row.detail) if row else None


def origin(source: Source) -> str:
    """Give what the origin of every change of this load begins with; the line follows."""
    return f"load:{source.digest[:12]}:{source.path.name[:40]}:"


class Loading:
    """One load of one file."""

    def __init__(
        self,
        source: Source,
        taker: Taker,
        *,
        by: Actor,
        folder: Path,
        tell: Callable[[Place], object],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`folder`: where refused rows and warnings are written; `tell` hears of the place after every lot."""
        self.source, self.taker, self.by, self.tell, self.now = source, taker, by, tell, now
        self.place, self.size = Place(), min(FIRST, LOT)
        name = f"{source.stem}.{source.digest[:8]}"
        self.refused = Beside(folder, f"{name}.refused", f".{source.kind}")
        self.warnings = Beside(folder, f"{name}.warnings", ".csv")
        self.away = 0  # tries in a row that found no database

    def run(self, *, anew: bool = False) -> Place:
        """Load what is left of the file, all of it if `anew`. Raises FileFault or Interrupted."""
        for beside in (self.refused, self.warnings):
            if why := beside.why_not():
                raise FileFault(f"What is refused could not be written down: {why}.")
        before = reached(self.source)
        if before and not (before.done and anew):
            self.place = before
        if self.place.done:
            return self.place
        for beside, mark in ((self.refused, self.place.refused), (self.warnings, self.place.warnings)):
            if not beside.go_on(mark):
                log.warning("load.another_file", why="what was written before is not there as it was left")
        lock = self._alone()
        try:
            with Ahead(lots(self.taker.items(self.place.read), max(1, LOT // DEPTH))) as some:
                left = chain.from_iterable(some)
                while items := list(islice(left, self.size)):
                    self._load(items)
            self._end()
        finally:
            os.close(lock)
        return self.place

    def _alone(self) -> int:
        """Hold the file: two loads of it at once would write the same files beside it."""
        lock = os.open(self.source.path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise FileFault(f"{self.source.path.name} is being loaded already.") from None
        return lock

    def _load(self, items: list[Item]) -> None:
        """Take a lot; one that the database refuses in pieces, and at last without the item it stumbles over."""
        try:
            self._commit(items, self.taker.take)
        except Exception as fault:  # noqa: BLE001 - whatever is wrong with one row must not end the load
            if is_away(fault):
                self._wait(fault)
                self.size = max(1, min(self.size, len(items) // 4))  # it may have been too long for one transaction
                self._pieces(items, self.size)
            elif len(items) == 1:
                name = type(fault).__name__
                log.warning("load.refused", line=items[0].line, error=name)
                reason = fault.reason if isinstance(fault, Parked) else f"It could not be taken ({name})"
                self._commit(items, lambda _: [Outcome("refused", reason)])
            else:
                self._pieces(items, len(items) // 2)
        self.away = 0

    def _pieces(self, items: list[Item], size: int) -> None:
        left = iter(items)
        while some := list(islice(left, size)):
            self._load(some)
            size = min(size, self.size)

    def _wait(self, fault: Exception) -> None:
        self.away += 1
        log.warning("load.database_away", error=type(fault).__name__, tries=self.away)
        connection.close()
        if self.away >= TRIES:
            raise Interrupted from fault
        time.sleep(PAUSE * (self.away - 1))

    def _commit(self, items: list[Item], take: Callable[[list[Item]], list[Outcome]]) -> None:
        began = self.now()
        with transaction.atomic():
            outcomes = self._taken(items, take)
            place = self._after(items, outcomes)
            audit.record(action=LOADED, by=self.by, subject=subject(self.source), detail=self._detail(place))
        self._pace(len(items), self.now() - began)
        self._stands(place)

    def _pace(self, count: int, seconds: float) -> None:
        """Choose how many the next lot is: what takes long by itself holds its locks no longer for that."""
        fitting = int(count * AIM / max(seconds, 0.001))
        if count >= self.size or fitting < self.size:
            self.size = max(1, min(LOT, 2 * count, fitting))

    def _taken(self, items: list[Item], take: Callable[[list[Item]], list[Outcome]]) -> list[Outcome]:
        readable = [item for item in items if not item.fault]
        taken = iter(take(readable) if readable else ())
        return [Outcome("refused", item.fault) if item.fault else next(taken) for item in items]

    def _after(self, items: list[Item], outcomes: list[Outcome]) -> Place:
        """Write down what was refused and warned of, and give the place reached."""
        pairs = list(zip(items, outcomes, strict=True))
        refused = [(item, each.reason) for item, each in pairs if each.outcome == "refused"]
        warned = [(str(item.line), warning) for item, each in pairs for warning in each.warnings]
        counts = self.place.counts + Counter(each.outcome for each in outcomes) + Counter(warned=len(warned))
        return Place(
            self.place.read + len(items),
            counts,
            self.refused.write(self.taker.refused(refused, first=not self.refused.mark.size) if refused else b""),
            self.warnings.write(csv_lines(warned, header=WARNED, first=not self.warnings.mark.size)),
            line=items[-1].line,
        )

    def _end(self) -> None:
        """Note that the file has been loaded whole, and what was found wrong with it as a whole."""
        faults = [("", fault) for fault in self.taker.faults()]
        for left in reversed(range(TRIES)):
            try:
                mark = self.warnings.write(csv_lines(faults, header=WARNED, first=not self.warnings.mark.size))
                counts = self.place.counts + Counter(warned=len(faults))
                place = Place(self.place.read, counts, self.refused.mark, mark, done=True, line=self.source.length)
                audit.record(action=LOADED, by=self.by, subject=subject(self.source), detail=self._detail(place))
            except (DatabaseError, InterfaceError) as fault:
                connection.close()
                if not left:
                    raise Interrupted from fault
                time.sleep(PAUSE)
                continue
            break
        self._stands(place)
        self.refused.settle()
        self.warnings.settle()

    def _stands(self, place: Place) -> None:
        self.place = place
        self.refused.count(place.refused)
        self.warnings.count(place.warnings)
        self.tell(place)

    def _detail(self, place: Place) -> dict[str, Any]:
        return {"what": self.taker.name, **place.as_json()}


def without(items: Iterator[Any], skipped: int) -> Iterator[Any]:
    """Pass over what an earlier run has loaded."""
    return islice(items, skipped, None)


def subject(source: Source) -> str:
    """Give what the audit rows of this file's loads are about: the file by its digest."""
    return f"load:{source.digest[:48]}"
