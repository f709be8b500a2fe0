"""Messages as news: the shapes real senders use, what each says of whom, and why one is none."""

import pytest

from messaging.hl7.habits import Habits
from messaging.hl7.news import FOLLOWED, NotNews, news
from messaging.hl7.read import Message
from patients.facts import News
from patients.identifiers import Identifier
from patients.states import APPOINTMENT_EVENTS, IDENTITY_EVENTS, STAY_EVENTS, Event

HABITS = Habits(default_authority="RXX")
PV1 = "PV1|1|I|WA^A^B01^RXX|21||WB^B^B07^RXX|C1^SMITH^Ann^^^Dr|||100||||19|||||V200001^^^RXX^VN"
SCH = "SCH|A1^RXX|F1^RXX|||||^Review|FUP|||^^30^20260715090000^20260715093000||||||||||||||Booked"
AIL = "AIL|1||CARD^^^RXX"
TXA = "TXA|1|DS|TX|||||||||D1^RXX"


def told(trigger, *lines, pid="PID|1||P1^^^RXX^MR||SMITH^John", msh7="20260701120000", evn=None):
    kind = {"S": "SIU", "T": "MDM"}.get(trigger[0], "ADT")
    evns = [] if kind == "SIU" else [evn or f"EVN|{trigger}|20260701113000||||20260701110000"]
    msh = f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||{msh7}||{kind}^{trigger}|C1|P|2.4"
    return news(Message.of("\r".join([msh, *evns, *([pid] if pid else []), *lines]).encode()), habits=HABITS)


def good(*args, **more) -> News:
    said = told(*args, **more)
    assert isinstance(said, News), said
    return said


def none(*args, **more) -> NotNews:
    said = told(*args, **more)
    assert isinstance(said, NotNews), said
    return said


def pid(number, text):
    fields = {3: "P1^^^RXX^MR", 5: "SMITH^John", number: text}
    return "PID|" + "|".join(fields.get(n, "") for n in range(1, 40))


@pytest.mark.parametrize(("trigger", "event"), FOLLOWED.items())
def test_every_followed_event(trigger, event):
    said = good(trigger[4:], PV1, SCH, AIL, TXA)
    assert (said.event, said.trigger, said.control_id) == (event, trigger, "C1")
    assert said.patient_ids == (Identifier("MR", "RXX", "P1"),)
    assert said.patient["name"] == {"family": "SMITH", "given": "John", "middle": "", "title": ""}
    assert bool(said.stay) == bool(said.stay_ids) == (event in STAY_EVENTS)
    assert bool(said.appointment) == (event in APPOINTMENT_EVENTS)
    assert bool(said.document) == (event == "document")
    assert not said.warnings


def test_it_happened_at_evn_6_else_evn_2_else_msh_7():
    assert good("A28").occurred_at.isoformat() == "2026-07-01T10:00:00+00:00"
    assert good("A28", evn="EVN|A28|20260701113000").occurred_at.isoformat() == "2026-07-01T10:30:00+00:00"
    assert good("A28", evn="EVN|A28").occurred_at.isoformat() == "2026-07-01T11:00:00+00:00"
    bad = good("A28", evn="EVN|A28|20260701113000||||yesterday")
    assert bad.occurred_at.isoformat() == "2026-07-01T10:30:00+00:00"
    assert bad.warnings == ("EVN-6: not a time, not taken",)
    assert none("A28", evn="EVN|A28", msh7="").code == "no-time"


