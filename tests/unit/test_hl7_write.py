"""What we write: read back to the same facts by us, by python-hl7 and by hl7apy, and laid over what the PAS sent."""

import contextlib
from datetime import UTC, datetime
from typing import Any

import hl7
import hl7apy.parser
import pytest
from hl7apy.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.hl7 import dialects
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.names import person_line, person_parts, practice_line, practice_parts
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.hl7.write import ChangeFacts, Mark, write
from patients import facts
from patients.facts import GROUPS, Kind, News
from patients.states import Event

POLICY = FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX", habits=Habits(default_authority="RXX"))
DIALECT = dialects.get("uk24", POLICY)
NOW = datetime(2026, 7, 1, 11, 0, tzinfo=UTC)
EARLIER = datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
PATIENT = {
    "name": {"family": "O'BRIEN", "given": "Zoë", "middle": "Ann", "title": "Mrs"},
    "birth": {"born": "1952-03"},
    "sex": {"sex": "F"},
    "nhs": {"nhs_number": "9990000018", "nhs_status": "02"},
    "address": {"line1": "1 High St", "line2": "", "town": "York", "county": "", "postcode": "YO1 1AA",
                "gp": "BOOMLA, Sita (Dr) [G123]", "practice": "Riverside [F84]"},
    "phones": {"phone": "01632 960001", "mobile": "07700 900001", "email": "z@example.org"},
    "death": {"dead": False, "died_at": ""},
    "background": {"ethnic": "A", "marital": "M", "religion": "", "language": "en"},
}  # fmt: skip
STAY = {
    "place": {"ward": "WA", "bay": "A", "bed": "A1", "site": "RXX"},
    "consultant": {"consultant": "C1", "consultant_name": "SMITH, Ann (Dr)", "specialty": "100"},
    "times": {"status": "in", "admitted_at": "2026-07-01T09:30:00+00:00", "discharged_at": ""},
    "admission": {"patient_class": "I", "admission_method": "21", "admission_source": "19"},
    "discharge": {"discharge_method": "", "discharge_destination": ""},
}
APPOINTMENT = {
    "booking": {"clinic": "CARD", "starts_at": "2026-07-15T08:00:00+00:00", "minutes": 30,
                "appointment_type": "FUP", "reason": "Review"},
    "status": {"status": "booked"},
}  # fmt: skip
LAST = (
    "PID|1||P1^^^RXX^MR~9990000018^^^NHS^NH||O'BRIEN^Zoë^Ann^^Mrs^^CURRENT||195203|F||A1|"
    "1 High St^^York^^YO1 1AA^GBR^HOME|E01|"
    "01632 960001^PRN^PH~07700 900001^PRN^CP~^NET^Internet^z@example.org||en|M||ACC1||||A||||||||N",
    "PD1|||Riverside^^F84|G123^BOOMLA^Sita^^^Dr^NATGP|||N",
    "NK1|1|O'BRIEN^Pat|SPO",
    "PV1|1|I|WB^B^B2^RXX^^BED|21||WC^A^1|C1^SMITH^Ann^^^Dr|||100||||19|R||||V1^^^RXX^VN|" + "|" * 24 + "20260701103000",
    "PV2|||reason",
    "AL1|1|DA|^Penicillin",
    "IN1|1|plan",
    "ZPI|1|LETTERS^Y|EN",
)

REPEATING = (
    "PID|1||P1^^^RXX^MR||O'BRIEN^Zoë^Ann^Jr^Mrs^BSc^L~MAIDEN^Zoë^^^^^M||195203|F|||9 Hotel^^Bath^^^GBR^TEMP~1 High St^^"
    "York^^^GBR^H||111^WPN^PH~01632 960001^PRN^PH~112|z@example.org^NET~07700 900001^^CP",
    "PV1|1|I|WB^B^B2^RXX^^BED" + "|" * 16 + "V1^^^RXX^VN",
)


def change(event: str, *, before: Any = None, patient: Any = None, stay: Any = None, **more: Any) -> ChangeFacts:
    held = {
        "patient": {**PATIENT, **(patient or {})},
        "patient_ids": [["MR", "PASMIRROR", "M1"], ["MR", "RXX", "P1"]],
        "stay": {**STAY, **(stay or {})},
        "stay_ids": [["VN", "RXX", "V1"]],
        "appointment": APPOINTMENT,
        "appointment_ids": [["PLAC", "RXX", "A9"]],
        "prior_place": {"ward": "WB", "bay": "B", "bed": "B2", "site": "RXX"},
        **more,
    }
    return ChangeFacts(7, event, held, EARLIER, NOW, before or {})


