"""Every event a clerk can cause, on the way back: told to the PAS, echoed by it, confirmed, and both hold the same."""

import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from failover.models import Discrepancy, Replay
from failover.selectors import ledger
from failover.services import discrepancies
from messaging.hl7 import dialects
from messaging.simulators.messages import stamp
from patients import facts
from patients.facts import Kind
from patients.models import (
    Appointment,
    AppointmentIdentifier,
    Change,
    Clinic,
    NumberPool,
    Patient,
    PatientIdentifier,
    Slot,
    Stay,
    StayIdentifier,
    Trunk,
)
from patients.services import identity_changes
from patients.states import CLERKS_EVENTS, AppointmentStatus, Event, StayStatus
from tests.committed import committed  # noqa: F401
from tests.factories import clerk
from tests.factories import lanes as make
from tests.factories.clerk import ACTS, NEXT_WEEK, PASSED, TOMORROW
from tests.factories.day import Day
from tests.factories.way_back import WorldOfTest

pytestmark = pytest.mark.usefixtures("committed")
End = Replay.End
OF_IDENTITY = {Event.MERGE, Event.RENUMBER, Event.RENUMBER_STAY, Event.DOCUMENT}  # of these the trunk knows nothing
COMPARED = [name for name, act in ACTS.items() if act.event not in OF_IDENTITY]
FEW = ("attend_expected", "to_inpatient", "return", "cancel_discharge", "cancel_admit", "did_not_attend", "reschedule")
ROWS: dict[Kind, Any] = {Kind.PATIENT: Patient, Kind.STAY: Stay, Kind.APPOINTMENT: Appointment}
STANDS = {  # an appointment's status, in the PAS's words
    AppointmentStatus.BOOKED: "Booked",
    AppointmentStatus.ARRIVED: "Arrived",
    AppointmentStatus.MISSED: "Noshow",
}
PLACES = 60  # that a slot of the clinic has, here and in the PAS


@pytest.fixture
def world(committed: None, tmp_path: Path) -> Iterator[WorldOfTest]:  # noqa: F811
    made = WorldOfTest(tmp_path, "pathology")
    made.pas.record.slot_places = PLACES
    NumberPool.objects.create(kind="appointment", type="PLAC", authority="RXX", prefix="B9", next=1, last=999999)
    clinic = Clinic.objects.create(code="CARD", name="Cardiology", site="RXX")
    for starts_at in (PASSED, TOMORROW, NEXT_WEEK):
        Slot.objects.create(clinic=clinic, starts_at=starts_at, minutes=30, places=PLACES)
    yield made
    made.close()


def ended() -> bool:
    now = set(Replay.objects.values_list("end", flat=True))
    return bool(now) and not {End.WAITING, End.SENT} & now


def left() -> dict[str, str]:
    """Give what did not end as confirmed: the event and why."""
    events = dict(Change.objects.values_list("pk", "event"))
    rows = Replay.objects.exclude(end=End.CONFIRMED).values_list("change", "end", "reason")
    return {f"{change} {events[change]}": f"{end}: {reason}" for change, end, reason in rows}


def differing() -> list[tuple[Any, ...]]:
    """Give what a person would have to settle."""
    return list(Discrepancy.objects.order_by("change").values_list("change", "kind", "group", "ours", "theirs"))


def unlike() -> list[tuple[str, str, Any, Any]]:
    """Give the groups in which what the PAS has told of an object is not what the record says of it."""
    found = []
    for trunk in Trunk.objects.all():
        kind = Kind(trunk.kind)
        held = facts.overlaid(facts.blank(kind), trunk.held)
        ours = facts.of(kind, ROWS[kind].objects.get(pk=trunk.object_id))
        found += [(kind.value, g, held[g], ours[g]) for g in ours if held[g] != ours[g]]
    return found


def local(at: datetime | None) -> str:
    return stamp(at) if at else ""


