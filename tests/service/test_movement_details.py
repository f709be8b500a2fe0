"""What a message repeats beside its own news pins nothing: details of a stay, the attending doctor, a step again."""

import pytest

from patients.models import Stay, Trunk
from tests.factories.told import WA, WB, WC, adt, clock, pv1, tell

pytestmark = pytest.mark.django_db
ADMIT = adt("A01", 0, pv1(WA, f7="C1^SMITH^Ann", f10="100"))
TO_WB = adt("A02", 10, pv1(WB, f7="C1^SMITH^Ann", f10="100"))
EXPECTED = "PV2|" + "|" * 8 + "20260703"


def place() -> tuple[str, str, str]:
    row = Stay.objects.get()
    return row.status, row.ward, row.bed


def test_details_after_a_transfer_do_not_pin_the_bed_so_its_cancel_goes_back():
    tell(ADMIT, TO_WB, adt("A08", 20, pv1(WB, f7="C1^SMITH^Ann", f10="300")))
    (taken,) = tell(adt("A12", 10, pv1(WA), sent=30))
    assert place() == ("in", "WA", "A1")
    assert Stay.objects.get().specialty == "300", "what the update was about stands"
    assert taken.warnings == ()


def test_details_do_not_pin_the_bed_so_a_transfer_keyed_late_moves_the_patient():
    tell(ADMIT, adt("A08", 20, pv1(WA, f10="300")))
    tell(adt("A02", 15, pv1(WB), sent=30))
    assert place() == ("in", "WB", "B2")
    assert Stay.objects.get().moved_at.isoformat() == "2026-07-01T09:15:00+00:00"


def test_details_that_repeat_a_plan_do_not_pin_it():
    tell(ADMIT, adt("A15", 5, pv1(WA, f42=WB)), adt("A16", 6, pv1(WA), EXPECTED))
    tell(adt("A08", 20, pv1(WA, f10="300", f42=WB), EXPECTED))
    assert (Stay.objects.get().pending_ward, Stay.objects.get().specialty) == ("WB", "300")
    tell(adt("A26", 5, pv1(WA), sent=30), adt("A25", 6, pv1(WA), sent=31))
    row = Stay.objects.get()
    assert (row.pending_ward, row.pending_at, row.discharge_expected_at) == ("", None, None)


def test_a_bed_corrected_by_details_is_a_place_by_itself_and_mixes_with_no_other():
    tell(ADMIT, adt("A08", 20, pv1("WA^A^A9^RXX")))
    assert place() == ("in", "WA", "A9")
    tell(adt("A02", 15, pv1(WB), sent=30))
    assert place() == ("in", "WA", "A9"), "as was told at twenty past, all of it"


def test_details_told_of_an_earlier_time_say_nothing_that_was_known_then():
    tell(ADMIT, adt("A02", 30, pv1(WC)), adt("A08", 20, pv1(WA, f10="300"), sent=40))
    tell(adt("A02", 15, pv1(WB), sent=50), adt("A12", 30, pv1(WB), sent=60))
    assert place() == ("in", "WB", "B2")
    assert Stay.objects.get().specialty == "300"


def test_details_again_change_nothing():
    details = adt("A08", 20, pv1(WB, f10="300"))
    tell(ADMIT, details)
    kept = Trunk.objects.get(kind="stay").steps
    assert [t.outcome for t in tell(details, details)] == ["already", "already"]
    assert Trunk.objects.get(kind="stay").steps == kept


@pytest.mark.parametrize("repeated", ["C1^SMITH^Ann", "C2^JONES^Bo", ""])
def test_a_cancelled_doctor_is_gone_whatever_message_repeated_the_name(repeated):
    tell(ADMIT, adt("A54", 10, pv1(WA, f7="C2^JONES^Bo")), adt("A02", 20, pv1(WB, f7="C2^JONES^Bo")))
    cancel = adt("A55", 10, pv1(WB, f7=repeated), sent=30)
    tell(cancel)
    assert (Stay.objects.get().consultant, Stay.objects.get().consultant_name) == ("C1", "SMITH, Ann")
    again = [t.outcome for t in tell(adt("A02", 20, pv1(WB, f7="C2^JONES^Bo")), cancel)]
    assert again == ["already", "already"]
    assert Stay.objects.get().consultant == "C1"
    tell(adt("A08", 40, pv1(WB, f7="C2^JONES^Bo")))
    assert Stay.objects.get().consultant == "C2", "told after the cancel, and so meant"


def test_the_doctor_told_with_the_cancel_is_believed_with_a_warning_if_not_the_one_before():
    tell(adt("A01", 0, pv1(WA)), adt("A54", 10, pv1(WA, f7="C2^JONES^Bo")))
    (taken,) = tell(adt("A55", 10, pv1(WA, f7="C1^SMITH^Ann"), sent=30))
    assert Stay.objects.get().consultant == "C1"
    assert "the doctor told is not the one before in the history: taken as told" in taken.warnings


def test_a_place_told_with_a_cancel_that_a_later_movement_overrules_is_not_said_to_be_taken():
    tell(ADMIT, TO_WB, adt("A02", 20, pv1(WC)))
    (taken,) = tell(adt("A12", 10, pv1("WD^D^D4"), sent=40))
    assert place() == ("in", "WC", "C3")
    assert "the place told is not the one in the history: the later movement stands" in taken.warnings
    assert not [warning for warning in taken.warnings if "taken as told" in warning]


def test_an_admission_sent_again_stays_before_the_transfer_of_the_same_minute():
    tell(ADMIT, adt("A02", 0, pv1(WB), sent=1))
    assert place() == ("in", "WB", "B2")
    (taken,) = tell(adt("A01", 0, pv1(WA, f7="C1^SMITH^Ann", f10="100"), sent=50))
    assert (taken.outcome, taken.warnings) == ("already", ())
    assert place() == ("in", "WB", "B2")
    tell(adt("A12", 0, pv1(WA), sent=60))
    assert place() == ("in", "WA", "A1")


def test_an_event_of_the_future_happened_when_it_was_recorded():
    tell(ADMIT)
    (taken,) = tell(adt("A02", 10, pv1(WB), evn6="20270701091000"))
    assert "EVN-6: later than the message itself, not taken" in taken.warnings
    assert Stay.objects.get().moved_at.isoformat() == "2026-07-01T09:10:00+00:00"
    tell(adt("A02", 20, pv1(WC)))
    assert place() == ("in", "WC", "C3"), "later transfers are not back-dated"
    tell(adt("A03", 80, pv1(WC), sent=30))
    assert Stay.objects.get().discharged_at.isoformat() == "2026-07-01T10:20:00+00:00", f"clocks differ: {clock(80)}"
