"""Readies every test: an own var folder, the embedded PostgreSQL on first need, and no socket beyond this machine.

Runs before any Django setting is read, so it may not import anything of the product at its top but `embedded`.
"""

import atexit
import ipaddress
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as examples

from pasmirror import embedded
from tests.broker import NOBODY, WITHOUT_BROKER

VAR = Path(tempfile.mkdtemp(prefix="pasmirror-tests-"))
atexit.register(shutil.rmtree, VAR, ignore_errors=True)
OWN_SERVER = not os.environ.get("DATABASE_URL")
os.environ.update(
    {
        "DJANGO_SETTINGS_MODULE": "pasmirror.settings",
        "PASMIRROR_VAR": str(VAR),
        "PASMIRROR_SITE": str(VAR / "site.toml"),
        "PASMIRROR_SECRET_KEY": "for tests only",
        "PASMIRROR_HTTPS": "0",
        "PASMIRROR_DB_POOL": "0",
        "PASMIRROR_TRANSACTION_TIMEOUT": "30000",
        "PASMIRROR_LOG_LEVEL": "WARNING",
    }
)
for name in ("PASMIRROR_HTTP_PORT", "PASMIRROR_MLLP_PORT", "REDIS_URL"):
    os.environ.pop(name, None)
if WITHOUT_BROKER:
    os.environ["REDIS_URL"] = NOBODY


# The gate tries the same examples each time, so that it judges the change; `make faults` tries others each time.
examples.register_profile("same", derandomize=True)
examples.register_profile("others", print_blob=True)
examples.load_profile("others" if os.environ.get("PASMIRROR_FAULTS") == "long" else "same")


def _loopback_only(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and address[0] not in {"localhost", ""}:
        try:
            allowed = ipaddress.ip_address(str(address[0])).is_loopback
        except ValueError:
            allowed = False
        if not allowed:
            raise RuntimeError("a test may not leave this machine")


sys.addaudithook(_loopback_only)


def _set_up_django() -> None:
    import django

    django.setup()


_set_up_django()


def pytest_configure(config: pytest.Config) -> None:
    """Let a process that only starts others not name the settings: these would be read there before we have readied."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse an exception from the runs without a broker that does not say why it is one."""
    bare = [each.nodeid for each in items for mark in each.iter_markers("broker") if not (mark.args and mark.args[0])]
    if bare:
        raise pytest.UsageError(f"marked `broker` without the reason: {', '.join(bare)}")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL for this session: the embedded one, unless DATABASE_URL names another."""
    if not OWN_SERVER:
        yield os.environ["DATABASE_URL"]
        return
    with embedded.Postgres(VAR):
        yield embedded.postgres_url(VAR)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres_server: str) -> None:
    """pytest-django asks for this before it makes the test database: that is when a server is needed."""


SEEDS = (
    "INSERT INTO patients_gate (scope, mode, epoch, fenced, since, sentence) "
    "VALUES ('site', 'normal', 1, 0, now(), 'The PAS is master.')",
    "INSERT INTO messaging_emission (valve, since, by, reason) VALUES ('held', now(), '{}', 'never opened')",
)
"""The rows that the migrations put there, and that a test with real transactions must find again."""


@pytest.fixture(scope="session", autouse=True)
def _flush_past_append_only() -> Iterator[None]:
    """After a test with real transactions the tables are emptied: past the append-only triggers, seeds put back."""
    from django.db import connection, transaction
    from django.db.backends.postgresql.operations import DatabaseOperations

    def flush(self: DatabaseOperations, statements: list[str]) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for statement in (*statements, *SEEDS):
                cursor.execute(statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "execute_sql_flush", flush)
        yield


@pytest.fixture
def valkey_server() -> Iterator[embedded.Valkey]:
    """A Valkey where the settings look for one; the test may kill or freeze it by its pid."""
    assert not WITHOUT_BROKER, "what needs the broker is marked `broker`, with the reason"
    with embedded.Valkey(VAR) as server:
        yield server
