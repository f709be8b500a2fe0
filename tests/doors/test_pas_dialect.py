"""Our messages and questions at the simulated PAS, which shares no code with them: accepted, echoed, answered."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from messaging.hl7 import dialects, queries
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.news import news
from messaging.hl7.read import Message, Unreadable
from messaging.hl7.write import ChangeFacts, Mark, write
from messaging.mllp.sender import Accepted, Peer, Refused
from messaging.simulators.control import Control
from messaging.simulators.pas import Pas
from messaging.simulators.receiver import Receiver
from pasmirror.lib import clock
from patients import facts
from patients.facts import Kind, News
from patients.identifiers import Identifier
from tests.eventually import eventually

HABITS = Habits(default_authority="RXX")
DIALECT = dialects.get("uk24", FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX", habits=HABITS))
NOW = clock.now().replace(microsecond=0)
OURS = Identifier("MR", "PASMIRROR", "M000001")
PATIENT: dict[str, dict[str, Any]] = {
    "name": {"family": "O'Brien & Söhne", "given": "Zoë", "middle": "", "title": "Mrs"},
    "birth": {"born": "1952-03-01"},
    "sex": {"sex": "F"},
    "nhs": {"nhs_number": "9990000018"},
    "address": {"line1": "1 High St", "town": "York", "postcode": "YO1 1AA", "practice": "Riverside [F84]"},
    "phones": {"mobile": "07700 900001"},
}
STAY = {
    "place": {"ward": "WA", "bay": "A", "bed": "B01", "site": "RXX"},
    "consultant": {"consultant": "C1", "consultant_name": "SMITH, Ann (Dr)", "specialty": "100"},
    "admission": {"patient_class": "I", "admission_method": "21"},
}
BOOKING = {"clinic": "CARD", "starts_at": clock.iso(NOW.replace(minute=0, second=0) + timedelta(days=2)), "minutes": 30}


@dataclass
class Talk:
    """The PAS, our line to it, and the ear at its feed."""

    pas: Pas
    peer: Peer
    ear: Receiver
    count: int = 0
    control: Control = field(init=False)

    def __post_init__(self) -> None:
        self.control = Control(self.pas.control.listener.port)

    def replay(self, event: str, *, told: tuple[str, ...] = (), minutes: int = 0, **held: Any) -> Any:
        self.count += 1
        at = NOW - timedelta(hours=1) + timedelta(minutes=minutes)
        kept = {"patient": PATIENT, "patient_ids": [list(OURS)], **held}
        body = write(
            ChangeFacts(self.count, event, kept, at, NOW),
            dialect=DIALECT,
            control_id=f"M01-1-{self.count}",
            now=NOW,
            mark=Mark(self.count, told),
        )
        return self.peer.send(body, f"M01-1-{self.count}")

    def echoes(self, many: int) -> list[News]:
        """What the PAS then said on its feed."""
        eventually(lambda: self.control.do("quiet") and len(self.ear.messages()) >= many, within=10)
        said = [news(Message.of(str(m["raw"]).encode()), habits=HABITS) for m in self.ear.messages()]
        assert all(isinstance(one, News) for one in said), said
        return [one for one in said if isinstance(one, News)]

    def ask(self, question: str, **words: Any) -> bytes:
        self.count += 1
        control_id = f"Q{self.count}"
        body = getattr(queries, question)(**words, dialect=DIALECT, control_id=control_id, now=NOW)
        raw = self.peer.query(body, control_id)
        assert isinstance(raw, bytes), raw
        return raw


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    ear = Receiver("feed", store=tmp_path / "ear.db")
    ear.start()
    pas = Pas(store=tmp_path / "pas.db", lanes={"feed": ("127.0.0.1", ear.door.listener.port)})
    pas.start()
    peer = Peer("127.0.0.1", pas.door.listener.port, 5.0)
    yield Talk(pas, peer, ear)
    peer.close()
    pas.stop()
    ear.stop()


STAYS = {"stay": STAY, "stay_ids": [["VN", "RXX", "V900001"]]}
BED_2 = {**STAY, "place": {**STAY["place"], "ward": "WB", "bed": "B02"}}
BOOKED = {
    "appointment": {"booking": BOOKING, "status": {"status": "booked"}},
    "appointment_ids": [["PLAC", "RXX", "A900001"]],
}


def story(talk: Talk) -> list[Any]:
    return [
        talk.replay("register"),
        talk.replay("book", minutes=1, **BOOKED),
        talk.replay("admit", minutes=2, **STAYS),
        talk.replay("transfer", minutes=3, **{**STAYS, "stay": BED_2, "prior_place": STAY["place"]}),
        talk.replay(
            "discharge",
            minutes=4,
            **{**STAYS, "stay": {**BED_2, "discharge": {"discharge_method": "1", "discharge_destination": "19"}}},
        ),
        talk.replay("cancel_appointment", minutes=5, **BOOKED),
        talk.replay("update", minutes=6, patient={**PATIENT, "phones": {"phone": "01904 960001"}}),
    ]


def test_the_pas_takes_every_event_and_its_echo_says_the_same(talk: Talk) -> None:
    assert [type(ended) for ended in story(talk)] == [Accepted] * 7
    echoes = talk.echoes(7)
    assert [e.event for e in echoes] == [
        "register", "book", "admit", "transfer", "discharge", "cancel_appointment", "update",
    ]  # fmt: skip
    registered, booked, admitted, moved, left, _, updated = echoes
    assert OURS in registered.patient_ids
    assert len(registered.patient_ids) == 2, "its own number beside ours"
    for group in ("name", "birth", "sex", "nhs"):
        said = {name: value for name, value in registered.patient[group].items() if value}
        assert said == {name: value for name, value in PATIENT[group].items() if value}
    assert registered.occurred_at == NOW - timedelta(hours=1)
    assert booked.appointment_ids[0] == Identifier("PLAC", "RXX", "A900001")
    assert booked.appointment["booking"].items() >= BOOKING.items()
    assert admitted.stay["place"] == STAY["place"]
    assert admitted.stay["consultant"] == STAY["consultant"]
    assert admitted.stay_ids == (Identifier("VN", "RXX", "V900001"),)
    assert admitted.occurred_at == NOW - timedelta(minutes=58)
    assert moved.stay["place"] == BED_2["place"]
    assert left.stay["discharge"] == {"discharge_method": "1", "discharge_destination": "19"}
    assert updated.patient["phones"]["phone"] == "01904 960001"
    assert not any(e.warnings for e in echoes)


def test_the_pas_refuses_what_breaks_its_rules_and_we_read_why(talk: Talk) -> None:
    unknown = talk.replay("admit", **STAYS)
    assert isinstance(unknown, Refused)
    assert (unknown.code, unknown.err) == ("AE", "204")
    talk.replay("register")
    talk.replay("admit", **STAYS)
    again = talk.replay("admit", **STAYS)
    assert isinstance(again, Refused)
    assert again.err == "205"
    assert again.text


def test_the_mark_is_read(talk: Talk) -> None:
    talk.replay("register", told=("pathology", "eprescribing"))
    (row,) = talk.control.do("received")
    assert row["event"] == "1"


def test_questions_are_answered_and_read(talk: Talk) -> None:
    story(talk)
    (found,) = queries.read_candidates(
        talk.ask("find_candidates", sought={"hospital_number": OURS.value}), habits=HABITS
    )
    ids, groups = found
    assert OURS in ids
    assert groups["nhs"]["nhs_number"] == "9990000018"
    assert groups["name"]["family"] == PATIENT["name"]["family"]
    own = next(i for i in ids if i != OURS)
    for sought in (
        {"nhs_number": "9990000018"},
        {"family": PATIENT["name"]["family"], "given": "Zoë", "born": "1952-03-01"},
        {"postcode": "YO1 1AA", "sex": "F"},
    ):
        assert len(queries.read_candidates(talk.ask("find_candidates", sought=sought), habits=HABITS)) == 1, sought
    for who in (OURS, own):
        answer = talk.ask("patient_stays", who=who)
        ((visit, stay),) = queries.read_stays(answer, habits=HABITS)
        assert visit == (Identifier("VN", "RXX", "V900001"),)
        assert stay["place"] == BED_2["place"]
        assert stay["times"]["status"] == "out"
        known = queries.read_patient(answer, habits=HABITS)
        assert known is not None
        assert set(known[0]) == set(ids)
        answer = talk.ask("patient_appointments", who=who)
        ((numbers, booked),) = queries.read_appointments(answer, habits=HABITS)
        assert numbers[0] == Identifier("PLAC", "RXX", "A900001")
        assert booked["status"] == {"status": "cancelled"}
        assert booked["booking"].items() >= BOOKING.items()


def test_nobody_of_that_number_is_an_empty_answer(talk: Talk) -> None:
    nobody = Identifier("MR", "RXX", "P999")
    assert queries.read_candidates(talk.ask("find_candidates", sought={"family": "NOBODY"}), habits=HABITS) == []
    assert queries.read_stays(talk.ask("patient_stays", who=nobody), habits=HABITS) == []
    assert queries.read_patient(talk.ask("patient_stays", who=nobody), habits=HABITS) is None
    assert queries.read_appointments(talk.ask("patient_appointments", who=nobody), habits=HABITS) == []


def test_a_refused_question_is_not_an_empty_answer(talk: Talk) -> None:
    talk.control.do("refuse_all", code="AE")
    with pytest.raises(Unreadable):
        queries.read_candidates(talk.ask("find_candidates", sought={"family": "X"}), habits=HABITS)


def test_its_own_morning_is_read_without_a_warning(talk: Talk) -> None:
    talk.control.do("morning", patients=8, seed=1)
    said = talk.echoes(8)
    assert {"register", "admit", "book"} <= {e.event for e in said}
    assert [e.warnings for e in said if e.warnings] == []


def test_a_morning_rendered_again_says_the_same(talk: Talk) -> None:
    talk.control.do("morning", patients=8, seed=2)
    for said in talk.echoes(8):
        held = {
            "patient": facts.overlaid(facts.blank(Kind.PATIENT), said.patient),
            "patient_ids": [list(i) for i in said.patient_ids],
            "stay": facts.overlaid(facts.blank(Kind.STAY), said.stay),
            "stay_ids": [list(i) for i in said.stay_ids],
            "appointment": facts.overlaid(facts.blank(Kind.APPOINTMENT), said.appointment),
            "appointment_ids": [list(i) for i in said.appointment_ids],
        }
        change = ChangeFacts(1, said.event, held, said.occurred_at, said.occurred_at)
        body = write(change, dialect=DIALECT, control_id="1", now=NOW, last_segments=said.segments)
        ours = Message.of(body)
        if said.segments:  # what the PAS sent, but for the prior place of a transfer
            theirs = [line for line in said.segments if not line.startswith("PV1")]
            assert [s.line for s in ours.segments[2:] if s.name != "PV1"] == theirs
        again = news(ours, habits=HABITS)
        assert isinstance(again, News)
        assert (again.patient, again.appointment) == (said.patient, said.appointment)
        assert again.stay == said.stay
