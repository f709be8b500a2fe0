"""`manage.py up`: what it refuses with one plain sentence, and how its processes live and die."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pasmirror import embedded, supervise
from tests.eventually import eventually
from tests.product import Product

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("up") / "var") as running:
        yield running


def refused(product: Product) -> str:
    done = product.manage(*product.words)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


def test_a_port_in_use_is_named_in_one_sentence(tmp_path: Path) -> None:
    product = Product(tmp_path / "var")
    with socket.create_server(("127.0.0.1", product.http)):
        sentence = refused(product)
    assert sentence.splitlines()[-1] == (
        f"CommandError: Port {product.http}, for the screens, is in use by another program: "
        "choose another by PASMIRROR_HTTP_PORT."
    )
    assert product.everyone() == []


def test_a_database_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://clerk:topsecret@127.0.0.1:{Product(tmp_path / 'other').http}/pasmirror"
    sentence = refused(Product(tmp_path / "var", DATABASE_URL=url))
    assert "DATABASE_URL does not answer" in sentence
    assert "topsecret" not in sentence


def test_every_faulty_variable_is_named_at_once(tmp_path: Path) -> None:
    product = Product(tmp_path / "var", PASMIRROR_HTTPS="perhaps", DATABASE_URL="mysql://a:topsecret@h/x")
    product.environment["PASMIRROR_MLLP_PORT"] = "99999"
    sentence = refused(product)
    assert [line.split()[0] for line in sentence.splitlines()] == [
        "PASMIRROR_MLLP_PORT",
        "DATABASE_URL",
        "PASMIRROR_HTTPS",
    ]
    assert "topsecret" not in sentence


def test_a_second_run_in_the_same_folder_is_refused(product: Product) -> None:
    assert "already running" in refused(product)
    assert supervise.program_pid("web", var=product.var)


def test_the_database_log_holds_no_patient(product: Product) -> None:
    with database_of(product) as connection:
        connection.execute("CREATE TEMP TABLE person (nhs text PRIMARY KEY)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO person VALUES ('9990000018'), ('9990000018')")

    def logged() -> str:
        return "".join(path.read_text(errors="replace") for path in (product.var / "log").glob("postgres*"))

    eventually(lambda: "duplicate key" in logged(), within=5)
    assert "9990000018" not in logged()


@pytest.mark.parametrize("name", ["web", "work", "sweep", "apply", "listen", "monitor", "valkey"])
def test_a_killed_child_comes_back_and_no_other_goes(product: Product, name: str) -> None:
    before = {other: product.pid(other) for other in supervise.states(var=product.var)}
    os.kill(before[name], signal.SIGKILL)

    def back() -> bool:
        state, pid = supervise.states(var=product.var)[name]
        return state == "RUNNING" and pid != before[name]

    eventually(back, within=30)
    after = {other: product.pid(other) for other in before}
    assert {other for other in before if before[other] != after[other]} == {name}


def test_a_killed_database_comes_back(product: Product) -> None:
    postmaster = int((product.var / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)

    def back() -> bool:
        try:
            with database_of(product) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    eventually(lambda: not psutil.pid_exists(postmaster), within=10)
    eventually(back, within=30)


def test_a_killed_supervisor_comes_back_with_all_its_programs(product: Product) -> None:
    os.kill(int((product.var / "supervisord.pid").read_text()), signal.SIGKILL)
    eventually(lambda: _all_running(product), within=60, every=0.2)


@pytest.mark.parametrize("wish", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_ending_leaves_nobody(tmp_path: Path, wish: signal.Signals) -> None:
    product = Product(tmp_path / "var").start()
    assert len(product.everyone()) > len(supervise.PROCESSES)
    assert product.stop(wish) == 0
    assert product.everyone() == []


def test_a_restored_database_is_noticed_before_any_process_runs(tmp_path: Path) -> None:
    """Its audit chain ends before the anchor that is kept outside of it."""
    product = Product(tmp_path / "var").start()
    product.stop()
    anchor = product.var / "anchor" / "audit.log"
    anchor.parent.mkdir(exist_ok=True)
    with anchor.open("a") as kept:
        kept.write(f"4711 {'a' * 64} 2026-01-01T00:00:00+00:00\n")
    with product:
        assert "The database was restored or promoted" in product.said()
        assert (product.var / "anchor" / "audit-before-2.log").exists()
        with database_of(product) as connection:
            said = connection.execute("SELECT code FROM lib_alarm WHERE cleared_at IS NULL").fetchall()
            assert ("restored-database",) in said


def test_killing_it_leaves_nobody_and_it_starts_again(tmp_path: Path) -> None:
    product = Product(tmp_path / "var").start()
    product.stop(signal.SIGKILL)
    eventually(lambda: not product.everyone(), within=15)
    with product:
        assert product.pid("web")
    assert product.everyone() == []


def test_killing_make_leaves_nobody(tmp_path: Path) -> None:
    product = Product(tmp_path / "var")
    with product.output.open("wb") as output:
        make = subprocess.Popen(
            ["make", "up"], env=product.environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    eventually(lambda: _all_running(product), within=60, every=0.2)
    make.kill()
    make.wait()
    eventually(lambda: not product.everyone(), within=20)


def database_of(product: Product) -> psycopg.Connection:
    return psycopg.connect(embedded.postgres_url(product.var), autocommit=True, connect_timeout=2)


def _all_running(product: Product) -> bool:
    try:
        return all(state == "RUNNING" for state, _ in supervise.states(var=product.var).values())
    except OSError:
        return False
