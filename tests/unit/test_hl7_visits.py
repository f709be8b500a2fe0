"""What a message of a visit must hold, and what of it is only warned of: PV1, its place, its number, its class."""

import pytest

from messaging.hl7.habits import Habits
from messaging.hl7.news import FOLLOWED, NotNews, news
from messaging.hl7.read import Message
from patients.facts import News
from patients.identifiers import Identifier
from patients.states import STAY_EVENTS, Event

PID = "PID|1||P1^^^RXX^MR||SMITH^John|||||||||||||V9"


def pv1(place="WA^A^B01^RXX", number="V1", kind="I", doctor="C1^SMITH", admitted=""):
    fields = {1: "1", 2: kind, 3: place, 7: doctor, 19: number, 44: admitted}
    return "PV1|" + "|".join(fields.get(n, "") for n in range(1, 45))


def told(trigger, *lines, pid=PID, msh7="20260701120000", evn=None, msh9=None, charset=""):
    msh = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||{msh7}||{msh9 or f'ADT^{trigger}'}|C1|P|2.4||||||{charset}"
    evns = [f"EVN|{trigger}|20260701113000"] if evn is None else [evn] if evn else []
    text = "\r".join([msh, *evns, pid, *lines])
    return news(Message.of(text.encode()), habits=Habits(default_authority="RXX"))


@pytest.mark.parametrize(
    "trigger", [t for t, event in FOLLOWED.items() if event in STAY_EVENTS and event != Event.UPDATE_STAY]
)
def test_a_visit_without_pv1_is_parked_whatever_the_account_number(trigger):
    said = told(trigger[4:])
    assert isinstance(said, NotNews)
    assert (said.code, said.parked) == ("no-pv1", True)


def test_an_a08_without_pv1_speaks_of_the_person_alone():
    said = told("A08")
    assert isinstance(said, News)
    assert not said.stay_ids


@pytest.mark.parametrize(
    ("pl", "place"),
    [
        ("HUH AE OMU&9.8&ISO^OMU B^Bed 03^HOMERTON", ("HUH AE OMU", "OMU B", "Bed 03", "HOMERTON")),
        ("SPROOM^ROOM2&2.16.840.1&ISO^BED-1^FAC&1.2&ISO", ("SPROOM", "ROOM2", "BED-1", "FAC")),
        ("A&E^Bay & 1^B1^RXX", ("A&E", "Bay & 1", "B1", "RXX")),
        ("WARD&1.2.840.3^^B1", ("WARD", "", "B1", "")),
        ("&1.2.840.3&ISO^^B1", ("1.2.840.3", "", "B1", "")),
        ("Y^1&2^B&3^R", ("Y", "1&2", "B&3", "R")),
    ],
)
def test_a_place_is_named_by_the_first_part_of_what_has_a_universal_id(pl, place):
    assert tuple(told("A01", pv1(pl)).stay["place"].values()) == place


def test_a_planned_bed_is_named_so_too():
    said = told("A14", pv1("WA&1.2.3&ISO^A&1.2.4&ISO^B1"))
    assert said.stay["pending"] == {"pending_ward": "WA", "pending_bay": "A", "pending_bed": "B1"}


@pytest.mark.parametrize("trigger", ["A01", "A02", "A06"])
def test_in_on_no_ward_is_warned_of(trigger):
    assert told(trigger, pv1("")).warnings == ("PV1-3: no ward told",)
    assert told("A03", pv1("")).warnings == ()


def test_a_doctor_in_the_place_of_the_visit_number_is_warned_of():
    said = told("A01", pv1(number="1234^Jones^Robert", doctor="1234^Jones^Robert"))
    assert said.stay_ids == (Identifier("VN", "RXX", "1234"),)
    assert said.warnings == ("PV1-19: the same as the doctor of PV1-7, taken as the visit number",)
    assert told("A01", pv1(number="C1", doctor="C1")).warnings, "a bare code, too"
    assert told("A01", pv1(number="C1^^^RXX^VN", doctor="C1^SMITH")).warnings == (), "an authority, a type: a number"


def test_a_patient_class_outside_the_table_is_taken_and_warned_of():
    said = told("A01", pv1(kind="TEXT"))
    assert said.stay["admission"]["patient_class"] == "TEXT"
    assert said.warnings == ("PV1-2: a code outside HL7 table 0004, taken as it is",)
    assert all(told("A01", pv1(kind=kind)).warnings == () for kind in ["E", "i", "", '""', "N"])


def test_a_type_too_long_to_be_one_leaves_the_number():
    said = told("A01", pv1(), pid="PID|1||P1^5^M11^ADT1^GOOD HEALTH HOSPITAL||SMITH^John")
    assert said.patient_ids == (Identifier("MR", "ADT1", "P1"),)
    assert said.warnings == ("PID-3: too long to be a type of number, left out",)


def test_an_admission_whose_message_tells_no_time_happened_at_pv1_44():
    said = told("A01", pv1(admitted="20260701090000"), msh7="", evn="EVN|A01")
    assert said.occurred_at.isoformat() == "2026-07-01T08:00:00+00:00"
    assert told("A02", pv1(admitted="20260701090000"), msh7="", evn="EVN|A02").code == "no-time"


@pytest.mark.parametrize("kind", ["ADT", "ADT^", "SIU^", "MDM"])
def test_no_event_at_all_is_parked(kind):
    said = told("", evn="", msh9=kind)
    assert (said.code, said.parked) == ("no-event", True)


@pytest.mark.parametrize(
    ("msh9", "reason"),
    [
        ("ACK^A01", "A reply or a question, which tells no news of a patient"),
        ("ACK", "A reply or a question, which tells no news of a patient"),
        ("QBP^Q22", "A reply or a question, which tells no news of a patient"),
        ("RSP^K22", "A reply or a question, which tells no news of a patient"),
        ("SRM^S01", "A reply or a question, which tells no news of a patient"),
        ("ADT^A60", "An event that is not followed"),
        ("ORU^R01", "An event that is not followed"),
    ],
)
def test_what_is_filed_says_why(msh9, reason):
    said = told("", evn="", msh9=msh9)
    assert (said.code, said.reason, said.parked) == ("not-followed", reason, False)


def test_bytes_that_are_utf_8_under_another_declared_set_are_warned_of():
    pid = PID.replace("SMITH", "Patiënt")
    assert told("A08", pid=pid, charset="8859/1").warnings == (
        "MSH-18: the bytes look like UTF-8, which is not what it declares",
    )
    assert told("A08", pid=pid, charset="UNICODE UTF-8").warnings == ()
    assert told("A08", charset="8859/1").warnings == ()