@pytest.mark.parametrize(
    ("pid3", "more", "ids", "nhs"),
    [
        ("P1^^^RXX^MR~9990000018^^^NHS^NH", "", [("MR", "RXX", "P1")], "9990000018"),
        ("9990000018^^^NHS^NH~P1^^^RXX^MRN", "", [("MR", "RXX", "P1")], "9990000018"),  # order means nothing
        ("P1", "", [("MR", "RXX", "P1")], None),  # no authority, no type
        ("P1^^^RXX&1.2.3&ISO^HOSP", "", [("MR", "RXX", "P1")], None),
        ("P1^^^^PI~X9^^^OTHER^PPN", "", [("MR", "RXX", "P1"), ("PPN", "OTHER", "X9")], None),
        ("P1~9990000018^^^NHSNBR", "", [("MR", "RXX", "P1")], "9990000018"),
        ("P1~999 000 0018^^^NHS", "", [("MR", "RXX", "P1")], "9990000018"),
        ("P1~9990000018^^^^HN", "", [("MR", "RXX", "P1")], "9990000018"),
        ("P1~7777^^^^HN", "", [("MR", "RXX", "P1"), ("HN", "RXX", "7777")], None),
        ("P1~9990000018^06^^^NI", "", [("MR", "RXX", "P1")], "9990000018"),
        ("9990000018^^^NHS^NH", "", [], "9990000018"),
        ('P1~""^^^NHS^NH', "", [("MR", "RXX", "P1")], ""),
        ("P1~P1^^^RXX^MR", "", [("MR", "RXX", "P1")], None),  # said twice
        ("P1", "PID-2=9990000018^^^NHS", [("MR", "RXX", "P1")], "9990000018"),
        ("P1", "PID-19=9990000018", [("MR", "RXX", "P1")], "9990000018"),
        ("{local_patient_id}^^^RXX^MR", "", [("MR", "RXX", "{local_patient_id}")], None),
    ],
)
def test_numbers_in_the_shapes_they_are_sent(pid3, more, ids, nhs):
    place, _, text = more.partition("=")
    fields = {3: pid3, 5: "SMITH^John"} | ({int(place[4:]): text} if more else {})
    said = good("A28", pid="PID|" + "|".join(fields.get(n, "") for n in range(1, 21)))
    assert [tuple(i) for i in said.patient_ids] == ids
    assert said.patient.get("nhs", {}).get("nhs_number") == nhs
    assert not said.warnings


def test_a_wrong_nhs_number_is_kept_out_and_warned_of_without_its_value():
    said = good("A28", pid="PID|1|{nhs_number}^^^NHS|P1~9990000019^^^NHS^NH||SMITH")
    assert "nhs" not in said.patient
    assert len(said.warnings) == 2
    assert not any("999" in warning or "{" in warning for warning in said.warnings)


def test_two_different_nhs_numbers_are_warned_of():
    said = good("A28", pid="PID|1||P1~9990000018^^^NHS^NH~9990000026^^^NHS^NH||SMITH")
    assert said.patient["nhs"]["nhs_number"] == "9990000018"
    assert said.warnings == ("PID-3: a second NHS number, not taken",)


@pytest.mark.parametrize(
    ("pid2", "pid3", "pid32", "status"),
    [
        ("^NSTS03^^NHS^NHS", "P1", "", "03"),
        ("", "P1~9990000018^^^NHS^NH{status:01}", "", "01"),
        ("", "P1~9990000018^^^NHS^NH", "NSTS02", "02"),
        ("", "P1", "07", "07"),
    ],
)
def test_the_status_of_the_nhs_number_wherever_it_is(pid2, pid3, pid32, status):
    fields = {2: pid2, 3: pid3, 5: "SMITH", 32: pid32}
    said = good("A28", pid="PID|" + "|".join(fields.get(n, "") for n in range(1, 33)))
    assert said.patient["nhs"]["nhs_status"] == status


