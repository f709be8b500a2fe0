"""A CSV file as rows: its delimiter, which column is which, and each row's cells by key; pure, and row by row.

An empty cell says nothing; one that holds two quotation marks ("") deletes, as in HL7.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from messaging.extracts.cells import CellFault
from messaging.extracts.columns import COLUMNS, Column, Extract
from messaging.extracts.files import FileFault, Source
from messaging.hl7.text import DELETED
from patients.facts import Kind, Value, unknown

DELIMITERS = ",;\t|"
OURS = ("REFUSED LINE", "REFUSED REASON")  # the columns of a file of refused rows, which may be loaded as it is


class RowFault(ValueError):
    """A row cannot be taken; the text is one sentence, without the full stop, and holds no value of the row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in the file: the line it begins on, from 1, and its cells."""

    line: int
    cells: list[str]


@dataclass(slots=True)
class Read:
    """A row's facts by kind and group, and its other cells by key."""

    facts: dict[Kind, dict[str, dict[str, Value]]] = field(default_factory=lambda: {kind: {} for kind in Kind})
    others: dict[str, str] = field(default_factory=dict)


class Sheet:
    """A CSV file: `extract` says what its rows are about. Raises FileFault."""

    def __init__(self, source: Source, *, extract: Extract | None = None, ignored: Sequence[str] = ()) -> None:
        self.source = source
        first = next(source.lines(), "")
        self.delimiter = max(DELIMITERS, key=first.count)
        self._ignored = {_plain(name) for name in (*ignored, *OURS)}
        header = next(self._records(), Row(1, []))
        self.header = header.cells
        self.extract = extract or _extract(source.path.name, self.header)
        self.columns = self._columns()
        self._plan = [
            (n, column.key, column.kind, column.group, column.read, column.most, column.name)
            for n, column in self.columns.items()
        ]
        self._needed = [(n, column.name) for n, column in self.columns.items() if column.needed]

    def rows(self) -> Iterator[Row]:
        """Give every row after the first line; lines that are empty are left out. Raises FileFault."""
        records = self._records()
        next(records, None)
        for row in records:
            if row.cells:
                yield row

    def read(self, row: Row) -> Read:
        """Give what a row says. Raises RowFault."""
        cells = row.cells
        text = "".join(cells)
        if "\ufffd" in text or "\0" in text:
            raise RowFault("It holds a character that cannot be read: --encoding says how the file is written")
        if len(cells) != len(self.header):
            raise RowFault(f"It has {len(cells)} cells where the first line has {len(self.header)}")
        for n, name in self._needed:
            if not cells[n].strip():
                raise RowFault(f"{name} is empty")
        read = Read()
        for n, key, kind, group, how, most, name in self._plan:
            cell = cells[n]
            if not cell or not (cell := cell.strip()):
                continue
            if len(cell) > most:
                raise RowFault(f"{name} is longer than {most} characters")
            if kind is None:
                read.others[key] = cell
            else:
                read.facts[kind].setdefault(group, {})[key] = _value(key, cell, how, name)
        return read

    def own(self, cells: Sequence[str]) -> list[str]:
        """Give the cells of a row (or of the first line) without those of an earlier refusal."""
        return [cell for n, cell in enumerate(cells) if n >= len(self.header) or _plain(self.header[n]) not in OURS]

    def _records(self) -> Iterator[Row]:
        """Give the file's records with the line each begins on."""
        records: Any = csv.reader(self.source.lines(), delimiter=self.delimiter)
        line = 1
        try:
            for cells in records:
                yield Row(line, cells)
                line = records.line_num + 1
        except csv.Error:
            raise FileFault(
                f"{self.source.path.name}, line {line}: this is no CSV (a quotation mark too many?)"
            ) from None

    def _columns(self) -> dict[int, Column]:
        known = {_plain(column.name): column for column in COLUMNS[self.extract]}
        found: dict[int, Column] = {}
        for n, name in enumerate(self.header):
            column = known.get(_plain(name))
            if column is None and _plain(name) in self._ignored:
                continue
            if column is None:
                raise FileFault(
                    f"{self.source.path.name}, line 1: a file of {self.extract} has no column {name!r}; "
                    f"name it to --ignore if it is to be left out."
                )
            if column in found.values():
                raise FileFault(f"{self.source.path.name}, line 1: the column {name!r} stands there twice.")
            found[n] = column
        missing = [column.name for column in known.values() if column.needed and column not in found.values()]
        if missing:
            raise FileFault(
                f"{self.source.path.name}, line 1: a file of {self.extract} needs a column {' and '.join(missing)}."
            )
        return found


def _plain(name: str) -> str:
    return re.sub(r"[^A-Z0-9]+", " ", name.upper()).strip()


def _value(key: str, cell: str, how: Callable[[str], Value] | None, name: str) -> Value:
    if cell == DELETED:
        return unknown(key)
    try:
        return how(cell) if how else cell
    except CellFault as fault:
        raise RowFault(f"{name} {fault}") from None


def _extract(name: str, header: Sequence[str]) -> Extract:
    """Say what a file is about by its columns: the kind that knows most of them, with all that it needs."""
    there = {_plain(each) for each in header}
    fitting = {
        extract: len(there & {_plain(column.name) for column in columns})
        for extract, columns in COLUMNS.items()
        if all(_plain(column.name) in there for column in columns if column.needed)
    }
    if not fitting:
        raise FileFault(f"{name}, line 1: these columns are no extract known here; --as says which it is meant to be.")
    return max(fitting, key=lambda extract: fitting[extract])
