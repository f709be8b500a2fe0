"""Steps told late, twice, out of order or anew: the stay is what happened, in the order it happened."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from patients import facts, step
from patients.facts import Kind
from patients.models import Movement, Patient, Stay, Trunk
from patients.services import trunk
from tests.factories.told import WA, WB, WC, adt, clock, entry, pv1, tell, tell_together

pytestmark = pytest.mark.django_db
ADMIT = adt("A01", 0, pv1(WA))
TO_WB = adt("A02", 10, pv1(WB))
TO_WC = adt("A02", 20, pv1(WC))


def place() -> tuple[str, str, str]:
    row = Stay.objects.get()
    return row.status, row.ward, row.bed


def test_trap_28_a_transfer_that_comes_late_enters_the_history_where_it_happened():
    tell(ADMIT, TO_WC)
    (taken,) = tell(adt("A02", 10, pv1(WB), sent=40))
    assert place() == ("in", "WC", "C3")
    assert [m.ward for m in Movement.objects.all()] == ["WA", "WB", "WC"]
    assert "back-dated: entered in the history, the place stays" in taken.warnings
    tell(adt("A12", 20, pv1(), sent=50))
    assert place() == ("in", "WB", "B2"), "and is where the patient was before"


def test_trap_28_older_demographics_are_not_taken_while_the_movement_is():
    tell(adt("A01", 0, pv1(WA), sent=30))
    (taken,) = tell(adt("A02", 40, pv1(WB), sent=20, pid="PID|1||P1^^^RXX^MR||SMYTHE^John||19520301|M"))
    assert Patient.objects.get().family == "SMITH"
    assert place() == ("in", "WB", "B2")
    assert "older than what is known: demographics not taken" in taken.warnings


def test_trap_20_it_happened_at_evn_6_whenever_it_was_sent():
    tell(adt("A01", 0, pv1(WA), sent=600))
    assert Stay.objects.get().admitted_at.isoformat() == "2026-07-01T09:00:00+00:00"


def test_trap_17_a_day_alone_is_no_order_of_events():
    tell(adt("A01", 0, pv1(WA)))
    (taken,) = tell(adt("A02", 10, pv1(WB), evn6="20260701"))
    assert place() == ("in", "WB", "B2"), "midnight would have been before the admission"
    assert "EVN-6: a day without the time, which EVN-2 gives" in taken.warnings


def test_trap_18_the_hour_that_happens_twice_is_flagged():
    message = adt("A01", 0, pv1(WA), evn6="20261025013000")
    (taken,) = tell(message.replace(clock(0).encode(), b"20261025030000"))
    assert "EVN-6: in the hour that happens twice, the first was taken" in taken.warnings
    assert Stay.objects.get().admitted_at.isoformat() == "2026-10-25T00:30:00+00:00"


def test_trap_19_an_offset_is_honoured():
    tell(adt("A01", 0, pv1(WA), evn6="20260701100000+0000"))
    assert Stay.objects.get().admitted_at.isoformat() == "2026-07-01T10:00:00+00:00"


def test_a_discharge_that_comes_before_a_late_transfer():
    tell(ADMIT, adt("A03", 30, pv1()))
    assert [t.outcome for t in tell(TO_WB)] == ["applied"]
    assert place() == ("out", "WB", "B2"), "it left from where it last was"
    assert [t.code for t in tell(adt("A02", 40, pv1(WC)))] == ["stay-ended"]


def test_a_late_admission_of_a_stay_begun_by_a_transfer():
    tell(TO_WB, adt("A03", 30, pv1(WB)))
    assert Stay.objects.get().admitted_at is None
    assert [t.outcome for t in tell(adt("A01", 0, pv1(WA), sent=50))] == ["applied"]
    assert place() == ("out", "WB", "B2")
    assert Stay.objects.get().admitted_at.isoformat() == "2026-07-01T09:00:00+00:00"


def test_times_that_contradict_each_other_leave_the_end_unknown():
    assert [t.outcome for t in tell(ADMIT, adt("A03", 30, pv1(WA, f45="20260601000000")))] == ["applied"] * 2
    assert (Stay.objects.get().status, Stay.objects.get().discharged_at) == ("out", None)


def test_trap_26_a08_of_a_visit_not_known_makes_none_and_a_person_only_provisionally():
    (taken,) = tell(adt("A08", 0, pv1(WA)))
    assert Patient.objects.get().provisional
    assert "the patient was not known: recorded as provisional" in taken.warnings
    assert "the visit is not known here: nothing of it was taken" in taken.warnings
    assert not Stay.objects.exists()


def test_trap_26_a08_before_a04():
    tell(adt("A08", 0, pv1("ED")), adt("A04", 1, pv1("ED", f2="E")))
    assert (Patient.objects.count(), place()[0]) == (1, "attending")


def test_a08_without_a_visit_number_updates_the_person():
    tell(ADMIT)
    (taken,) = tell(adt("A08", 5, pv1(WB, visit=""), pid="PID|1||P1^^^RXX^MR||SMITH^Johnny||19520301|M"))
    assert Patient.objects.get().given == "Johnny"
    assert place() == ("in", "WA", "A1")
    assert "no visit number: nothing of the visit was taken" in taken.warnings


def test_a08_corrects_the_visit_and_an_older_one_does_not_move_anybody():
    tell(ADMIT, adt("A08", 5, pv1(WB, f7="C9^NEW^Doc", f10="300")))
    assert (place(), Stay.objects.get().specialty) == (("in", "WB", "B2"), "300")
    tell(TO_WC, adt("A08", 7, pv1(WA), sent=40))
    assert place() == ("in", "WC", "C3")


def test_a08_after_the_end_may_say_how_and_when_it_ended():
    tell(ADMIT, adt("A03", 30, pv1(WA)), adt("A08", 40, pv1(WA, f36="2", f45=clock(29))))
    row = Stay.objects.get()
    assert (row.status, row.discharge_method) == ("out", "2")
    assert row.discharged_at.isoformat() == "2026-07-01T09:29:00+00:00"


def test_a_cancel_told_again_under_a_later_header_undoes_nothing_more():
    tell(ADMIT, TO_WB, TO_WC, adt("A12", 20, pv1(), sent=40))
    assert [t.outcome for t in tell(adt("A12", 20, pv1(), sent=50))] == ["already"]
    assert place() == ("in", "WB", "B2")


def test_a_movement_is_told_anew_and_withdrawn_by_its_number():
    tell(adt("A01", 0, pv1(WA), zbe("1", 0, "INSERT", "A01")))
    tell(adt("A02", 10, pv1(WB), zbe("2", 10, "INSERT", "A02")), adt("A02", 20, pv1(WC), zbe("3", 20, "INSERT", "A02")))
    tell(adt("Z99", 60, pv1("WD^D^D4"), zbe("2", 25, "UPDATE", "A02")))
    assert place() == ("in", "WD", "D4"), "it happened later than was told first"
    assert Movement.objects.filter(event="transfer").count() == 3
    tell(adt("A12", 61, pv1(), zbe("2", 25, "CANCEL", "A02")))
    assert place() == ("in", "WC", "C3")
    tell(adt("Z99", 62, pv1(), zbe("3", 20, "CANCEL", "A02")))
    assert place() == ("in", "WA", "A1")
    assert [t.code for t in tell(adt("Z99", 63, pv1(WB), zbe("9", 25, "UPDATE", "A02")))] == ["no-such-movement"]


def zbe(number: str, at: int, action: str, first: str) -> str:
    return f"ZBE|{number}^PAS|{clock(at)}||{action}|N|{first}"


def test_after_a_query_the_stay_is_known_and_its_end_can_still_be_cancelled():
    tell(ADMIT, TO_WB)
    trunk.heard(Kind.STAY, Stay.objects.get().pk, {"place": {"ward": "WC", "bay": "C", "bed": "C3"}})
    tell(adt("A03", 30, pv1(WC)))
    trunk.heard(Kind.STAY, Stay.objects.get().pk, {"discharge": {"discharge_method": "2"}})
    (taken,) = tell(adt("A13", 30, pv1(WC), sent=40))
    assert "of a step not heard of: taken from what the message says" in taken.warnings
    assert place() == ("in", "WC", "C3")


def test_messages_of_one_batch_are_taken_as_if_one_by_one():
    tell_together(ADMIT, TO_WB, TO_WC, adt("A12", 20, pv1(WB), sent=30), adt("A21", 40, pv1(WB)))
    assert place() == ("in", "WB", "B2")
    assert Stay.objects.get().away == "leave"
    undone = Movement.objects.get(event="cancel_transfer").undoes
    assert undone == [Movement.objects.get(ward="WC").pk]


STEPS = ["A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A09", "A10", "A14", "A15", "A16", "A21", "A22", "A54"]
CANCELS = ["A11", "A12", "A13", "A23", "A25", "A26", "A27", "A32", "A33", "A38", "A52", "A53", "A55"]
ONE = st.tuples(
    st.sampled_from(STEPS * 2 + CANCELS),
    st.integers(0, 8),
    st.sampled_from([WA, WB, WC]),
    st.sampled_from(["", "C1", "C2"]),
)


def written(told: list[tuple[str, int, str, str]]) -> list[bytes]:
    """Messages sent one after another, of things that happened in any order."""
    return [adt(t, at, pv1(p, f7=c, f42=WB), sent=20 + sent) for sent, (t, at, p, c) in enumerate(told)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(told=[("A01", 1, WA, ""), ("A08", 0, WA, ""), ("A23", 0, WA, ""), ("A04", 0, WA, "")], repeats=[])
@example(told=[(t, at, WA, "") for t, at in (("A01", 1), ("A23", 0), ("A01", 0), ("A23", 0), ("A01", 1))], repeats=[])
@given(told=st.lists(ONE, min_size=1, max_size=9), repeats=st.lists(st.integers(0, 8), max_size=5))
def test_what_was_applied_and_comes_again_changes_nothing(told, repeats):
    messages = written(told)
    course: list = []
    held = facts.blank(Kind.STAY)
    applied = []
    for raw in messages:
        course, held, was = stepped(course, held, raw)
        applied += [raw] if was else []
    for raw in [*applied, *(applied[n % len(applied)] for n in repeats if applied)]:
        course, again, _ = stepped(course, held, raw)
        assert again == held, raw.decode()[60:]


def test_a_discharge_told_before_the_admission_counts_once_it_comes_again():
    """Filed the first time, since nothing was known to end; from then on all of it changes nothing."""
    messages = [adt("A03", 60, pv1(WA), sent=61), adt("A01", 0, pv1(WA), sent=62)]
    seen = []
    for _ in range(3):
        outcomes = [one.outcome for one in tell(*messages)]
        seen.append((outcomes, Stay.objects.get().status))
    assert seen == [
        (["filed", "applied"], "in"),
        (["applied", "filed"], "out"),
        (["already", "filed"], "out"),
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(ONE, min_size=1, max_size=7))
def test_all_of_it_told_again_and_again_with_what_was_only_filed_comes_to_rest(told):
    messages, course, held = written(told), [], facts.blank(Kind.STAY)
    for _ in range(len(messages) + 1):
        before = held
        for raw in messages:
            course, held, _ = stepped(course, held, raw)
    assert held == before


def stepped(course: list, held: dict, raw: bytes) -> tuple[list, dict, bool]:
    """Take one message by the pure step alone; says whether it was applied."""
    news = entry(raw).news
    known = {Kind.STAY: held, Kind.PATIENT: facts.blank(Kind.PATIENT)}
    after = step.told(known, news, steps=course)
    if isinstance(after, step.Unapplied) or Kind.STAY not in after.after:
        return course, held, False
    return list(after.steps), after.after[Kind.STAY], True


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(ONE, min_size=1, max_size=6))
def test_the_database_holds_what_the_pure_step_says_one_by_one_or_together(told):
    course: list = []
    held = facts.blank(Kind.STAY)
    for raw in written(told):
        course, held, _ = stepped(course, held, raw)
    for way in (tell, tell_together):
        with transaction.atomic():
            way(*written(told))
            row = Stay.objects.first()
            assert (facts.of(Kind.STAY, row) if row else facts.blank(Kind.STAY)) == held
            assert [step["event"] for step in kept(row) if not step["undone"]] == [
                step["event"] for step in course if not step["undone"]
            ]
            transaction.set_rollback(True)


def kept(row: Stay | None) -> list:
    return Trunk.objects.get(kind="stay", object_id=row.pk).steps if row else []
