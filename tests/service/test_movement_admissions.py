"""A second admission of somebody who is in, and a stay that A06 or A07 number anew."""

import pytest

from patients.models import Patient, Stay, StayIdentifier
from patients.services.turning import TWO_STAYS
from tests.factories.told import PID, WA, WB, WC, adt, pv1, tell, tell_together

pytestmark = pytest.mark.django_db
ADMIT = adt("A01", 0, pv1(WA))
TO_WB = adt("A02", 10, pv1(WB))
ED = adt("A04", 0, pv1("ED", f2="E"))
ADMITTED = "the patient is already admitted: nothing of the visit was taken"


def mrg(visit: str) -> str:
    return f"MRG|P1^^^RXX^MR||{visit}"


def place() -> tuple[str, str, str]:
    row = Stay.objects.get()
    return row.status, row.ward, row.bed


def numbers() -> dict[str, bool]:
    """Every visit number of the one stay, and whether it is valid."""
    stay = Stay.objects.get()
    return {n.value: n.until is None for n in StayIdentifier.objects.filter(stay=stay)}


def stays() -> dict[str, str]:
    rows = StayIdentifier.objects.filter(until=None)
    return {row.value: row.stay.status for row in rows}


def test_an_admission_of_somebody_who_is_in_is_not_taken_and_says_so():
    tell(ADMIT, TO_WB)
    (taken,) = tell(adt("A01", 20, pv1(WA), pid=PID.replace("John", "Johnny")))
    assert place() == ("in", "WB", "B2")
    assert ADMITTED in taken.warnings
    assert Patient.objects.get().given == "Johnny", "who it is has still been said"
    tell(adt("A12", 10, pv1(WA), sent=30))
    assert place() == ("in", "WA", "A1")


def test_an_admission_told_anew_for_the_same_moment_is_a_correction():
    tell(ADMIT, adt("A01", 0, pv1(WB), sent=5))
    assert place() == ("in", "WB", "B2")


def test_an_admission_under_another_number_is_taken_with_a_warning_of_two_open_stays():
    tell(ADMIT)
    (taken,) = tell(adt("A01", 20, pv1(WB, visit="V2")))
    assert stays() == {"V1": "in", "V2": "in"}
    assert TWO_STAYS in taken.warnings
    (taken,) = tell(adt("A02", 30, pv1(WC, visit="V2")))
    assert TWO_STAYS not in taken.warnings, "said once, when the second one begins"


def test_two_open_stays_are_noticed_within_one_batch_and_not_after_a_discharge():
    second = adt("A01", 20, pv1(WB, visit="V2"))
    assert TWO_STAYS in tell_together(ADMIT, second)[1].warnings
    other = PID.replace("P1^", "P2^").replace("SMITH", "JONES")
    begins = [adt("A01", at, pv1(WA, visit=visit), pid=other) for at, visit in ((0, "V3"), (60, "V4"))]
    taken = tell_together(begins[0], adt("A03", 30, pv1(WA, visit="V3"), pid=other), begins[1])
    assert TWO_STAYS not in taken[2].warnings


@pytest.mark.parametrize("visit", ["V1^^^RXX^VN", "V1"])
@pytest.mark.parametrize("ways", [tell, tell_together])
def test_an_attendance_becomes_the_admission_of_another_number(visit, ways):
    admission = adt("A06", 30, pv1(WA, visit="V2"), mrg(visit))
    ways(ED, admission)
    assert place() == ("in", "WA", "A1")
    assert numbers() == {"V1": False, "V2": True}
    assert Stay.objects.get().admitted_at.isoformat() == "2026-07-01T09:00:00+00:00", "it is one stay"
    assert [t.outcome for t in ways(admission)] == ["already"]
    tell(adt("A08", 40, pv1(WA, f10="300")))
    assert Stay.objects.get().specialty == "300", "the number before still names it"
    tell(adt("A07", 50, pv1("CLIN", visit="V3"), mrg("V2")))
    assert (place(), numbers()) == (("attending", "CLIN", ""), {"V1": False, "V2": False, "V3": True})


def test_the_number_before_is_of_nobody_here_and_the_admission_is_a_stay_of_its_own():
    (taken,) = tell(adt("A06", 30, pv1(WA, visit="V2"), mrg("V1")))
    assert (taken.outcome, stays()) == ("applied", {"V2": "in"})


def test_the_number_before_is_of_another_patient_and_is_left_alone():
    tell(ED)
    other = PID.replace("P1^", "P2^").replace("SMITH", "JONES")
    (taken,) = tell(adt("A06", 30, pv1(WA, visit="V2"), mrg("V1"), pid=other))
    assert "MRG: the stay before belongs to another patient, and was left as it is" in taken.warnings
    assert stays() == {"V1": "attending", "V2": "in"}


def test_an_attendance_that_had_ended_stays_so_and_the_admission_begins():
    tell(ED, adt("A03", 20, pv1("ED")))
    tell(adt("A06", 30, pv1(WA, visit="V2"), mrg("V1")))
    assert stays() == {"V1": "out", "V2": "in"}


def test_an_admission_prepared_under_its_own_number_takes_the_attendance_in():
    tell(ED, adt("A05", 10, pv1(WA, visit="V2")))
    tell(adt("A06", 30, pv1(WA, visit="V2"), mrg("V1")))
    assert {row.status for row in Stay.objects.all()} == {"in", "cancelled"}
    assert stays() == {"V2": "in"}
    tell(adt("A08", 40, pv1(WA, f10="300")))
    assert Stay.objects.get(status="in").specialty == "300", "its number names the one that stands"
