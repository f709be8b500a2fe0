"""The PAS's news taken into the record: by batches, idempotent, guarded, and never over what was changed here."""

import uuid
from datetime import timedelta

import pytest

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor, system
from pasmirror.lib.models import AuditRow
from patients.facts import News
from patients.identifiers import Identifier
from patients.models import Appointment, Change, Gate, JournalTail, Movement, Patient, Stay, Trunk
from patients.services import feed, registration
from patients.states import Mode

pytestmark = pytest.mark.django_db
APPLY = system("apply")
MRN = Identifier("MR", "RXX", "P100001")
VISIT = Identifier("VN", "RXX", "V200001")
T0 = clock.now().replace(microsecond=0) - timedelta(hours=5)
SMITH = {"name": {"family": "SMITH", "given": "John"}, "birth": {"born": "1952-03-01"}, "sex": {"sex": "M"}}
BED = {"place": {"ward": "WA", "bay": "A", "bed": "A1", "site": "RXX"}}


def news(event, minutes=0, *, ids=(MRN,), patient=SMITH, stay=None, stay_ids=(), appointment=None, appointment_ids=()):
    at = T0 + timedelta(minutes=minutes)
    return News(
        event=event,
        occurred_at=at,
        sent_at=at,
        patient_ids=tuple(ids),
        patient=patient,
        stay=stay or {},
        stay_ids=tuple(stay_ids),
        appointment=appointment or {},
        appointment_ids=tuple(appointment_ids),
    )


def take(*told, blocked=None):
    return feed.take([feed.Entry(n, one) for n, one in enumerate(told, 1)], by=APPLY, blocked=blocked)


def admitted(minutes=0, **more):
    return news("admit", minutes, stay=BED, stay_ids=[VISIT], **more)


def test_a_morning_in_one_batch():
    outcome = take(
        news("register"),
        admitted(5),
        news("transfer", 10, stay={"place": {"ward": "WB", "bay": "B", "bed": "B2"}}, stay_ids=[VISIT]),
        news("discharge", 20, stay={"discharge": {"discharge_method": "1"}}, stay_ids=[VISIT]),
    )
    assert [t.outcome for t in outcome] == ["applied"] * 4, outcome
    stay = Stay.objects.get()
    assert (stay.status, stay.ward, stay.bed) == ("out", "WB", "B2")
    assert list(Movement.objects.values_list("event", flat=True)) == ["admit", "transfer", "discharge"]
    assert Change.objects.filter(source="feed").count() == AuditRow.objects.exclude(change=None).count() == 4
    assert not JournalTail.objects.exists(), "what the PAS said is not sent on"
    assert Trunk.objects.get(kind="stay").held["place"]["ward"] == "WB"


def test_told_twice_changes_nothing():
    told = [news("register"), admitted(5)]
    take(*told)
    versions = list(Patient.objects.values_list("version")), list(Stay.objects.values_list("version"))
    assert [t.outcome for t in take(*told)] == ["already", "already"]
    assert versions == (list(Patient.objects.values_list("version")), list(Stay.objects.values_list("version")))
    assert Movement.objects.count() == 1


def test_absent_leaves_and_empty_deletes():
    take(news("register", patient={**SMITH, "phones": {"phone": "1", "mobile": "2"}}))
    take(news("update", 1, patient={"phones": {"phone": ""}}))
    patient = Patient.objects.get()
    assert (patient.phone, patient.mobile, patient.family) == ("", "2", "SMITH")


def test_older_demographics_are_not_taken():
    take(news("register"), news("update", 10, patient={"phones": {"phone": "new"}}))
    outcome = take(news("update", 5, patient={"phones": {"phone": "old"}}))
    assert Patient.objects.get().phone == "new"
    assert "older" in outcome[0].warnings[-1]


