"""Steps of a stay as the PAS tells them, and their cancels: each row of the event table, on the real database."""

import pytest

from patients.models import Change, Movement, Patient, Stay, Trunk
from tests.factories.told import PID, WA, WB, WC, adt, clock, pv1, tell, tell_together

pytestmark = pytest.mark.django_db
ADMIT = adt("A01", 0, pv1(WA, f7="C1^SMITH^Ann"))
TO_WB = adt("A02", 10, pv1(WB))
TO_WC = adt("A02", 20, pv1(WC))
OUT = adt("A03", 30, pv1(WC, f36="1", f37="19"))


def stay() -> Stay:
    return Stay.objects.get()


def where() -> tuple[str, str, str]:
    row = stay()
    return row.status, row.ward, row.bed


def codes(*messages):
    return [(t.outcome, t.code) for t in tell(*messages)]


def held(group, name):
    return Trunk.objects.get(kind="stay").held[group][name]


def test_a_whole_stay_and_its_history():
    tell(ADMIT, TO_WB, TO_WC, OUT)
    assert where() == ("out", "WC", "C3")
    assert (stay().discharge_method, stay().discharge_destination) == ("1", "19")
    history = list(Movement.objects.values_list("event", "ward"))
    assert history == [("admit", "WA"), ("transfer", "WB"), ("transfer", "WC"), ("discharge", "WC")]


def test_trap_29_a01_twice_then_discharge_and_its_cancel():
    again = adt("A01", 5, pv1(WA))
    assert codes(ADMIT, again)[1] == ("already", "already"), "one who is in cannot be admitted"
    assert stay().admitted_at.isoformat() == "2026-07-01T09:00:00+00:00", "the first admission's time stands"
    tell(OUT, adt("A13", 30, pv1(WC), sent=40))
    assert where() == ("in", "WC", "C3")
    assert stay().discharged_at is None
    assert stay().discharge_method == "", "how it ended is taken back with the end"
    tell(adt("A11", 0, pv1(), sent=50))
    assert where() == ("cancelled", "", ""), "an admission told twice is one admission"


def test_trap_29_a11_after_a03_withdraws_the_stay_with_a_warning():
    tell(ADMIT, TO_WB, OUT)
    (taken,) = tell(adt("A11", 0, pv1(), sent=50))
    assert taken.outcome == "applied"
    assert "the stay had ended: it is withdrawn with its discharge" in taken.warnings
    assert where()[0] == "cancelled"
    assert Movement.objects.count() == 4, "nothing of the history is lost"
    assert len(Movement.objects.get(event="cancel_admit").undoes) == 3


@pytest.mark.parametrize(
    "trigger", ["A11", "A12", "A13", "A23", "A25", "A26", "A27", "A32", "A33", "A38", "A52", "A53", "A55"]
)
def test_trap_29_a_cancel_of_nothing_is_filed_and_changes_nothing(trigger):
    assert codes(adt(trigger, 0, pv1())) == [("filed", "nothing-to-cancel")]
    assert not Patient.objects.exists()
    tell(adt("A08", 0, pv1(WA)))
    assert codes(adt(trigger, 1, pv1())) == [("filed", "nothing-to-cancel")]
    assert not Stay.objects.exists()


def test_trap_30_a12_after_two_transfers_goes_back_one_and_then_one_more():
    tell(ADMIT, TO_WB, TO_WC)
    tell(adt("A12", 20, pv1(WB), sent=40))
    assert where() == ("in", "WB", "B2")
    tell(adt("A12", 10, pv1(WA), sent=41))
    assert where() == ("in", "WA", "A1")
    assert codes(adt("A12", 5, pv1(WA), sent=42)) == [("filed", "nothing-to-cancel")]
    undone = {pk for row in Movement.objects.filter(event="cancel_transfer") for pk in row.undoes}
    assert undone == set(Movement.objects.filter(event="transfer").values_list("pk", flat=True))


def test_trap_30_evn_6_says_which_transfer_is_cancelled_even_the_earlier_one():
    tell(ADMIT, TO_WB, TO_WC)
    tell(adt("A12", 10, pv1(), sent=40))
    assert where() == ("in", "WC", "C3"), "the later transfer stands"
    tell(adt("A12", 20, pv1(), sent=41))
    assert where() == ("in", "WA", "A1"), "and behind it lies the admission, not the cancelled bed"


def test_a12_without_evn_6_undoes_the_latest():
    tell(ADMIT, TO_WB, TO_WC)
    (taken,) = tell(adt("A12", None, pv1(), sent=40))
    assert where() == ("in", "WB", "B2")
    assert "the time told is that of no step: the latest was undone" in taken.warnings


