"""Numbers that lead astray: retired ones in merges, two of two things, strangers begun by news that was filed."""

import pytest

from messaging.models import Inbound
from patients.models import Appointment, Change, Document, Patient, PatientIdentifier, PatientLink, Stay
from tests.factories.identity import JONES, hear, hl7, mrg, patient, pid, pv1

pytestmark = pytest.mark.django_db
D1, D2, D3, D4 = (f"202603{day:02}080000" for day in range(1, 5))
APPLIED = ("applied", "")


def booking(trigger, at, placer, filler, number="A"):
    sch = f"SCH|{placer}^RXX|{filler}^RXX||||||FUP|||^^30^20260715090000"
    return hl7(trigger, sch, pid(number), "RGS|1", "AIL|1||CARD", at=at)


def letter(trigger, number, text, at, document="D77"):
    head = hl7("A01", at=at).replace("ADT^A01", f"MDM^{trigger}").replace("EVN|A01", f"EVN|{trigger}")
    lines = [pid(number), f"TXA|1|DS||20260301||||||||{document}||||AU", f"OBX|1|TX|||{text}"]
    return head + "\r".join(lines) + "\r"


def baby(mother, at):
    return hl7("A28", "|".join([pid("B", "SMITH^Baby||20260301|F"), *[""] * 12, f"{mother}^^^RXX^MR"]), at=at)


def test_a_number_that_was_merged_away_is_not_merged_on_into_a_number_nobody_has():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A40", pid("A"), mrg("B")))
    assert hear(hl7("A40", pid("C"), mrg("B"), at=D2)) == [("parked", "merged-before")]
    assert not PatientIdentifier.objects.filter(value="C").exists()
    hear(hl7("A28", pid("D", JONES)))
    again = hl7("A40", pid("E", JONES), mrg("D"), at=D2)
    assert hear(again, again) == [APPLIED, ("already", "already")], "a number nobody had is the same person's"


def test_a_stay_that_goes_to_somebody_unknown_begins_a_record_with_what_is_said_of_them():
    hear(hl7("A28", pid("A")), hl7("A01", pid("A"), pv1("V1")))
    move = hl7("A44", pid("N", JONES, "", "", "1 High St"), mrg("A", "V1^^^RXX^VISITID"), at=D2)
    assert hear(move) == [APPLIED]
    new = patient("N")
    assert (new.family, new.born, new.line1, new.provisional) == ("JONES", "1980-04-12", "1 High St", True)
    assert Stay.objects.get().patient == new
    change = Change.objects.filter(patient=new).latest("pk")
    assert change.after["patient"]["name"]["family"] == "JONES"
    assert hear(hl7("A31", pid("N", "BLACK^Bob||19300101|M"), at=D3)) == [("parked", "identity-mismatch")]


def test_a_booking_whose_numbers_name_two_bookings_is_a_persons():
    assert hear(booking("S12", D1, "P1", "F1"), booking("S12", D2, "P3", "F2")) == [APPLIED] * 2
    crossing = booking("S12", D3, "P3", "F1")
    assert hear(crossing) == [("parked", "number-of-another")]
    assert "applied" in {row.outcome for row in Inbound.objects.all()}
    assert Appointment.objects.count() == 2
    assert [list(row.identifiers.values_list("value", flat=True)) for row in Appointment.objects.order_by("pk")] == [
        ["P1", "F1"],
        ["P3", "F2"],
    ]


def test_a_corrected_mother_takes_the_place_of_the_first_and_an_old_message_does_not_bring_that_back():
    hear(hl7("A28", pid("M1")), hl7("A28", pid("M2", JONES)))
    assert hear(baby("M1", D2), baby("M2", D3), baby("M1", D2)) == [APPLIED, APPLIED, ("already", "already")]
    assert list(PatientLink.objects.filter(until=None).values_list("kind", "other")) == [("mother", patient("M2").pk)]
    assert PatientLink.objects.get(other=patient("M1")).until is not None
    assert hear(baby("M1", D4)) == [APPLIED], "she may be corrected back"
    assert PatientLink.objects.get(until=None).other == patient("M1")


def test_two_patients_are_linked_once_whichever_way_round_they_are_named():
    hear(hl7("A28", pid("A")), hl7("A28", pid("B", JONES)))
    one, other = (hl7("A24", *pair) for pair in ((pid("A"), pid("B", JONES)), (pid("B", JONES), pid("A"))))
    assert hear(one, other) == [APPLIED, ("already", "already")]
    assert PatientLink.objects.count() == 1


@pytest.mark.parametrize("together", [True, False])
def test_letters_follow_the_merge_and_their_next_version_finds_them(together):
    told = [
        hl7("A28", pid("A")), hl7("A28", pid("B")), letter("T02", "B", "one", D2),
        hl7("A40", pid("A"), mrg("B"), at=D3), letter("T10", "A", "two", D4),
    ]  # fmt: skip
    assert hear(*told) == [APPLIED] * 5 if together else [hear(one)[0] for one in told] == [APPLIED] * 5
    assert list(Document.objects.values_list("patient", "number", "text")) == [(patient("A").pk, "D77", "two")]


@pytest.mark.parametrize(("of_loser", "stands"), [(D3, "loser's"), (D1, "survivor's")])
def test_of_a_letter_that_both_records_have_the_newer_version_stands(of_loser, stands):
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")))
    hear(letter("T02", "A", "survivor's", D2), letter("T02", "B", "loser's", of_loser))
    hear(letter("T02", "B", "alone", D1, "D8"))
    assert hear(hl7("A40", pid("A"), mrg("B"), at=D4)) == [APPLIED]
    kept = dict(Document.objects.filter(patient=patient("A")).values_list("number", "text"))
    assert kept == {"D77": stands, "D8": "alone"}


@pytest.mark.parametrize("together", [True, False])
def test_a_stranger_of_whom_only_filed_news_came_is_a_stranger_still(together):
    """However the feed's messages fall into batches."""
    cancel, update = booking("S15", D1, "P1", "F1"), hl7("A08", pid("A"), pv1("V1"), at=D2)
    became = hear(cancel, update) if together else hear(cancel) + hear(update)
    assert became == [("filed", "no-such-appointment"), APPLIED]
    assert patient("A").provisional
    assert "the patient was not known: recorded as provisional" in Inbound.objects.latest("pk").warnings
    assert Patient.objects.count() == 1


def test_a_registration_after_filed_news_is_no_provisional_record():
    hear(booking("S15", D1, "P1", "F1"), hl7("A28", pid("A"), at=D2))
    assert not patient("A").provisional


def test_a_stay_left_with_a_merged_record_is_a_persons_and_stops_nothing():
    """It ought not to be: what belongs to a record that ends goes along. The batch is not tried for ever."""
    hear(hl7("A28", pid("A")), hl7("A28", pid("B")), hl7("A01", pid("A"), pv1("V1")))
    loser = patient("B")
    hear(hl7("A40", pid("A"), mrg("B"), at=D2))
    Stay.objects.update(patient=loser)
    hear(hl7("A28", pid("C", JONES)))
    assert hear(hl7("A02", pid("C", JONES), pv1("V1", "WB"), at=D3)) == [("parked", "number-of-another")]
    assert hear(hl7("A28", pid("D"), at=D3)) == [APPLIED]
