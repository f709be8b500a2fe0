"""Every event in every dialect we ship: the right type, valid by hl7apy, and read back to the same facts."""

import contextlib
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import hl7
import hl7apy.parser
import pytest
from hl7apy import load_library
from hl7apy.exceptions import ValidationError

from messaging.hl7 import dialects
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.hl7.write import Moved, write
from patients.facts import Kind, News
from patients.states import CLERKS_EVENTS, STAY_EVENTS, Event
from tests.factories import changes as make

POLICY = FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX", habits=Habits(default_authority="RXX"))
DIALECTS = {code: dialects.get(code, POLICY) for code in dialects.KNOWN}
TYPES = {  # event: trigger, the structure of HL7 UK A.3 (2.4), and that of IHE PAM (2.5)
    "register": ("ADT^A28", "ADT_A28", "ADT_A05"),
    "update": ("ADT^A31", "ADT_A28", "ADT_A05"),
    "remove": ("ADT^A29", "ADT_A21", "ADT_A21"),
    "preadmit": ("ADT^A05", "ADT_A01", "ADT_A05"),
    "plan_admit": ("ADT^A14", "ADT_A05", "ADT_A05"),
    "admit": ("ADT^A01", "ADT_A01", "ADT_A01"),
    "attend": ("ADT^A04", "ADT_A01", "ADT_A01"),
    "transfer": ("ADT^A02", "ADT_A02", "ADT_A02"),
    "to_inpatient": ("ADT^A06", "ADT_A06", "ADT_A06"),
    "to_outpatient": ("ADT^A07", "ADT_A06", "ADT_A06"),
    "update_stay": ("ADT^A08", "ADT_A01", "ADT_A01"),
    "discharge": ("ADT^A03", "ADT_A02", "ADT_A03"),
    "depart": ("ADT^A09", "ADT_A09", "ADT_A09"),
    "arrive": ("ADT^A10", "ADT_A09", "ADT_A09"),
    "leave": ("ADT^A21", "ADT_A02", "ADT_A21"),
    "return": ("ADT^A22", "ADT_A02", "ADT_A21"),
    "plan_transfer": ("ADT^A15", "ADT_A15", "ADT_A15"),
    "plan_discharge": ("ADT^A16", "ADT_A16", "ADT_A16"),
    "change_doctor": ("ADT^A54", "ADT_A54", "ADT_A54"),
    "cancel_admit": ("ADT^A11", "ADT_A11", "ADT_A09"),
    "cancel_transfer": ("ADT^A12", "ADT_A11", "ADT_A12"),
    "cancel_discharge": ("ADT^A13", "ADT_A01", "ADT_A01"),
    "cancel_preadmit": ("ADT^A38", "ADT_A38", "ADT_A38"),
    "cancel_plan_admit": ("ADT^A27", "ADT_A21", "ADT_A21"),
    "cancel_plan_transfer": ("ADT^A26", "ADT_A21", "ADT_A21"),
    "cancel_plan_discharge": ("ADT^A25", "ADT_A21", "ADT_A21"),
    "cancel_leave": ("ADT^A52", "ADT_A52", "ADT_A52"),
    "cancel_return": ("ADT^A53", "ADT_A52", "ADT_A52"),
    "cancel_depart": ("ADT^A33", "ADT_A21", "ADT_A21"),
    "cancel_arrive": ("ADT^A32", "ADT_A21", "ADT_A21"),
    "cancel_change_doctor": ("ADT^A55", "ADT_A52", "ADT_A52"),
    "delete_stay": ("ADT^A23", "ADT_A21", "ADT_A21"),
    "merge": ("ADT^A40", "ADT_A40", "ADT_A39"),
    "renumber": ("ADT^A47", "ADT_A30", "ADT_A30"),
    "renumber_stay": ("ADT^A50", "ADT_A50", "ADT_A50"),
    "link": ("ADT^A24", "ADT_A24", "ADT_A24"),
    "unlink": ("ADT^A37", "ADT_A37", "ADT_A37"),
    "book": ("SIU^S12", "SIU_S12", "SIU_S12"),
    "reschedule": ("SIU^S13", "SIU_S12", "SIU_S12"),
    "modify_appointment": ("SIU^S14", "SIU_S12", "SIU_S12"),
    "cancel_appointment": ("SIU^S15", "SIU_S12", "SIU_S12"),
    "discontinue_appointment": ("SIU^S16", "SIU_S12", "SIU_S12"),
    "delete_appointment": ("SIU^S17", "SIU_S12", "SIU_S12"),
    "miss_appointment": ("SIU^S26", "SIU_S12", "SIU_S12"),
    "document": ("MDM^T02", "MDM_T02", "MDM_T02"),
}
UK = {  # the segments of A.3's own structures (hl7.eu, v24uk), for what hl7apy does not know and what A.3 narrows
    "ADT_A01": "MSH EVN PID PD1 NK1 PV1 PV2 OBX AL1 DG1 PR1",
    "ADT_A02": "MSH EVN PID PD1 PV1 PV2 OBX",
    "ADT_A09": "MSH EVN PID PD1 PV1 PV2 OBX DG1",
    "ADT_A11": "MSH EVN PID PD1 PV1 PV2 OBX DG1",
    "ADT_A15": "MSH EVN PID PD1 PV1 PV2 OBX DG1",
    "ADT_A24": "MSH EVN PID PD1 PV1 PID PD1 PV1",
    "ADT_A28": "MSH EVN PID PD1 NK1 PV1 PV2 OBX AL1 DG1 PR1",
    "ADT_A38": "MSH EVN PID PD1 PV1 PV2",
    "ADT_A40": "MSH EVN PID PD1 MRG",
}
UNKNOWN_TO_HL7APY = {"ADT_A11": "ADT_A09", "ADT_A28": "ADT_A05", "ADT_A40": "ADT_A39"}  # 2.4: validated as these
LEFT_OUT = ("SCH.SCH_6", "SCH.SCH_16", "SCH.SCH_20", "AIL.AIL_4")  # required, and left out by UK senders
TWO_PATIENTS = ("ADT_A24.PID", "ADT_A37.PID")  # hl7apy takes each segment once, where these structures have it twice
STALE = (  # what the PAS last sent of the stay; its plans are not those of the record any more
    "PID|1||P1^^^RXX^MR||OLD^Zoë^^^^^L||1951|F||A1|9 Old St^^Leeds^^^GBR^HOME|E01||||||ACC1",
    "PV1|1|E|WZ^Z^Z9^RXX^^BED|28||WY|C9^OLD||||OLDPLACE|||7|R||||V1^^^RXX^VN|"
    + "|" * 16 + "2|29|||||WQ^Q^Q1||20260701080000|20260701083000",
    "PV2||reason|||||||20260909||||||||||||||||||||||||||||||||||||||20260910",
    "ZPI|1|LETTERS^Y",
    "UB1|1",
    "IN2|1|9",
    "IN1|1|plan|2|insurer",
    "GT1|1||PAYER^Ann",
    "DG1|1||J45|||A",
    "AL1|1|DA|^Penicillin",
    "OBX|1|NM|HT^Height||180||||||F",
    "NK1|1|O'BRIEN^Pat|SPO",
    "ROL|1|AD|PP|G123^BOOMLA",
    "ZBE|OLD|20260701||INSERT|N",
)  # fmt: skip
CASES = [(event, code) for event in make.EVENTS for code in dialects.KNOWN]