def in_the_pas(world: WorldOfTest) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the PAS's own stays by visit number, and its appointments by number."""
    stays: Any = world.do("stays")
    booked: Any = world.do("appointments")
    return {each["visit"]: each for each in stays}, {each["placer"]: each for each in booked}


def ours_of(stay: Stay) -> tuple[Any, ...]:
    expected = stay.status == StayStatus.EXPECTED
    place = (stay.pending_ward, stay.pending_bay, stay.pending_bed) if expected else (stay.ward, stay.bay, stay.bed)
    code = stay.patient_class or "I"
    return (place, stay.consultant, stay.specialty, code, local(stay.admitted_at), local(stay.discharged_at),
            stay.discharge_method, local(stay.admission_expected_at) if expected else "",
            local(stay.discharge_expected_at), stay.pending_ward if not expected else "", local(stay.away_since),
            local(stay.back_expected_at))  # fmt: skip


def theirs_of(held: dict[str, Any]) -> tuple[Any, ...]:
    plans = json.loads(held["plans"])
    expected = not held["admitted_at"]
    place = tuple(plans.get(f"next_{name}", "") if expected else held[name] for name in ("ward", "bay", "bed"))
    return (place, held["consultant"], held["specialty"], held["klass"], held["admitted_at"], held["discharged_at"],
            held["discharge_method"], plans.get("expected_at", ""), plans.get("leaves_at", ""),
            plans.get("next_ward", "") if not expected else "", plans.get("away_since", ""),
            plans.get("back_at", ""))  # fmt: skip


def test_the_simulated_pas_takes_every_event_that_a_clerk_can_cause(world: WorldOfTest) -> None:
    layouts = dialects.get("uk24").layouts
    assert {layouts[event].trigger for event in CLERKS_EVENTS} <= set(world.do("takes"))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "names", [FEW, pytest.param(COMPARED, marks=[pytest.mark.long, pytest.mark.timeout(600)])], ids=["a few", "all"]
)
def test_what_clerks_do_to_stays_and_bookings_is_told_confirmed_and_the_same_there(
    world: WorldOfTest, monkeypatch: pytest.MonkeyPatch, names: Sequence[str]
) -> None:
    day = Day(monkeypatch)
    for name in names:
        day.do(name)
    changes = Change.objects.filter(source="clerk").count()
    world.until(lambda: set(make.legs("pathology")) == {"accepted"}, within=60.0)
    world.release()
    world.until(ended, within=240.0)
    assert (said := [*left().items(), *differing()]) == [], "\n".join(map(str, said))
    assert ledger.ledger(world.incident).balanced
    assert (Replay.objects.count(), Change.objects.filter(source="clerk").count()) == (changes, changes)
    assert not Trunk.objects.exclude(branch={}).exists(), "nothing is left that the PAS does not hold"
    world.hear()
    assert unlike() == []
    assert_the_pas_holds_the_same(world)
    assert world.receivers["pathology"].duplicates_of_events() == [], "each event once, whoever spoke it"


def assert_the_pas_holds_the_same(world: WorldOfTest) -> None:
    stays, booked = in_the_pas(world)
    for stay in Stay.objects.all():
        numbers = StayIdentifier.objects.filter(stay=stay).values_list("value", flat=True)
        twin = next((stays[number] for number in numbers if number in stays), None)
        if stay.status == StayStatus.CANCELLED:
            assert twin is None, stay.pk
        else:
            assert twin is not None, (stay.pk, stay.status)
            assert theirs_of(twin) == ours_of(stay), (stay.pk, stay.status)
    for row in Appointment.objects.all():
        numbers = AppointmentIdentifier.objects.filter(appointment=row).values_list("value", flat=True)
        twin = booked[next(iter(set(numbers)))]
        at = (twin["clinic"], twin["starts_at"], twin["minutes"], twin["reason"], twin["kind"])
        assert at == (row.clinic, local(row.starts_at), row.minutes, row.reason, row.appointment_type)
        stands = STANDS.get(AppointmentStatus(row.status))
        assert twin["status"] == stands if stands else twin["status"] in ("Cancelled", "Deleted"), row.status