def test_a12_of_an_earlier_time_than_any_transfer_heard_undoes_none():
    tell(ADMIT, TO_WB)
    assert codes(adt("A12", 5, pv1(), sent=40)) == [("filed", "nothing-to-cancel")]
    assert where() == ("in", "WB", "B2")


def test_a12_that_repeats_the_cancelled_bed_goes_back_all_the_same():
    tell(ADMIT, TO_WB)
    (taken,) = tell(adt("A12", 10, pv1(WB), sent=40))
    assert where() == ("in", "WA", "A1")
    assert "PV1-3 repeats the cancelled place: the one before it was taken" in taken.warnings


def test_a12_whose_place_is_not_in_the_history_is_believed_with_a_warning():
    tell(ADMIT, TO_WB)
    (taken,) = tell(adt("A12", 10, pv1(WC), sent=40))
    assert where() == ("in", "WC", "C3")
    assert "the place told is not the one before in the history: taken as told" in taken.warnings


def test_trap_30_a_pending_transfer_and_its_cancel():
    tell(ADMIT, adt("A15", 10, pv1(WA, f42=WB), evn3=clock(60)))
    row = stay()
    assert (row.ward, row.pending_ward, row.pending_bay, row.pending_bed) == ("WA", "WB", "B", "B2")
    assert row.pending_at.isoformat() == "2026-07-01T10:00:00+00:00"
    tell(adt("A26", 10, pv1(WA), sent=20))
    assert (stay().ward, stay().pending_ward, stay().pending_at) == ("WA", "", None)


def test_a_pending_transfer_ends_with_the_transfer_and_comes_back_with_its_cancel():
    tell(ADMIT, adt("A15", 5, pv1(WA, f42=WB)), TO_WB)
    assert (stay().ward, stay().pending_ward) == ("WB", "")
    tell(adt("A12", 10, pv1(WA), sent=20))
    assert (stay().ward, stay().pending_ward) == ("WA", "WB")


def test_a_planned_discharge_and_its_cancel():
    tell(ADMIT, adt("A16", 10, pv1(WA), "PV2|" + "|" * 8 + "20260703"))
    assert stay().discharge_expected_at.isoformat() == "2026-07-02T23:00:00+00:00"
    tell(adt("A25", 10, pv1(WA), sent=20))
    assert stay().discharge_expected_at is None
    assert stay().status == "in"


@pytest.mark.parametrize(("plan", "cancel"), [("A14", "A27"), ("A05", "A38")])
def test_a_pre_admission_becomes_the_stay_or_is_cancelled(plan, cancel):
    tell(adt(plan, 0, pv1(WA), "PV2|" + "|" * 7 + "20260705090000"))
    row = stay()
    assert (row.status, row.ward, row.pending_ward) == ("expected", "", "WA"), "nobody lies in that bed yet"
    assert row.admission_expected_at.isoformat() == "2026-07-05T08:00:00+00:00"
    tell(adt("A01", 10, pv1(WA)))
    assert (stay().status, stay().ward, stay().pending_ward, stay().admission_expected_at) == ("in", "WA", "", None)
    tell(adt("A11", 10, pv1(), sent=20))
    assert (stay().status, stay().ward, stay().pending_ward) == ("expected", "", "WA"), "one step back, not two"
    tell(adt(cancel, 0, pv1(), sent=30))
    assert stay().status == "cancelled"


def test_a_pre_admission_of_a_stay_that_has_begun_is_filed():
    tell(ADMIT)
    assert codes(adt("A05", 10, pv1(WB))) == [("filed", "stay-begun")]
    assert where() == ("in", "WA", "A1")


def test_leave_and_return_and_their_cancels():
    tell(ADMIT, adt("A21", 10, pv1(WA), "PV2|" + "|" * 46 + "20260702180000"))
    row = stay()
    assert (row.status, row.away, row.ward) == ("in", "leave", "WA"), "the bed is kept"
    assert row.back_expected_at.isoformat() == "2026-07-02T17:00:00+00:00"
    tell(adt("A22", 60, pv1(WB)))
    assert (stay().away, stay().ward) == ("", "WB")
    tell(adt("A53", 60, pv1(WA), sent=70))
    assert (stay().away, stay().ward) == ("leave", "WA")
    tell(adt("A52", 10, pv1(WA), sent=80))
    assert (stay().away, stay().back_expected_at) == ("", None)


