"""Everything a clerk can make happen, from the save to the bytes, in every dialect; and what its hearer then knows."""

from typing import Any

import pytest

from messaging.hl7 import dialects, times
from messaging.hl7.habits import Habits
from messaging.hl7.movements import Movement as Told
from messaging.hl7.movements import of as movement_of
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.models import Outbound
from messaging.services import rendering, sequencer
from pasmirror.lib import clock
from pasmirror.lib.actor import system
from patients import facts
from patients.facts import Kind, News
from patients.models import Appointment, Change, Gate, Movement, Patient, Stay, Trunk
from patients.services import feed
from patients.services.feed import Entry
from patients.states import CLERKS_EVENTS, Event
from tests.factories import lanes as make
from tests.factories.clerk import ACTS, open_desk

pytestmark = pytest.mark.django_db
HABITS = Habits(default_authority="RXX")


@pytest.fixture(autouse=True)
def desk() -> None:
    open_desk()
    for code in dialects.KNOWN:
        make.destination(code, dialect=code)


def told(change: int, code: str) -> Message:
    """Give the message of a change at the destination of a dialect."""
    row = make.of_change(change, code)
    assert row.body is not None, row.reason
    return Message.of(bytes(row.body))


def heard(message: Message) -> News:
    said = news(message, habits=HABITS)
    assert isinstance(said, News), said
    return said


def test_every_act_is_of_an_event_that_is_told_and_every_such_event_has_an_act() -> None:
    assert {act.event for act in ACTS.values()} | {Event.REGISTER} == CLERKS_EVENTS


@pytest.mark.parametrize("name", ACTS)
def test_what_a_clerk_saves_is_told_in_every_dialect(name: str) -> None:
    act = ACTS[name]
    saved = act.do(act.ready())
    make.number_and_render()
    change = Change.objects.get(pk=saved.change)
    for code in dialects.KNOWN:
        message = told(saved.change, code)
        said = heard(message)
        assert said.event == change.event
        assert said.occurred_at == change.occurred_at or change.appointment
        assert {list(number)[2] for number in said.patient_ids} == {ids[2] for ids in change.facts["patient_ids"]}
        assert message.get("EVN-6") is not None or change.appointment
    assert not Outbound.objects.filter(body=None).exists()


STAYS = [name for name, act in ACTS.items() if act.subject == "stay_id" and act.event != Event.RENUMBER_STAY]


@pytest.mark.parametrize("code", dialects.KNOWN)
@pytest.mark.parametrize("name", STAYS)
def test_whoever_follows_what_we_say_comes_to_the_same_stay(name: str, code: str) -> None:
    act, row = ACTS[name], ACTS[name].ready()
    act.do(row, **({"occurred_at": clock.now()} if "occurred_at" in act.said else {}))  # after what made it ready
    make.number_and_render()
    stay = Stay.objects.get(pk=row.pk)
    patient = Patient.objects.get(pk=stay.patient_id)
    ours = [
        told(change, code)
        for change in Change.objects.filter(patient=patient).order_by("pk").values_list("pk", flat=True)
    ]
    known = {Kind.STAY: facts.of(Kind.STAY, stay), Kind.PATIENT: facts.of(Kind.PATIENT, patient)}
    _forget(patient)
    entries = [Entry(number, heard(message)) for number, message in enumerate(ours, 1)]
    outcomes = [taken.outcome for entry in entries for taken in feed.take([entry], by=system("apply"))]
    assert set(outcomes) == {"applied"}, outcomes
    theirs = Patient.objects.exclude(pk=patient.pk).latest("pk")
    person = facts.of(Kind.PATIENT, theirs)
    assert {**person, "nhs": known[Kind.PATIENT]["nhs"]} == known[Kind.PATIENT]
    assert facts.of(Kind.STAY, Stay.objects.get(patient=theirs)) == known[Kind.STAY]


def _forget(patient: Patient) -> None:
    """Let nobody know this patient's numbers any more, as one who only hears of them."""
    Gate.objects.update(mode="normal")
    for kind in (patient.identifiers, *(stay.identifiers for stay in patient.stays.all())):
        kind.all().delete()


# Movements


def zbe(change: int) -> Any:
    return movement_of(told(change, "ihe25"))


def test_a_movement_keeps_its_number_and_its_cancel_names_it() -> None:
    row = ACTS["cancel_transfer"].ready()
    cancelled = ACTS["cancel_transfer"].do(row).change
    make.number_and_render()
    movement = Movement.objects.get(stay=row.pk, event="transfer")
    number, began = f"{movement.pk}^PASMIRROR", times.stamp(movement.occurred_at)
    assert zbe(movement.change) == Told(number, began, "INSERT", "")
    assert zbe(cancelled) == Told(number, began, "CANCEL", "A02")


def test_a_movement_the_pas_numbered_is_cancelled_under_the_pas_s_number() -> None:
    row = ACTS["cancel_transfer"].ready()
    movement = Movement.objects.get(stay=row.pk, event="transfer")
    steps = [{"id": movement.pk, "movement": "MOV1^PAS"}, {"movement": "MOV0^PAS"}, {"id": 1, "movement": ""}]
    Trunk.objects.update_or_create(kind=Kind.STAY, object_id=row.pk, defaults={"steps": steps})
    cancelled = ACTS["cancel_transfer"].do(row).change
    make.number_and_render()
    assert (zbe(cancelled).number, zbe(cancelled).first) == ("MOV1^PAS", "A02")


# Many destinations, one rendering


def test_destinations_of_one_dialect_share_the_rendering_and_nothing_of_the_header(monkeypatch) -> None:
    for code in ("pathology", "radiology"):
        make.destination(code)
    make.destination("pas", is_pas=True)
    calls: list[str] = []
    real = rendering.rendered

    def counted(change: Any, **more: Any) -> Any:
        calls.append(more["dialect"].code)
        return real(change, **more)

    monkeypatch.setattr(rendering, "rendered", counted)
    change = ACTS["book"].do(ACTS["book"].ready()).change
    make.number_and_render()
    mine = ("uk24", "pathology", "radiology")
    bodies = {code: bytes(make.of_change(change, code).body or b"").split(b"\r", 1) for code in mine}
    assert len({body[1] for body in bodies.values()}) == 1
    assert len({body[0] for body in bodies.values()}) == 3, "each its own MSH-10"
    assert sorted(calls) == ["ihe25", "ihe25", "uk24", "uk24"], "of a registration and a booking"


def test_what_cannot_be_said_is_held_with_the_reason() -> None:
    change = ACTS["renumber"].do(ACTS["renumber"].ready()).change
    while sequencer.run_once():
        pass
    row = make.of_change(change, "uk24")
    assert rendering.render(row, facts={"prior_ids": []}) is False
    row.refresh_from_db()
    assert row.leg == "held"
    assert row.reason == "cannot be written: the change does not say prior_ids, which this message cannot do without"


def test_an_appointment_keeps_what_was_booked() -> None:
    change = ACTS["reschedule"].do(ACTS["reschedule"].ready()).change
    make.number_and_render()
    row = Appointment.objects.get(pk=Change.objects.get(pk=change).appointment)
    said = heard(told(change, "ihe25")).appointment["booking"]
    assert said == facts.of(Kind.APPOINTMENT, row)["booking"]
