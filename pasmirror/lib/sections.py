"""Reads typed values out of the tables of a site file and gathers every fault with its line; knows no key by name."""

import contextlib
import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pasmirror.lib.toml_lines import Path, key_lines

T = TypeVar("T")

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, order=True, slots=True)
class Fault:
    """One thing wrong in a site file: where, which key, and what to do, in one sentence."""

    line: int
    key: str
    sentence: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.key}: {self.sentence}" if self.key else f"line {self.line}: {self.sentence}"


class FromEnvironment(str):
    """A text with an environment variable in it; may stand where a number or truth value is wanted."""

    __slots__ = ()


class SiteText:
    """A site file's text, read once: its tables as `Section`s and the faults found so far.

    `${NAME}` and `${NAME:-default}` within any string value are taken from `environment`. A text that is no TOML
    has that one fault and an empty root.
    """

    def __init__(self, text: str, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.found: dict[tuple[Path, str], Fault] = {}
        self.sections: dict[Path, Section] = {}
        self.lines: dict[Path, int] = {(): 1}
        tree: dict[str, Any] = {}
        try:
            tree = tomllib.loads(text)
            self.lines = key_lines(text)
        except tomllib.TOMLDecodeError as fault:
            self.found[(), ""] = _syntax(str(fault), text)
        self.readable = not self.found
        self.root = self.section(self._filled(tree, ()), ())

    def section(self, table: Any, path: Path) -> "Section":
        """Give the section of `path`, the same one each time, so that two apps may share it."""
        if path not in self.sections:
            if not isinstance(table, dict):
                self.fault(path, "must be a table of keys and values")
            self.sections[path] = Section(self, table if isinstance(table, dict) else {}, path)
        return self.sections[path]

    def fault(self, path: Path, sentence: str, *, whole: bool = False) -> None:
        """Note a fault at `path`, or where the nearest table around it stands; only the first unless of a `whole`."""
        about = sentence if whole else ""
        self.found.setdefault((path, about), Fault(self.line(path), _spelled(path), sentence))

    def line(self, path: Path) -> int:
        """Give the line of `path`, or of the nearest table around it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def faults(self) -> list[Fault]:
        """Give the faults found so far, in the order of their lines."""
        return sorted(self.found.values())

    def finish(self) -> list[Fault]:
        """Name every key that nobody has asked for, and give all faults."""
        if self.readable:
            for section in list(self.sections.values()):
                section.name_unknown()
        return self.faults()

    def _filled(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._filled(inner, (*path, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or not VARIABLE.search(value):
            return value

        def look_up(found: re.Match[str]) -> str:
            name, default = found.groups()
            text = self.environment.get(name, "") or default
            if text is None:
                self.fault(path, f"the environment variable {name} is not set")
            return text or ""

        return FromEnvironment(VARIABLE.sub(look_up, value))


class Section:
    """One table of the site file. Each reader gives a usable value and notes a fault where there is none.

    A `default` of None means that the key must be there.
    """

    def __init__(self, file: SiteText, table: dict[str, Any], path: Path) -> None:
        self.file = file
        self.table = table
        self.path = path
        self.asked: set[str] = set()

    def text(
        self, name: str, *, default: str | None = None, most: int = 200, choices: Iterable[str] = (), code: bool = False
    ) -> str:
        """A text of at most `most` characters, one of `choices` if there are any; a code has no blank or HL7 mark."""
        value = self._value(name, default)
        if not isinstance(value, str):
            return self._wrong(name, value, "a text in quotation marks", default or "")
        known = list(choices)
        if value == default:
            return value
        if not value.strip():
            self.fault(name, "may not be empty")
        elif known and value not in known:
            self.fault(name, f"must be one of {', '.join(known)}, not {value!r}{_nearest(value, known)}")
            return default or ""
        elif len(value) > most:
            self.fault(name, f"may have at most {most} characters, and has {len(value)}")
        elif code and re.search(r"[\s|^~\\&]", value):
            self.fault(name, "is a code and may hold no blank and none of | ^ ~ \\ &")
        return value.strip()

    def whole(self, name: str, *, default: int | None = None, least: int = 0, most: int = 2**31 - 1) -> int:
        """A whole number from `least` to `most`."""
        value = self._value(name, default)
        if not self.has(name) and default is not None:
            return default
        if isinstance(value, FromEnvironment) and value.strip().isascii() and value.strip().isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return self._wrong(name, value, "a whole number", default or least)
        if not least <= value <= most:
            self.fault(name, f"must be from {least} to {most}, not {value}")
            return default or least
        return value

    def number(self, name: str, *, default: float | None = None, least: float = 0.0, most: float = 1e9) -> float:
        """A number, whole or with a point, from `least` to `most`."""
        value = self._value(name, default)
        if not self.has(name) and default is not None:
            return default
        if isinstance(value, FromEnvironment):
            with contextlib.suppress(ValueError):
                value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._wrong(name, value, "a number", default or least)
        if not least <= value <= most:
            self.fault(name, f"must be from {least:g} to {most:g}, not {value:g}")
            return default or least
        return float(value)

    def port(self, name: str, *, default: int | None = None) -> int:
        """A TCP port."""
        return self.whole(name, default=default, least=1, most=65535)

    def flag(self, name: str, *, default: bool) -> bool:
        """true or false."""
        value = self._value(name, default)
        if isinstance(value, FromEnvironment):
            value = {"1": True, "true": True, "0": False, "false": False}.get(value.strip().lower(), value)
        return value if isinstance(value, bool) else self._wrong(name, value, "true or false", default)

    def words(
        self, name: str, *, default: Sequence[str] | None = None, choices: Iterable[str] = (), blank: bool = False
    ) -> list[str]:
        """A list of texts, each once, each one of `choices` if there are any; `blank` texts may be among them."""
        value = self._value(name, list(default) if default is not None else None)
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            return self._wrong(name, value, 'a list of texts, as ["a", "b"]', list(default or ()))
        known = list(choices)
        for index, word in enumerate(value):
            if not word.strip() and not blank:
                self.file.fault((*self.path, name, index), "may not be empty")
            elif known and word not in known:
                self.file.fault(
                    (*self.path, name, index), f"must be one of {', '.join(known)}, not {word!r}{_nearest(word, known)}"
                )
            elif word in value[:index]:
                self.file.fault((*self.path, name, index), f"{word!r} is there twice")
        return [word.strip() for word in value if not known or word in known]

    def one(self, name: str) -> "Section":
        """The table `name`, which must be there."""
        self.asked.add(name)
        if name not in self.table and self.file.readable:
            self.fault(name, f"the section [{name}] is missing")
            return self.file.section({}, (*self.path, name))
        return self.file.section(self.table.get(name, {}), (*self.path, name))

    def each(self, name: str) -> list["Section"]:
        """The tables of the list `name`; none if it is not there."""
        self.asked.add(name)
        value = self.table.get(name, [])
        if not isinstance(value, list):
            self.fault(name, f"must be a list of tables, as [[{name}]]")
            return []
        return [self.file.section(table, (*self.path, name, index)) for index, table in enumerate(value)]

    def line(self, name: str = "") -> int:
        """Give the line of the key `name`, or of the section itself."""
        return self.file.line((*self.path, name) if name else self.path)

    def has(self, name: str) -> bool:
        """Say whether the key is there."""
        return name in self.table

    def fault(self, name: str, sentence: str) -> None:
        """Note a fault of the key `name` ("" for the section itself)."""
        self.file.fault((*self.path, name) if name else self.path, sentence, whole=not name)

    def name_unknown(self) -> None:
        """Note a fault for every key nobody has asked for, with the nearest name that there is."""
        for name in self.table.keys() - self.asked:
            self.fault(name, f"there is no such key here{_nearest(name, sorted(self.asked))}")

    def _value(self, name: str, default: Any) -> Any:
        self.asked.add(name)
        return self.table.get(name, default)

    def _wrong(self, name: str, value: Any, wanted: str, instead: T) -> T:
        if value is None:
            if self.file.readable and (self.table or self.path in self.file.lines):
                self.fault(name, "is missing")
        else:
            self.fault(name, f"must be {wanted}")
        return instead


def _nearest(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _spelled(path: Path) -> str:
    """A path as people write it: ward[2].code, counting from 1."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _syntax(told: str, text: str) -> Fault:
    at = re.search(r"line (\d+)", told)
    line = int(at.group(1)) if at else text.count("\n") + 1
    return Fault(line, "", f"this is not TOML: {told.split(' (at')[0]}")
