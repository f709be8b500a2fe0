"""The checker on a real run: a sound downtime has no finding, rows spoiled behind the product's back have theirs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import eventually
from tests.faults.checker import judge, reading
from tests.faults.checker.finding import Kind
from tests.faults.checker.history import History
from tests.faults.drill import Drill, accounts
from tests.faults.prepared import Prepared
from tests.faults.recorder import peers, sinks
from tests.faults.recorder.clerk import Clerk
from tests.faults.recorder.log import Unjudgeable
from tests.faults.recorder.pas import PasDesk, feed

pytestmark = pytest.mark.timeout(240)
WRITES = 12  # acknowledged by the screens


@dataclass(frozen=True)
class Run:
    """A downtime from end to end, and what everybody had written down of it."""

    drill: Drill
    stores: dict[str, Any]
    found: dict[str, bytes]

    def history(self) -> History:
        with self.drill.db() as db:
            return reading.read(db, self.drill.logs, self.stores, self.found)

    def kinds(self) -> set[Kind]:
        return {each.kind for each in judge.findings(self.history())}

    @contextmanager
    def spoiled(self, table: str, key: str, setting: str, which: str) -> Iterator[None]:
        """Change one row as only a superuser with the triggers off can, and put it back."""
        with self.drill.db() as db:
            db.execute("SET session_replication_role = replica")
            (row,) = db.execute(f"SELECT {key} FROM {table} WHERE {which} ORDER BY 1 DESC LIMIT 1").fetchall()
            db.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table} WHERE {key} = %s", row)
            wanted = f"UPDATE {table} SET {setting}" if setting else f"DELETE FROM {table}"
            assert db.execute(f"{wanted} WHERE {key} = %s", row).rowcount == 1
            try:
                yield
            finally:
                db.execute(f"DELETE FROM {table} WHERE {key} = %s", row)
                db.execute(f"INSERT INTO {table} SELECT * FROM kept")


def work(clerk: Clerk) -> None:
    """A clerk's day without a conflict, each record looked at again."""
    assert clerk.sign_in()
    for ward in ("WA", "WB", "WA"):
        made = clerk.register()
        assert made
        clerk.amend(made.patient)
        clerk.admit(made.patient, ward=ward)
        clerk.book(made.patient, clinic="CARD", slot=0)
        clerk.look(made.patient)


@pytest.fixture(scope="module")
def run(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The PAS at work, its death, clerks at work, replay and hand-back, the PAS at work again."""
    with Drill(prepared, tmp_path_factory.mktemp("checked")) as drill:
        desk_log = drill.log("pas")
        users = PasDesk(desk_log, drill.pas)
        known = [users.register()["patient"] for _ in range(2)]
        eventually(lambda: not drill.busy(), within=20, every=0.2, why="the PAS's news is applied")
        drill.given_mirror()
        with drill.log("clerks") as log:
            work(Clerk(log, "127.0.0.1", drill.port("web"), account=accounts(1)[0], number=1, seed=drill.seed))
        drill.quiet()
        drill.back_to_normal(within=120)
        users.amend(known[0])
        drill.quiet()
        desk_log.close()
        with drill.log("feed") as log:
            feed(log, drill.pas)
        stores = peers.read(drill.pas, drill.receivers)
        yield Run(drill, stores, sinks.collect(drill.var, drill.product, drill.logs))


def test_nothing_is_found_in_a_sound_downtime(run: Run) -> None:
    history = run.history()
    found = judge.findings(history)
    assert not found, judge.report(found)
    assert len(history.by_clerks()) >= WRITES
    for name in ("forms", "inbound", "outbound", "attempts", "moves", "incidents", "links", "sinks"):
        assert getattr(history, name), f"no {name} were read"
    assert {each.end for each in history.replays} <= {"confirmed", "already", "superseded", "held"}
    assert len(history.replays) == len(history.by_clerks())
    assert all(each.arrivals and each.effects for each in history.receivers)
    for name in ("patients", "stays", "appointments"):
        assert len(getattr(history.record, name)) >= len(getattr(history.pas.record, name)) > 0


SPOILED = {
    Kind.LANE_GAP: ("messaging_outbound", "id", "seq = seq + 1000", "leg = 'accepted'"),
    Kind.ABORTED_READ: ("messaging_outbound", "id", "control_id = 'M01-2-99999'", "leg = 'accepted'"),
    Kind.DUPLICATE_EFFECT: ("messaging_outbound", "id", "body = 'MSH|other'", "leg = 'accepted' AND lane_id <> 1"),
    Kind.BROKEN_CHAIN: ("lib_auditrow", "id", "action = 'looked'", "change IS NOT NULL"),
    Kind.UNBALANCED_LEDGER: ("failover_replay", "id", "\"end\" = 'waiting'", "true"),
    Kind.DIVERGENCE: ("patients_patient", "id", "family = 'SOMEBODY'", "merged_into_id IS NULL"),
    Kind.FENCED_EMISSION: ("messaging_attempt", "id", "opened_at = now()", "ending = 'accepted'"),
    Kind.TWO_MASTERS: ("patients_change", "id", "epoch = epoch - 1", "source = 'clerk'"),
}


@pytest.mark.parametrize("kind", SPOILED, ids=str)
def test_a_spoiled_row_is_found(run: Run, kind: Kind) -> None:
    with run.spoiled(*SPOILED[kind]):
        assert kind in run.kinds()


def test_a_change_gone_from_the_journal_is_found(run: Run) -> None:
    with run.spoiled("patients_change", "id", "", "source = 'clerk'"):
        assert {Kind.LOST_WRITE, Kind.SCREEN_LIED} <= run.kinds()


def test_a_name_in_a_sink_is_found(run: Run) -> None:
    history = run.history()
    mark = next(iter(history.marks()))
    found = judge.findings(replace(history, sinks=(*history.sinks, ("log/new", f"saved {mark}".encode()))))
    assert Kind.PATIENT_DATA_IN_SINK in {each.kind for each in found}


def test_a_run_without_a_table_cannot_be_judged(run: Run) -> None:
    with run.drill.db() as db, db.transaction(force_rollback=True):
        db.execute("ALTER TABLE failover_signature RENAME TO elsewhere")
        with pytest.raises(Unjudgeable, match="failover_signature"):
            reading.tables(db)


def test_a_run_without_a_peers_store_cannot_be_judged(run: Run, tmp_path: Path) -> None:
    with run.drill.db() as db:
        for lacking in ({**run.stores, "receivers": {}}, {"receivers": run.stores["receivers"]}):
            with pytest.raises(Unjudgeable, match="store"):
                reading.read(db, run.drill.logs, lacking, run.found)
        with pytest.raises(Unjudgeable, match="no log"):
            reading.read(db, tmp_path, run.stores, run.found)
