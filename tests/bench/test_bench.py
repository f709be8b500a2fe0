"""The bench runs through, gives figures and leaves nothing behind; no time is asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import hl7
import psutil
import pytest

from pasmirror.bench import feed, memory, report, sink
from pasmirror.bench.course import PARTS
from pasmirror.bench.messages import EVENTS, messages, people
from pasmirror.bench.product import environment
from pasmirror.bench.report import Figure
from pasmirror.management.commands.bench import address

ROOT = Path(__file__).resolve().parent.parent.parent
FEW = "16"


def bench(var: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "bench", *words],
        cwd=ROOT,
        env={**os.environ, "PASMIRROR_VAR": str(var), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def left_over(var: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PASMIRROR_VAR", "").startswith(str(var)):
                found.append(process.name())
        except psutil.Error:
            continue
    return found


@pytest.mark.timeout(300)
def test_every_part_gives_its_figures_and_leaves_nothing_running(tmp_path: Path) -> None:
    var = tmp_path / "var"
    done = bench(var, *PARTS, "--json", "--n", FEW, DATABASE_URL="postgresql://somebody@nowhere.invalid/else")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert set(said["machine"]) == {"Processor", "Memory", "Kernel", "Python", "PostgreSQL", "Commit", "Load before"}
    figures = {(figure["part"], figure["name"]): figure for figure in said["figures"]}
    assert {part for part, _ in figures} == set(PARTS)
    for part, name in (
        ("feed", "durable (AA), 8 connections"),
        ("feed", "durable (AA), 1 connection"),
        ("feed", "applied, while more come"),
        ("size", "applied, 1 patients"),
        ("size", "durable (AA), 16 patients"),
        ("flow", "apply: memory after 80 messages against 8"),
        ("save", "saves, 8 clerks"),
        ("save", "a save, p99"),
        ("lane", "saved to ACK, quiet lane, p50"),
        ("lane", "one ordered lane"),
        ("lane", "four lanes together"),
        ("backlog", "3 lanes beside 16 for a dead one"),
        ("backlog", "drained"),
        ("backlog", "the senders' memory, at most"),
        ("pages", "console, p95"),
        ("pages", "register, and the page it leads to, p95"),
        ("load", "memory at most, 16 rows"),
        ("memory", "all processes, idle"),
        ("memory", "all processes, after the load"),
    ):
        assert figures[part, name]["value"] > 0, name
    assert figures["feed", "not answered AA"]["value"] == 0
    named = {name for part, name in figures if part == "memory"}
    assert {"web", "listen", "apply", "work", "sweep", "monitor", "valkey", "postgres", "up", "sim-pas"} <= named
    assert "other" not in named
    assert left_over(var) == []
    assert not (var / "bench").exists()


@pytest.mark.timeout(120)
def test_a_lane_is_measured_against_a_receiver_outside(tmp_path: Path) -> None:
    with sink.Sinks(1) as sinks:
        host, port = sinks.addresses[0]
        done = bench(tmp_path / "var", "lane", "--json", "--n", FEW, "--to", f"{host}:{port}")
    assert done.returncode == 0, done.stdout + done.stderr
    names = {figure["name"]: figure["value"] for figure in json.loads(done.stdout)["figures"]}
    assert names["one ordered lane"] > 0
    assert "four lanes together" not in names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["speed"], "There is no part 'speed'"),
        (["feed", "--to", "127.0.0.1:99"], "--to is for one part only"),
        (["lane", "--to", "nowhere"], "must look like HOST:PORT"),
        (["lane", "--to", "host:70000"], "must look like HOST:PORT"),
        (["feed", "--n", "0"], "must be a whole number from 1"),
    ],
)
def test_a_wrong_wish_is_named_in_a_sentence(tmp_path: Path, words: list[str], said: str) -> None:
    done = bench(tmp_path / "var", *words)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_bench_takes_nothing_of_the_operators(tmp_path: Path) -> None:
    given = {"DATABASE_URL": "x", "REDIS_URL": "x", "PASMIRROR_SITE": "x", "PASMIRROR_SECRET_KEY": "x", "LANG": "C"}
    own = environment(tmp_path, given)
    assert own["LANG"] == "C"
    assert own["PASMIRROR_VAR"] == str(tmp_path)
    assert not {"DATABASE_URL", "REDIS_URL", "PASMIRROR_SITE", "PASMIRROR_SECRET_KEY"} & set(own)
    assert len({own["PASMIRROR_HTTP_PORT"], own["PASMIRROR_MLLP_PORT"], own["PASMIRROR_SIM_BASE_PORT"]}) == 3


def test_an_address_of_the_newer_kind_is_read() -> None:
    assert address("[::1]:2575") == ("::1", 2575)


def test_the_messages_are_of_different_people_each_in_order() -> None:
    told: dict[str, list[str]] = {}
    made = messages(400, first=1)
    for raw in made:
        message = hl7.parse(raw.decode())
        told.setdefault(str(message["PID"][0][3][0][0]), []).append(str(message["MSH"][0][9][0][1]))
    assert len(made) == len({hl7.parse(raw.decode())["MSH"][0][10][0] for raw in made}) == 400
    assert len(told) == 80
    assert all(events == list(EVENTS) for events in told.values())
    assert people(400) >= 80


def test_the_lots_of_a_burst_share_nobody() -> None:
    share = 55
    lots = [messages(share, first=1 + number * people(share)) for number in range(feed.MANY)]
    assert len({raw for lot in lots for raw in lot}) == share * feed.MANY
    assert feed.used(share * feed.MANY) >= feed.MANY * people(share)


def test_statistics_of_nothing_and_of_something() -> None:
    assert report.at([], 0.99) == report.middle([]) == report.ratio(1, 0) == 0
    assert report.at([3, 1, 2], 0.5) == 2
    assert report.at([float(n) for n in range(1000)], 0.99) == 990
    assert report.middle([4, 1, 3]) == 3


def test_a_figure_stands_beside_its_goal() -> None:
    slow = Figure("feed", "durable", 999.0, "/s", 1000, least=True)
    quick = Figure("lane", "to ACK", 41.2, "ms", 60)
    bare = Figure("save", "saves", 80.0, "/s")
    assert (slow.reached, quick.reached, bare.reached) == (False, True, None)
    text = "\n".join(report.as_text({"Python": "3"}, [slow, quick, bare], seconds=3))
    assert "goal: at least 1,000  (not reached)" in text
    assert "goal: at most 60\n" in text
    assert [row["reached"] for row in json.loads(report.as_json({}, [slow, quick, bare], seconds=3))["figures"]] == [
        False, True, None,
    ]  # fmt: skip


def test_memory_of_this_process_is_read_and_of_a_gone_one_is_none() -> None:
    assert memory.pss(os.getpid()) > 1
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert memory.pss(gone.pid) == 0


def test_the_sink_accepts_by_id_and_answers_what_cannot_be_read() -> None:
    answer = hl7.parse(sink.accept(b"\x0bMSH|^~\\&|A|B|C|D|20260101||ADT^A01|X1|P|2.4\rPID|1").decode())
    assert (str(answer["MSA"][0][1]), str(answer["MSA"][0][2])) == ("AA", "X1")
    assert b"MSA|AA|" in sink.accept(b"junk")
