"""After hand-back: what was signed for and left open is settled later, and whatever waited behind it has an end too."""

import pytest

from failover.models import Discrepancy, Incident, Replay
from failover.selectors import ledger
from failover.services import discrepancies, handback
from patients.models import Gate, Patient, PatientIdentifier, Trunk
from patients.refusals import Refused
from tests.factories import lanes as make
from tests.factories.way_back import ANN, BOB, End, WorldOfTest, change, ends, fates, mrn

pytestmark = pytest.mark.usefixtures("committed")


def waiting() -> Discrepancy:
    return Discrepancy.objects.get(decided_at=None)


def settle(decision: str) -> None:
    discrepancies.settle(discrepancy_id=waiting().pk, decision=decision, by=ANN, reason="rang them")


@pytest.fixture
def left_open(world: WorldOfTest) -> Patient:
    """Handed back with three changes of one patient open: two of the telephone, one of the title behind them."""
    told = world.do("send", event="A28", family="JONES", given="Eve", dob="19600102", sex="F", phone="111")
    world.hear()
    patient = PatientIdentifier.objects.get(value=str(told["patient"])).patient  # type: ignore[index]
    change(patient, phones={"phone": "222"})
    change(patient, phones={"phone": "444"})
    change(patient, name={"title": "Ms"})
    world.do("edit_patient", id=mrn(patient), phone="333")
    world.release()
    world.until(lambda: ends() == [End.HELD] * 3)
    for who in (ANN, BOB):
        handback.sign_holds(by=who, reason="the desk will ring her")
    handback.begin(by=ANN, reason="done")
    world.until(lambda: Gate.objects.get().mode == "normal")
    patient.refresh_from_db()
    return patient


def test_what_waited_behind_it_is_put_to_a_person_when_it_is_settled(world: WorldOfTest, left_open: Patient) -> None:
    first = waiting()
    settle("keep_pas")
    assert ends() == [End.SUPERSEDED, End.HELD, End.HELD], "nothing waits for a way back that is over"
    asked = list(Discrepancy.objects.filter(decided_at=None).order_by("change"))
    assert [(one.ours, one.theirs)[0].get("phone") or one.ours["title"] for one in asked] == ["444", "Ms"]
    assert {one.raised_at for one in asked} == {first.raised_at}, "it is as old as what it waited behind"
    assert fates() == ["withdrawn", "held", "held"]
    left_open.refresh_from_db()
    assert (left_open.phone, left_open.title) == ("444", "Ms"), "a later entry is not erased by settling an earlier one"


def test_a_telling_of_the_pas_is_refused_and_says_what_to_do(world: WorldOfTest, left_open: Patient) -> None:
    with pytest.raises(Refused, match="enter it in the PAS itself"):
        settle("keep_mirror")


def test_what_is_keyed_into_the_pas_is_confirmed_and_nothing_is_left_open(
    world: WorldOfTest, left_open: Patient
) -> None:
    settle("keep_pas")
    world.do("edit_patient", id=mrn(left_open), phone="444", title="Ms")
    world.hear()
    for one in Discrepancy.objects.filter(decided_at=None).order_by("change"):
        discrepancies.settle(discrepancy_id=one.pk, decision="keep_pas", by=ANN, reason="keyed by hand")
    assert ends() == [End.SUPERSEDED, End.CONFIRMED, End.CONFIRMED]
    assert fates() == ["withdrawn", "confirmed", "confirmed"]
    assert not Trunk.objects.exclude(branch={}).exists(), "the feed is master of every field again"
    world.do("edit_patient", id=mrn(left_open), phone="555", title="Dr")
    world.hear()
    left_open.refresh_from_db()
    assert (left_open.phone, left_open.title) == ("555", "Dr")


def test_what_the_pas_holds_by_then_is_already_there(world: WorldOfTest, left_open: Patient) -> None:
    world.do("edit_patient", id=mrn(left_open), phone="444", title="Ms")
    world.hear()
    settle("void")
    assert ends() == [End.VOIDED, End.ALREADY, End.ALREADY]
    assert not Discrepancy.objects.filter(decided_at=None).exists()
    assert not Trunk.objects.exclude(branch={}).exists()


def test_the_ledger_stays_as_it_was_signed(world: WorldOfTest, left_open: Patient) -> None:
    incident = Incident.objects.get()
    signed = ledger.ledger(incident)
    assert (signed.captured, signed.held, signed.signed, signed.balanced) == (3, 3, 3, True)
    assert incident.report["held"] == list(Replay.objects.order_by("change").values_list("change", flat=True))
    settle("keep_pas")
    assert ledger.ledger(incident) == signed
    assert not set(ends()) & {End.WAITING, End.SENT}, "every entry of a closed ledger has an end"


def test_what_the_pas_has_lost_and_a_person_lets_go_is_not_called_confirmed(world: WorldOfTest) -> None:
    world.do("backup")
    make.admit(make.register(), bed="WA1")
    world.release()
    world.until(lambda: ends() == [End.CONFIRMED] * 2)
    world.do("restore_backup")
    handback.begin(by=ANN, reason="done")
    world.until(lambda: ends() == [End.HELD] * 2)
    for one in Discrepancy.objects.order_by("change"):
        discrepancies.settle(discrepancy_id=one.pk, decision="keep_pas", by=ANN, reason="so be it")
    assert ends() == [End.SUPERSEDED] * 2
    assert fates() == ["withdrawn"] * 2
