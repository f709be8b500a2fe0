"""What a probe says, in every dialect, and what is concluded from each kind of answer."""

import pytest

from messaging import conformance
from messaging.conformance import AGAIN, FIELD, RIGHT, STRUCTURE, Answer, Person
from messaging.endings import Policy
from messaging.hl7 import dialects
from messaging.hl7.read import Message
from messaging.hl7.telling import CannotSay
from patients.states import Event
from tests.factories.written import NOW, POLICY


def asked(code: str = "uk24", *, told: tuple[str, ...] = (), person: Person | None = None) -> dict[str, bytes]:
    made = conformance.questions(
        person or Person(),
        dialect=dialects.get(code, POLICY),
        events=conformance.spoken(told),
        number=7,
        control_id="T1-7",
        now=NOW,
        ward="WA",
        clinic="CARD",
    )
    assert [question.asked for question in made] == [RIGHT, AGAIN, STRUCTURE, FIELD]
    assert [question.control_id for question in made] == ["T1-7-1", "T1-7-1", "T1-7-2", "T1-7-3"]
    return {question.asked: question.body for question in made}


@pytest.mark.parametrize("code", dialects.KNOWN)
@pytest.mark.parametrize("told", [(), ("update",), ("admit", "discharge"), ("book",)])
def test_all_it_says_is_of_nobody_and_marked_as_training(code: str, told: tuple[str, ...]) -> None:
    said = asked(code, told=told)
    assert said[RIGHT] == said[AGAIN], "a repeat is the identical bytes"
    right, structure, field = (Message.of(said[name]) for name in (RIGHT, STRUCTURE, FIELD))
    for message in (right, structure, field):
        assert message.get("MSH-11") == "T"
        assert message.get("MSH-3") == "DEMOPAS"
    assert (right.get("PID-3.1"), right.get("PID-3.4"), right.get("PID-5.1")) == (
        "ZZZTEST7",
        "PASMIRRORTEST",
        "ZZZTEST",
    )
    assert structure.first("PID") is None
    assert [segment.name for segment in structure.segments if segment.name != "PID"] == [
        segment.name for segment in field.segments if segment.name != "PID"
    ]
    assert field.get("PID-7") == conformance.BAD_DATE
    assert right.get("PID-7") == "19000101"
    assert len({message.get("MSH-10") for message in (right, structure, field)}) == 3


def test_it_speaks_of_whom_the_site_says() -> None:
    right = Message.of(asked(person=Person("P", "XXTESTER", "LABTEST", "XX"))[RIGHT])
    said = [right.get(name) for name in ("MSH-11", "PID-5.1", "PID-3.1", "PID-3.4")]
    assert said == ["P", "XXTESTER", "XX7", "LABTEST"]


def test_it_says_what_the_destination_is_told_of_and_nothing_else() -> None:
    assert conformance.spoken(()) == [Event.REGISTER, Event.UPDATE, Event.ADMIT, Event.BOOK]
    assert conformance.spoken(("book", "admit", "merge")) == [Event.ADMIT, Event.BOOK]
    assert Message.of(asked(told=("book",))[RIGHT]).get("MSH-9.2") == "S12"
    assert Message.of(asked()[FIELD]).get("MSH-9.2") == "A31", "what is wrong is no second registration"
    with pytest.raises(CannotSay, match="told of nothing"):
        asked(told=("merge",))


def found(*answers: Answer, **policy: str) -> str:
    return " ".join(conformance.findings(answers, Policy(**policy)))


def one(asked: str, code: str = "AA", **more: object) -> Answer:
    return Answer(asked, code, **more)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([Answer(RIGHT, phase="connect", detail="ConnectionRefusedError")], "there was no connection (Connection"),
        ([Answer(RIGHT, phase="wait")], "Nothing can be told: it did not answer in time."),
        ([Answer(RIGHT, phase="garbage")], "what it answered is no acknowledgement"),
        ([one(RIGHT, "AR", err="202")], "refuses even the right message (AR 202). It may not take training messages"),
        ([one(RIGHT, "AE", err="204")], "refuses even the right message (AE 204)."),
        ([one(RIGHT), one(AGAIN, as_before=True)], "It knows a repeat: the same message twice was given"),
        ([one(RIGHT), one(AGAIN)], "cannot be told by its answers: it takes both"),
        ([one(RIGHT), one(AGAIN, "AE", err="205")], "knows a repeat, and refuses it (AE 205). A message sent again"),
        ([one(RIGHT), Answer(AGAIN, phase="reset")], "cannot be told: it cut the connection"),
        ([one(RIGHT), one(AGAIN), one(STRUCTURE, "AE"), one(FIELD, "AE")], "it refuses with AE."),
        ([one(RIGHT), one(AGAIN), one(STRUCTURE, "AR"), one(FIELD, "AE")], "refuses with AE and AR. Its AR means"),
        ([one(RIGHT), one(AGAIN), one(STRUCTURE), one(FIELD)], "It accepts all"),
        ([one(RIGHT), one(AGAIN), one(STRUCTURE, "AE"), one(FIELD)], "A date of birth that is none: it accepts that."),
        ([one(RIGHT), one(AGAIN), Answer(STRUCTURE, phase="wait"), one(FIELD)], "without its PID: it did not answer"),
    ],
)
def test_each_kind_of_answer_has_its_finding(answers: list[Answer], says: str) -> None:
    assert says in found(*answers)


def test_what_is_found_fits_the_destinations_own_policy() -> None:
    refused = [one(RIGHT), one(AGAIN, "AE"), one(STRUCTURE, "AR"), one(FIELD, "AR")]
    assert "would be held" in found(*refused)
    assert "think of on_ar" in found(*refused)
    assert "would be held" not in found(*refused, on_ae="retry")
    assert "think of on_ar" not in found(*refused, on_ar="hold")
    assert found() == ""


@pytest.mark.parametrize(
    ("names", "same"),
    [
        ({RIGHT: "L1", AGAIN: "L1", STRUCTURE: "L2", FIELD: "L3"}, True),
        ({RIGHT: "L1", AGAIN: "L2", STRUCTURE: "L3", FIELD: "L4"}, None),  # answered anew: done anew, or not
        ({RIGHT: "1", AGAIN: "1", STRUCTURE: "1", FIELD: "1"}, None),  # it calls every answer the same
        ({RIGHT: "L1", AGAIN: "L1", STRUCTURE: "", FIELD: ""}, None),
        ({RIGHT: "", AGAIN: "", STRUCTURE: "L2", FIELD: "L3"}, None),  # it gives our own id back
        ({}, None),
    ],
)
def test_the_same_answer_twice_shows_something_only_where_answers_have_names(
    names: dict[str, str], same: bool | None
) -> None:
    answers = conformance.recognised([one(name) for name in (RIGHT, AGAIN, STRUCTURE, FIELD)], names)
    assert [answer.as_before for answer in answers] == [None, same, None, None]


def test_of_a_text_no_number_is_kept_and_no_more_than_a_line() -> None:
    assert conformance.told("NHS 999 000 0018 known\r\nas 1952-03-01, ward 12") == "NHS # known as #, ward 12"
    assert len(conformance.told("x" * 500)) == conformance.MOST_TEXT