def written(event: str, code: str, *, last: tuple[str, ...] = (), **more: object) -> tuple[make.Scene, Message]:
    scene = make.scene(event, **more)
    moved = Moved("12", "PASMIRROR", first=first_of(event))
    raw = write(
        scene.change, dialect=DIALECTS[code], control_id="M01-1-1", now=make.NOW, last_segments=last, moved=moved
    )
    return scene, Message.of(raw)


def first_of(event: str) -> str:
    return make.STORIES[event][-2][0] if event.startswith(("cancel_", "delete_stay")) and event in make.STORIES else ""


def type_of(event: str, code: str) -> str:
    trigger, uk, ihe = TYPES[event]
    return f"{trigger}^{uk if code == 'uk24' else ihe}"


def listed(structure: str, code: str) -> list[str]:
    """Give the segments of a structure in order, as hl7apy lists them."""
    tables = load_library({"uk24": "2.4", "ihe25": "2.5"}[code])

    def laid_open(children):
        for name, below, _, kind in children:
            yield from laid_open(below[1]) if kind == "GRP" else [name]

    known = UNKNOWN_TO_HL7APY.get(structure, structure) if code == "uk24" else structure
    return list(laid_open(tables.MESSAGES[known][1]))


def in_order(names: list[str], allowed: list[str]) -> bool:
    """Say whether names stand in that order, each once or several times."""
    rest = iter(allowed)
    return all(name in rest for name, _ in groupby(names)) or names.count("PID") == 2 == allowed.count("PID")


def cell(dialect: dialects.Dialect, event: Event) -> str:
    return dialect.layouts[event].message_type if event in dialect.layouts else "-"


def test_the_table_of_events_and_dialects(capsys):
    rows = [[event.value, *(cell(dialect, event) for dialect in DIALECTS.values())] for event in sorted(Event)]
    with capsys.disabled():
        print()  # noqa: T201
        for row in [["event", *DIALECTS], *rows]:
            print(f"  {row[0]:26}" + "".join(f"{said:36}" for said in row[1:]))  # noqa: T201
    unsaid = [row[0] for row in rows if "-" in row]
    assert unsaid == ["move_stay"], "of all events, only one that no clerk can cause"
    assert set(TYPES) == set(make.EVENTS) == {event.value for event in Event} - set(unsaid)
    assert not any(dialect.unsaid(CLERKS_EVENTS) for dialect in DIALECTS.values())


