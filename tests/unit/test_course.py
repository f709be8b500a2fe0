"""The course of a stay where what was planned is told or entered later than what then happened."""

from typing import Any

import pytest

from patients import course
from patients.course import Step
from patients.states import Event, StayStatus

BED: dict[str, Any] = {"pending_ward": "WB", "pending_bay": "A", "pending_bed": "B1"}
WHEN = {"admission_expected_at": "2026-07-02T09:00:00+00:00"}
WARD: dict[str, Any] = {"ward": "WA", "bay": "A", "bed": "A1", "site": "RXX"}


def step(event: Event, hour: int, **said: Any) -> Step:
    return course.step_of(event, f"2026-07-01T{hour:02}:00:00+00:00", said, f"2026-07-01T{hour:02}:00:00+00:00")


PLANNED = {"pending": BED, "expected": WHEN}


@pytest.mark.parametrize("planned_at", [8, 11], ids=["planned before", "entered after"])
@pytest.mark.parametrize("event", [Event.PREADMIT, Event.PLAN_ADMIT])
def test_a_plan_of_an_admission_is_over_once_the_stay_has_begun(event: Event, planned_at: int) -> None:
    now = course.course([step(event, planned_at, **PLANNED), step(Event.ADMIT, 10, place=WARD)]).groups
    assert now["times"]["status"] == StayStatus.IN
    assert not any(now["pending"].values())
    assert now["expected"]["admission_expected_at"] == ""


def test_without_the_admission_it_stands_again() -> None:
    admitted = {**step(Event.ADMIT, 10, place=WARD), "undone": True}
    now = course.course([step(Event.PREADMIT, 11, **PLANNED), admitted]).groups
    assert now["times"]["status"] == StayStatus.EXPECTED
    assert now["pending"]["pending_bed"] == "B1"