@pytest.mark.parametrize(
    ("number", "text", "group", "expected"),
    [
        (5, "O\\T\\Neil^Zoë^M^^Mrs", "name", {"family": "O&Neil", "given": "Zoë", "middle": "M", "title": "Mrs"}),
        (5, "van Dam&van&Dam^Jan", "name", {"family": "van Dam", "given": "Jan", "middle": "", "title": ""}),
        (5, "Smith & Sons^x", "name", {"family": "Smith & Sons", "given": "x", "middle": "", "title": ""}),
        (5, '""', "name", {"family": "", "given": "", "middle": "", "title": ""}),
        (5, 'SMITH^""^^^Mr', "name", {"family": "SMITH", "given": "", "middle": "", "title": "Mr"}),
        (7, "1954", "birth", {"born": "1954"}),
        (7, "195411", "birth", {"born": "1954-11"}),
        (7, "20241104144000", "birth", {"born": "2024-11-04"}),
        (7, '""', "birth", {"born": ""}),
        (8, "f", "sex", {"sex": "F"}),
        (13, "01632 960001", "phones", {"phone": "01632 960001"}),
        (13, '07700900001^MOBILE~""^HOME~a@b.c^EMAIL~1^BUSINESS', "phones",
         {"mobile": "07700900001", "phone": "", "email": "a@b.c"}),
        (13, "01632^PRN^PH~07700^PRN^CP~^NET^Internet^a@b.c", "phones",
         {"phone": "01632", "mobile": "07700", "email": "a@b.c"}),
        (13, '""', "phones", {"phone": "", "mobile": "", "email": ""}),
        (14, "07700^^CP", "phones", {"mobile": "07700"}),
        (29, "20240101", "death", {"dead": True, "died_at": "2024-01-01"}),
        (29, "2024", "death", {"dead": True, "died_at": "2024"}),
        (29, "20240101093000", "death", {"dead": True, "died_at": "2024-01-01T09:30:00+00:00"}),
        (30, "Y", "death", {"dead": True}),
        (30, "N", "death", {"dead": False, "died_at": ""}),
        (30, '""', "death", {"dead": False, "died_at": ""}),
        (16, "S", "background", {"marital": "S"}),
        (22, "A^White British", "background", {"ethnic": "A"}),
    ],
)  # fmt: skip
def test_what_a_field_of_pid_says(number, text, group, expected):
    said = good("A31", pid=pid(number, text))
    assert said.patient[group] == expected
    assert not said.warnings


def test_the_home_address_is_the_one_marked_so():
    two = "9 Work St^^Leeds^^LS1 1AA^^B~1 High St^Flat 2^York^Yorks^YO1 1AA^GBR^HOME"
    address = good("A31", pid=pid(11, two)).patient["address"]
    assert [address[n] for n in ("line1", "line2", "town", "county", "postcode")] == [
        "1 High St", "Flat 2", "York", "Yorks", "YO1 1AA",
    ]  # fmt: skip
    first = good("A31", pid=pid(11, "9 Work St^^Leeds")).patient["address"]
    assert (first["line1"], first["town"], first["postcode"]) == ("9 Work St", "Leeds", "")


def test_what_is_absent_is_not_said():
    said = good("A31", pid="PID|1||P1")
    assert said.patient == {}


@pytest.mark.parametrize(
    ("number", "text", "warning"),
    [
        (7, "tomorrow", "PID-7: not a date, not taken"),
        (8, "2", "PID-8: a code outside HL7 table 0001, taken as it is"),
        (29, "soon", "PID-29: not a date, not taken"),
    ],
)
def test_what_cannot_be_taken_is_warned_of(number, text, warning):
    assert good("A31", pid=pid(number, text)).warnings == (warning,)


def test_gp_and_practice_as_one_line_each():
    said = good("A31", "PD1|||Riverside Medical^^F84034|G123^BOOMLA^Sita^^^Dr")
    assert said.patient["address"] == {"practice": "Riverside Medical [F84034]", "gp": "BOOMLA, Sita (Dr) [G123]"}


def test_a_visit():
    said = good("A02", PV1)
    assert said.stay_ids == (Identifier("VN", "RXX", "V200001"),)
    assert said.stay == {
        "place": {"ward": "WA", "bay": "A", "bed": "B01", "site": "RXX"},
        "consultant": {"consultant": "C1", "consultant_name": "SMITH, Ann (Dr)", "specialty": "100"},
        "admission": {"patient_class": "I", "admission_method": "21", "admission_source": "19"},
    }


def test_a_discharge_says_how_and_when():
    line = "PV1|1|I|WA||||||||||||||||V1" + "|" * 17 + "1|19|||||||20260701090000|20260701150000"
    said = good("A03", line)
    assert said.stay["discharge"] == {"discharge_method": "1", "discharge_destination": "19"}
    assert said.stay["times"] == {
        "admitted_at": "2026-07-01T08:00:00+00:00", "discharged_at": "2026-07-01T14:00:00+00:00",
    }  # fmt: skip
    admitted = good("A01", line)
    assert "discharge" not in admitted.stay
    assert "discharged_at" not in admitted.stay["times"]