def settle(world: WorldOfTest, event: Event, decision: str) -> None:
    found = Discrepancy.objects.get(change=Change.objects.get(event=event, source="clerk").pk, group="whole")
    discrepancies.settle(discrepancy_id=found.pk, decision=decision, by=make.OPERATOR, reason="Looked")
    world.until(ended, within=60.0)


def known_to_the_pas(world: WorldOfTest, **details: object) -> Patient:
    """A patient the PAS has told us of."""
    told: Any = world.do("send", event="A28", family="SMITH", given="Ann", dob="19520301", sex="F", **details)
    world.hear()
    return PatientIdentifier.objects.get(value=told["patient"]).patient


def told_by_a_person(world: WorldOfTest, event: Event) -> None:
    """Walk back: the event is a person's, who has it told, finds it there and says so."""
    world.release()
    world.until(ended, within=60.0)
    settle(world, event, "keep_mirror")
    held = Replay.objects.get(change=Change.objects.get(event=event, source="clerk").pk)
    assert (held.end, held.reason.startswith("the PAS accepted it")) == (End.HELD, True), held.reason
    settle(world, event, "keep_pas")
    assert left() == {}
    assert ledger.ledger(world.incident).balanced
    world.hear()
    assert unlike() == []


def numbers(patient: Patient) -> set[str]:
    return set(PatientIdentifier.objects.filter(patient=patient, until=None).values_list("value", flat=True))


def test_a_merge_is_done_in_the_pas_and_its_echo_is_no_news(world: WorldOfTest) -> None:
    survivor, loser = known_to_the_pas(world), known_to_the_pas(world)
    ended_number = numbers(loser).pop()
    identity_changes.merge(
        survivor_id=survivor.pk, loser_id=loser.pk, seen=clerk.fresh(survivor).version,
        seen_loser=clerk.fresh(loser).version, reason="Registered twice", by=make.CLERK, key=uuid.uuid4(),
    )  # fmt: skip
    told_by_a_person(world, Event.MERGE)
    twin: Any = world.do("find", id=ended_number)
    assert {one["value"] for one in twin["identifiers"]} == numbers(survivor)
    assert len(world.do("patients")) == 1  # type: ignore[arg-type]
    loser.refresh_from_db()
    assert loser.merged_into_id == survivor.pk
    assert Change.objects.filter(event=Event.MERGE).count() == 1


def test_a_changed_number_is_changed_in_the_pas(world: WorldOfTest) -> None:
    patient = known_to_the_pas(world)
    was = numbers(patient).pop()
    ACTS["renumber"].do(patient)
    told_by_a_person(world, Event.RENUMBER)
    twin: Any = world.do("find", id="777001")
    assert [one["value"] for one in twin["identifiers"]] == ["777001"]
    assert (numbers(patient), was in numbers(patient)) == ({"777001"}, False)


def test_a_changed_visit_number_is_changed_in_the_pas(world: WorldOfTest) -> None:
    ACTS["link_stay_number"].do(ACTS["link_stay_number"].ready())
    told_by_a_person(world, Event.RENUMBER_STAY)
    stays, _ = in_the_pas(world)
    assert list(stays) == ["V777"]
    assert set(StayIdentifier.objects.filter(until=None).values_list("value", flat=True)) == {"V777"}


def test_a_summary_is_kept_in_the_pas_as_it_was_written(world: WorldOfTest) -> None:
    ACTS["summary"].do(ACTS["summary"].ready())
    told_by_a_person(world, Event.DOCUMENT)
    rows = world.pas.store.rows("SELECT visit, lines FROM document")
    assert [row["visit"] for row in rows] == [StayIdentifier.objects.get().value]
    assert "Well \\T\\ home." in rows[0]["lines"]
    assert Change.objects.filter(event=Event.DOCUMENT).count() == 1, "the echo is no other version"