def written(event: str = "update", *, last: Any = (), mark: Mark | None = None, **more: Any) -> Message:
    body = write(change(event, **more), dialect=DIALECT, control_id="M01-1-1", now=NOW, last_segments=last, mark=mark)
    return Message.of(body)


def heard(message: Message) -> News:
    said = news(message, habits=POLICY.habits)
    assert isinstance(said, News), said
    return said


def known(kind: Kind, said: Any) -> Any:
    return facts.overlaid(facts.blank(kind), said)


def field(message: Message, name: str, number: int) -> str:
    segment = message.first(name)
    assert segment is not None
    return segment.raw(number)


@pytest.mark.parametrize("event", list(Event))
def test_every_event_reads_back_to_the_same_facts(event):
    message = written(event)
    said = heard(message)
    assert said.event == event
    assert said.occurred_at == EARLIER or event in ("book", "cancel_appointment")
    no_pd1 = {} if event not in ("book", "cancel_appointment") else {"gp": "", "practice": ""}
    assert known(Kind.PATIENT, said.patient) == {**PATIENT, "address": {**PATIENT["address"], **no_pd1}}
    assert set(said.patient_ids) == {("MR", "PASMIRROR", "M1"), ("MR", "RXX", "P1")}
    if event in ("admit", "transfer", "discharge"):
        expected = {**STAY, "times": {**STAY["times"], "status": ""}}
        assert known(Kind.STAY, said.stay) == expected
        assert said.stay_ids == (("VN", "RXX", "V1"),)
    if event in ("book", "cancel_appointment"):
        assert said.appointment == {"booking": APPOINTMENT["booking"]}
        assert ("PLAC", "RXX", "A9") in said.appointment_ids
    assert not said.warnings


NOT_SENT_BY_THE_PAS_EITHER = (
    "SCH.SCH_6",
    "SCH.SCH_16",
    "SCH.SCH_20",
    "AIL.AIL_4",
)  # required by 2.4, left out by UK senders


@pytest.mark.parametrize("event", list(Event))
def test_hl7apy_finds_every_event_valid(event, tmp_path):
    parsed = hl7apy.parser.parse_message(written(event).raw.decode(), find_groups=True)
    report = tmp_path / "report"
    with contextlib.suppress(ValidationError):
        parsed.validate(report_file=str(report))
    errors = [line for line in report.read_text().splitlines() if line.startswith("Error")]
    assert [e for e in errors if not e.endswith(NOT_SENT_BY_THE_PAS_EITHER)] == []
    assert not errors or event in ("book", "cancel_appointment")


@pytest.mark.parametrize(
    ("event", "message_type", "segments"),
    [
        ("register", "ADT^A28^ADT_A05", "MSH EVN PID PD1 PV1"),
        ("update", "ADT^A31^ADT_A05", "MSH EVN PID PD1 PV1"),
        ("admit", "ADT^A01^ADT_A01", "MSH EVN PID PD1 PV1"),
        ("transfer", "ADT^A02^ADT_A02", "MSH EVN PID PD1 PV1"),
        ("discharge", "ADT^A03^ADT_A03", "MSH EVN PID PD1 PV1"),
        ("book", "SIU^S12^SIU_S12", "MSH SCH PID PV1 RGS AIL"),
        ("cancel_appointment", "SIU^S15^SIU_S12", "MSH SCH PID PV1 RGS AIL"),
    ],
)
def test_python_hl7_reads_the_header_the_pas_would_have_sent(event, message_type, segments):
    parsed = hl7.parse(written(event).raw.decode())
    msh = parsed.segment("MSH")
    assert [str(msh[n]) for n in (3, 4, 5, 7)] == ["DEMOPAS", "RXX", "ROUTE", "20260701120000"]
    assert [str(msh[n]) for n in (9, 10, 11, 12)] == [message_type, "M01-1-1", "P", "2.4"]
    assert " ".join(str(s[0]) for s in parsed) == segments


def test_when_it_was_recorded_and_when_it_happened():
    message = written("admit")
    assert message.first("EVN").line == "EVN|A01|20260701120000||||20260701103000"  # type: ignore[union-attr]


def test_the_pas_s_own_number_comes_first():
    assert field(written(), "PID", 3) == "P1^^^RXX^MR~M1^^^PASMIRROR^MR~9990000018^^^NHS^NH"