def test_away_for_an_hour_and_back():
    tell(ADMIT, adt("A09", 10, pv1(WA, f11="THEATRE 2^^^RXX")))
    assert (stay().away, stay().away_to, stay().ward) == ("temporary", "THEATRE 2", "WA")
    tell(adt("A33", 10, pv1(WA), sent=11))
    assert stay().away == ""
    tell(adt("A09", 20, pv1(WA, f11="XRAY")), adt("A10", 30, pv1(WA)))
    assert stay().away == ""
    tell(adt("A32", 30, pv1(WA), sent=31))
    assert (stay().away, stay().away_to) == ("temporary", "XRAY")


def test_another_attending_doctor_and_back():
    tell(ADMIT, adt("A54", 10, pv1(WA, f7="C2^JONES^Bo")))
    assert (stay().consultant, stay().consultant_name) == ("C2", "JONES, Bo")
    tell(adt("A55", 10, pv1(WA, f7="C2^JONES^Bo"), sent=20))
    assert (stay().consultant, stay().consultant_name) == ("C1", "SMITH, Ann")


def test_an_attendance_is_in_no_bed_and_may_become_an_admission_and_the_reverse():
    tell(adt("A04", 0, pv1("ED^CUB 3", f2="E")))
    assert (stay().status, stay().ward, stay().patient_class) == ("attending", "ED", "E")
    tell(adt("A06", 30, pv1(WA, f2="I")))
    assert (*where(), stay().patient_class) == ("in", "WA", "A1", "I")
    tell(adt("A07", 40, pv1("CLIN7", f2="O")))
    assert (stay().status, stay().patient_class) == ("attending", "O")
    tell(adt("A03", 50, pv1("CLIN7")))
    assert stay().status == "out"


def test_a_cancelled_attendance():
    tell(adt("A04", 0, pv1("ED", f2="E")), adt("A11", 0, pv1(), sent=5))
    assert stay().status == "cancelled"


def test_a04_of_an_inpatient_is_recorded_without_moving_anybody():
    tell(ADMIT)
    assert codes(adt("A04", 10, pv1("ED", f2="E")))[0][0] == "applied"
    assert where() == ("in", "WA", "A1")


def test_a23_withdraws_whatever_was_told_of_the_stay():
    tell(ADMIT, TO_WB, OUT, adt("A23", 60, pv1()))
    assert where() == ("cancelled", "", "")


def test_after_a_cancelled_admission_the_same_number_may_be_admitted_again():
    tell(ADMIT, adt("A11", 0, pv1(), sent=5), adt("A01", 20, pv1(WB)))
    assert where() == ("in", "WB", "B2")
    assert codes(adt("A11", 0, pv1(), sent=5)) == [("already", "already")], "the old cancel told again"
    assert where() == ("in", "WB", "B2")


@pytest.mark.parametrize("trigger", ["A02", "A03", "A21", "A15"])
def test_news_of_a_withdrawn_stay_is_filed(trigger):
    tell(ADMIT, adt("A11", 0, pv1(), sent=5))
    assert codes(adt(trigger, 20, pv1(WB))) == [("filed", "stay-withdrawn")]


@pytest.mark.parametrize("trigger", ["A03", "A21", "A22", "A15", "A16", "A09", "A54"])
def test_news_of_a_stay_never_begun_is_filed(trigger):
    assert codes(adt(trigger, 20, pv1(WB))) == [("filed", "no-open-stay")]


def test_trap_38_two_patients_swap_beds_in_one_transaction():
    other = PID.replace("P1^", "P2^").replace("SMITH", "JONES")
    tell(ADMIT, adt("A01", 1, pv1(WB, visit="V2"), pid=other))
    (taken,) = tell_together(adt("A17", 10, pv1(WB), other, pv1(WA, visit="V2")))
    assert taken.outcome == "applied"
    beds = dict(Stay.objects.values_list("identifiers__value", "bed"))
    assert beds == {"V1": "B2", "V2": "A1"}
    assert Change.objects.filter(event="transfer").count() == 2


def test_trap_38_a_swap_of_which_one_patient_is_in_doubt_moves_neither():
    other = PID.replace("P1^", "P2^").replace("SMITH", "JONES")
    tell(ADMIT, adt("A01", 1, pv1(WB, visit="V2"), pid=other))
    doubtful = other.replace("JONES", "QUITE-ANOTHER").replace("1952", "1990")
    with pytest.raises(Exception, match="identity-mismatch"):  # the applier then tries it alone, and parks it
        tell_together(adt("A17", 10, pv1(WB), doubtful, pv1(WA, visit="V2")))
    assert dict(Stay.objects.values_list("identifiers__value", "bed")) == {"V1": "A1", "V2": "B2"}
