"""Sends statements in one go, prepared once a connection, for what is done for every message; knows no table."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import psycopg
from django.db import connection

Statement = tuple[str, Sequence[Any] | Mapping[str, Any]]  # SQL with its placeholders, and their values


def ask(*statements: Statement) -> list[list[Any]]:
    """Do them in their order, in the caller's transaction, and give the rows of each; one waiting for all of them.

    Raises the database's fault of the first that failed; none after it was done then. Each statement sees what was
    committed before it began, as one sent alone would. The server may keep its plan: `forget_plans`.
    """
    connection.ensure_connection()
    raw = connection.connection
    usual, raw.prepare_threshold = raw.prepare_threshold, 0
    try:
        with connection.wrap_database_errors:
            with raw.pipeline() if len(statements) > 1 else nullcontext():
                cursors = [psycopg.Cursor(raw).execute(text, values) for text, values in statements]
            return [cursor.fetchall() if cursor.description else [] for cursor in cursors]
    finally:
        raw.prepare_threshold = usual


def forget_plans() -> None:
    """Have what this connection asks planned anew: a plan kept from when a table was small reads all of it later."""
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")