@pytest.mark.parametrize("last", [(), STALE], ids=["bare", "overlaid"])
@pytest.mark.parametrize(("event", "code"), CASES)
def test_type_and_segments_are_those_of_the_profile(event, code, last):
    _, message = written(event, code, last=last)
    assert message.header.raw(9) == type_of(event, code)
    names = [segment.name for segment in message.segments if segment.name[0] != "Z"]
    structure = type_of(event, code).rpartition("^")[2]
    if code == "uk24" and structure in UK and not last:
        assert in_order(names, UK[structure].split()), f"{names} in order of {structure}"
    if last and code == "uk24" and event in STAY_EVENTS:
        structure = "ADT_A01"  # all that any of them holds
        assert {"NK1", "AL1", "IN1", "DG1"} <= set(names)
    assert in_order(names, listed(structure, code)), f"{names} in order of {structure}"
    if "ZBE" in [segment.name for segment in message.segments]:
        before = [segment.name for segment in message.segments].index("ZBE") - 1
        assert message.segments[before].name in ("PV1", "PV2")
    parsed = hl7.parse(message.raw.decode())
    assert [str(segment[0]) for segment in parsed] == [segment.name for segment in message.segments]
    assert str(parsed.segment("MSH")[12]) == {"uk24": "2.4", "ihe25": "2.5"}[code]


@pytest.mark.parametrize("last", [(), STALE], ids=["bare", "overlaid"])
@pytest.mark.parametrize(("event", "code"), CASES)
def test_hl7apy_finds_it_valid_and_builds_the_same(event, code, last, tmp_path):
    _, message = written(event, code, last=last)
    structure = message.header.raw(9).rpartition("^")[2]
    known = UNKNOWN_TO_HL7APY.get(structure, structure) if code == "uk24" else structure
    beyond = set(listed("ADT_A01", code)) - set(listed(structure, code)) if code == "uk24" else set()
    text = message.raw.decode().replace(f"^{structure}|", f"^{known}|", 1)
    text = "".join(line + "\r" for line in text.split("\r") if line and line[:3] not in beyond)
    parsed = hl7apy.parser.parse_message(text, find_groups=True)
    report = tmp_path / "report"
    with contextlib.suppress(ValidationError):
        parsed.validate(report_file=str(report))
    errors = [line for line in report.read_text().splitlines() if line.startswith("Error")]
    whole = "".join(line + "\r" for line in text.split("\r") if line and line[0] != "Z")
    assert parsed.to_er7() + "\r" == whole, "what hl7apy builds of it is the same, Z segments aside"
    excepted = LEFT_OUT if structure == "SIU_S12" else TWO_PATIENTS if event in ("link", "unlink") else ()
    assert [e for e in errors if not e.endswith(excepted)] == []


@pytest.mark.parametrize("last", [(), STALE], ids=["bare", "overlaid"])
@pytest.mark.parametrize(("event", "code"), [case for case in CASES if case[0] in make.STORIES])
def test_whoever_hears_it_knows_what_we_know(event, code, last):
    scene, message = written(event, code, last=last)
    said = news(message, habits=POLICY.habits)
    assert isinstance(said, News), said
    assert said.event == event
    assert said.occurred_at == scene.change.occurred_at or scene.kind is Kind.APPOINTMENT
    assert set(said.patient_ids) == {("MR", "PASMIRROR", "M1"), ("MR", "RXX", "P1")}
    heard = scene.heard(replace(said, sent_at=make.NOW))
    assert without_words(heard[scene.kind]) == without_words(scene.after[scene.kind])
    person = heard[Kind.PATIENT]
    unsaid = {"nhs_status"} if code == "ihe25" else set()
    unsaid |= {"gp", "practice"} if scene.kind is Kind.APPOINTMENT else set()
    for group, values in make.PATIENT.items():
        assert {n: v for n, v in person[group].items() if n not in unsaid} == {
            n: v for n, v in values.items() if n not in unsaid
        }
    if event in STAY_EVENTS:
        assert said.stay_ids == (("VN", "RXX", "V1"),)
    assert not said.warnings


def without_words(groups):
    return {group: values for group, values in groups.items() if group != "wording"}


def test_the_samples_name_no_other_structure_for_these_events():
    samples = Path("../shared/samples/airslie-renalware-core")
    assert samples.is_dir(), "the published samples are missing: ../shared/samples"
    found = {Message.of(path.read_bytes()).get("MSH-9.3") for path in samples.glob("*.hl7")}
    assert found <= {None, *(layout.structure for layout in DIALECTS["uk24"].layouts.values())}
