"""People by the thousand: what the quick way leaves is what the feed would have left, and the guard stands."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.forms.models import model_to_dict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pasmirror.lib import clock
from pasmirror.lib.actor import system
from pasmirror.lib.models import AuditRow
from patients import facts
from patients.facts import News
from patients.identifiers import Identifier
from patients.models import Change, Patient, PatientIdentifier, Stay, Trunk
from patients.services import bulk, feed, strangers
from patients.services.taken import Blocked

pytestmark = pytest.mark.django_db
LOAD = system("load")
AT = clock.now().replace(microsecond=0) - timedelta(days=1)
AWKWARD = [
    {},
    {"name": {"family": 'O\'BRIEN \\ "Q"\tTAB', "given": "Zoë\nAnn", "middle": "", "title": "Dr"}},
    {"birth": {"born": "1954"}, "sex": {"sex": "F"}, "death": {"dead": True, "died_at": "2020-01-02"}},
    {"nhs": {"nhs_number": "9990000018", "nhs_status": "01"}, "phones": {"phone": "\\N", "email": "a@b.example"}},
    {"name": {"family": "", "given": ""}, "address": {"postcode": "LS1 4AP", "line1": "1 \r High St"}},
]


def entry(number, said, *, minutes=0, origin="", event="register", **more):
    at = AT + timedelta(minutes=minutes)
    ids = tuple(Identifier("MR", "RXX", each) for each in number.split("+") if each)
    news = News(event=event, occurred_at=at, sent_at=at, patient_ids=ids, patient=said, **more)
    return feed.Entry(0, news, origin=origin or f"load:x:f.csv:{number}")


def take(*entries, blocked=None):
    return bulk.take(entries, by=LOAD, load="load:x:", blocked=blocked)


def left(patient):
    """Everything that stands of a patient, without keys, version and the moment of writing."""
    person = model_to_dict(patient, exclude=["id", "version", "made_at", "heard_at"])
    assert patient.made_at == patient.heard_at
    numbers = sorted(PatientIdentifier.objects.filter(patient=patient).values_list("type", "authority", "until"))
    told = Trunk.objects.get(kind="patient", object_id=patient.pk)
    assert told.heard_at == patient.heard_at
    trunk = model_to_dict(told, exclude=["id", "object_id", "heard_at"])
    (change,) = Change.objects.filter(patient=patient)
    told = model_to_dict(change, exclude=["id", "patient", "recorded_at", "origin"])
    told["facts"]["patient_ids"] = len(told["facts"]["patient_ids"])
    return person | {"sent_at": patient.sent_at}, numbers, trunk, told


def drafted(one):
    """The same entry as a reader gives it."""
    draft = strangers.draft(one.news, origin=one.origin)
    return strangers.Drafted(one.message, one.news, origin=one.origin, draft=draft)


@pytest.mark.parametrize("said", AWKWARD)
@pytest.mark.parametrize("numbers", ["P1", "P2+T2"])
@pytest.mark.parametrize("as_read", [lambda one: one, drafted])
def test_the_quick_way_leaves_what_the_feed_would_have_left(said, numbers, as_read):
    (slow,) = feed.take([entry(numbers, said)], by=LOAD, audited=False)
    (quick,) = strangers.insert([as_read(entry(numbers.replace("P", "Q").replace("T", "U"), said))], by=LOAD)
    assert (slow.outcome, slow.code) == (quick.outcome, quick.code) == ("applied", "")
    one, other = (left(Patient.objects.get(pk=taken.patient)) for taken in (slow, quick))
    assert one == other
    assert Change.objects.get(pk=quick.change).patient_id == quick.patient
    assert not AuditRow.objects.filter(action="register").exists()


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
SAID = st.fixed_dictionaries(
    {}, optional={"name": st.fixed_dictionaries({"family": TEXT}, optional={"given": TEXT, "title": TEXT})}
    | {group: st.fixed_dictionaries({name: TEXT}) for group, name in (("sex", "sex"), ("address", "line1"))},
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(SAID, min_size=1, max_size=4), origin=TEXT)
def test_whatever_was_said_stands_in_every_table(told, origin):
    with transaction.atomic():
        rows = [drafted(entry(f"\\{n}\t", said, origin=f"load:{origin}:{n}")) for n, said in enumerate(told)]
        for taken, row in zip(take(*rows), rows, strict=True):
            known = facts.overlaid(facts.blank(facts.Kind.PATIENT), row.news.patient)
            change = Change.objects.get(pk=taken.change)
            assert facts.of(facts.Kind.PATIENT, Patient.objects.get(pk=taken.patient)) == known
            assert Trunk.objects.get(object_id=taken.patient).held == change.facts["patient"] == known
            assert change.facts["patient_ids"] == [[*number] for number in row.news.patient_ids]
            assert PatientIdentifier.objects.get(patient=taken.patient).value == row.news.patient_ids[0].value
            assert change.origin == row.origin
        transaction.set_rollback(True)


def test_a_second_time_changes_nothing():
    rows = [entry(f"P{n}", {"name": {"family": f"F{n}"}}) for n in range(30)]
    assert {t.outcome for t in take(*rows)} == {"applied"}
    assert {t.outcome for t in take(*rows)} == {"already"}
    assert Change.objects.count() == Patient.objects.count() == 30


def test_somebody_known_goes_the_feeds_way_and_the_guard_stands():
    was = {"name": {"family": "SMITH"}, "birth": {"born": "1952-03-01"}}
    take(entry("P1", was), entry("P2", was))
    other = {"name": {"family": "JONES"}, "birth": {"born": "1990-01-01"}}
    moved = bulk.take(
        [entry("P1", other, origin="load:y:f:2"), entry("P2", {**was, "sex": {"sex": "F"}}, origin="load:y:f:3")],
        by=LOAD,
        load="load:y:",
    )
    assert [(t.outcome, t.code) for t in moved] == [("parked", "identity-mismatch"), ("applied", "")]
    assert list(Patient.objects.order_by("pk").values_list("family", "sex")) == [("SMITH", ""), ("SMITH", "F")]


def test_a_number_twice_in_one_load():
    said = {"name": {"family": "SMITH"}, "birth": {"born": "1952-03-01"}}
    taken = take(
        entry("P1", said, origin="load:x:f.csv:2"),
        entry("P1", said, origin="load:x:f.csv:3"),
        entry("P1", {**said, "sex": {"sex": "F"}}, origin="load:x:f.csv:4"),
        entry("P9+P1", said, origin="load:x:f.csv:5"),
    )
    assert [t.outcome for t in taken] == ["applied", "already", "parked", "applied"]
    assert taken[2].reason == "Line 2 of this file says something else of the same number"
    patient = Patient.objects.get()
    assert patient.sex == ""
    assert set(patient.identifiers.values_list("value", flat=True)) == {"P1", "P9"}
    again = take(entry("P1", {**said, "sex": {"sex": "M"}}, origin="load:x:f.csv:90"))
    assert again[0].code == "told-twice", "in a later lot as well"


def test_one_whose_message_waits_for_a_person_waits_too():
    (first,) = take(entry("P1", {"name": {"family": "SMITH"}}))
    blocked = Blocked(patients={first.patient: 5}, numbers={Identifier("MR", "RXX", "P2"): 6})
    known, nobody, free = take(*(entry(f"P{n}", {"name": {"family": "SMYTH"}}) for n in (1, 2, 3)), blocked=blocked)
    assert [(t.outcome, t.code) for t in (known, nobody, free)] == [("parked", "waits")] * 2 + [("applied", "")]
    assert sorted(Patient.objects.values_list("family", flat=True)) == ["SMITH", "SMYTH"]


def test_a_second_bearer_of_an_nhs_number_is_taken_with_a_warning():
    said = {"nhs": {"nhs_number": "9990000018", "nhs_status": "01"}}
    alone, one, other = take(entry("P1", {}), entry("P2", said), entry("P3", said))
    assert (alone.warnings, one.warnings, other.warnings) == ((), (strangers.SAME_NHS,), (strangers.SAME_NHS,))
    (later,) = take(entry("P4", said))
    assert later.warnings == (strangers.SAME_NHS,)


def test_a_number_somebody_once_had_is_no_strangers():
    (first,) = take(entry("P1", {"name": {"family": "SMITH"}}))
    PatientIdentifier.objects.update(until=AT)
    (taken,) = take(entry("P1", {"name": {"family": "SMITH"}}))
    assert taken.change != first.change
    assert taken.outcome in ("applied", "already", "parked"), "the feed decides, not the quick way"


def test_many_rows_of_every_kind_go_by_copy():
    """As many as the feed writes by COPY: new ones, and then all of them changed."""
    stay = {"place": {"ward": "WA", "bed": "1"}}

    def visit(n):
        return {"stay": stay, "stay_ids": (Identifier("VN", "RXX", f"V{n}"),)}

    for event, minutes in (("admit", 0), ("transfer", 1), ("discharge", 2)):
        made = [
            entry(f"P{n}", {"sex": {"sex": "MF"[minutes % 2]}}, minutes=minutes, event=event, **visit(n))
            for n in range(40)
        ]
        assert {t.outcome for t in feed.take(made, by=LOAD)} == {"applied"}
    assert set(Patient.objects.values_list("sex", flat=True)) == {"M"}
    assert set(Stay.objects.values_list("status", "ward", "bed")) == {("out", "WA", "1")}
    assert Trunk.objects.filter(kind="stay", held__times__status="out").count() == 40
    assert AuditRow.objects.exclude(change=None).count() == Change.objects.count() == 120
