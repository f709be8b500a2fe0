"""The recorder against the running product: clerks at the real screens, a web process killed under them, the sinks."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from pasmirror import supervise
from tests.eventually import eventually
from tests.faults.drill import Drill, accounts
from tests.faults.prepared import Prepared
from tests.faults.recorder import sinks
from tests.faults.recorder.clerk import Clerk, Press, acts
from tests.faults.recorder.log import Log, read
from tests.faults.recorder.screens import EVENTS

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]
WRITES = 40  # acknowledged


@pytest.fixture(scope="module")
def drill(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """One hospital in mirror mode for all tests here."""
    with Drill(prepared, tmp_path_factory.mktemp("recorded")) as started:
        started.given_mirror()
        yield started


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with Log(tmp_path / "two.jsonl", seed=1) as opened:
        yield opened


def clerk(drill: Drill, log: Log, number: int) -> Clerk:
    """A signed-in clerk with an account of his own."""
    made = Clerk(log, "127.0.0.1", drill.port("web"), account=accounts(3)[number - 1], number=number, seed=77)
    assert made.sign_in()
    return made


def changes_of(drill: Drill, key: str) -> list[int]:
    """The changes that came of a form, by the product's own note of its key."""
    rows = drill.ask("SELECT (result->>'change')::bigint FROM lib_idempotencykey WHERE key = %s", key)
    return [int(str(change)) for (change,) in rows if change is not None]


def test_what_three_clerks_were_told_was_saved_is_there_to_be_read(drill: Drill) -> None:
    clerks = drill.clerks(n=3, pace=0.02)
    eventually(lambda: clerks.saved() >= WRITES, within=120, every=0.1, why="clerks save")
    clerks.stop()
    clerks.log.close()
    ops = read(clerks.log.path)
    ends = Counter(op.end for op in ops)
    assert ends["unknown"] == 0
    assert clerks.done()["ok"] >= WRITES
    saved = [op for op in ops if op.end == "ok" and "key" in op.said]
    assert {op.what for op in saved} >= {"register", "amend", "admit", "book"}
    assert [op for op in saved if not op.told["read_back"]] == []
    assert all(op.told["mode"] == "mirror" and op.told["age"].startswith("Data as at") for op in saved)
    assert len({op.said["mark"] for op in saved if op.said["mark"]}) == sum(bool(op.said["mark"]) for op in saved)
    looks = [op for op in ops if op.what == "look"]
    assert looks
    assert all(op.told["surname"].startswith("ZQ") for op in looks)
    journal = {int(str(pk)): str(event) for pk, event in drill.ask("SELECT id, event FROM patients_change")}
    for op in saved:
        (change,) = changes_of(drill, op.said["key"])
        assert journal[change] == {"amend": "update", "cancel": "cancel_appointment"}.get(op.what, op.what)
        assert change in op.told["changes"]
        assert [event[1] for event in op.told["events"] if event[0] == change] == [EVENTS[op.what]]


def test_two_clerks_meet_and_the_second_is_told_and_may_save_on_the_newer_version(drill: Drill, log: Log) -> None:
    ann, ben = clerk(drill, log, 1), clerk(drill, log, 2)
    made = ann.register()
    assert made
    path = f"/patients/{made.patient}/edit"
    form = ann.form("amend", path)
    assert form
    theirs = ben.amend(made.patient)
    assert theirs
    assert (theirs.end, theirs.told["read_back"]) == ("ok", True)
    mine = ann.send("amend", path, form, {"family": "ZQMINE"}, mark="ZQMINE")
    assert (mine.end, mine.stale, changes_of(drill, mine.said["key"])) == ("refused", True, [])
    over = ann.over(mine)
    assert over
    assert (over.end, over.told["surname"], over.said["after"]) == ("ok", "ZQMINE", mine.number)
    once_more = ann.again(over)
    assert once_more.said["key"] == over.said["key"]
    assert len(changes_of(drill, over.said["key"])) == 1


