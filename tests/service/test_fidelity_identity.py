"""Who somebody is, heard from the PAS and said again: changed visit numbers and links hold what their messages need."""

import pytest

from messaging.fidelity import Verdict
from messaging.models import FidelityPoint
from patients.models import Change, Patient
from patients.states import Event
from tests.factories import identity
from tests.factories.fidelity import destination, found, hear_and_compare, listening
from tests.factories.identity import JONES, SMITH, hl7, mrg, pid

pytestmark = pytest.mark.django_db
HEADER = {"MSH-9", "MSH-17"}  # what this PAS leaves out of every header: the structure, and the country
A, B = pid("A"), pid("B", JONES)
BOTH = (hl7("A28", A), hl7("A28", B))
SECOND = B.replace("PID|1", "PID|2", 1)
V1 = "V1^^^RXX^VN"


def pv1(number: str, ward: str = "WA") -> str:
    """A PV1 with the type of number that the record has."""
    return identity.pv1(number, ward).replace("^VISITID", "^VN")


@pytest.fixture(autouse=True)
def pathology() -> None:
    listening()
    destination()


def change(event: Event) -> Change:
    return Change.objects.filter(event=event).latest("pk")


def differences(event: Event) -> dict[str, tuple[str, str]]:
    """Give what was found of an event that was said at all, header aside."""
    assert FidelityPoint.objects.filter(event=event, verdict=Verdict.SAME).exists(), "something was compared"
    return {field: what for field, what in found(event=event).items() if field not in HEADER}


def test_a_changed_visit_number_is_said_with_the_one_that_ends() -> None:
    hear_and_compare(
        hl7("A01", A, pv1("V1")),
        hl7("A50", A, mrg("A", V1), pv1("V2"), at="20260302080000"),
    )
    assert change(Event.RENUMBER_STAY).facts["prior_stay_ids"] == [["VN", "RXX", "V1"]]
    assert change(Event.RENUMBER_STAY).facts["stay_ids"] == [["VN", "RXX", "V2"]]
    assert differences(Event.RENUMBER_STAY) == {"PV1-44": ("extra", "")}, (
        "when the stay began, which this PAS leaves out"
    )


def test_two_stays_that_were_one_are_said_with_the_number_that_ends() -> None:
    hear_and_compare(
        hl7("A01", A, pv1("V1")),
        hl7("A01", A, pv1("V2", "WB"), at="20260301090000"),
        hl7("A35", A, mrg("A", V1), pv1("V2", "WB"), at="20260302080000"),
    )
    assert change(Event.RENUMBER_STAY).facts["prior_stay_ids"] == [["VN", "RXX", "V1"]]
    assert differences(Event.RENUMBER_STAY) == {
        "EVN-1": ("other", "1"), "PV1-44": ("extra", ""),
    }, "an A35 is an A50 in this dialect"  # fmt: skip


@pytest.mark.parametrize(("trigger", "event"), [("A24", Event.LINK), ("A37", Event.UNLINK)])
def test_a_link_is_said_with_both_patients(trigger: str, event: Event) -> None:
    linked = hl7("A24", A, SECOND, at="20260302080000")
    hear_and_compare(*BOTH, linked, *([hl7("A37", A, SECOND, at="20260303080000")] if trigger == "A37" else []))
    other = Patient.objects.get(family="JONES")
    told = change(event).facts
    assert (told["other"], told["other_ids"]) == (other.pk, [["MR", "RXX", "B"]])
    assert told["patient_ids"] == [["MR", "RXX", "A"]]
    assert told["other_patient"]["name"]["family"] == "JONES"
    assert differences(event) == {}


def test_a_link_told_in_one_batch_with_the_registrations_names_their_numbers() -> None:
    hear_and_compare(*BOTH, hl7("A24", B, A, at="20260302080000"))
    told = change(Event.LINK).facts
    assert (told["patient_ids"], told["other_ids"]) == ([["MR", "RXX", "B"]], [["MR", "RXX", "A"]])


def test_a_newborn_s_link_to_the_mother_names_both() -> None:
    mother = pid("A", SMITH)
    child = "|".join([*pid("C", "SMITH^Baby||20260301|F").split("|"), *[""] * 12, "A^^^RXX^MR"])
    hear_and_compare(hl7("A28", mother), hl7("A28", child, at="20260302080000"))
    told = change(Event.LINK).facts
    assert (told["link"], told["other_ids"], told["patient_ids"]) == (
        "mother", [["MR", "RXX", "A"]], [["MR", "RXX", "C"]],
    )  # fmt: skip
