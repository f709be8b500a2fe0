"""Finds the line on which each key of a TOML text stands, which tomllib does not tell; knows no key by name.

The text must already have been read by tomllib: what is wrong with it is not noticed here.
"""

import re
from bisect import bisect_right

Path = tuple[str | int, ...]

_KEY = re.compile(r'[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|\'[^\']*\'')
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}|\'\'\'(?:[^\']|\'(?!\'\'))*\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL
)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")


def key_lines(text: str) -> dict[Path, int]:
    """Give the line (from 1) of every key, table and list item by its path, as ("ward", 0, "code")."""
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.newlines = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[Path, int] = {(): 1}
        self.counts: dict[Path, int] = {}  # of arrays of tables

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while self._next():
            if self._take("[["):
                array = self._under((), self._keys())
                self._take("]]")
                self.counts[array] = self.counts.get(array, 0) + 1
                self._note(array)
                table = (*array, self.counts[array] - 1)
            elif self._take("["):
                table = self._open(self._keys())
                self._take("]")
            else:
                self._pair(table)
                continue
            self._note(table)
        return self.lines

    def _pair(self, table: Path) -> None:
        self._note(table)
        keys = self._keys()
        path = table
        for key in keys:
            path = (*path, key)
            self._note(path)
        self._take("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._next()
        if self._take("["):
            index = 0
            while not self._take("]"):
                self._note((*path, index))
                self._value((*path, index))
                index += 1
                self._take(",")
        elif self._take("{"):
            while not self._take("}"):
                self._pair(path)
                self._take(",")
        else:
            found = _STRING.match(self.text, self.at) or _SCALAR.match(self.text, self.at)
            self.at = found.end() if found else len(self.text)

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._next()
            found = _KEY.match(self.text, self.at)
            if not found:
                self.at = len(self.text)
                return keys
            self.at = found.end()
            keys.append(found.group().strip("\"'"))
            if not self._take("."):
                return keys

    def _open(self, keys: list[str]) -> Path:
        """The table of a header; within an array of tables that is its newest one."""
        path = self._under((), keys)
        return (*path, self.counts[path] - 1) if path in self.counts else path

    def _under(self, path: Path, keys: list[str]) -> Path:
        for key in keys[:-1]:
            path = (*path, key)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return (*path, *keys[-1:])

    def _note(self, path: Path) -> None:
        line = bisect_right(self.newlines, self.at - 1) + 1
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def _take(self, mark: str) -> bool:
        self._next()
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def _next(self) -> bool:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at < len(self.text)
