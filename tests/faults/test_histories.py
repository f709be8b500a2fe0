"""The judge judged: histories written by hand, each with the verdict it must get; and logs that cannot be judged."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.checker import judge, reading
from tests.faults.checker.finding import Kind
from tests.faults.checker.history import History
from tests.faults.checker.rows import Anchor, Receiver
from tests.faults.histories import of_masters, of_order, of_resends, of_sight, of_writes
from tests.faults.histories.case import Case
from tests.faults.histories.story import Story
from tests.faults.recorder.log import Log, Unjudgeable

CASES = [case for each in (of_writes, of_order, of_resends, of_masters, of_sight) for case in each.SHELF.cases]


def told(case: Case) -> History:
    story = Story()
    story.op("banner", told={"mode": "normal"})
    case.tell(story)
    return story.history()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_history_gets_its_verdict(case: Case) -> None:
    found = judge.findings(told(case))
    assert {each.kind for each in found} == set(case.kinds), judge.report(found)


def test_there_are_enough_histories_of_every_kind_and_enough_sound_ones() -> None:
    guilty = Counter(kind for case in CASES for kind in case.kinds)
    assert {kind: guilty[kind] for kind in Kind if guilty[kind] < 3} == {}
    assert sum(not case.kinds for case in CASES) >= 20
    assert len({case.name for case in CASES}) == len(CASES) >= 40


def test_findings_come_in_the_same_order_each_time_and_once() -> None:
    case = next(each for each in CASES if each.name == "an_acknowledged_save_that_is_nowhere")
    first, second = judge.findings(told(case)), judge.findings(told(case))
    assert first == second == sorted(set(first))
    assert judge.report(first).splitlines()[0] == "2 findings: lost_write 1, screen_lied 1"


def test_no_finding_says_what_was_typed() -> None:
    for case in CASES:
        assert "ZQ" not in judge.report(judge.findings(told(case))), case.name


def test_anchors_of_this_life_are_read_and_no_empty_ones() -> None:
    kept = {
        "anchor/audit.log": f"0 {'0' * 64} 2026-03-02T09:00:00+00:00\n7 ab 2026-03-02T09:01:00+00:00\ntorn".encode(),
        "anchor/audit-before-2.log": b"99 cd 2026-03-01T09:00:00+00:00\n",
    }
    assert reading.anchors(kept) == (Anchor(7, "ab"),)


# What cannot be judged


def written(folder: Path) -> Path:
    """A sound log of two operations."""
    with Log(folder / "clerks.jsonl", seed=1) as log:
        for name in ("first", "second"):
            with log.op("clerk:1", "look", patient=name):
                pass
    return folder / "clerks.jsonl"


def why_not(logs: Path) -> str:
    with pytest.raises(Unjudgeable) as refused:
        reading.read_ops(logs)
    return str(refused.value)


def test_a_closed_log_can_be_judged(tmp_path: Path) -> None:
    written(tmp_path)
    assert [op.said["patient"] for op in reading.read_ops(tmp_path)] == ["first", "second"]


def test_a_run_without_any_log_cannot_be_judged(tmp_path: Path) -> None:
    assert "there is no log" in why_not(tmp_path)


def test_an_empty_log_cannot_be_judged(tmp_path: Path) -> None:
    Log(tmp_path / "clerks.jsonl", seed=1).close()
    assert "is empty" in why_not(tmp_path)


def test_a_file_of_nothing_cannot_be_judged(tmp_path: Path) -> None:
    (tmp_path / "clerks.jsonl").touch()
    assert "has no beginning" in why_not(tmp_path)


def test_a_log_without_its_last_line_cannot_be_judged(tmp_path: Path) -> None:
    log = written(tmp_path)
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    assert "was not closed" in why_not(tmp_path)


def test_a_log_that_lacks_a_line_cannot_be_judged(tmp_path: Path) -> None:
    log = written(tmp_path)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:2] + lines[3:]))
    assert "lines of it are missing" in why_not(tmp_path)


def test_a_torn_log_cannot_be_judged(tmp_path: Path) -> None:
    log = written(tmp_path)
    log.write_text(log.read_text()[:-30])
    assert "torn line" in why_not(tmp_path)


def test_a_run_in_which_nobody_did_anything_cannot_be_judged() -> None:
    story = Story()
    with pytest.raises(Unjudgeable, match="nobody did anything"):
        story.history()


def test_a_run_without_a_receivers_store_cannot_be_judged() -> None:
    story = Story()
    story.op("banner")
    whole = story.history()
    with pytest.raises(Unjudgeable, match="no receiver's store"):
        replace(whole, receivers=())
    with pytest.raises(Unjudgeable, match="the store of pathology is missing"):
        replace(whole, receivers=(Receiver("radiology", (), ()),))