def test_the_same_button_pressed_again_makes_one_patient(drill: Drill, log: Log) -> None:
    ann = clerk(drill, log, 1)
    first = ann.register()
    assert first
    second = ann.again(first)
    assert (first.end, second.end, second.said["again"]) == ("ok", "ok", first.number)
    assert second.patient == first.patient
    assert second.told["changes"] == first.told["changes"]
    screen = ann.look(first.patient)
    assert screen
    assert {what for what, _ in acts(screen)} == {"admit", "book", "amend"}


def test_a_web_process_killed_leaves_clerks_without_answer_and_pressing_again_settles_it(
    drill: Drill, log: Log
) -> None:
    ann = clerk(drill, log, 3)
    form = ann.form("register", "/patients/register")
    assert form
    clerks = drill.clerks(n=2, pace=0.0)
    eventually(lambda: clerks.saved() >= 2, within=60, every=0.02, why="clerks save")
    os.killpg(os.getpgid(drill.product.pid("web")), signal.SIGKILL)
    typed = {"family": "ZQLOST", "born": "1950", "sex": "F"}
    first = ann.send("register", "/patients/register", form, typed, mark="ZQLOST")
    assert (first.end, first.open_ended) == ("unknown", True)
    last = eventually(lambda: _ok(ann.again(first)), within=60, every=0.2, why="an answer to pressing again")
    assert last.told["read_back"]
    had = clerks.saved()
    eventually(lambda: clerks.saved() >= had + 3, within=60, every=0.05, why="the others save again too")
    clerks.stop()
    clerks.log.close()
    log.close()
    assert len(changes_of(drill, first.said["key"])) == 1
    presses = [op for op in (*read(log.path), *read(clerks.log.path)) if "key" in op.said]
    assert [op for op in read(clerks.log.path) if op.end == "unknown"], "the others noticed nothing"
    for op in (op for op in presses if "again" in op.said):
        begun = next(each for each in presses if each.said["key"] == op.said["key"])
        assert (begun.number, begun.said) == (op.said["again"], {k: v for k, v in op.said.items() if k != "again"})
        assert len(changes_of(drill, op.said["key"])) <= 1


def _ok(press: Press) -> Press | None:
    return press if press.end == "ok" else None


def test_every_place_where_patient_data_might_end_up_is_looked_into(drill: Drill, tmp_path: Path) -> None:
    with drill.log("sought") as log:
        ann = clerk(drill, log, 1)
        press = ann.register()
        assert press
    found = sinks.collect(drill.var, drill.product, drill.logs)
    logs = ("web", "listen", "apply", "sweep", "work", "monitor", "supervisord", "valkey", "postgres-start")
    assert {f"log/{name}.log" for name in logs} <= set(found)
    assert {"up", "addresses", "broker", "page/health", "page/banner", "anchor/audit.log"} <= set(found)
    assert f"/patients/{press.patient}/" in found["addresses"].decode().splitlines()
    assert [name for name, content in found.items() if press.said["mark"].encode() in content] == []
    socket = supervise.control_socket(drill.var).with_name("valkey.sock")
    with redis.Redis(unix_socket_path=str(socket)) as broker:
        kinds = {"text": broker.set, "list": broker.rpush, "set": broker.sadd}
        for name, put in kinds.items():
            put(name, "a ZQTEXT within")
        broker.hset("hash", "field", "ZQTEXT")
        broker.zadd("zset", {"ZQTEXT": 1})
        broker.xadd("stream", {"field": "ZQTEXT"})
        (drill.var / "log" / "another.log").write_text("ZQTEXT")
        try:
            again = sinks.collect(drill.var, drill.product, drill.logs)
        finally:
            broker.delete(*kinds, "hash", "zset", "stream")
            (drill.var / "log" / "another.log").unlink()
    holding = {name for name, content in again.items() if b"ZQTEXT" in content}
    assert holding == {"log/another.log", *(f"broker/0/{name}" for name in (*kinds, "hash", "zset", "stream"))}
