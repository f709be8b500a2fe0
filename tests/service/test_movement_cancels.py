"""Cancels of what was never heard itself, of a planned admission, and of an attendance turned admission."""

import pytest

from patients.facts import Kind
from patients.models import Stay
from patients.services import trunk
from tests.factories.told import WA, WB, WC, adt, clock, pv1, tell

pytestmark = pytest.mark.django_db
UNHEARD = "of a step not heard of: taken from what the message says"


def known(*messages: bytes) -> None:
    """A stay of which the PAS has then been asked, so that only the outcome is known."""
    tell(*messages)
    trunk.heard(Kind.STAY, Stay.objects.get().pk, {"admission": {"admission_source": "19"}})


def zbe(number: str, at: int, action: str, first: str) -> str:
    return f"ZBE|{number}^PAS|{clock(at)}||{action}|N|{first}"


def place() -> tuple[str, str, str]:
    row = Stay.objects.get()
    return row.status, row.ward, row.bed


@pytest.mark.parametrize(("plan", "cancel"), [("A05", "A38"), ("A14", "A27")])
def test_a_known_pre_admission_is_cancelled(plan, cancel):
    known(adt(plan, 0, pv1(WA)))
    (taken,) = tell(adt(cancel, 0, pv1(WA), sent=30))
    assert UNHEARD in taken.warnings
    assert Stay.objects.get().status == "cancelled"


def test_a_known_leave_is_cancelled_and_its_return():
    known(adt("A01", 0, pv1(WA)), adt("A21", 10, pv1(WA)))
    tell(adt("A52", 10, pv1(WA), sent=30))
    assert (place(), Stay.objects.get().away) == (("in", "WA", "A1"), "")
    tell(adt("A21", 40, pv1(WA)))
    assert [t.outcome for t in tell(adt("A52", 10, pv1(WA), sent=50))] == ["filed"]
    assert Stay.objects.get().away == "leave", "the old cancel is not of the new leave"


def test_a_known_return_is_cancelled():
    known(adt("A01", 0, pv1(WA)), adt("A21", 10, pv1(WA)), adt("A22", 20, pv1(WB)))
    tell(adt("A53", 20, pv1(WA), sent=30))
    assert (place(), Stay.objects.get().away) == (("in", "WA", "A1"), "leave")


def test_a_known_absence_of_an_hour_is_cancelled():
    known(adt("A01", 0, pv1(WA)), adt("A09", 10, pv1(WA, f11="XRAY")))
    tell(adt("A33", 10, pv1(WA), sent=30))
    assert (Stay.objects.get().away, Stay.objects.get().away_to) == ("", "")


def test_known_plans_are_cancelled():
    planned = adt("A16", 6, pv1(WA), "PV2|" + "|" * 8 + "20260703")
    known(adt("A01", 0, pv1(WA)), adt("A15", 5, pv1(WA, f42=WB), evn3=clock(60)), planned)
    tell(adt("A26", 5, pv1(WA, f42=WB), sent=30))
    row = Stay.objects.get()
    assert (row.pending_ward, row.pending_at, row.discharge_expected_at is None) == ("", None, False)
    tell(adt("A25", 6, pv1(WA), sent=31))
    assert Stay.objects.get().discharge_expected_at is None


def test_a_plan_made_before_the_last_known_movement_can_be_cancelled():
    known(adt("A16", 5, pv1(WA)), adt("A01", 0, pv1(WA), "PV2|" + "|" * 8 + "20260703"), adt("A02", 20, pv1(WB)))
    assert Stay.objects.get().discharge_expected_at
    tell(adt("A25", 5, pv1(WB), sent=30))
    assert (place(), Stay.objects.get().discharge_expected_at) == (("in", "WB", "B2"), None)


def test_a_known_doctor_is_as_the_cancel_says():
    known(adt("A01", 0, pv1(WA, f7="C2^JONES^Bo")))
    tell(adt("A55", 0, pv1(WA, f7="C1^SMITH^Ann"), sent=30))
    assert Stay.objects.get().consultant == "C1"


