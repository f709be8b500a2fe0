"""What a clerk made happen, on the way back: told to the PAS, or put to a person; never ended as if it were there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from failover.models import Discrepancy, Replay
from failover.selectors import ledger, places
from failover.services import discrepancies, reconcile
from pasmirror.lib import alarms
from patients.models import Change, Clinic, NumberPool, Slot, Stay
from tests.committed import committed  # noqa: F401
from tests.factories import lanes as make
from tests.factories.clerk import A1, ACTS, NEXT_WEEK, PASSED, TOMORROW, admit, at, book, person
from tests.factories.way_back import WorldOfTest

pytestmark = pytest.mark.usefixtures("committed")
End = Replay.End
UNCOMPARED = "nothing here tells whether the PAS holds it"


@pytest.fixture
def world(committed: None, tmp_path: Path) -> Iterator[WorldOfTest]:  # noqa: F811
    made = WorldOfTest(tmp_path)
    NumberPool.objects.create(kind="appointment", type="PLAC", authority="RXX", prefix="B9", next=1, last=999999)
    clinic = Clinic.objects.create(code="CARD", name="Cardiology")
    for starts_at in (PASSED, TOMORROW, NEXT_WEEK):
        Slot.objects.create(clinic=clinic, starts_at=starts_at, minutes=30, places=1)
    yield made
    made.close()


def walk(world: WorldOfTest, *names: str) -> dict[str, tuple[str, str]]:
    """Do acts, the last one's subject first; go back to the PAS; gives how each event ended, and why."""
    for name in names:
        ACTS[name].do(ACTS[name].ready())
    world.release()
    world.until(ended, within=60.0)
    return ends()


def ends() -> dict[str, tuple[str, str]]:
    events = dict(Change.objects.filter(source="clerk").values_list("pk", "event"))
    rows = Replay.objects.order_by("change").values_list("change", "end", "reason")
    return {events[change]: (end, reason) for change, end, reason in rows}


def ended() -> bool:
    now = set(Replay.objects.values_list("end", flat=True))
    return bool(now) and not {End.WAITING, End.SENT} & now


def test_a_discharge_taken_back_that_the_pas_takes_no_message_of_is_a_persons(world: WorldOfTest) -> None:
    world.do("takes", only="A28 A31 A01 A02 A03 S12 S15")
    how = walk(world, "cancel_discharge")
    assert [how[event][0] for event in ("register", "admit", "discharge")] == [End.CONFIRMED] * 3
    end, reason = how["cancel_discharge"]
    assert (end, "the PAS refused it" in reason) == (End.HELD, True)
    assert [m["trigger"] for m in world.do("received")] == ["A28", "A01", "A03", "A13"]  # type: ignore[attr-defined]
    assert not ledger.ledger(world.incident).balanced
    assert Stay.objects.get().status == "in", "the record says what the clerk said"


@pytest.mark.parametrize(
    ("name", "event"),
    [("merge", "merge"), ("renumber", "renumber"), ("link_stay_number", "renumber_stay"), ("summary", "document")],
)
def test_what_cannot_be_compared_is_a_persons_and_never_taken_as_there(
    world: WorldOfTest, name: str, event: str
) -> None:
    end, reason = walk(world, name)[event]
    assert (end, reason) == (End.HELD, UNCOMPARED)
    assert Discrepancy.objects.filter(change=Change.objects.get(event=event).pk, group="whole").exists()
    assert not ledger.ledger(world.incident).balanced
    assert [alarm.code for alarm in alarms.standing() if "backup" in alarm.sentence] == []


def test_what_was_entered_before_a_merge_here_says_so(world: WorldOfTest) -> None:
    walk(world, "merge")
    held = Replay.objects.exclude(end=End.CONFIRMED).order_by("change").values_list("reason", flat=True)
    assert list(held) == ["this patient has been merged into another record since", UNCOMPARED]


def test_told_by_a_persons_will_it_is_confirmed_by_a_person_only(world: WorldOfTest) -> None:
    walk(world, "summary")
    change = Change.objects.get(event="document")

    def settle(decision: str) -> None:
        found = Discrepancy.objects.get(change=change.pk)
        discrepancies.settle(discrepancy_id=found.pk, decision=decision, by=make.OPERATOR, reason="Looked")

    settle("keep_mirror")
    world.until(ended, within=60.0)
    assert ends()["document"][0] == End.HELD, "accepted, and yet nothing tells that it is there"
    settle("keep_pas")
    assert ends()["document"][0] == End.CONFIRMED, "somebody has keyed it in, and says so"


def test_what_takes_a_bed_or_slot_waits_for_what_left_it(world: WorldOfTest) -> None:
    first = Stay.objects.get(pk=admit(person()).stay)
    ACTS["to_outpatient"].do(first)
    attends = ACTS["to_inpatient"].ready()
    into = ACTS["to_inpatient"].do(attends, stay={"place": A1}, occurred_at=at(20)).change
    booking = ACTS["reschedule"].ready()
    moved = ACTS["reschedule"].do(booking).change
    booked = book(person(), starts_at=TOMORROW).change
    reconcile.enlist(world.incident)
    queue = places.queue(world.incident)
    left = Change.objects.get(event="to_outpatient").pk
    assert left in queue.before(into)
    assert queue.before(booked) == [moved]
