"""A clerk's save: gate, key, locks, change, tail and audit in one transaction."""

import uuid
from datetime import timedelta

import pytest

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import AuditRow
from patients.models import Bed, Change, Gate, JournalTail, Movement, NumberPool, Patient, Stay, Trunk, Ward
from patients.refusals import NotWritable, Refused, Stale
from patients.selectors import patients as people
from patients.services import admissions, registration
from patients.states import Mode

pytestmark = pytest.mark.django_db
CLERK = Actor("clerk", "clerk", "password")


@pytest.fixture
def mirror_mode(db):
    Gate.objects.update(mode=Mode.MIRROR, epoch=2)
    NumberPool.objects.create(kind="patient", type="MR", authority="PASMIRROR", prefix="M", next=1, last=999999)
    NumberPool.objects.create(kind="stay", type="VN", authority="RXX", prefix="V9", next=1, last=999999)
    ward = Ward.objects.create(code="WA", name="Ward A")
    for bed in ("A1", "A2"):
        Bed.objects.create(ward=ward, bay="A", bed=bed)


def register(key=None, **name):
    said = {"name": {"family": "SMITH", "given": "John", **name}, "birth": {"born": "1952-03-01"}, "sex": {"sex": "M"}}
    return registration.register(patient=said, by=CLERK, key=key or uuid.uuid4())


def admit(patient_id, seen, bed="A1", key=None):
    stay = {"place": {"ward": "WA", "bay": "A", "bed": bed}, "admission": {"patient_class": "I"}}
    return admissions.admit(
        patient_id=patient_id, seen=seen, stay=stay, occurred_at=clock.now(), by=CLERK, key=key or uuid.uuid4()
    )


def test_register_writes_change_tail_and_audit_together(mirror_mode):
    saved = register()
    change = Change.objects.get(pk=saved.change)
    assert change.after["patient"]["name"]["family"] == "SMITH"
    assert change.facts["patient_ids"] == [["MR", "PASMIRROR", "M000001"]]
    assert change.epoch == 2
    assert JournalTail.objects.filter(pk=saved.change).exists()
    assert AuditRow.objects.filter(change=saved.change, action="register").count() == 1
    assert Trunk.objects.get(kind="patient", object_id=saved.patient).branch["name"] == saved.change


@pytest.mark.parametrize("mode", [Mode.HANDBACK, Mode.NORMAL])
def test_a_form_sent_again_after_the_mode_has_changed_is_told_that_it_was_saved(mirror_mode, mode):
    key = uuid.uuid4()
    saved = register(key)
    Gate.objects.update(mode=mode)
    again = register(key)
    assert (again.repeated, again.change) == (True, saved.change)
    with pytest.raises(NotWritable):
        register()
    assert Change.objects.count() == 1


def test_nothing_is_saved_while_the_pas_is_master(mirror_mode):
    Gate.objects.update(mode=Mode.NORMAL)
    with pytest.raises(NotWritable):
        register()
    assert not Patient.objects.exists()


def test_the_same_form_twice_is_one_record(mirror_mode):
    key = uuid.uuid4()
    first, second = register(key), register(key)
    assert (first.change, first.patient) == (second.change, second.patient)
    assert second.repeated
    assert not first.repeated
    assert Patient.objects.count() == 1


def test_a_key_is_good_for_one_form_of_one_person(mirror_mode):
    key = uuid.uuid4()
    register(key)
    with pytest.raises(Refused, match="used already"):
        register(key, family="BAKER")
    with pytest.raises(Refused, match="used already"):
        registration.register(
            patient={
                "name": {"family": "SMITH", "given": "John"},
                "birth": {"born": "1952-03-01"},
                "sex": {"sex": "M"},
            },
            by=Actor("another", "clerk", "password"),
            key=key,
        )
    assert Patient.objects.count() == 1


def test_a_stale_form_is_refused_with_what_stands_there_now(mirror_mode):
    saved = register()
    registration.update(
        patient_id=saved.patient, seen=1, patient={"phones": {"phone": "1"}}, by=CLERK, key=uuid.uuid4()
    )
    with pytest.raises(Stale) as refused:
        registration.update(
            patient_id=saved.patient, seen=1, patient={"phones": {"phone": "2"}}, by=CLERK, key=uuid.uuid4()
        )
    assert refused.value.now["phones"]["phone"] == "1"


def test_admit_transfer_discharge(mirror_mode):
    saved = register()
    stayed = admit(saved.patient, 1)
    stay = Stay.objects.get(pk=stayed.stay)
    assert (stay.status, stay.ward, stay.bed) == ("in", "WA", "A1")
    moved = admissions.transfer(
        stay_id=stay.pk,
        seen=stay.version,
        place={"ward": "WA", "bay": "A", "bed": "A2"},
        occurred_at=clock.now(),
        by=CLERK,
        key=uuid.uuid4(),
    )
    assert Change.objects.get(pk=moved.change).facts["prior_place"]["bed"] == "A1"
    stay.refresh_from_db()
    admissions.discharge(
        stay_id=stay.pk,
        seen=stay.version,
        discharge={"discharge_method": "1"},
        occurred_at=clock.now(),
        by=CLERK,
        key=uuid.uuid4(),
    )
    stay.refresh_from_db()
    assert (stay.status, stay.bed) == ("out", "A2")
    assert Movement.objects.filter(stay=stay).count() == 3
    assert [c.event for c in people.record(saved.patient).made_here] == ["discharge", "transfer", "admit", "register"]


def test_a_taken_bed_is_refused(mirror_mode):
    admit(register().patient, 1)
    with pytest.raises(Refused, match="just been taken"):
        admit(register(given="Jane").patient, 1)
    assert Stay.objects.count() == 1


def test_an_admission_in_the_future_is_refused(mirror_mode):
    saved = register()
    with pytest.raises(Refused, match="future"):
        admissions.admit(
            patient_id=saved.patient,
            seen=1,
            stay={"place": {"ward": "WA"}},
            by=CLERK,
            key=uuid.uuid4(),
            occurred_at=clock.now() + timedelta(hours=1),
        )


@pytest.mark.parametrize("number", ["123", "9990000019", "abcdefghij"])
def test_a_wrong_nhs_number_is_refused(mirror_mode, number):
    with pytest.raises(Refused) as refused:
        registration.register(
            patient={"name": {"family": "A"}, "nhs": {"nhs_number": number}}, by=CLERK, key=uuid.uuid4()
        )
    assert refused.value.field == "nhs_number"


def test_an_outage_nhs_number_is_never_verified(mirror_mode):
    saved = registration.register(
        patient={"name": {"family": "A"}, "nhs": {"nhs_number": "999 000 0018", "nhs_status": "01"}},
        by=CLERK,
        key=uuid.uuid4(),
    )
    assert Patient.objects.get(pk=saved.patient).nhs_status == "02"