def test_an_update_of_a_person_says_nothing_of_the_visit():
    assert good("A31", PV1).stay == {}


def test_an_account_number_stands_in_for_a_visit_number():
    said = good("A01", "PV1|1|I|WA", pid=pid(18, "ACC7"))
    assert said.stay_ids == (Identifier("VN", "RXX", "ACC7"),)
    assert len(said.warnings) == 1


def test_an_appointment():
    said = good("S12", SCH, "RGS|1", AIL)
    assert said.appointment_ids == (Identifier("PLAC", "RXX", "A1"), Identifier("FILL", "RXX", "F1"))
    assert said.appointment == {
        "booking": {
            "clinic": "CARD",
            "starts_at": "2026-07-15T08:00:00+00:00",
            "minutes": 30,
            "appointment_type": "FUP",
            "reason": "Review",
        },
        "wording": {"status_words": "Booked"},
    }
    assert said.segments == (), "an appointment's segments are not the patient's last ones"


@pytest.mark.parametrize(
    ("sch", "minutes"),
    [
        ("SCH|A1|||||||||45|MIN|^^^20260715090000", 45),
        ("SCH|A1||||||||2|H|^^^20260715090000", 120),
        ("SCH|A1||||||||||^^^20260715090000^20260715092000", 20),
        ("SCH|A1||||||||1E9|M|^^^20260715090000", None),
        ("SCH|A1||||||||99999|M|^^^20260715090000", None),
    ],
)
def test_how_long_an_appointment_is(sch, minutes):
    sch = sch.replace("|||||||||45", "||||||||45")
    assert good("S12", sch, AIL).appointment["booking"].get("minutes") == minutes


def test_segments_are_kept_raw_without_header_and_event():
    said = good("A28", "PD1|||x", "NK1|1|SMITH^Jane", "AL1|1|DA|^Penicillin", "ZPI|1|LETTERS^Y")
    assert [line[:3] for line in said.segments] == ["PID", "PD1", "NK1", "AL1", "ZPI"]
    assert said.segments[-1] == "ZPI|1|LETTERS^Y"


@pytest.mark.parametrize(
    ("code", "parked", "trigger", "lines", "more"),
    [
        ("not-followed", False, "A60", [PV1], {}),
        ("no-document-number", False, "T02", ["TXA|1|DS"], {}),
        ("no-visit-number", True, "A21", ["PV1|1|I|WA"], {}),
        ("not-two-patients", True, "A17", [PV1], {}),
        ("not-followed", False, "Z99", [], {}),
        ("no-pid", True, "A28", [], {"pid": ""}),
        ("two-pids", True, "A28", ["PID|2||P2"], {}),
        ("no-identity", True, "A28", [], {"pid": "PID|1||||SMITH^John"}),
        ("no-identity", True, "A28", [], {"pid": 'PID|1||""||SMITH^John'}),
        ("no-identity", True, "A28", [], {"pid": "PID|1||9990000019^^^NHS^NH||SMITH^John"}),
        ("no-visit-number", True, "A01", ["PV1|1|I|WA"], {}),
        ("no-pv1", True, "A03", [], {}),
        ("no-appointment-number", True, "S12", ["SCH|||||||x", AIL], {}),
        ("no-appointment-number", True, "S15", [AIL], {}),
        ("value-too-long", True, "A28", [], {"pid": "PID|1||P1||" + "X" * 101}),
        ("value-too-long", True, "A28", [], {"pid": "PID|1||" + "9" * 51}),
        ("value-too-long", True, "A01", ["PV1|1|I|" + "W" * 101 + "||||||||||||||||V1"], {}),
    ],
)
def test_what_is_no_news(code, parked, trigger, lines, more):
    said = none(trigger, *lines, **more)
    assert (said.code, said.parked) == (code, parked)
    assert said.reason
    assert "SMITH" not in said.reason
    assert "XXX" not in said.reason


def test_every_event_of_the_record_but_those_of_identity_is_followed():
    assert set(FOLLOWED.values()) == set(Event) - IDENTITY_EVENTS
