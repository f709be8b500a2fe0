"""What the PAS answers when asked about one patient: where stays and bookings stand, and what it has forgotten."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from failover.services import asking
from patients.facts import Kind
from patients.models import Appointment, Patient, PatientIdentifier, Stay
from patients.services import trunk
from tests.committed import committed  # noqa: F401
from tests.factories.way_back import WorldOfTest

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def world(committed: None, tmp_path: Path) -> Iterator[WorldOfTest]:  # noqa: F811
    made = WorldOfTest(tmp_path)
    yield made
    made.close()


def send(world: WorldOfTest, event: str, **said: Any) -> dict[str, Any]:
    told: Any = world.do("send", event=event, **said)
    world.hear()
    return dict(told)


def known(world: WorldOfTest) -> tuple[str, Patient]:
    number = send(world, "A28")["patient"]
    return number, PatientIdentifier.objects.get(value=number).patient


def asked(patient: Patient) -> asking.Answer:
    answer = asking.patient(patient.pk)
    assert answer is not None
    return answer


def stands(kind: Kind, pk: int) -> object:
    held = trunk.held(kind, pk)
    return held["times"]["status"] if kind is Kind.STAY else held["status"]["status"]


def test_what_the_pas_has_withdrawn_it_has_not_forgotten(world: WorldOfTest) -> None:
    number, patient = known(world)
    visit = send(world, "A01", patient=number)["visit"]
    assert not asked(patient).forgotten
    world.do("cancel_stay", visit=visit)
    world.hear()
    assert Stay.objects.get().status == "cancelled"
    assert not asked(patient).forgotten
    world.pas.store.write("DELETE FROM identifier WHERE authority = 'NHS'")
    other = send(world, "A01", patient=number)["visit"]
    world.pas.store.write("DELETE FROM stay WHERE visit = ?", other)
    assert asked(patient).forgotten, "one that it told us of, and says nothing of now"


def test_an_admission_under_the_class_of_an_attendance_stays_one(world: WorldOfTest) -> None:
    number, patient = known(world)
    send(world, "A01", patient=number, **{"class": "E"})
    stay = Stay.objects.get()
    assert (stay.status, stay.patient_class) == ("in", "E")
    assert asked(patient).known
    assert stands(Kind.STAY, stay.pk) == "in", "the answer names the class alone, which it had before"
    world.pas.store.write("UPDATE stay SET class = 'O'")
    asked(patient)
    assert stands(Kind.STAY, stay.pk) == "attending", "another class is news"


@pytest.mark.parametrize(("words", "status"), [("Arrived", "arrived"), ("Noshow", "did_not_attend"),
                                               ("Deleted", "cancelled"), ("Booked", "booked")])  # fmt: skip
def test_a_booking_stands_where_the_pas_says(world: WorldOfTest, words: str, status: str) -> None:
    number, patient = known(world)
    send(world, "S12", patient=number)
    world.pas.store.write("UPDATE appointment SET status = ?", words)
    assert asked(patient).known
    assert stands(Kind.APPOINTMENT, Appointment.objects.get().pk) == status
