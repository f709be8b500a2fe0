"""The line of every key of a TOML text, held against what tomllib reads."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from pasmirror.lib.toml_lines import key_lines

TRICKY = '''\
# a comment = 1
title = "a # no comment [x]"
"quoted key" = 'it''s'
a.b = 1
a.c = 1979-05-27 07:32:00

[one]
text = """
[not.a.table]
key = "no"
"""
raw = \'\'\'
x = 1
\'\'\'
list = [ # with a comment, [ and ]
  "a,b",
  [1, 2],

  { x = 1, y = { z = [3] } },
]

[[ward]]
code = "WA"
bays = [
    { bay = "A", beds = ["1"] },
    { bay = "B",
]
'''.replace('    { bay = "B",\n]', '    { bay = "B", beds = [] },\n]').replace("'it''s'", "'its'")

NESTED = """
[[a]]
x = 1
[[a.b]]
y = 1
[[a.b]]
y = 2
[a.c]
z = 1
[[a]]
[[a.b]]
y = 3
[d.e.f]
g = 1
"""


def paths(tree: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return {path}.union(*(paths(value, (*path, key)) for key, value in inner))


@pytest.mark.parametrize(
    "text", [TRICKY, NESTED, TRICKY.replace("\n", "\r\n"), Path("pasmirror/demo/site.toml").read_text()]
)
def test_every_key_has_a_line(text: str) -> None:
    missing = paths(tomllib.loads(text)) - key_lines(text).keys()
    assert not missing


def test_the_lines_are_right() -> None:
    lines = key_lines(TRICKY)
    text = TRICKY.splitlines()
    assert text[lines["quoted key",] - 1].startswith('"quoted key"')
    assert text[lines["a", "c"] - 1].startswith("a.c")
    assert text[lines["one",] - 1] == "[one]"
    assert text[lines["one", "list"] - 1].startswith("list")
    assert "[1, 2]" in text[lines["one", "list", 1, 0] - 1]
    assert "z = [3]" in text[lines["one", "list", 2, "y", "z"] - 1]
    assert text[lines["ward", 0] - 1] == "[[ward]]"
    assert '"B"' in text[lines["ward", 0, "bays", 1, "bay"] - 1]


def test_nested_lists_of_tables_are_told_apart() -> None:
    lines = key_lines(NESTED)
    assert [lines["a", 0, "b", 0, "y"], lines["a", 0, "b", 1, "y"], lines["a", 1, "b", 0, "y"]] == [5, 7, 12]
    assert lines["a", 0, "c", "z"] == 9
    assert lines["d", "e", "f", "g"] == 14
