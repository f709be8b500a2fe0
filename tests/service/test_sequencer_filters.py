"""What a destination's filter keeps from it: counted, without a gap, and never half of what belongs together."""

import uuid

import pytest

from messaging.models import Destination, Lane, Outbound
from messaging.selectors import lanes as status
from messaging.services import sequencer
from pasmirror.lib import clock
from patients.models import Change, Clinic, JournalTail
from patients.services import admissions
from patients.services.saving import Saved
from patients.states import Event
from tests.factories import lanes as make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mirror(db: None) -> None:
    make.mirror_mode()


def told(code: str) -> list[int]:
    rows = Outbound.objects.filter(lane__destination__code=code).order_by("seq")
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1)), "a filter leaves no gap"
    return [row.change for row in rows]


def change(event: Event, **facts: object) -> int:
    """A change of a clerk as the journal keeps it, of somebody there is, with these facts and `before`."""
    before = facts.pop("before", {})
    saved = make.register()
    template = Change.objects.get(pk=saved.change)
    JournalTail.objects.filter(pk=saved.change).delete()
    template.pk, template._state.adding = None, True
    template.event, template.facts, template.before = event, {**template.facts, **facts}, before
    template.save()
    JournalTail.objects.create(change=template, at=clock.now())
    return template.pk


def stay(ward: str, site: str = "RXX01") -> dict[str, object]:
    return {"place": {"ward": ward, "bay": "A", "bed": f"{ward}1", "site": site}}


def appointment(clinic: str) -> dict[str, object]:
    return {"booking": {"clinic": clinic}}


def move(saved: Saved, stay_id: int, *, ward: str, seen: int) -> Saved:
    return admissions.transfer(
        stay_id=stay_id,
        seen=seen,
        place={"ward": ward, "bay": "A", "bed": f"{ward}2"},
        occurred_at=clock.now(),
        by=make.CLERK,
        key=uuid.uuid4(),
    )


def test_a_transfer_is_told_to_both_its_wards_and_to_no_third() -> None:
    for ward in ("WA", "WB", "WC"):
        make.destination(ward.lower(), wards=[ward])
    person = make.register()
    admitted = make.admit(person, ward="WA", bed="WA1")
    stay_id = Change.objects.get(pk=admitted.change).stay
    moved = move(person, stay_id, ward="WB", seen=1)
    sequencer.run_once()
    assert told("wa") == [person.change, admitted.change, moved.change]
    assert told("wb") == [person.change, moved.change]
    assert told("wc") == [person.change]


@pytest.mark.parametrize(
    "event", [Event.CANCEL_TRANSFER, Event.CANCEL_DISCHARGE, Event.LEAVE, Event.UPDATE_STAY, Event.PLAN_TRANSFER]
)
def test_every_event_of_a_stay_is_its_wards(event: Event) -> None:
    make.destination("wa", wards=["WA"])
    make.destination("wb", wards=["WB"])
    undone = change(event, stay=stay("WA"), prior_place=stay("WB")["place"])
    elsewhere = change(event, stay=stay("WC"), prior_place=stay("WC")["place"])
    sequencer.run_once()
    assert (told("wa"), told("wb")) == ([undone], [undone])
    assert elsewhere not in told("wa")


@pytest.mark.parametrize("event", [Event.MERGE, Event.RENUMBER, Event.RENUMBER_STAY, Event.UPDATE])
def test_who_somebody_is_goes_to_everybody(event: Event) -> None:
    make.destination("narrow", wards=["WB"], clinics=["CARD"], sites=["RYY"])
    made = change(event, stay=stay("WA"))
    sequencer.run_once()
    assert told("narrow") == [made]


def test_a_letter_about_a_stay_goes_where_the_stay_does_and_another_to_everybody() -> None:
    make.destination("wb", wards=["WB"])
    make.destination("ryy", sites=["RYY"])
    ours, theirs, free = (
        change(Event.DOCUMENT, stay=stay("WB")),
        change(Event.DOCUMENT, stay=stay("WA", site="RYY")),
        change(Event.DOCUMENT),
    )
    sequencer.run_once()
    assert told("wb") == [ours, free]
    assert told("ryy") == [theirs, free]


def test_an_appointment_is_its_clinics_and_its_clinics_sites() -> None:
    Clinic.objects.create(code="CARD", name="Cardiology", site="RXX01")
    Clinic.objects.create(code="ORTH", name="Orthopaedics", site="RYY")
    make.destination("card", clinics=["CARD"])
    make.destination("ryy", sites=["RYY"])
    booked = change(Event.BOOK, appointment=appointment("CARD"))
    moved = change(Event.RESCHEDULE, appointment=appointment("ORTH"), before={"appointment": appointment("CARD")})
    other = change(Event.BOOK, appointment=appointment("ORTH"))
    sequencer.run_once()
    assert told("card") == [booked, moved], "one that was moved to another clinic is told to the one it left"
    assert told("ryy") == [moved, other]


def test_what_a_filter_kept_back_is_counted_and_nothing_else_is() -> None:
    make.destination("all")
    make.destination("admissions", events=["admit"])
    make.destination("former", events=["admit"], declared=False)
    for name in ("ADAMS", "BAKER"):
        person = make.register(name)
    make.admit(person)
    sequencer.run_once(limit=2)
    sequencer.run_once()
    assert dict(Lane.objects.values_list("destination__code", "filtered")) == {"all": 0, "admissions": 2, "former": 0}
    said = {lane["code"]: (lane["filtered"], lane["queued"]) for lane in status.lane_status()}
    assert said == {"all": (0, 3), "admissions": (2, 1), "former": (0, 0)}


def test_a_filter_that_is_widened_takes_what_comes_from_then_on() -> None:
    make.destination("pathology", events=["admit"])
    person = make.register()
    sequencer.run_once()
    Destination.objects.update(events=[])
    later = make.update(person, 1, "1")
    sequencer.run_once()
    assert told("pathology") == [later.change]
    assert Lane.objects.get().filtered == 1