def test_the_identity_guard_parks_and_only_that_patient_waits():
    take(news("register"))
    wrong = {"name": {"family": "JONES"}, "birth": {"born": "1990-01-01"}}
    other = Identifier("MR", "RXX", "P100002")
    outcome = take(news("update", 1, patient=wrong), news("update", 2), news("register", 3, ids=[other]))
    assert [t.code for t in outcome] == ["identity-mismatch", "waits", ""]
    assert Patient.objects.order_by("pk").first().family == "SMITH"
    behind = feed.Blocked({outcome[0].patient: 1})
    assert [t.code for t in take(news("update", 4), news("update", 5), blocked=behind)] == ["already", "waits"], (
        "only later ones"
    )


def test_numbers_of_two_patients_in_one_message_park():
    other = Identifier("MR", "RXX", "P100002")
    take(news("register"), news("register", ids=[other], patient={"name": {"family": "B"}}))
    assert take(news("update", 1, ids=[MRN, other]))[0].code == "two-patients"


def test_a_backdated_movement_enters_history_and_leaves_the_place():
    take(admitted(0), news("transfer", 30, stay={"place": {"ward": "WB", "bed": "B1"}}, stay_ids=[VISIT]))
    take(news("transfer", 10, stay={"place": {"ward": "WC", "bed": "C1"}}, stay_ids=[VISIT]))
    assert Stay.objects.get().ward == "WB"
    assert [m.ward for m in Movement.objects.all()] == ["WA", "WC", "WB"]


def test_gaps_are_warned_of_never_silent():
    outcome = take(news("transfer", 1, stay=BED, stay_ids=[VISIT]))
    assert outcome[0].outcome == "applied"
    assert len(outcome[0].warnings) >= 2
    assert Patient.objects.get().provisional
    assert Stay.objects.get().status == "in"


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (news("discharge", stay_ids=[VISIT]), "no-open-stay"),
        (news("cancel_appointment", appointment_ids=[Identifier("PLAC", "RXX", "A1")]), "no-such-appointment"),
    ],
)
def test_the_end_of_what_never_began_is_filed_and_makes_nothing(told, code):
    outcome = take(told)
    assert (outcome[0].outcome, outcome[0].code) == ("filed", code)
    assert not Patient.objects.exists()
    assert not Stay.objects.exists()


def test_an_ended_stay_is_not_reopened_by_its_old_admission():
    take(admitted(0), news("discharge", 10, stay_ids=[VISIT]))
    assert take(admitted(0))[0].code == "stay-ended"
    assert Stay.objects.get().status == "out"


def test_book_and_cancel():
    number = Identifier("PLAC", "RXX", "A300001")
    booking = {"booking": {"clinic": "CARD", "starts_at": clock.iso(T0), "minutes": 30}}
    take(news("book", appointment=booking, appointment_ids=[number]))
    assert Appointment.objects.get().status == "booked"
    take(news("cancel_appointment", 1, appointment_ids=[number]))
    assert Appointment.objects.get().status == "cancelled"


def test_what_was_changed_here_is_not_overwritten_but_the_trunk_moves():
    take(news("register", patient={**SMITH, "phones": {"phone": "1"}}))
    Gate.objects.update(mode=Mode.MIRROR, epoch=2)
    patient = Patient.objects.get()
    registration.update(
        patient_id=patient.pk,
        seen=patient.version,
        patient={"phones": {"phone": "ours"}},
        by=Actor("clerk", "clerk", "password"),
        key=uuid.uuid4(),
    )
    outcome = take(news("update", 60, patient={"phones": {"phone": "theirs"}, "name": {"title": "Mr"}}))
    patient.refresh_from_db()
    assert (patient.phone, patient.title) == ("ours", "Mr")
    trunk = Trunk.objects.get(kind="patient")
    assert trunk.held["phones"]["phone"] == "theirs"
    assert set(trunk.branch) == {"phones"}
    assert outcome[0].outcome == "applied"


def test_two_numbers_beside_each_other_are_linked():
    take(news("register", ids=[Identifier("MR", "PASMIRROR", "M000001")]))
    take(news("register", 1, ids=[MRN, Identifier("MR", "PASMIRROR", "M000001")]))
    assert Patient.objects.get().identifiers.count() == 2
