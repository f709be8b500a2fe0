"""What we say of every event, in every dialect, read back whole by python-hl7 and by our own reader: the same facts."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from messaging.hl7 import dialects
from messaging.hl7.habits import FeedPolicy, Habits
from messaging.hl7.news import news
from messaging.hl7.read import Message
from messaging.hl7.write import ChangeFacts, Moved, write
from patients import facts
from patients.facts import GROUPS, Groups, Kind, News
from patients.identifiers import Identifier
from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS, Event
from tests.factories import changes as make
from tests.factories.read_back import Facts, Stranger, stamp

POLICY = FeedPolicy(sending_app="DEMOPAS", sending_facility="RXX", habits=Habits(default_authority="RXX"))
DIALECTS = {code: dialects.get(code, POLICY) for code in dialects.KNOWN}
VERSIONS = {"uk24": "2.4", "ihe25": "2.5"}
CASES = [(event, code) for event in make.EVENTS for code in dialects.KNOWN]
OF_A_PLAN = ("preadmit", "plan_admit", "cancel_preadmit", "cancel_plan_admit")  # PV1-3 is the bed to come
NEVER_WAS = (*OF_A_PLAN[2:], "cancel_admit", "delete_stay")  # told as it was before it was withdrawn
NO_PERSON = ("merge", "renumber")  # these say who, and nothing else
PLANNED_FOR = {  # EVN-3
    "preadmit": ("expected", "admission_expected_at"),
    "plan_admit": ("expected", "admission_expected_at"),
    "plan_transfer": ("pending", "pending_at"),
    "plan_discharge": ("expected", "discharge_expected_at"),
}
KIN = (
    "PID|1||P1^^^RXX^MR||OLD",
    "NK1|1|O'BRIEN & SØN^Pat|SPO".replace("&", "\\T\\"),
    "AL1|1|DA|^Penicillin \\T\\ Nuts",
)
AWKWARD = "D'A & B|C^D~E\\F é漢😀"


def said(change: ChangeFacts, code: str, last: tuple[str, ...] = ()) -> bytes:
    began = make.STORIES[change.event][-2][0] if change.event.startswith(("cancel_", "delete_stay")) else ""
    moved = Moved("12&3", "PAS|M", first=began if change.event in STAY_EVENTS else "")
    return write(change, dialect=DIALECTS[code], control_id="M01-1-1", now=make.NOW, last_segments=last, moved=moved)


def held(change: ChangeFacts, kind: Kind) -> Groups:
    """Give the facts as they are to be told: of a stay that never was, those from before it was withdrawn."""
    groups = facts.overlaid(facts.blank(kind), change.facts.get(kind.value, {}))
    if change.event in NEVER_WAS and kind is Kind.STAY:
        groups = facts.overlaid(groups, change.before.get("stay", {}))
    return groups


def numbers(change: ChangeFacts, name: str) -> set[tuple[str, ...]]:
    return {tuple(each) for each in change.facts.get(name) or ()}


def person(groups: Groups, code: str) -> Facts:
    """Give what PID and PD1 should say of a person."""
    status = groups["nhs"]["nhs_status"]
    return {
        **groups,
        "birth": {"born": stamp(groups["birth"]["born"])},
        "nhs": {
            "nhs_number": groups["nhs"]["nhs_number"],
            "nhs_status": f"NSTS{status}" if status and code == "uk24" else "",
        },
        "death": {"dead": "Y" if groups["death"]["dead"] else "", "died_at": stamp(groups["death"]["died_at"])},
    }


def visit(change: ChangeFacts) -> Facts:
    """Give what PV1 and PV2 should say of the stay."""
    stay, event = held(change, Kind.STAY), change.event
    place = list(stay["place"].values())
    pending = [stay["pending"][f"pending_{name}"] for name in ("ward", "bay", "bed")]
    if event in OF_A_PLAN and not place[0]:
        place, pending = [*pending, ""], [""] * 3
    prior = change.facts.get("prior_place", {})
    return {
        "class": stay["admission"]["patient_class"],
        "place": place,
        "method": stay["admission"]["admission_method"],
        "prior": [prior.get(name, "") for name in GROUPS[Kind.STAY]["place"]] if event == "transfer" else [""] * 4,
        "consultant": list(stay["consultant"].values()),
        "away_to": stay["away"]["away_to"],
        "source": stay["admission"]["admission_source"],
        "numbers": numbers(change, "stay_ids"),
        "discharge": list(stay["discharge"].values()),
        "pending": pending,
        "times": [stamp(stay["times"]["admitted_at"]), stamp(stay["times"]["discharged_at"])],
        "expected": [stamp(stay["expected"][name]) for name in GROUPS[Kind.STAY]["expected"]],
        "back": stamp(stay["away"]["back_expected_at"]),
    }


def booking(change: ChangeFacts, code: str) -> Facts:
    """Give what SCH, AIL and TQ1 should say of the appointment."""
    told = held(change, Kind.APPOINTMENT)["booking"]
    minutes, starts = str(told["minutes"]), str(told["starts_at"])
    ends = ends_at(starts, int(told["minutes"]))
    words = {"modify_appointment": "Arrived", "delete_appointment": "Deleted", "miss_appointment": "Noshow"}
    off = change.event in ("cancel_appointment", "discontinue_appointment")
    return {
        "numbers": [["A9", "RXX"]] * 2,
        "why": change.facts.get("event_reason", ""),
        "reason": told["reason"],
        "type": told["appointment_type"],
        "times": [minutes, stamp(starts), stamp(ends)],
        "words": "Cancelled" if off else words.get(change.event, "Booked"),
        "clinic": [told["clinic"]] * 2,
        "tq1": [minutes, "min", stamp(starts), stamp(ends)] if code == "ihe25" else [""] * 4,
    }


def ends_at(starts: str, minutes: int) -> str:
    return (datetime.fromisoformat(starts) + timedelta(minutes=minutes)).isoformat()


def assert_read_back(change: ChangeFacts, code: str, raw: bytes) -> None:
    """Assert that a stranger reads every fact of the change, and that our own reader reads the same."""
    there, event = Stranger(raw), change.event
    layout = DIALECTS[code].layouts[Event(event)]
    assert there.header() == ["DEMOPAS", "RXX", layout.message_type, "M01-1-1", "P", VERSIONS[code]]
    assert {one for one in there.numbers("PID", 3) if one[1] != "NHS"} == numbers(change, "patient_ids")
    whole = person(held(change, Kind.PATIENT), code)
    got = there.person()
    if event in (*NO_PERSON, "link", "unlink", "document") or event in APPOINTMENT_EVENTS:
        assert "PD1" not in there.names, "who looks after somebody is no part of these"
        whole["address"] = {**whole["address"], "gp": "", "practice": ""}
    assert got == whole
    if event not in APPOINTMENT_EVENTS:
        group, name = PLANNED_FOR.get(event, ("", ""))
        planned = stamp(held(change, Kind.STAY)[group][name]) if group else ""
        assert there.event() == {
            "trigger": layout.trigger, "recorded": stamp(make.NOW.isoformat()), "planned": planned,
            "occurred": stamp(change.occurred_at.isoformat()),
        }  # fmt: skip
    if event in STAY_EVENTS or event in ("renumber_stay", "document"):
        expected = visit(change)
        assert there.visit() == expected | ({} if "PV2" in there.names else {"expected": ["", ""], "back": ""})
        assert "PV2" in there.names or not any((*expected["expected"], expected["back"])) or event not in STAY_EVENTS
    if event in APPOINTMENT_EVENTS:
        assert there.booking() == booking(change, code)
    assert_the_rest(there, change, code)
    assert_our_reader_says_so_too(change, raw)


def assert_the_rest(there: Stranger, change: ChangeFacts, code: str) -> None:
    """Assert what only some events say: the movement, the numbers that end, the other patient, the document."""
    event = change.event
    if event in STAY_EVENTS and event != "update_stay" and code == "ihe25":
        began = make.STORIES[event][-2][0] if event.startswith(("cancel_", "delete_stay")) else ""
        first = DIALECTS[code].layouts[Event(began)].trigger if began else ""
        at, ward = stamp(change.occurred_at.isoformat()), str(held(change, Kind.STAY)["place"]["ward"])
        assert there.movement() == ["12&3", "PAS|M", at, "CANCEL" if began else "INSERT", "N", first, ward]
    else:
        assert "ZBE" not in there.names
    if event in NO_PERSON:
        assert there.numbers("MRG", 1) == numbers(change, "prior_ids")
    if event == "renumber_stay":
        assert there.numbers("MRG", 1) == numbers(change, "patient_ids")
        assert there.numbers("MRG", 5) == numbers(change, "prior_stay_ids")
    if event in ("link", "unlink"):
        assert there.numbers("PID", 3, segment=1) == numbers(change, "other_ids")
        assert there.person(1)["name"]["family"] == change.facts["other_patient"]["name"]["family"]
    if event == "document":
        told = change.facts["document"]
        at = stamp(told["written_at"])
        assert there.document() == {
            **{name: told[name] for name in ("number", "kind", "author", "status", "text")},
            "written_at": [at, at], "title": {told["title"]},
        }  # fmt: skip


def assert_our_reader_says_so_too(change: ChangeFacts, raw: bytes) -> None:
    told = news(Message.of(raw), habits=POLICY.habits)
    assert isinstance(told, News), told
    assert (told.event, set(told.patient_ids)) == (change.event, numbers(change, "patient_ids"))
    for kind in Kind:
        wanted = held(change, kind)
        for group, values in told.groups(kind).items():
            skipped = {"nhs_status", "status", "away", "away_since", "pending_at", "status_words"}
            theirs = {name: value for name, value in values.items() if name not in skipped}
            ours = {name: wanted[group][name] for name in theirs}
            if kind is Kind.STAY and change.event in OF_A_PLAN and group == "place":
                continue  # PV1-3 is the bed to come
            assert theirs == ours, (kind, group)
    assert told.prior.patient_ids == tuple(
        Identifier(*one) for one in change.facts.get("prior_ids" if change.event in NO_PERSON else "other_ids") or ()
    ) or change.event == "renumber_stay"  # fmt: skip


@pytest.mark.parametrize("last", [(), KIN], ids=["bare", "overlaid"])
@pytest.mark.parametrize(("event", "code"), CASES)
def test_every_fact_of_every_event_is_read_back_by_a_stranger(event: str, code: str, last: tuple[str, ...]) -> None:
    more: dict[str, Any] = {"event_reason": AWKWARD} if event in APPOINTMENT_EVENTS else {}
    change = make.scene(event, **more).change
    raw = said(change, code, last)
    assert_read_back(change, code, raw)
    there = Stranger(raw)
    carries = last and ("NK1" in DIALECTS[code].carries(DIALECTS[code].layouts[Event(event)]))
    if carries and DIALECTS[code].layouts[Event(event)].shape in ("person", "visit"):
        assert [there.parts("NK1", 2, 1, 2), there.get("NK1", 3)] == [["O'BRIEN & SØN", "Pat"], "SPO"]
        assert there.get("AL1", 3, 2) == "Penicillin & Nuts"


PLAIN = st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))
MARKS = st.sampled_from([*"&^|~\\\"'éßЖ漢😀 ,()[]", "\\T\\", "MSH|", '""x'])
TEXTS = (
    st.lists(st.one_of(PLAIN, MARKS), max_size=12)
    .map(lambda parts: "".join(parts)[:20].strip())
    .filter(lambda text: text != '""')
)


@settings(max_examples=40, deadline=None, phases=(Phase.generate,))
@given(st.data())
def test_whatever_is_typed_a_stranger_reads_it(data: st.DataObject) -> None:
    event, code = data.draw(st.sampled_from(CASES))
    change = make.scene(event).change
    kept = {**change.facts}
    drawn = {
        Kind.PATIENT: ("name", "address", "phones", "background"),
        Kind.STAY: ("consultant", "admission", "discharge", *(() if event in OF_A_PLAN else ("place",))),
    }
    for kind, groups in drawn.items():
        if kind.value in kept:
            texts = {group: {name: data.draw(TEXTS, label=name) for name in GROUPS[kind][group]} for group in groups}
            texts |= {"admission": {**texts["admission"], "patient_class": "I"}} if kind is Kind.STAY else {}
            kept[kind.value] = {**kept[kind.value], **texts}
    if "appointment" in kept:
        reason = {"reason": data.draw(TEXTS), "appointment_type": data.draw(TEXTS)}
        kept["appointment"] = {
            **kept["appointment"], "booking": {**kept["appointment"]["booking"], **reason},
        }  # fmt: skip
        kept["event_reason"] = data.draw(TEXTS)
    changed = replace(change, facts=kept, before={} if event not in NEVER_WAS else change.before)
    assert_read_back(changed, code, said(changed, code))