def test_a_cancel_that_takes_nothing_back_is_filed_whatever_it_repeats():
    known(adt("A01", 0, pv1(WA, f7="C1^SMITH^Ann")))
    assert [t.code for t in tell(adt("A52", 10, pv1(WA, f7="C9^OTHER^Doc"), sent=30))] == ["nothing-to-cancel"]
    assert Stay.objects.get().consultant == "C1"


def test_a_known_end_is_cancelled_by_a_numbered_movement():
    known(adt("A01", 0, pv1(WA)), adt("A03", 30, pv1(WA)))
    tell(adt("A13", 40, pv1(WA), zbe("77", 30, "CANCEL", "A03")))
    assert place() == ("in", "WA", "A1")


def test_a_numbered_cancel_of_none_of_the_movements_heard_since_is_filed():
    known(adt("A01", 0, pv1(WA)))
    tell(adt("A02", 10, pv1(WB), zbe("2", 10, "INSERT", "A02")))
    assert [t.code for t in tell(adt("A12", 40, pv1(WC), zbe("9", 10, "CANCEL", "A02")))] == ["nothing-to-cancel"]
    assert place() == ("in", "WB", "B2")


def test_a_stay_that_never_was_is_withdrawn_with_what_was_known_of_it():
    known(adt("A01", 0, pv1(WA)))
    tell(adt("A02", 10, pv1(WB)), adt("A23", 20, pv1(WB)))
    assert Stay.objects.get().status == "cancelled"


def test_a_planned_bed_is_cancelled_and_the_pre_admission_stands():
    tell(adt("A05", 0, pv1(WA)), adt("A14", 10, pv1(WB)))
    assert Stay.objects.get().pending_ward == "WB"
    cancel = adt("A27", 10, pv1(WB), sent=20)
    tell(cancel)
    assert (Stay.objects.get().status, Stay.objects.get().pending_ward) == ("expected", "WA")
    assert [t.outcome for t in tell(cancel)] == ["already"]
    tell(adt("A38", 0, pv1(WA), sent=30))
    assert Stay.objects.get().status == "cancelled"


def test_a_pre_admission_is_cancelled_with_the_bed_planned_for_it():
    tell(adt("A05", 0, pv1(WA)), adt("A05", 5, pv1(WA)), adt("A14", 10, pv1(WB)), adt("A38", 5, pv1(WA), sent=20))
    assert Stay.objects.get().status == "cancelled"


def test_a_sender_that_cancels_its_pre_admission_as_a_planned_one_is_understood():
    tell(adt("A05", 0, pv1(WA)), adt("A27", 0, pv1(WA), sent=20))
    assert Stay.objects.get().status == "cancelled"


@pytest.mark.parametrize("at", [20, None])
def test_the_cancel_of_an_attendance_turned_admission_takes_back_that_one_step(at):
    tell(adt("A04", 0, pv1("ED", f2="E")), adt("A06", 20, pv1(WA)), adt("A02", 30, pv1(WB)))
    (taken,) = tell(adt("A11", at, pv1("ED", f2="E"), sent=40))
    assert place() == ("attending", "ED", ""), "the attendance itself was never cancelled"
    assert ("the time told is that of no step: the latest was undone" in taken.warnings) == (at is None)
    tell(adt("A11", 0, pv1("ED"), sent=50))
    assert Stay.objects.get().status == "cancelled"


def test_an_admission_told_as_a_numbered_movement_is_cancelled_by_its_number():
    tell(adt("A04", 0, pv1("ED", f2="E"), zbe("1", 0, "INSERT", "A04")))
    tell(adt("A06", 20, pv1(WA), zbe("2", 20, "INSERT", "A06")))
    tell(adt("Z99", 40, pv1("ED"), zbe("2", 20, "CANCEL", "A06")))
    assert Stay.objects.get().status == "attending"
    tell(
        adt("A06", 50, pv1(WA), zbe("3", 50, "INSERT", "A06")), adt("A07", 60, pv1("ED"), zbe("4", 60, "INSERT", "A07"))
    )
    tell(adt("Z99", 70, pv1(WA), zbe("4", 60, "CANCEL", "A07")))
    assert place() == ("in", "WA", "A1")
