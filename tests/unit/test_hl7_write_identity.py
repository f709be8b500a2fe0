"""Who somebody is, on the wire: the survivor in PID, what ends in MRG, and nothing said where it is not known."""

import pytest

from messaging.hl7 import dialects
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.hl7.write import CannotSay, write
from patients.facts import News
from patients.identifiers import Identifier
from tests.factories import changes as make

POLICY = FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX", habits=Habits(default_authority="RXX"))
LAST = ("PID|1||P1^^^RXX^MR||OLD^Zoë||1951|F||||||||||ACC1", "NK1|1|O'BRIEN^Pat|SPO", "ZPI|1|LETTERS^Y")


def told(event: str, code: str = "uk24", **more: object) -> Message:
    change = make.scene(event, **more).change
    dialect = dialects.get(code, POLICY)
    return Message.of(write(change, dialect=dialect, control_id="1", now=make.NOW, last_segments=LAST))


def heard(message: Message) -> News:
    said = news(message, habits=POLICY.habits)
    assert isinstance(said, News), said
    return said


@pytest.mark.parametrize("code", dialects.KNOWN)
@pytest.mark.parametrize("event", ["merge", "renumber"])
def test_pid_stands_and_mrg_ends(event, code):
    message = told(event, code)
    assert [s.name for s in message.segments] == ["MSH", "EVN", "PID", "MRG"], "one patient, no visit, no more details"
    said = heard(message)
    assert (said.event, said.occurred_at) == (event, make.BEGAN)
    assert set(said.patient_ids) == {("MR", "RXX", "P1"), ("MR", "PASMIRROR", "M1")}
    assert said.prior.patient_ids == (Identifier(*make.OTHERS[event]["prior_ids"][0]),)
    assert said.patient["name"] == make.PATIENT["name"]


def test_all_the_numbers_that_end_are_named_the_pas_s_first():
    message = told("merge", prior_ids=[["MR", "PASMIRROR", "M9"], ["MR", "RXX", "P9"]])
    assert message.first("MRG").line == "MRG|P9^^^RXX^MR~M9^^^PASMIRROR^MR"  # type: ignore[union-attr]


@pytest.mark.parametrize("code", dialects.KNOWN)
def test_a_changed_visit_number(code):
    message = told("renumber_stay", code)
    assert [s.name for s in message.segments] == ["MSH", "EVN", "PID", "PD1", "MRG", "PV1"]
    said = heard(message)
    assert said.event == "renumber_stay"
    assert (said.stay_ids, said.prior_stay_ids) == ((("VN", "RXX", "V1"),), (("VN", "PASMIRROR", "T9"),))
    mrg = message.first("MRG")
    assert mrg is not None
    assert mrg.raw(1) == "P1^^^RXX^MR~M1^^^PASMIRROR^MR", "of the same patient"


@pytest.mark.parametrize("code", dialects.KNOWN)
@pytest.mark.parametrize("event", ["link", "unlink"])
def test_a_link_names_two_patients(event, code):
    message = told(event, code)
    assert [s.name for s in message.segments] == ["MSH", "EVN", "PID", "PID"]
    said = heard(message)
    assert (said.event, said.prior.patient_ids) == (event, (("MR", "RXX", "P9"),))


@pytest.mark.parametrize(
    ("event", "lacking", "fact"),
    [
        ("merge", {"prior_ids": []}, "prior_ids"),
        ("merge", {"prior_ids": [["MR", "RXX", "P1"]]}, "merged into itself"),
        ("merge", {"merged_into": 4}, "survivor"),
        ("merge", {"patient_ids": []}, "patient_ids"),
        ("renumber", {"prior_ids": None}, "prior_ids"),
        ("renumber_stay", {"prior_stay_ids": []}, "prior_stay_ids"),
        ("renumber_stay", {"stay_ids": []}, "stay_ids"),
        ("link", {"other_ids": []}, "other_ids"),
        ("unlink", {"other_patient": {}}, "other_patient"),
    ],
)
def test_what_is_not_known_is_not_guessed(event, lacking, fact):
    with pytest.raises(CannotSay, match=fact) as refused:
        told(event, **lacking)
    assert "P1" not in str(refused.value), "a reason names facts, never a number"
