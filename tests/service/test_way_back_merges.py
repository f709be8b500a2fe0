"""The PAS merged a patient while we spoke for it: what was entered under that record is a person's to place."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.models import Discrepancy, Replay
from pasmirror.lib import alarms
from patients.models import Patient, PatientIdentifier
from patients.services import registration
from tests.committed import committed  # noqa: F401
from tests.factories import lanes as make
from tests.factories.identity import hear, hl7, mrg, pid
from tests.factories.way_back import WorldOfTest

pytestmark = pytest.mark.usefixtures("committed")
EVE = "JONES^Eve||19600102|F"


@pytest.fixture
def world(committed: None, tmp_path: Path) -> Iterator[WorldOfTest]:  # noqa: F811
    made = WorldOfTest(tmp_path)
    yield made
    made.close()


def known(world: WorldOfTest) -> tuple[Patient, str]:
    told = world.do("send", event="A28", family="JONES", given="Eve", dob="19600102", sex="F")
    world.hear()
    number = PatientIdentifier.objects.get(value=str(told["patient"]))  # type: ignore[index]
    return number.patient, f"{number.value}^^^{number.authority}^{number.type}"


def test_what_was_entered_for_a_patient_the_pas_has_merged_is_a_persons_and_no_older_backup(world: WorldOfTest) -> None:
    (loser, old), (survivor, new) = known(world), known(world)
    loser.refresh_from_db()
    details = {"phones": {"phone": "01632 960111"}}
    registration.update(patient_id=loser.pk, seen=loser.version, patient=details, by=make.CLERK, key=uuid.uuid4())
    assert hear(hl7("A40", pid(new, EVE), mrg(old))) == [("applied", "")]
    world.release()
    world.until(lambda: set(Replay.objects.values_list("end", flat=True)) == {Replay.End.HELD})
    assert "merged" in Replay.objects.get().reason
    assert Discrepancy.objects.filter(decision="").count() == 1
    assert [alarm.code for alarm in alarms.standing() if "backup" in alarm.sentence] == []
    survivor.refresh_from_db()
    assert survivor.phone == "", "nobody knows yet whether it is the survivor's"
