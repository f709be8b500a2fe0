"""What has stopped live UK feeds (two London trusts, 2017 to 2019): here it stops nobody but the patient concerned."""

import pytest

from messaging.models import Inbound
from patients.models import Patient, Stay
from tests.factories.identity import JONES, SMITH, hear, hl7, mrg, patient, pid, pv1

pytestmark = pytest.mark.django_db
GPS = "PD1||||G1^ONE^A~G2^TWO^B"
NEXT_DAY = "20260302080000"
OTHERS = hl7("A31", pid("OTHER", JONES, "", "", "1 Low St"), at=NEXT_DAY)
ELSEWHERE = mrg("A", "E9^^^RYY^VISITID")
PID_18 = "|" * 10


def others_go_on(*told):
    """Send `told`, then news of somebody else; gives what became of `told`."""
    *became, other = hear(*told, OTHERS)
    assert other == ("applied", "")
    assert patient("OTHER").line1 == "1 Low St"
    assert all(row.reason for row in Inbound.objects.filter(outcome__in=("parked", "filed")))
    return became


@pytest.fixture(autouse=True)
def _two_patients():
    hear(hl7("A28", pid("A")), hl7("A28", pid("OTHER", JONES)), hl7("A01", pid("A"), pv1("V1")))


@pytest.mark.parametrize(
    ("name", "told", "became"),
    [
        ("A44 with no MRG-5", hl7("A44", pid("B"), mrg("A")), ("parked", "no-visit-number")),
        ("A44 of another site's episode", hl7("A44", pid("B"), ELSEWHERE), ("filed", "no-such-stay")),
        ("A44 with no MRG-1", hl7("A44", pid("B"), mrg("", "V1")), ("parked", "no-prior-number")),
        ("A44 with no PID-3", hl7("A44", pid(""), mrg("A", "V1")), ("parked", "no-identity")),
        ("A34 without MRG", hl7("A34", pid("A")), ("parked", "no-mrg")),
        ("A35 without MRG", hl7("A35", pid("A")), ("parked", "no-mrg")),
        ("A34 without EVN", hl7("A34", pid("A"), mrg("NOBODY"), evn=False), ("filed", "unknown-prior")),
        ("A34 without EVN and MRG", hl7("A34", pid("A"), evn=False), ("parked", "no-mrg")),
        ("no PV1-19 and no PID-18", hl7("A01", pid("A"), "PV1|1|I|WA"), ("parked", "no-visit-number")),
        ("PV1-19.5 is not VISITID", hl7("A02", pid("A"), pv1("V1", "WB").replace("VISITID", "X")), ("applied", "")),
        ("PID-18.4 of another site", hl7("A02", pid("A", SMITH + PID_18 + "|V8^^^RYY"), pv1("V1")), ("applied", "")),
        ("PV1-39 of another hospital", hl7("A02", pid("A"), pv1("V1", "WC") + "|" * 20 + "RYY"), ("applied", "")),
        ("PID-3 without the local number", hl7("A31", pid("9990000018^^^NHS^NH")), ("applied", "")),
        ("PID-3 with a blank local number", hl7("A31", pid("^^^RXX^MR")), ("parked", "no-identity")),
        ("PID-3 empty", hl7("A31", pid("")), ("parked", "no-identity")),
        ("two GPs in PD1-4", hl7("A31", pid("A"), GPS, at=NEXT_DAY), ("applied", "")),
        ("a practice code of digits", hl7("A31", pid("A"), "PD1|||Riverside^^12345", at=NEXT_DAY), ("applied", "")),
        ("a practice without a code", hl7("A31", pid("A"), "PD1|||Riverside", at=NEXT_DAY), ("applied", "")),
    ],
)  # fmt: skip
def test_what_blocked_a_feed_blocks_only_its_patient(name, told, became):
    assert others_go_on(told) == [became], name


def test_what_is_parked_without_a_number_holds_nobody():
    assert others_go_on(hl7("A31", pid("")), hl7("A31", pid("A"))) == [
        ("parked", "no-identity"),
        ("already", "already"),
    ]


def test_a_visit_number_missing_holds_the_patient_and_the_stay_stands_as_it_was():
    told = hl7("A02", pid("A"), "PV1|1|I|WB"), hl7("A03", pid("A"), pv1("V1"), at=NEXT_DAY)
    assert others_go_on(*told) == [("parked", "no-visit-number"), ("parked", "waits")]
    assert (Stay.objects.get().status, Stay.objects.get().ward) == ("in", "WA")


def test_an_nhs_number_alone_names_the_one_patient_who_has_it():
    hear(hl7("A28", pid("C^^^RXX^MR~9990000018^^^NHS^NH", "BROWN^Di||19700101|F")))
    others_go_on(hl7("A31", pid("9990000018^^^NHS^NH", "BROWN^Diana||19700101|F"), at=NEXT_DAY))
    assert Patient.objects.get(nhs_number="9990000018").given == "Diana"
