"""Steps of a stay on the wire: where, when, what is planned, what a cancel names, and the movement's own number."""

from typing import Any

import pytest

from messaging.hl7 import dialects
from messaging.hl7.habits import FeedPolicy
from messaging.hl7.movements import of as movement_of
from messaging.hl7.read import Message
from messaging.hl7.write import Moved, write
from tests.factories import changes as make

POLICY = FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX")
VISIT = ("PID|1||P1^^^RXX^MR||OLD", "PV1|1|I|WZ^Z^Z9^RXX" + "|" * 16 + "V1^^^RXX^VN")
PLANS = "PV1|1|I|WZ^Z^Z9^RXX||||||||XRAY||||||||V1^^^RXX^VN" + "|" * 23 + "WQ^Q^Q1"


def told(event: str, *, code: str = "uk24", last: Any = (), moved: Moved | None = None, **more: Any) -> Message:
    dialect = dialects.get(code, POLICY)
    change = make.scene(event, **more).change
    return Message.of(write(change, dialect=dialect, control_id="1", now=make.NOW, last_segments=last, moved=moved))


def field(message: Message, path: str) -> str:
    segment, number = path.split("-")
    found = message.first(segment)
    return found.raw(int(number)) if found else ""


@pytest.mark.parametrize(
    ("event", "began"),
    [
        ("transfer", "20260701093000"),
        ("cancel_transfer", "20260701093000"),
        ("cancel_admit", "20260701090000"),
        ("cancel_discharge", "20260701093000"),
        ("cancel_leave", "20260701093000"),
        ("cancel_return", "20260701100000"),
        ("cancel_preadmit", "20260701090000"),
    ],
)
def test_a_cancel_bears_the_time_of_what_it_cancels(event, began):
    for code in dialects.KNOWN:
        message = told(event, code=code)
        assert (field(message, "EVN-2"), field(message, "EVN-6")) == ("20260701120000", began)


@pytest.mark.parametrize("last", [(), VISIT], ids=["bare", "overlaid"])
@pytest.mark.parametrize(
    ("event", "place", "prior"),
    [
        ("transfer", "WA^A^A1^RXX", "WB^B^B2^RXX"),
        ("cancel_transfer", "WB^B^B2^RXX", ""),
        ("cancel_discharge", "WB^B^B2^RXX", ""),
        ("cancel_admit", "WB^B^B2^RXX", ""),
        ("preadmit", "WC^C^C3", ""),
        ("cancel_preadmit", "WC^C^C3", ""),
        ("leave", "WB^B^B2^RXX", ""),
    ],
)
def test_where_the_patient_is_after_it_and_was_before_a_transfer(event, place, prior, last):
    message = told(event, last=last)
    assert (field(message, "PV1-3"), field(message, "PV1-6")) == (place, prior)


def test_a_stay_that_is_withdrawn_is_told_as_it_was():
    message = told("cancel_admit")
    assert [field(message, f"PV1-{n}") for n in (2, 7, 10, 19, 44)] == [
        "I", "C1^SMITH^Ann^^^Dr", "100", "V1^^^RXX^VN", "20260701090000",
    ]  # fmt: skip


def test_a_cancelled_discharge_takes_back_its_time_and_its_way():
    message = told("cancel_discharge")
    assert [field(message, f"PV1-{n}") for n in (36, 37, 45)] == ['""'] * 3


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("plan_transfer", {"EVN-3": "20260702100000", "PV1-42": "WC^C^C3"}),
        ("cancel_plan_transfer", {"EVN-3": "", "PV1-42": '""'}),
        ("plan_discharge", {"EVN-3": "20260702100000", "PV2-9": "20260702100000"}),
        ("cancel_plan_discharge", {"EVN-3": "", "PV2-9": '""'}),
        ("leave", {"PV1-11": "HOME", "PV2-47": "20260702100000"}),
        ("return", {"PV1-11": '""', "PV2-47": '""'}),
        ("cancel_leave", {"PV1-11": '""', "PV2-47": '""'}),
        ("cancel_return", {"PV1-11": "HOME", "PV2-47": "20260702100000"}),
        ("preadmit", {"EVN-3": "20260702100000", "PV2-8": "20260702100000"}),
        ("admit", {"PV2-8": "", "PV1-42": '""'}),
        ("discharge", {"PV1-42": '""'}),
        ("update_stay", {"PV1-42": "", "PV1-11": "", "PV2-9": "", "PV2-47": ""}),
    ],
)
def test_a_plan_stands_as_the_record_has_it(event, said):
    for last in ((), (VISIT[0], PLANS, "PV2||reason|||||||20260909" + "|" * 38 + "20260910")):
        message = told(event, last=last)
        assert {path: field(message, path) for path in said} == said


