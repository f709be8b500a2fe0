"""A step of a stay taken back: exactly one, the last; where the patient is then, and what stands in the way."""

import uuid
from typing import Any

import pytest

from pasmirror.lib import clock
from patients.models import Bed, Change, Movement, Patient, Stay
from patients.refusals import Refused
from patients.services import cancelling
from patients.states import CANCELLED_IN, Event
from tests.factories.clerk import A1, A2, ACTS, B1, CLERK, admit, admitted, at, expected, fresh, open_desk, person
from tests.factories.told import WA, WB, adt, pv1, tell

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _desk(db: None) -> None:
    open_desk()


def where(stay: Stay) -> tuple[str, str, str]:
    stay.refresh_from_db()
    return stay.status, stay.ward, stay.bed


def do(stay: Stay, *names: str, **wrong: Any) -> Change:
    """Do acts to a stay, one after another; gives the last one's change."""
    saved = [ACTS[name].do(stay, **wrong) for name in names]
    return Change.objects.get(pk=saved[-1].change)


def refused(stay: Stay, name: str, **wrong: Any) -> str:
    """The reason why an act cannot be done; nothing was written."""
    before = Change.objects.count()
    with pytest.raises(Refused) as why:
        ACTS[name].do(stay, **wrong)
    assert Change.objects.count() == before
    return why.value.reason


def test_a_cancel_bears_the_time_of_the_step_taken_back_and_is_recorded_now():
    stay = admitted()
    moved = do(stay, "transfer")
    back = do(stay, "cancel_transfer")
    assert back.occurred_at == moved.occurred_at == at(20)
    assert back.recorded_at > moved.recorded_at
    assert back.facts["undone"] == {"change": moved.pk, "event": "transfer", "occurred_at": clock.iso(at(20))}
    assert back.facts["event_reason"] == "Entered in error"


def test_a_transfer_taken_back_puts_the_patient_in_the_bed_before_it():
    stay = admitted()
    do(stay, "transfer")
    change = do(stay, "cancel_transfer")
    assert where(stay) == ("in", "WA", "WA1")
    assert stay.moved_at == at(0)
    assert (change.facts["stay"]["place"]["bed"], change.facts["prior_place"]["bed"]) == ("WA1", "WA2")
    assert refused(stay, "cancel_transfer") == "No transfer of this stay is known here"


def test_of_two_transfers_the_last_goes_first():
    stay = admitted()
    do(stay, "transfer")
    ACTS["transfer"].do(stay, place=B1, occurred_at=at(30))
    assert do(stay, "cancel_transfer").occurred_at == at(30)
    assert where(stay) == ("in", "WA", "WA2")
    assert do(stay, "cancel_transfer").occurred_at == at(20)
    assert where(stay) == ("in", "WA", "WA1")
    undone = {pk for row in Movement.objects.filter(event="cancel_transfer") for pk in row.undoes}
    assert undone == set(Movement.objects.filter(event="transfer").values_list("pk", flat=True))


def test_a_discharge_taken_back_leaves_nothing_of_how_it_ended():
    stay = admitted()
    do(stay, "transfer", "discharge")
    change = do(stay, "cancel_discharge")
    assert where(stay) == ("in", "WA", "WA2")
    assert (stay.discharged_at, stay.discharge_method, stay.discharge_destination) == (None, "", "")
    assert stay.moved_at == at(20)
    assert change.facts["stay"]["place"]["bed"] == "WA2"
    assert change.after["stay"]["times"] == {**change.facts["stay"]["times"], "status": "in"}


def test_a_death_noted_by_a_discharge_goes_with_it():
    stay = admitted()
    died = {"discharge_method": "4", "discharge_destination": "79"}
    do(stay, "discharge", discharge=died, died_at="2026-07-01")
    assert fresh(stay.patient).dead
    change = do(stay, "cancel_discharge")
    assert (fresh(stay.patient).dead, fresh(stay.patient).died_at) == (False, "")
    assert change.before["patient"]["death"] == {"dead": True, "died_at": "2026-07-01"}


def test_a_death_known_before_the_discharge_stays():
    stay = admitted()
    Patient.objects.filter(pk=stay.patient_id).update(dead=True, died_at="2026-07-01")
    do(stay, "discharge", "cancel_discharge")
    assert fresh(stay.patient).dead


def test_an_admission_taken_back_leaves_a_stay_that_never_was():
    stay = admitted()
    do(stay, "update_stay", "plan_discharge")
    change = do(stay, "cancel_admit")
    assert where(stay) == ("cancelled", "", "")
    assert change.before["stay"]["place"]["bed"] == "WA1"
    assert change.facts["prior_place"]["bed"] == "WA1"
    assert admit(person()).stay != stay.pk, "the bed is free"


def test_an_admission_of_somebody_expected_taken_back_leaves_them_expected():
    stay = expected()
    do(stay, "admit_expected", "cancel_admit")
    assert where(stay)[0] == "expected"
    assert (stay.pending_bed, stay.admission_expected_at is None) == ("WB1", False)
    do(stay, "cancel_preadmit")
    assert where(stay)[0] == "cancelled"


