"""The tail onto the lanes: gapless, each patient's changes in order, by one sequencer at a time."""

import random
from contextlib import suppress

import pytest
from django.db import connection, transaction

from messaging.models import Lane, Outbound
from messaging.services import sequencer
from pasmirror.lib import audit, locks
from pasmirror.lib.locks import Lock
from patients.models import Change, ChangeFate, JournalTail
from patients.refusals import Stale
from tests.committed import Aside, aside, committed  # noqa: F401
from tests.factories import lanes as make

LANES = ("pas", "pathology", "eprescribing")


@pytest.fixture
def three_lanes(db: None) -> None:
    make.mirror_mode(valve="held")
    for code in LANES:
        make.destination(code, is_pas=code == "pas")


def numbers(code: str) -> list[tuple[int, int]]:
    rows = Outbound.objects.filter(lane__destination__code=code).order_by("seq")
    return list(rows.values_list("seq", "change"))


def test_each_change_gets_the_next_number_of_each_lane(three_lanes: None) -> None:
    saved = [make.register(name).change for name in ("ADAMS", "BAKER", "CLARK")]
    assert sequencer.run_once() == 3
    for code in LANES:
        assert numbers(code) == list(enumerate(saved, 1))
    assert set(make.legs("pas")) == {"unreleased"}
    assert set(make.legs("pathology")) == {"queued"}
    assert set(Lane.objects.values_list("head", flat=True)) == {3}
    assert not JournalTail.objects.exists()
    assert ChangeFate.objects.filter(fate="queued").count() == 9
    assert audit.verify() == []
    assert sequencer.run_once() == 0


def test_a_batch_takes_the_oldest_and_leaves_the_rest(three_lanes: None) -> None:
    saved = [make.register().change for _ in range(5)]
    assert sequencer.run_once(limit=2) == 2
    assert list(JournalTail.objects.order_by("pk").values_list("pk", flat=True)) == saved[2:]
    assert sequencer.run_once(limit=2) == 2
    assert sequencer.run_once(limit=2) == 1
    assert numbers("pathology") == list(enumerate(saved, 1))


def test_looks_are_linked_into_the_chain_without_any_change(three_lanes: None) -> None:
    audit.record(action="look", by=make.CLERK, subject="patient:1")
    assert sequencer.run_once() == 0
    assert audit.head()[0] == 1


def test_a_filter_leaves_no_gap(db: None) -> None:
    make.mirror_mode()
    make.destination("all")
    make.destination("admissions", events=["admit"])
    make.destination("ward-b", wards=["WB"])
    make.destination("elsewhere", sites=["RYY"], clinics=["CARD"])
    make.destination("former", declared=False)
    first = make.register("ADAMS")
    in_a = make.admit(first, ward="WA", bed="WA1")
    second = make.register("BAKER")
    in_b = make.admit(second, ward="WB", bed="WB1")
    sequencer.run_once()
    everything = [first.change, in_a.change, second.change, in_b.change]
    assert numbers("all") == list(enumerate(everything, 1))
    assert numbers("admissions") == [(1, in_a.change), (2, in_b.change)]
    assert numbers("ward-b") == [(1, first.change), (2, second.change), (3, in_b.change)]
    assert numbers("elsewhere") == [(1, first.change), (2, second.change)]
    assert numbers("former") == []
    assert Lane.objects.get(destination__code="admissions").head == 2


@pytest.mark.usefixtures("committed")
def test_a_second_sequencer_waits_for_nothing_and_numbers_nothing() -> None:
    make.mirror_mode()
    make.destination("pathology")
    make.register()
    with transaction.atomic():
        assert locks.try_take(Lock.SEQUENCER)
        assert aside(sequencer.run_once) == 0
    assert aside(sequencer.run_once) == 1


@pytest.mark.usefixtures("committed")
def test_numbers_stay_gapless_and_in_each_patients_order_under_load_with_rollbacks() -> None:
    """Four clerks, a third of their saves rolled back, two sequencers at once."""
    make.mirror_mode()
    for code in LANES:
        make.destination(code, is_pas=code == "pas")
    people = [make.register(f"FAMILY{n}") for n in range(4)]
    rolled_back = []

    class Away(Exception):
        """The clerk's process died before its commit."""

    def save(chance: random.Random, phone: str) -> None:
        person = chance.choice(people)
        with transaction.atomic():
            make.update(person, Change.objects.filter(patient=person.patient).count(), phone)
            if chance.random() < 0.33:
                rolled_back.append(phone)
                raise Away

    def clerk(seed: int) -> None:
        chance = random.Random(seed)
        for turn in range(25):
            with suppress(Away, Stale):
                save(chance, f"{seed}-{turn}")

    clerks = [Aside(lambda seed=seed: clerk(seed)) for seed in range(4)]

    def sequence() -> None:
        while any(thread.is_alive() for thread in clerks) or JournalTail.objects.exists():
            sequencer.run_once(limit=7)

    sequencers = [Aside(sequence) for _ in range(2)]
    for thread in [*clerks, *sequencers]:
        thread.result(within=50)
    assert rolled_back
    for code in LANES:
        whole_and_in_order(code, {person.patient for person in people})
    assert audit.verify() == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM lib_audittail")
        assert cursor.fetchone() == (0,)


def whole_and_in_order(code: str, people: set[int]) -> None:
    """The lane has every committed change once, without a gap, each patient's in the order of their commits."""
    patient_of = make.patients_of_changes()
    rows = numbers(code)
    assert [seq for seq, _ in rows] == list(range(1, len(patient_of) + 1))
    assert {change for _, change in rows} == set(patient_of)
    for person in people:
        own = [change for _, change in rows if patient_of[change] == person]
        assert own == sorted(own)
    assert Lane.objects.get(destination__code=code).head == len(patient_of)
