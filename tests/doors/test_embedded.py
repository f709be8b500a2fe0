"""The embedded services: their way of starting, what they leave, and that they die with their owner."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from pasmirror import embedded
from tests.eventually import eventually

OWNER = """
import signal, sys
from pathlib import Path
from pasmirror import embedded
server, broker = embedded.Postgres(Path(sys.argv[1])).start(), embedded.Valkey(Path(sys.argv[1])).start()
print(server.pid, broker.pid, flush=True)
signal.pause()
"""


def ask(var: Path, question: str) -> str:
    with psycopg.connect(embedded.postgres_url(var)) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return str(row[0])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_cluster_is_durable_private_and_sorts_by_code_point(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with embedded.Postgres(var) as server:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            assert ask(var, f"SHOW {name}") == "on"
        locale = "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = current_database()"
        assert ask(var, locale) == "bC.UTF-8"
        assert ask(var, "SHOW listen_addresses") == ""
        assert mode(server.sockets) == mode(server.folder) == 0o700
    assert server.pid is None
    assert list(server.sockets.glob(".s.PGSQL*")) == []


def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    with embedded.Postgres(tmp_path / "var"), pytest.raises(embedded.EmbeddedFault, match="already owns"):
        embedded.Postgres(tmp_path / "var").start()


def test_services_die_with_a_killed_owner_and_what_was_committed_is_there_again(tmp_path: Path) -> None:
    var = tmp_path / "var"
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(var)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        pids = [int(word) for word in owner.stdout.readline().split()]
    with psycopg.connect(embedded.postgres_url(var)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    owner.kill()
    owner.wait()
    eventually(lambda: not any(alive(pid) for pid in pids), within=10)
    with embedded.Postgres(var):
        assert ask(var, "SELECT answer FROM kept") == "42"


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    "left", ["", "garbage\n", f"{os.getpid()}\n", "999999999\n"], ids=["empty", "garbage", "another's", "nobody's"]
)
def test_a_note_left_by_a_dead_server_stops_no_start(tmp_path: Path, left: str) -> None:
    var = tmp_path / "var"
    with embedded.Postgres(var) as server:
        pass
    (server.folder / "postmaster.pid").write_text(left)
    with embedded.Postgres(var):
        assert ask(var, "SELECT 1") == "1"


def test_a_server_killed_outright_is_started_again(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with embedded.Postgres(var) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: server.pid is None, within=5)
        server.stop()
        server.start()
        assert ask(var, "SELECT 1") == "1"


def test_an_unfinished_cluster_is_made_anew(tmp_path: Path) -> None:
    var = tmp_path / "var"
    (var / "postgres.unfinished" / "base").mkdir(parents=True)
    with embedded.Postgres(var):
        assert ask(var, "SELECT 1") == "1"


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(tmp_path: Path) -> None:
    var = tmp_path / ("long" * 30) / "var"
    folder = embedded.socket_folder(var)
    try:
        with embedded.Postgres(var), embedded.Valkey(var) as broker:
            assert broker.socket.parent == folder
            assert len(os.fsencode(folder)) < 80
            assert mode(folder) == 0o700
            assert ask(var, "SELECT 1") == "1"
    finally:
        for path in folder.glob("*"):
            path.unlink()
        folder.rmdir()


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(embedded.EmbeddedFault, match="belongs to somebody else"):
        embedded.private_folder(tmp_path / "run")


def test_nothing_outside_the_var_folder_changes_its_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with embedded.Postgres(tmp_path / "inner" / "var"):
        assert mode(tmp_path) == 0o700
        assert [path.name for path in tmp_path.iterdir()] == ["inner"]


def test_the_broker_keeps_nothing_on_disk_and_refuses_when_full(tmp_path: Path) -> None:
    with embedded.Valkey(tmp_path / "var") as broker:
        client = redis.Redis(unix_socket_path=str(broker.socket))
        try:
            assert client.ping()
            assert client.config_get("save") == {"save": ""}
            assert client.config_get("appendonly") == {"appendonly": "no"}
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            client.set("wake", "lane")
        finally:
            client.close()
        assert mode(broker.socket) == 0o700
    assert [path.name for path in (tmp_path / "var").rglob("*") if path.is_file()] == []