@pytest.mark.parametrize(
    ("names", "cancel", "why"),
    [
        (("transfer",), "cancel_admit", "The patient has been transferred since: take that back first"),
        (("leave",), "cancel_admit", "The patient has gone on leave since: take that back first"),
        (("transfer", "leave"), "cancel_transfer", "The patient has gone on leave since: take that back first"),
        (("leave", "return"), "cancel_leave", "The patient has come back from leave since: take that back first"),
        (("transfer", "discharge"), "cancel_transfer", "The patient has already been discharged"),
        (("discharge",), "cancel_admit", "The patient has already been discharged"),
        ((), "cancel_discharge", "The patient has not been discharged"),
        ((), "cancel_leave", "The patient is not on leave"),
        ((), "cancel_return", "No return from leave is known here"),
        ((), "cancel_plan_transfer", "No transfer is planned"),
        (("plan_transfer", "cancel_plan_transfer"), "cancel_plan_transfer", "No transfer is planned"),
        ((), "cancel_plan_discharge", "No discharge is planned"),
        ((), "cancel_change_doctor", "No change of doctor is known here"),
        ((), "cancel_preadmit", "The patient is already admitted"),
        (("cancel_admit",), "cancel_admit", "This stay was withdrawn"),
    ],
)
def test_only_the_last_step_and_only_one_that_stands(names: tuple[str, ...], cancel: str, why: str):
    stay = admitted()
    for name in names:
        do(stay, name)
    assert refused(stay, cancel) == why


def test_a_plan_that_was_carried_out_is_no_plan_any_more():
    stay = admitted()
    do(stay, "plan_transfer")
    do(stay, "transfer", place=B1)
    assert "changed again since" in refused(stay, "cancel_plan_transfer")


def test_a_plan_told_twice_is_taken_back_whole():
    stay = admitted()
    do(stay, "plan_discharge")
    do(stay, "plan_discharge", at=clock.now())
    do(stay, "cancel_plan_discharge")
    stay.refresh_from_db()
    assert stay.discharge_expected_at is None


@pytest.mark.parametrize(("name", "cancel"), [("transfer", "cancel_transfer"), ("discharge", "cancel_discharge")])
def test_where_another_patient_has_the_bed_the_clerk_says_where_the_patient_is(name: str, cancel: str):
    stay = admitted()
    do(stay, name)
    admit(person(), place=A1, occurred_at=at(70))
    assert "Another patient has the bed now" in refused(stay, cancel)
    assert refused(stay, cancel, place=A1) == "This bed has just been taken: choose another"
    assert refused(stay, cancel, place={"ward": "WA", "bay": "A", "bed": "NO"}) == "There is no such bed on this ward"
    change = do(stay, cancel, place=B1)
    assert where(stay) == ("in", "WB", "WB1")
    assert change.facts["stay"]["place"]["bed"] == "WB1"


def test_a_bed_closed_since_is_still_where_the_patient_was():
    stay = admitted()
    do(stay, "discharge")
    Bed.objects.filter(bed="WA1").update(closed=True)
    do(stay, "cancel_discharge")
    assert where(stay) == ("in", "WA", "WA1")


def test_nobody_is_in_twice_by_a_discharge_taken_back():
    stay = admitted()
    do(stay, "discharge")
    admit(stay.patient, place=A2, occurred_at=at(70))
    assert refused(stay, "cancel_discharge") == (
        "The patient has been admitted again since: take that admission back first"
    )


def test_what_was_changed_since_and_is_no_step_stays():
    stay = admitted()
    do(stay, "transfer")
    do(stay, "update_stay", "cancel_transfer")
    stay.refresh_from_db()
    assert (stay.bed, stay.specialty) == ("WA1", "320")


def test_a_step_that_the_pas_told_of_is_taken_back_too():
    tell(adt("A01", 0, pv1(WA)), adt("A02", 10, pv1(WB)), adt("A03", 30, pv1(WB, f36="1")))
    stay = Stay.objects.get()
    do(stay, "cancel_discharge", "cancel_transfer")
    assert where(stay) == ("in", "WA", "A1")
    change = Change.objects.filter(source="clerk").order_by("pk").last()
    assert change is not None
    assert change.facts["undone"]["event"] == "transfer"
    assert clock.iso(change.occurred_at) == "2026-07-01T09:10:00+00:00"


def test_a_step_the_pas_has_taken_back_is_not_taken_back_again():
    tell(adt("A01", 0, pv1(WA)), adt("A02", 10, pv1(WB)), adt("A12", 10, pv1(WA), sent=20))
    assert refused(Stay.objects.get(), "cancel_transfer") == "No transfer of this stay is known here"


def test_what_nobody_told_us_cannot_be_gone_back_to():
    tell(adt("A02", 10, pv1(WB)))  # its admission was not heard
    assert "not known here" in refused(Stay.objects.get(), "cancel_transfer")
    assert "not known here" in refused(Stay.objects.get(), "cancel_admit")


@pytest.mark.parametrize("event", sorted(CANCELLED_IN))
@pytest.mark.parametrize("reason", ["", "  "])
def test_a_reason_is_needed(event: Event, reason: str):
    stay = admitted()
    with pytest.raises(Refused) as why:
        cancelling.cancel(event, stay_id=stay.pk, seen=1, reason=reason, by=CLERK, key=uuid.uuid4())
    assert why.value.field == "reason"


def test_what_is_no_cancel_of_a_clerk_is_a_mistake_of_the_caller():
    said: dict[str, Any] = {"stay_id": admitted().pk, "seen": 1, "reason": "x", "by": CLERK, "key": uuid.uuid4()}
    for event, place in ((Event.ADMIT, None), (Event.CANCEL_LEAVE, A1)):
        with pytest.raises(KeyError):
            cancelling.cancel(event, **said, place=place)


def test_after_a_cancel_the_stay_goes_on_as_ever():
    stay = admitted()
    do(stay, "discharge", "cancel_discharge")
    assert do(stay, "transfer", occurred_at=at(61)).stay == stay.pk
    assert do(stay, "discharge", occurred_at=at(80)).facts["stay"]["times"]["discharged_at"] == clock.iso(at(80))
