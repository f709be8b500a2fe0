"""What a clerk does to a stay and what the PAS would have told of it come to the same facts, step by step."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pasmirror.lib import clock
from pasmirror.lib.actor import system
from patients import course, facts, undoing
from patients.facts import Groups, Kind, News
from patients.identifiers import Identifier
from patients.models import Change, Gate, Movement, Stay
from patients.services import feed
from patients.services.feed import Entry
from patients.states import CANCELLED_IN, CANCELS, Event
from patients.step import Step, done, told
from tests.factories.clerk import ACTS, open_desk

COURSES = [
    "admit transfer cancel_transfer transfer discharge cancel_discharge",
    "expect admit_expected transfer plan_discharge discharge cancel_discharge update_stay",
    "expect attend_expected admit_attending plan_transfer leave return discharge",
    "attend to_inpatient change_doctor to_outpatient discharge",
    "admit plan_transfer plan_discharge cancel_plan_transfer cancel_plan_discharge",
    "admit transfer change_doctor cancel_change_doctor",
    "admit leave cancel_leave leave return cancel_return return",
    "admit update_stay cancel_admit",
    "attend cancel_admit",
    "attend to_inpatient plan_discharge cancel_admit",
    "attend to_inpatient change_doctor cancel_admit",
    "expect admit_expected cancel_admit cancel_preadmit",
]
THERE = ("place", "consultant", "admission", "discharge", "expected", "pending", "away")


@pytest.mark.django_db
@pytest.mark.parametrize("names", COURSES)
def test_the_pas_tells_the_same_and_the_record_comes_to_the_same(names: str) -> None:
    open_desk()
    first, *others = names.split()
    saved = ACTS[first].do(ACTS[first].ready())
    stay = Stay.objects.get(pk=saved.stay)
    for minute, name in enumerate(others):
        act = ACTS[name]
        later = {"occurred_at": clock.now()} if "occurred_at" in act.said else {}
        assert act.do(stay, **later).stay == stay.pk, minute
    made = list(Change.objects.filter(stay=stay.pk).order_by("pk"))
    Gate.objects.update(mode="normal")
    for number, change in enumerate(made, 1):
        (taken,) = feed.take([Entry(number, as_told(change))], by=system("apply"))
        assert taken.outcome == "applied", (change.event, taken)
        heard = Change.objects.get(pk=taken.change)
        assert heard.facts["stay"] == change.facts["stay"], change.event
        assert heard.facts["prior_place"] == change.facts["prior_place"], change.event
        assert set(heard.facts) == set(change.facts) - {"undone", "event_reason"}
        assert heard.occurred_at == change.occurred_at
    theirs = Stay.objects.exclude(pk=stay.pk).get()
    stay.refresh_from_db()
    assert theirs.moved_at == stay.moved_at
    assert history(theirs) == history(stay)


def as_told(change: Change) -> News:
    """What the message about a clerk's change says, of another patient: what the message has room for."""
    said: Groups = {group: dict(values) for group, values in change.facts["stay"].items() if group in THERE}
    if change.event != Event.DISCHARGE:
        said.pop("discharge")
    if change.event != Event.PLAN_TRANSFER and change.event != Event.PREADMIT:
        said.pop("pending")
    if change.event != Event.LEAVE:
        said.pop("away")
    return News(
        event=change.event,
        occurred_at=change.occurred_at,
        patient_ids=(Identifier("MR", "RXX", "P1"),),
        stay_ids=(Identifier("VN", "RXX", "V1"),),
        stay={} if change.event in (Event.CANCEL_ADMIT, Event.CANCEL_PREADMIT) else said,
        sent_at=change.recorded_at,
    )


def history(stay: Stay) -> list[tuple[Any, ...]]:
    """The rows of a stay's history, each with how many it undid."""
    rows = Movement.objects.filter(stay=stay).order_by("pk")
    return [(m.event, m.occurred_at, m.ward, m.bay, m.bed, len(m.undoes)) for m in rows]