def test_the_bed_of_somebody_expected_stands_where_the_pas_puts_it():
    assert (field(told("preadmit"), "PV1-3"), field(told("preadmit"), "PV1-42")) == ("WC^C^C3", "")
    assert field(told("preadmit", last=(VISIT[0], PLANS)), "PV1-42") == "WC^C^C3"


def test_a_date_of_admission_stays_as_the_pas_has_it_once_the_stay_has_begun():
    last = (VISIT[0], VISIT[1], "PV2||||||||20260601")
    assert field(told("update_stay", last=last), "PV2-8") == "20260601"


def test_a_journal_that_does_not_speak_of_plans_leaves_the_pas_s():
    scene = make.scene("update_stay")
    stay = {group: values for group, values in scene.change.facts["stay"].items() if group not in ("pending", "away")}
    message = told("update_stay", last=(VISIT[0], PLANS), stay=stay)
    assert (field(message, "PV1-11"), field(message, "PV1-42")) == ("XRAY", "WQ^Q^Q1")


def test_a_class_is_never_left_empty():
    blank = make.scene("transfer").change.facts["stay"]
    nobody = {**blank, "admission": dict.fromkeys(blank["admission"], "")}
    assert field(told("transfer", stay=nobody), "PV1-2") == "I"
    attending = {**nobody, "times": {**blank["times"], "status": "attending"}}
    assert field(told("attend", stay=attending), "PV1-2") == "O"


def test_a_changed_visit_number_takes_the_place_of_the_one_the_pas_sent():
    message = told("transfer", stay_ids=[["VN", "RXX", "V7"]], prior_stay_ids=[["VN", "RXX", "V1"]], last=VISIT)
    assert field(message, "PV1-19") == "V7^^^RXX^VN"


def test_another_attending_doctor_does_not_keep_the_role_of_the_one_before():
    last = (VISIT[0], "ROL|1|AD|AT|C1^SMITH", "ROL|2|AD|PP|G1^BOOMLA", VISIT[1])
    assert [s.get(3, 1) for s in told("change_doctor", last=last).all("ROL")] == ["PP"]
    assert [s.get(3, 1) for s in told("plan_transfer", last=last).all("ROL")] == ["AT", "PP"]


@pytest.mark.parametrize(
    ("event", "moved", "zbe"),
    [
        ("admit", Moved("12", "PASMIRROR"), "ZBE|12^PASMIRROR|20260701093000||INSERT|N||WB"),
        ("transfer", Moved("12", "", historic=True), "ZBE|12|20260701093000||INSERT|Y||WA"),
        ("cancel_transfer", Moved("M&1", "PAS", first="transfer"), "ZBE|M\\T\\1^PAS|20260701093000||CANCEL|N|A02|WB"),
        ("cancel_admit", Moved("12", "P", first="attend"), "ZBE|12^P|20260701090000||CANCEL|N|A04|WB"),
        ("cancel_preadmit", Moved("12", "P", first="preadmit"), "ZBE|12^P|20260701090000||CANCEL|N|A05"),
    ],
)
def test_a_movement_has_its_own_number_in_ihe_25(event, moved, zbe):
    message = told(event, code="ihe25", moved=moved)
    names = [segment.name for segment in message.segments]
    assert message.first("ZBE").line == zbe  # type: ignore[union-attr]
    assert names.index("ZBE") == 1 + names.index("PV2" if "PV2" in names else "PV1")
    said = movement_of(message)
    assert (said.number, said.action) == ("^".join(moved[:2]).rstrip("^"), "CANCEL" if moved.first else "INSERT")


def test_a_movement_is_told_where_its_number_is_known_and_the_dialect_has_them():
    moved = Moved("12", "PASMIRROR")
    assert told("admit", code="ihe25").first("ZBE") is None
    assert told("admit", code="uk24", moved=moved).first("ZBE") is None
    assert told("update_stay", code="ihe25", moved=moved).first("ZBE") is None, "an update is no movement"


def test_the_movement_of_an_earlier_message_is_not_said_again():
    last = (*VISIT, "ZBE|OLD^PAS|20260601||INSERT|N", "ZPI|1|LETTERS^Y")
    for code in dialects.KNOWN:
        message = told("transfer", code=code, last=last)
        assert message.first("ZBE") is None
        assert message.first("ZPI") is not None


def test_a_place_on_the_list_is_a05_and_a_planned_admission_a14():
    assert field(told("preadmit", code="ihe25"), "MSH-9") == "ADT^A05^ADT_A05"
    assert field(told("preadmit"), "MSH-9") == "ADT^A05^ADT_A01"
    assert field(told("plan_admit"), "MSH-9") == "ADT^A14^ADT_A05"
    assert field(told("cancel_plan_admit"), "MSH-9") == "ADT^A27^ADT_A21"
