"""A simulator's SQLite file: short transactions, numbers that are never used twice, a backup; knows no table."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_NUMBER = "CREATE TABLE IF NOT EXISTS number (name TEXT PRIMARY KEY, last INTEGER NOT NULL)"


class NoBackup(Exception):
    """There is no backup to restore."""


class Store:
    """One connection behind one lock; every write is a transaction that survives the death of the process."""

    def __init__(self, path: str | Path, schema: str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(f"{schema};{_NUMBER};")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction; an inner one joins the outer."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._db.execute("BEGIN IMMEDIATE")
                yield
            except BaseException:
                if self._depth == 1 and self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            else:
                if self._depth == 1:
                    self._db.execute("COMMIT")
            finally:
                self._depth -= 1

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Every row of a query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query."""
        return next(iter(self.rows(sql, *values)), None)

    def count(self, sql: str, *values: object) -> int:
        """The first value of a query as a number."""
        found = self.row(sql, *values)
        return int(found[0] or 0) if found else 0

    def write(self, sql: str, *values: object) -> int:
        """Run one statement, return the new row's id."""
        with self._lock:
            return self._db.execute(sql, values).lastrowid or 0

    def next_number(self, name: str, *, first: int) -> int:
        """The next number of that name; call it inside `writing`."""
        found = self.row(
            "INSERT INTO number VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET last = last + 1 RETURNING last",
            name,
            first,
        )
        assert found is not None  # noqa: S101 - RETURNING always gives a row
        return int(found[0])

    def backup(self) -> None:
        """Copy everything to a file beside this one."""
        with self._lock, sqlite3.connect(self._backup_path) as copy:
            self._db.backup(copy)
        copy.close()

    def restore(self, tables: Sequence[str]) -> None:
        """Bring these tables back from the backup; numbers already used stay used; raises NoBackup."""
        if not self._backup_path.exists():
            raise NoBackup("nothing was backed up")
        with self._lock:
            self._db.execute("ATTACH ? AS old", (str(self._backup_path),))
            try:
                with self.writing():
                    for table in tables:  # names come from the simulator's own code
                        self.write(f"DELETE FROM main.{table}")  # noqa: S608
                        self.write(f"INSERT INTO main.{table} SELECT * FROM old.{table}")  # noqa: S608
            finally:
                self._db.execute("DETACH old")

    @property
    def _backup_path(self) -> Path:
        return self.path.with_name(self.path.name + ".backup")

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._db.close()
