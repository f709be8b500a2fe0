"""Two quotes delete, what is absent stays: of a field, of a component, and of a whole segment."""

import pytest

from patients.models import LastSegments, Patient, Stay
from tests.factories.told import WA, adt, pv1, tell

pytestmark = pytest.mark.django_db
FULL = (
    "PID|1||P1^^^RXX^MR||SMITH^John^Paul^^Mr||19520301|M|||1 High St^Flat 2^York^^YO1 1AA^^HOME||"
    "01632 960001^PRN^PH~07700 900001^MOBILE~^NET^Internet^j@example.org|||S"
)


def pid(**fields: str) -> str:
    """A PID that says nothing but who is meant and these fields, by number."""
    said = {1: "1", 3: "P1^^^RXX^MR"} | {int(name[1:]): text for name, text in fields.items()}
    return "PID|" + "|".join(said.get(number, "") for number in range(1, max(said) + 1))


def john(minute: int, **fields: str) -> Patient:
    tell(adt("A28", 0, pid=FULL), adt("A31", minute, pid=pid(**fields)))
    return Patient.objects.get()


def test_trap_16_what_is_absent_stays():
    patient = john(1)
    assert (patient.family, patient.mobile, patient.marital, patient.line2) == ("SMITH", "07700 900001", "S", "Flat 2")


def test_trap_16_two_quotes_in_a_field_delete_it_and_nothing_else():
    patient = john(1, f16='""', f11='""')
    assert (patient.marital, patient.line1, patient.postcode) == ("", "", "")
    assert (patient.family, patient.phone) == ("SMITH", "01632 960001")


def test_trap_16_two_quotes_in_a_component_delete_that():
    patient = john(1, f13='""^MOBILE')
    assert (patient.mobile, patient.phone, patient.email) == ("", "01632 960001", "j@example.org")
    patient = john(2, f5='SMITH^John^""^^Mr')
    assert (patient.middle, patient.given, patient.title) == ("", "John", "Mr")


def test_trap_16_two_quotes_of_the_visit():
    tell(adt("A01", 0, pv1(WA, f7="C1^SMITH", f14="19"), pid=FULL), adt("A08", 1, pv1(f7='""'), pid=pid()))
    stay = Stay.objects.get()
    assert (stay.consultant, stay.consultant_name) == ("", "")
    assert (stay.admission_source, stay.ward) == ("19", "WA")


def test_trap_16_two_quotes_for_a_whole_nk1_take_every_next_of_kin_away():
    kept = LastSegments.objects.filter(stay=0)
    tell(adt("A28", 0, "NK1|1|SMITH^Jo|SPO", "NK1|2|SMITH^Al|CHD", "AL1|1|DA|^Penicillin", pid=FULL))
    tell(adt("A01", 1, pv1(WA), pid=pid()))
    assert sum(line.startswith("NK1") for line in kept.get().segments) == 2, "absent from an A01: they stay"
    tell(adt("A01", 2, 'NK1|""', pv1(WA), pid=pid()))
    assert [line[:3] for line in kept.get().segments].count("NK1") == 0
    assert "AL1|1|DA|^Penicillin" in kept.get().segments


@pytest.mark.parametrize(("text", "born"), [("1950", "1950"), ("195003", "1950-03"), ("19500312", "1950-03-12")])
def test_trap_17_a_date_of_birth_is_no_more_precise_than_it_was_told(text, born):
    assert john(1, f7='""').born == ""
    assert john(2, f7=text).born == born
