"""A process that has fallen silent, and a fault that was only logged, are alarms until they are mended."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError

from failover.management.commands.monitor import Watching
from failover.services import monitor
from messaging.management.commands import sweep as door
from messaging.management.commands.sweep import Sweep
from messaging.services import backlogs, delivery, fidelity
from messaging.services.delivery import Slice
from pasmirror.lib import alarms, beat, clock, notices
from pasmirror.lib.faults import Faults
from pasmirror.lib.models import ProcessBeat

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(overdue=0.5, anchor=tmp_path / "audit.log")


def beaten(name: str, node: str, ago: float) -> None:
    at = clock.now() - timedelta(seconds=ago)
    ProcessBeat.objects.update_or_create(name=name, node=node, defaults={"pid": 1, "at": at})


def standing() -> dict[str, str]:
    return {f"{alarm.code} {alarm.subject}": alarm.sentence for alarm in alarms.standing()}


def broken(*_: object, **__: object) -> object:
    raise ZeroDivisionError("QUILLMARK")


def away(*_: object, **__: object) -> object:
    raise OperationalError


def test_a_silent_process_is_an_alarm_until_it_beats_again() -> None:
    beaten("apply", "node1", 20)
    beaten("sweep", "node1", 1)
    beat.watch()
    assert standing() == {}, "late is not silent"
    beaten("apply", "node1", 40)
    beat.watch()
    (sentence,) = standing().values()
    assert "process-silent apply@node1" in standing()
    assert sentence.startswith("Process apply on node1 is silent since")
    assert sentence.endswith("nobody does its work.")
    beaten("apply", "node1", 0)
    beat.watch()
    assert standing() == {}


def test_where_another_of_its_kind_works_the_silent_one_is_told_of_and_forgotten_in_time() -> None:
    beaten("work", "old", 60)
    beaten("work", "new", 0)
    beat.watch()
    assert standing()["process-silent work@old"].endswith("another of its kind works.")
    beaten("work", "old", 601)
    beat.watch()
    assert standing() == {}
    assert list(ProcessBeat.objects.values_list("node", flat=True)) == ["new"]
    beaten("work", "new", 7200)
    beat.watch()
    assert list(standing()) == ["process-silent work@new"], "the last of its kind is not forgotten"


def test_the_monitor_watches_as_well_and_neither_judges_just_after_its_own_start(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    beaten("apply", "node1", 400)
    beaten("sweep", "node1", 400)
    monkeypatch.setattr(monitor, "one_beat", lambda memory: "The PAS is well.")
    monkeypatch.setattr(door.connection, "close_if_unusable_or_obsolete", lambda: None)  # it is the test's own
    watching = Watching()
    watching._beat()
    sweep._look()
    assert standing() == {}
    watching._begun -= 60
    watching._beaten = 0.0
    watching._beat()
    assert "process-silent apply@node1" in standing()
    alarms.stand_only(beat.ALARM, {})
    sweep._begun -= 60
    sweep._warned = 0.0
    sweep._look()
    assert "process-silent apply@node1" in standing()


@pytest.mark.parametrize(
    ("owner", "name", "work", "again"),
    [
        (backlogs, "watch", "backlogs", lambda one: one._watch(backlogs.watch)),
        (fidelity, "run_once", "fidelity", lambda one: one._rehearse()),
        (notices, "run_once", "notices", lambda one: one._tell()),
        (delivery, "run", "lane pathology", lambda one: one._deliver("pathology")),
    ],
)
def test_a_fault_of_ours_is_an_alarm_until_the_same_work_succeeds(
    sweep: Sweep,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    work: str,
    again: Callable[[Sweep], object],
) -> None:
    def breaking(*_: object, **__: object) -> object:
        raise ZeroDivisionError("QUILLMARK")

    breaking.__module__ = getattr(owner, "__name__", "")
    monkeypatch.setattr(door.connection, "close", lambda: None)  # the test's own connection is used on
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, breaking)
        again(sweep)
    assert not sweep.fault
    assert list(standing()) == [f"sweep-fault {work}"]
    assert "ZeroDivisionError" in standing()[f"sweep-fault {work}"]
    assert "QUILLMARK" not in standing()[f"sweep-fault {work}"]
    if owner is delivery:
        monkeypatch.setattr(delivery, "run", lambda *_, **__: Slice(0, "nothing is due"))
    again(sweep)
    assert standing() == {}


def test_what_an_earlier_run_left_is_cleared_by_the_first_success_and_never_asked_of_again() -> None:
    alarms.sound("sweep-fault", "gaps failed", subject="gaps")
    faults = Faults("sweep-fault")
    faults.went_well("gaps")
    assert standing() == {}
    alarms.sound("sweep-fault", "gaps failed", subject="gaps")
    faults.went_well("gaps")
    assert standing(), "another's alarm is not ours"


def test_a_database_that_is_away_is_no_fault_of_ours(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "run_once", away)
    with pytest.raises(OperationalError):
        sweep._tell()
    monkeypatch.setattr(alarms, "sound", away)
    try:
        broken()
    except ZeroDivisionError as fault:
        Faults("sweep-fault").caught("gaps", fault)
    assert standing() == {}
