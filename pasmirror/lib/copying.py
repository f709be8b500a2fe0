"""Rows into a table by COPY, many times quicker than INSERT; knows no table by name, and nothing of what rows mean."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import Field, JSONField, Model

NULL = r"\N"
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_MARKED = re.compile(r"[\\\t\n\r]").search
_COMPACT = json.JSONEncoder(separators=(",", ":")).encode


def _text(value: str) -> str:
    return value.translate(_ESCAPED) if _MARKED(value) else value


def line(values: Sequence[str]) -> str:
    """Give texts, of which none is NULL, as one line of COPY's."""
    joined = "\t".join(values)
    if "\\" in joined or "\n" in joined or "\r" in joined or joined.count("\t") != len(values) - 1:
        return "\t".join(map(_text, values))
    return joined


def as_text(value: Any) -> str:
    """Give a value of any column but a JSON one as COPY wants it."""
    kind = type(value)
    if kind is str:
        return _text(value)
    if value is None:
        return NULL
    if kind is bool:
        return "t" if value else "f"
    if kind is datetime:
        return str(value.isoformat())
    return _text(str(value))


def jsonb(value: Any) -> str:
    """Give anything JSON can say as COPY wants it."""
    return _COMPACT(value).replace("\\", "\\\\")  # the only mark of COPY's that JSON's own text can hold


def insert(rows: Iterable[Model]) -> None:
    """Insert rows of one model by COPY, in the caller's transaction; those without a key are given one there.

    Raises what the database refuses (a key that is taken, a value too long), and then none of them is in.
    """
    rows = list(rows)
    if rows:
        names, lines = _lines(rows)
        insert_lines(type(rows[0]), names, lines)
        _stands(rows)


def upsert(rows: Iterable[Model], *, key: Sequence[str] = ("id",), updates: Sequence[str] = ()) -> None:
    """Insert rows of one model, or overwrite `updates` (all columns but the key) where one with this `key` stands.

    By COPY into a table of this session alone, and from there in one statement. Names are those of attributes.
    """
    rows = list(rows)
    if not rows:
        return
    model, (names, lines) = type(rows[0]), _lines(rows)
    columns, quote = _columns(model), connection.ops.quote_name
    target, beside = quote(model._meta.db_table), quote(f"beside_{model._meta.db_table}")
    into = ", ".join(quote(columns[name]) for name in names)
    setting = ", ".join(f"{quote(columns[n])} = EXCLUDED.{quote(columns[n])}" for n in updates or names if n not in key)
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {beside} "  # noqa: S608 - names of our own tables
            f"ON COMMIT DELETE ROWS AS SELECT * FROM {target} WITH NO DATA"
        )
        cursor.execute(f"TRUNCATE {beside}")
        _copy(cursor, f"{beside} ({into})", lines)
        cursor.execute(
            f"INSERT INTO {target} ({into}) SELECT {into} FROM {beside} "  # noqa: S608 - names of our own tables
            f"ON CONFLICT ({', '.join(quote(columns[name]) for name in key)}) DO UPDATE SET {setting}"
        )
    _stands(rows)


def insert_lines(model: type[Model], names: Sequence[str], lines: Sequence[str], *, end: str = "") -> None:
    """Insert rows that stand as COPY's own lines of text; `names`: the attributes in the order of the lines.

    `end`: what every one of the lines has to end with.
    """
    if not lines:
        return
    columns, quote = _columns(model), connection.ops.quote_name
    into = f"{quote(model._meta.db_table)} ({', '.join(quote(columns[name]) for name in names)})"
    with connection.cursor() as cursor:
        _copy(cursor, into, lines, end)


def _copy(cursor: Any, into: str, lines: Sequence[str], end: str = "") -> None:
    with connection.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as copy:  # as execute does itself
        end += "\n"
        copy.write("".join([end.join(lines), end]).encode())


def _columns(model: type[Model]) -> dict[str, str]:
    return {field.attname: str(field.column) for field in model._meta.concrete_fields}


def _lines(rows: Sequence[Model]) -> tuple[list[str], list[str]]:
    plan = _plan(type(rows[0]), with_key=rows[0].pk is not None)
    return [name for name, _ in plan], ["\t".join([write(getattr(row, name)) for name, write in plan]) for row in rows]


def _stands(rows: Sequence[Model]) -> None:
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


def left_over(model: type[Model], names: Iterable[str]) -> dict[str, str]:
    """Give the columns that `names` leaves out, each with its default as COPY wants it; without the key."""
    named = set(names)
    fields = [f for f in model._meta.concrete_fields if not f.primary_key and f.attname not in named]
    return {field.attname: _writer(field)(field.get_default()) for field in fields}


@lru_cache(maxsize=64)
def _plan(model: type[Model], *, with_key: bool) -> tuple[tuple[str, Callable[[Any], str]], ...]:
    fields = [field for field in model._meta.concrete_fields if with_key or not field.primary_key]
    return tuple((field.attname, _writer(field)) for field in fields)


def _writer(field: "Field[Any, Any]") -> Callable[[Any], str]:
    return _json_or_null if isinstance(field, JSONField) else as_text


def _json_or_null(value: Any) -> str:
    return NULL if value is None else jsonb(value)