def test_a_transfer_names_the_prior_place_and_others_do_not():
    assert field(written("transfer"), "PV1", 6) == "WB^B^B2^RXX"
    assert field(written("admit"), "PV1", 6) == ""
    assert field(written("discharge", last=LAST), "PV1", 6) == ""


def test_the_mark_is_for_the_pas_only():
    assert written().first("ZPM") is None
    marked = written(mark=Mark(7, ("pathology", "eprescribing")))
    assert marked.segments[-1].line == "ZPM|7|pathology~eprescribing"


def test_the_character_set_is_named_only_where_it_matters():
    assert written().header.raw(18) == "UNICODE UTF-8"
    plain = written(patient={"name": {**PATIENT["name"], "given": "Zoe"}})
    assert plain.header.raw(18) == ""


def test_what_the_pas_sent_is_sent_again_as_it_came_where_nothing_changed():
    message = written(last=LAST, patient_ids=[["MR", "RXX", "P1"]])
    pid = message.first("PID")
    assert pid is not None
    ours, theirs = pid.line.split("|"), LAST[0].split("|")
    theirs[18] = ""  # an account is of one stay
    theirs += [""] * (len(ours) - len(theirs))
    assert [n for n in range(len(ours)) if ours[n] != theirs[n]] == [32]
    assert message.first("PD1").line == LAST[1]  # type: ignore[union-attr]


def test_one_changed_field_leaves_the_others_as_they_came():
    message = written(last=LAST, patient={"birth": {"born": "1952-03-01"}})
    assert field(message, "PID", 7) == "19520301"
    assert field(message, "PID", 5) == "O'BRIEN^Zoë^Ann^^Mrs^^CURRENT"
    assert field(message, "PID", 12) == "E01"


def test_segments_we_have_no_facts_for_are_carried_along():
    visit = written("admit", last=LAST)
    assert [s.name for s in visit.segments] == ["MSH", "EVN", "PID", "PD1", "NK1", "PV1", "PV2", "AL1", "IN1", "ZPI"]
    person = written("update", last=LAST)
    assert [s.name for s in person.segments] == ["MSH", "EVN", "PID", "PD1", "NK1", "PV1", "AL1", "IN1", "ZPI"]
    assert person.first("PV1").line == "PV1|1|N"  # type: ignore[union-attr]
    booking = written("book", last=LAST)
    assert [s.name for s in booking.segments] == ["MSH", "SCH", "PID", "PV1", "RGS", "AIL", "ZPI"]


def test_a_visit_is_laid_over_the_same_visit_only():
    same = written("transfer", last=LAST)
    assert field(same, "PV1", 15) == "R", "carried"
    assert field(same, "PV1", 3) == "WA^A^A1^RXX", "ours"
    other = written("transfer", last=LAST, stay_ids=[["VN", "RXX", "V2"]])
    assert field(other, "PV1", 15) == ""
    assert field(other, "PV1", 19) == "V2^^^RXX^VN"
    assert other.first("PV2") is None
    assert field(other, "PID", 18) == ""


def test_the_newest_of_two_messages_lends_each_segment_once():
    newer = ("PID|1||P1^^^RXX^MR||O'BRIEN^Zoë", "NK1|1|JONES^Sam|FRD", "NK1|2|JONES^Kim|FRD")
    message = written("admit", last=LAST + newer)
    assert [s.line for s in message.all("NK1")] == list(newer[1:])
    assert [s.line for s in message.all("AL1")] == ["AL1|1|DA|^Penicillin"]


def test_what_a_clerk_deleted_is_said_to_be_deleted():
    gone = {"phones": {"phone": "", "mobile": "", "email": ""}}
    without_base = written(patient=gone, before={"patient": {"phones": PATIENT["phones"]}})
    assert field(without_base, "PID", 13) == '""'
    with_base = written(patient=gone, last=LAST)
    assert field(with_base, "PID", 13) == '""'
    never_known = written(patient=gone)
    assert field(never_known, "PID", 13) == ""
    middle = written(patient={"name": {**PATIENT["name"], "middle": ""}}, last=LAST)
    assert field(middle, "PID", 5) == 'O\'BRIEN^Zoë^""^^Mrs^^CURRENT'
    assert heard(middle).patient["name"]["middle"] == ""


def pid(number: int, text: str) -> tuple[str, ...]:
    return ("PID|" + "|".join({3: "P1^^^RXX^MR", number: text}.get(n, "") for n in range(1, 31)),)