_STEPS = sorted({event for event in Event if event in course.PLACES | {Event.PREADMIT, Event.DISCHARGE}} | {
    Event.PLAN_TRANSFER, Event.PLAN_DISCHARGE, Event.LEAVE, Event.CHANGE_DOCTOR, Event.UPDATE_STAY,
} | set(CANCELLED_IN))  # fmt: skip
_TO_AND_FRO = (Event.TO_OUTPATIENT, Event.TO_INPATIENT, Event.TO_OUTPATIENT)
_THERE = {"ward": "WA", "bay": "", "bed": "1", "site": ""}
_PLACES = st.sampled_from([{"ward": w, "bay": "", "bed": b, "site": ""} for w in ("WA", "WB") for b in ("1", "2")])


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_STEPS), _PLACES), min_size=3, max_size=14))
@example([(event, _THERE) for event in (Event.ADMIT, *_TO_AND_FRO, Event.CANCEL_ADMIT, Event.CANCEL_ADMIT)])
def test_undoing_and_folding_agree(wanted: list[tuple[Event, dict[str, Any]]]) -> None:
    """The pure steps: whatever order clerks do things in, the fold of what they told is what they see."""
    known: dict[Kind, Groups] = {}
    held: dict[Kind, Groups] = {Kind.STAY: facts.blank(Kind.STAY), Kind.PATIENT: facts.blank(Kind.PATIENT)}
    made: list[undoing.Made] = []
    steps: Any = []
    moved_at = None
    for number, (event, place) in enumerate(wanted, 1):
        at = clock.moment(f"2026-07-01T10:{number:02}:00+00:00")
        assert at is not None
        news = News(event=event, occurred_at=at, stay=_said(event, place, number))
        try:
            step = done(known, news, moved_at=moved_at, history=made)
        except ValueError:
            continue
        was = known.get(Kind.STAY, facts.blank(Kind.STAY))
        made = _journalled(made, news, step, was)
        moved_at, known = step.moved_at, {Kind.STAY: step.after[Kind.STAY]}
        if step.cancels:
            news = replace(news, occurred_at=step.cancels.occurred_at)
        theirs = told(held, replace(news, sent_at=at), steps=steps)
        assert isinstance(theirs, Step), (event, theirs)
        steps, held = theirs.steps, {**held, **theirs.after}
        assert held[Kind.STAY] == known[Kind.STAY], [m.event for m in made]


def _said(event: Event, place: dict[str, Any], number: int) -> Groups:
    if event in (*course.PLACES, Event.ATTEND) and event != Event.RETURN:
        return {"place": place, "consultant": {"consultant": f"C{number}"}}
    pending = {"pending_ward": place["ward"], "pending_bed": place["bed"]}
    said: dict[Event, Groups] = {
        Event.PREADMIT: {"pending": pending, "expected": {"admission_expected_at": f"2026-08-{number:02}"}},
        Event.PLAN_TRANSFER: {"pending": pending},
        Event.PLAN_DISCHARGE: {"expected": {"discharge_expected_at": f"2026-08-{number:02}"}},
        Event.CHANGE_DOCTOR: {"consultant": {"consultant": f"D{number}"}},
        Event.UPDATE_STAY: {"admission": {"patient_class": "IE"[number % 2]}},
        Event.LEAVE: {
            "away": {"away": "leave", "away_since": f"2026-07-01T10:{number:02}:00+00:00", "back_expected_at": ""}
        },
        Event.DISCHARGE: {"discharge": {"discharge_method": "1"}},
    }
    return said.get(event, {})


def _journalled(made: list[undoing.Made], news: News, step: Step, was: Groups) -> list[undoing.Made]:
    number = len(made) + 1
    differing = facts.changed(was, step.after[Kind.STAY])
    entry = undoing.Made(
        change=number,
        event=news.event,
        occurred_at=step.cancels.occurred_at if step.cancels else news.occurred_at,
        before={group: pair[0] for group, pair in differing.items()},
        after={group: pair[1] for group, pair in differing.items()},
        movement=number if step.entered else 0,
        undid=step.undone if news.event in CANCELS else (),
    )
    return [*(replace(one, undone=one.undone or one.movement in step.undone) for one in made), entry]
