"""Whatever a clerk does: once, whole or not at all, on what they saw, in the order of the locks, and journalled so."""

import uuid

import pytest

from pasmirror.lib import crash
from pasmirror.lib.crash import Point
from pasmirror.lib.models import AuditRow, IdempotencyKey
from patients import codes
from patients.models import (
    Appointment,
    Change,
    Document,
    Gate,
    JournalTail,
    Movement,
    Patient,
    PatientIdentifier,
    Stay,
    StayIdentifier,
    Trunk,
)
from patients.refusals import NotWritable, Refused, Stale
from patients.states import (
    APPOINTMENT_EVENTS,
    CANCELLED_IN,
    CLERKS_EVENTS,
    STAY_EVENTS,
    AppointmentStatus,
    Event,
    Mode,
    StayStatus,
    why_not,
)
from tests.factories.clerk import ACTS, CLERK, Act, open_desk

pytestmark = pytest.mark.django_db
WRITTEN = (
    Patient, Stay, Appointment, PatientIdentifier, StayIdentifier, Movement, Document, Trunk, Change, JournalTail,
    AuditRow, IdempotencyKey,
)  # fmt: skip
POINTS = [point for point in Point if point.startswith("save.") and point != Point.SAVE_COMMITTED]
PERSON = {"patient", "patient_ids"}
STAY = PERSON | {"stay", "stay_ids", "prior_place"}
BOOKING = PERSON | {"appointment", "appointment_ids"}
KEYS = {  # of Change.facts, by act
    **dict.fromkeys(("update",), PERSON),
    **dict.fromkeys(("expect", "attend", "admit", "attend_expected", "admit_expected", "admit_attending"), STAY),
    **dict.fromkeys(("to_inpatient", "to_outpatient", "update_stay", "change_doctor", "transfer", "discharge"), STAY),
    **dict.fromkeys(("plan_transfer", "plan_discharge", "leave", "return"), STAY),
    **dict.fromkeys((event.value for event in CANCELLED_IN), STAY | {"undone", "event_reason"}),
    **dict.fromkeys(("book", "arrive", "take_back_arrival", "did_not_attend", "take_back_did_not_attend"), BOOKING),
    **dict.fromkeys(("reschedule", "cancel_appointment", "delete"), BOOKING | {"event_reason"}),
    "summary": PERSON | {"stay", "stay_ids", "document"},
    "merge": PERSON | {"merged", "prior_ids", "event_reason"},
    "renumber": PERSON | {"prior_ids", "event_reason"},
    "link_stay_number": PERSON | {"stay", "stay_ids", "prior_stay_ids", "event_reason"},
}
every_act = pytest.mark.parametrize("act", [pytest.param(act, id=name) for name, act in ACTS.items()])


@pytest.fixture(autouse=True)
def _desk(db):
    open_desk()


def stands() -> list[object]:
    """Everything a save may write."""
    return [list(model.objects.order_by("pk").values()) for model in WRITTEN]


def test_every_event_of_a_clerk_has_an_act_here_and_words_on_the_page():
    assert {act.event for act in ACTS.values()} == CLERKS_EVENTS - {Event.REGISTER}
    assert set(codes.EVENT) == set(CLERKS_EVENTS)


@pytest.mark.parametrize("status", [*StayStatus, *AppointmentStatus])
def test_whatever_cannot_be_done_has_its_reason_in_words(status: StayStatus | AppointmentStatus):
    events = APPOINTMENT_EVENTS if isinstance(status, AppointmentStatus) else STAY_EVENTS
    for event in sorted(events & CLERKS_EVENTS):
        why = why_not(status, event)
        assert why is None or (why[0].isupper() and not why.endswith(".") and len(why.split()) > 2), (event, why)


@pytest.mark.parametrize(("name", "act"), ACTS.items(), ids=ACTS)
def test_it_is_journalled_with_tail_and_audit(name: str, act: Act):
    row = act.ready()
    version = row.version
    saved = act.do(row)
    change = Change.objects.get(pk=saved.change)
    assert (change.event, change.source, change.epoch) == (act.event, "clerk", 2)
    assert (change.patient_id, change.stay, change.appointment) == (saved.patient, saved.stay, saved.appointment)
    assert set(change.facts) == KEYS[name]
    assert change.recorded_at >= change.occurred_at
    assert JournalTail.objects.filter(pk=change.pk).exists()
    assert set(AuditRow.objects.filter(change=change.pk).values_list("action", flat=True)) == {act.event.value}
    row.refresh_from_db()
    if act.subject != "patient_id" and name != "summary":
        assert row.version == version + 1


@every_act
def test_pressed_twice_it_is_done_once(act: Act):
    row, key = act.ready(), uuid.uuid4()
    given = act.given(row)
    first = act.service(**given, by=CLERK, key=key)
    before = stands()
    again = act.service(**given, by=CLERK, key=key)
    assert (again.repeated, again.change) == (True, first.change)
    assert stands() == before


@every_act
def test_killed_in_the_middle_it_is_nothing_and_can_be_done_again(act: Act, monkeypatch: pytest.MonkeyPatch):
    class Killed(BaseException):
        pass

    def strike(at: Point) -> None:
        if at == point:
            raise Killed

    row, key = act.ready(), uuid.uuid4()
    given = act.given(row)
    before = stands()
    for point in POINTS:
        monkeypatch.setattr(crash, "strike", strike)
        with pytest.raises(Killed):
            act.service(**given, by=CLERK, key=key)
        assert stands() == before, point
        monkeypatch.undo()
    assert not act.service(**given, by=CLERK, key=key).repeated


@every_act
def test_a_form_opened_on_something_older_is_refused_with_what_stands_now(act: Act):
    row = act.ready()
    given = {**act.given(row), "seen": row.version - 1}
    before = stands()
    with pytest.raises(Stale) as refused:
        act.service(**given, by=CLERK, key=uuid.uuid4())
    assert refused.value.version == row.version
    assert stands() == before


@pytest.mark.parametrize("name", sorted(set(ACTS) - {"summary"}))  # another summary is another document
def test_done_already_it_cannot_be_done_again_on_what_was_seen_before(name: str):
    act = ACTS[name]
    row = act.ready()
    given = act.given(row)
    act.service(**given, by=CLERK, key=uuid.uuid4())
    before = stands()
    with pytest.raises(Refused):
        act.service(**given, by=CLERK, key=uuid.uuid4())
    assert stands() == before


@every_act
@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.HANDBACK])
def test_nothing_is_written_where_clerks_may_not(act: Act, mode: Mode):
    given = act.given(act.ready())
    Gate.objects.update(mode=mode)
    before = stands()
    with pytest.raises(NotWritable):
        act.service(**given, by=CLERK, key=uuid.uuid4())
    assert stands() == before


@every_act
def test_nothing_is_entered_for_a_record_that_was_merged_away(act: Act):
    row = act.ready()
    given = act.given(row)
    patient = row if isinstance(row, Patient) else row.patient
    ACTS["merge"].do(ACTS["merge"].ready(), loser_id=patient.pk, seen_loser=Patient.objects.get(pk=patient.pk).version)
    before = stands()
    if isinstance(row, Patient):
        given["seen"] += 1
        with pytest.raises(Refused, match="merged into another"):
            act.service(**given, by=CLERK, key=uuid.uuid4())
    else:  # its stays and appointments are the survivor's, as they stand now
        with pytest.raises(Refused, match=r"changed this record|another patient's record"):
            act.service(**given, by=CLERK, key=uuid.uuid4())
    assert stands() == before