NAME = {"family": "BRIEN", "given": "Zoe", "middle": "", "title": "Mrs"}


@pytest.mark.parametrize(
    ("theirs", "name", "expected"),
    [
        ("OLD^Zoe^^^Mrs^^L~MAIDEN^Zoe^^^^^M", NAME, "BRIEN^Zoe^^^Mrs^^L~MAIDEN^Zoe^^^^^M"),
        ("OLD^Zoe^^Jr^Mrs^BSc^L^A", NAME, "BRIEN^Zoe^^Jr^Mrs^BSc^L^A"),
        ("OLD&van^Zoe^^^Mrs", NAME, "BRIEN^Zoe^^^Mrs"),
        ('""~MAIDEN^Zoe', NAME, "BRIEN^Zoe^^^Mrs~MAIDEN^Zoe"),
        ("BRIEN^Zoe^Ann^^Mrs^^L~M^Z", NAME, 'BRIEN^Zoe^""^^Mrs^^L~M^Z'),
        ("BRIEN^Zoe^^^Mrs^^L~M^Z", dict.fromkeys(NAME, ""), '""^""^^^""^^L~M^Z'),
        ("BRIEN^Zoe^^^Mrs^^L", dict.fromkeys(NAME, ""), '""'),
    ],
)
def test_a_changed_name_leaves_the_pas_s_other_names_and_parts(theirs, name, expected):
    message = written(last=pid(5, theirs), patient={"name": name})
    assert field(message, "PID", 5) == expected
    assert known(Kind.PATIENT, heard(message).patient)["name"] == name


HOME = {**PATIENT["address"], "line1": "2 New Rd"}
NO_HOME = {**dict.fromkeys(HOME, ""), "gp": HOME["gp"], "practice": HOME["practice"]}


@pytest.mark.parametrize(
    ("theirs", "address", "expected"),
    [
        ("1 Old Rd^^York^^YO1 1AA^GBR^HOME", HOME, "2 New Rd^^York^^YO1 1AA^GBR^HOME"),
        ("1 Old^^York^^YO1 1AA^GBR^H~9 Inn^^Bath^^^^TEMP", HOME, "2 New Rd^^York^^YO1 1AA^GBR^H~9 Inn^^Bath^^^^TEMP"),
        ("9 Inn^^Bath^^^GBR^TEMP~1 Old^^York^^YO1 1AA^^H", HOME, "9 Inn^^Bath^^^GBR^TEMP~2 New Rd^^York^^YO1 1AA^^H"),
        ("1 Old Rd^^York^^YO1 1AA", HOME, "2 New Rd^^York^^YO1 1AA^^HOME"),
        ("1 Old Rd&Old Rd&1^^York", HOME, "2 New Rd^^York^^YO1 1AA^^HOME"),
        ("9 Hotel^^Bath^^^GBR^TEMP~1 Old Rd^^York^^^^H", NO_HOME, '9 Hotel^^Bath^^^GBR^TEMP~""^^""^^^^H'),
        ("1 Old Rd^^York^^^GBR^H", NO_HOME, '""'),
    ],
)  # fmt: skip
def test_a_changed_address_leaves_the_pas_s_other_addresses_and_parts(theirs, address, expected):
    message = written(last=pid(11, theirs), patient={"address": address})
    assert field(message, "PID", 11) == expected
    assert known(Kind.PATIENT, heard(message).patient)["address"] == address


@pytest.mark.parametrize(
    ("theirs", "phones", "expected"),
    [
        ("111^PRN^PH~999^WPN^PH", ("222", "", ""), "222^PRN^PH~999^WPN^PH"),
        ("999^WPN^PH~111^PRN^PH", ("222", "", ""), "999^WPN^PH~222^PRN^PH"),
        ("111~077^MOBILE~999^WPN", ("111", "088", ""), "111~088^MOBILE~999^WPN"),
        ("999^WPN^PH", ("222", "088", "a@b"), "222^PRN^PH~999^WPN^PH~088^PRN^CP~^NET^Internet^a@b"),
        ("~999^WPN^PH", ("222", "", ""), "222^PRN^PH~999^WPN^PH"),
        ("111^PRN^PH~077^PRN^CP~999^WPN^PH", ("111", "", ""), '111^PRN^PH~""^PRN^CP~999^WPN^PH'),
        ("111^PRN^PH~077^PRN^CP~999^WPN^PH", ("", "", ""), '""^PRN^PH~""^PRN^CP~999^WPN^PH'),
        ("111^PRN^PH~077^PRN^CP", ("", "", ""), '""'),
        ("111^PRN^PH^^44^1^11~112^PRN^PH", ("222", "", ""), "222^PRN^PH~112^PRN^PH"),
        ("^PRN^PH^^^^^^^^^111", ("222", "", ""), "222^PRN^PH"),
        ("a@b^NET^Internet", ("", "", "c@d"), "^NET^Internet^c@d"),
        ('""', ("222", "", ""), "222^PRN^PH"),
    ],
)
def test_a_changed_telephone_leaves_the_pas_s_others(theirs, phones, expected):
    ours = dict(zip(("phone", "mobile", "email"), phones, strict=True))
    message = written(last=pid(13, theirs), patient={"phones": ours})
    assert field(message, "PID", 13) == expected
    assert known(Kind.PATIENT, heard(message).patient)["phones"] == ours


