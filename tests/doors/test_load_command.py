"""`manage.py load` as a process of its own: killed and begun again, beside a feed that goes on, and refusals."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from django.db import OperationalError, connection

from messaging.models import Inbound
from messaging.services import apply
from messaging.services.loading import LOADED
from pasmirror.bench import extracts
from pasmirror.lib.models import AuditRow
from patients.models import Change, Patient, PatientIdentifier, Trunk
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.feed_door import ROOT, database_url
from tests.loads import written
from tests.service.test_apply import message, store

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(240)]
ROWS = 12_000
WORDS = ("--as-of", extracts.AS_OF, "--authority", "RXX")


def begin(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "load", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(*words: object) -> tuple[int, str, str]:
    process = begin(*words)
    out, error = process.communicate(timeout=200)
    return process.returncode, out, error


def loading() -> bool:
    """Whether a load has the database's attention."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pasmirror-command'")
        return bool(cursor.fetchone()[0] > 1)  # the tests' own is one


def lots() -> int:
    return AuditRow.objects.filter(action=LOADED).count()


def test_a_load_killed_twice_goes_on_and_every_row_is_in_once(tmp_path) -> None:
    """kill -9 in the middle, twice → the same command goes on → each person once, each refusal once."""
    path = tmp_path / "all.csv"
    extracts.patients(path, ROWS, first=1)
    with path.open("a") as file:
        file.write("".join(f"L{n:08d},,,ODD,,,never,1,,,,,,,,\n" for n in range(50_000_000, 50_000_040)))
    for kills in (1, 2):
        process = begin(path, *WORDS)
        before = lots()
        eventually(lambda before=before: lots() > before, within=120, why=f"a lot is in, before kill {kills}")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
        assert process.returncode == -signal.SIGKILL, "it was killed at work"
        assert 0 < Patient.objects.count() < ROWS
    code, out, error = finished(path, *WORDS)
    assert (code, f"{ROWS + 40:,} read, {ROWS:,} taken, 0 unchanged, 40 refused" in out) == (1, True), out + error
    assert "going on after the first" in error
    assert Patient.objects.count() == PatientIdentifier.objects.count() == Trunk.objects.count() == ROWS
    assert Change.objects.count() == Change.objects.values("origin").distinct().count() == ROWS
    assert len(written(tmp_path / "all.refused.csv")) == 41
    code, out, _ = finished(path, *WORDS)
    assert (code, "loaded already" in out) == (1, True), "some were refused, and still are"
    assert Change.objects.count() == ROWS


def test_the_feed_goes_on_beside_a_load_of_the_same_people(tmp_path) -> None:
    """A load and the feed tell of the same people at once → nothing is lost, parked or there twice."""
    path = tmp_path / "all.csv"
    extracts.patients(path, 3000, first=1)
    told = [message("ADT^A31", f"L{n:08d}", family="FEED", born="") for n in range(3000, 0, -3)]
    store(*told)
    applied: list[int] = []
    meanwhile: list[int] = []

    def feed() -> None:
        try:
            while sum(applied) < len(told):
                try:
                    applied.append(apply.run_once(20))
                except OperationalError:  # a deadlock, say: once more, as the applying process does
                    connection.close()
                if process.poll() is None:
                    meanwhile.append(applied[-1])
        finally:
            connection.close()

    process = begin(path, *WORDS)
    eventually(loading, within=60, every=0.005, why="the load is at work")
    beside = threading.Thread(target=feed, daemon=True)
    beside.start()
    out, error = process.communicate(timeout=200)
    beside.join(100)
    code = process.returncode
    assert sum(meanwhile) > 0, "both were at work at once"
    assert code == 0, out + error
    assert sum(applied) == len(told)
    assert Patient.objects.count() == PatientIdentifier.objects.count() == 3000
    assert not Inbound.objects.exclude(outcome__in=("applied", "already")).exists()
    fed = Patient.objects.filter(identifiers__value__in=[f"L{n:08d}" for n in range(3, 3001, 3)])
    assert set(fed.values_list("family", flat=True)) == {"FEED"}, "it spoke after the extract was made"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gone.csv", None, "gone.csv cannot be read: No such file or directory."),
        ("x.csv", "SHOE SIZE\n9\n", "these columns are no extract known here"),
        ("x.csv", "LOCAL PATIENT IDENTIFIER,PERSON FAMILY NAME\n", ""),
    ],
)
def test_refusals_are_sentences_on_standard_error(tmp_path, name, text, said) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    code, out, error = finished(tmp_path / name, *WORDS)
    assert "Traceback" not in error
    assert said in error
    assert code == (1 if said else 0), out


def test_without_a_database_nothing_is_done(tmp_path) -> None:
    path = tmp_path / "p.csv"
    extracts.patients(path, 1, first=1)
    done = subprocess.run(
        [sys.executable, "manage.py", "load", str(path), *WORDS],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "The database does not answer." in done.stderr
    assert "Traceback" not in done.stderr