def test_a_mobile_the_pas_keeps_in_pid_14_is_changed_there():
    last = ("PID|1||P1^^^RXX^MR" + "|" * 10 + "111^PRN^PH|999^WPN^PH~077^WPN^CP",)
    message = written(last=last, patient={"phones": {"phone": "111", "mobile": "088", "email": ""}})
    assert field(message, "PID", 13) == "111^PRN^PH"
    assert field(message, "PID", 14) == "999^WPN^PH~088^WPN^CP"
    assert heard(message).patient["phones"]["mobile"] == "088"


def test_a_new_nhs_number_replaces_the_pas_s_wherever_it_stood():
    last = ("PID|1|9990000026^^^NHS|P1^^^RXX^MR||O'BRIEN" + "|" * 14 + "9990000026",)
    message = written(last=last)
    assert "9990000026" not in message.text
    assert heard(message).patient["nhs"]["nhs_number"] == "9990000018"


def test_a_death():
    dead = {"death": {"dead": True, "died_at": "2026-07-01T09:00:00+00:00"}}
    message = written("discharge", patient=dead, last=LAST)
    assert (field(message, "PID", 29), field(message, "PID", 30)) == ("20260701100000", "Y")
    day = written("discharge", patient={"death": {"dead": True, "died_at": "2026-07"}})
    assert (field(day, "PID", 29), field(day, "PID", 30)) == ("202607", "Y")
    alive = written(before={"patient": {"death": {"dead": True, "died_at": "2026-07"}}})
    assert (field(alive, "PID", 29), field(alive, "PID", 30)) == ('""', "N")


def test_an_event_without_a_layout_is_refused():
    with pytest.raises((KeyError, ValueError)):
        written("merge")
    with pytest.raises(dialects.UnknownDialect):
        dialects.get("klingon")


PLAIN = st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))
AWKWARD = st.sampled_from([*"&^|~\\\"'éßЖ漢😀 ,()[]", "\r", "\n", "\x0b", "\x1c", "\\T\\", "MSH|", '""x'])
SHORTEST = 20  # the shortest column of all those filled below
TEXTS = (
    st.lists(st.one_of(PLAIN, AWKWARD), max_size=12)
    .map(lambda parts: "".join(parts)[:SHORTEST].strip())
    .filter(lambda text: text != '""')
)


@settings(max_examples=200)
@given(st.data())
def test_any_text_a_clerk_can_type_survives_the_round_trip(data):
    patient = {
        group: {name: data.draw(TEXTS, label=name) for name in GROUPS[Kind.PATIENT][group]}
        for group in ("name", "address", "phones", "background")
    }
    stay = {group: {name: data.draw(TEXTS) for name in GROUPS[Kind.STAY][group]} for group in ("place", "consultant")}
    last = data.draw(st.sampled_from([(), LAST, REPEATING]))
    body = write(change("transfer", patient=patient, stay=stay), dialect=DIALECT, control_id="1", now=NOW,
                 last_segments=last)  # fmt: skip
    assert b"\x0b" not in body
    assert b"\x1c" not in body
    said = heard(Message.of(body))
    assert known(Kind.PATIENT, said.patient) == {**PATIENT, **patient}
    got = known(Kind.STAY, said.stay)
    assert {group: got[group] for group in stay} == stay
    parsed = hl7.parse(body.decode())
    assert [str(s[0]) for s in parsed][:3] == ["MSH", "EVN", "PID"]


@given(TEXTS)
def test_lines_of_names_come_back(text):
    assert person_line(*person_parts(text)) == text
    assert practice_line(*practice_parts(text)) == text
