"""A step of a stay: PV1, PV2 and the movement it is (ZBE); knows the person's segments only as what comes before.

What is planned stands in PV1-42, PV2-8 and PV2-9, where a patient is meanwhile in PV1-11 and PV2-47. These are written
as the record has them and not as the PAS last sent them: a plan that is over must not come back by overlay.
"""

from collections.abc import Mapping
from datetime import datetime

from messaging.hl7 import times
from messaging.hl7.fields import RULES, Raw, Rule, Writing, coded, composite, timed
from messaging.hl7.overlay import laid, line
from messaging.hl7.read import Segment
from messaging.hl7.telling import ChangeFacts
from messaging.hl7.text import DELETED, components, escape, numbered, segment
from messaging.hl7.write_person import Draft, cx, evn, first, pd1, pid
from pasmirror.lib import clock
from patients import facts
from patients.facts import Groups, Kind, Value
from patients.identifiers import VISIT
from patients.states import Event, StayStatus

WITHDRAWN = frozenset(
    {Event.CANCEL_ADMIT, Event.CANCEL_PREADMIT, Event.CANCEL_PLAN_ADMIT, Event.DELETE_STAY}
)  # nothing is left to tell of
_BED = composite(3, "pending", {1: "pending_ward", 2: "pending_bay", 3: "pending_bed"})
_EXPECTED = frozenset(
    {Event.PREADMIT, Event.PLAN_ADMIT, Event.CANCEL_PREADMIT, Event.CANCEL_PLAN_ADMIT}
)  # PV1-3 is the bed that is planned
_OF_ONE_MOVEMENT = frozenset({6})  # of the last PV1, what belongs to that one movement
_PLANS = (
    composite(42, "pending", {1: "pending_ward", 2: "pending_bay", 3: "pending_bed"}),
    coded(11, "away", "away_to"),
)
_DATES = (timed(9, "expected", "discharge_expected_at"), timed(47, "away", "back_expected_at"))
_COMING = timed(8, "expected", "admission_expected_at")
_PLANNED_FOR = {  # EVN-3
    Event.PREADMIT: ("expected", "admission_expected_at"),
    Event.PLAN_ADMIT: ("expected", "admission_expected_at"),
    Event.PLAN_TRANSFER: ("pending", "pending_at"),
    Event.PLAN_DISCHARGE: ("expected", "discharge_expected_at"),
}
_CLASSES = {StayStatus.IN: "I", StayStatus.OUT: "I", StayStatus.ATTENDING: "O", StayStatus.EXPECTED: "P"}
_PLACE = next(rule for rule in RULES["PV1"] if rule.group == "place")
_Before = Mapping[str, Mapping[str, Value]]


def visit(draft: Draft) -> list[str]:
    """Give a message about one step of a stay."""
    groups, was = told(draft.change)
    return [
        evn(draft, _planned(draft, groups)),
        pid(draft),
        *pd1(draft),
        pv1(draft),
        *_pv2(draft, groups, was),
        *_zbe(draft),
    ]


def told(change: ChangeFacts) -> tuple[Groups, _Before]:
    """Give the facts of the stay to tell, and those before: of a stay withdrawn, what it was."""
    groups, was = change.groups(Kind.STAY), change.was(Kind.STAY)
    return (facts.overlaid(groups, was), {}) if change.event in WITHDRAWN else (groups, was)


def pv1(draft: Draft) -> str:
    """Give PV1: our facts over what the PAS last sent of this stay."""
    change, base = draft.change, draft.ground.of_stay("PV1")
    groups, was = told(change)
    fields = {1: "1", **laid("PV1", base, groups, was, draft.reading, _OF_ONE_MOVEMENT)}
    if change.event in _EXPECTED and not groups["place"]["ward"]:
        fields[3] = base.raw(3) if base else ""
        fields |= _plan(_BED, draft, base, groups, was)
    if change.event not in _EXPECTED or (base and base.raw(42)):
        for rule in _PLANS:
            fields |= _plan(rule, draft, base, groups, was)
    if fields.get(2, "") in ("", DELETED):  # never empty
        fields[2] = _CLASSES.get(StayStatus(str(groups["times"]["status"])), "U")
    if change.event == Event.TRANSFER:
        fields[6] = _prior_place(draft)
    visits = first(change.ids(Kind.STAY, VISIT), draft.dialect, VISIT)
    if visits and (base is None or base.get(19, 1) not in {each.value for each in visits}):
        fields[19] = cx(visits[0])
    return segment("PV1", fields)


def _pv2(draft: Draft, groups: Groups, was: _Before) -> list[str]:
    base = draft.ground.of_stay("PV2")
    fields = numbered(base.line) if base else {}
    for rule in _DATES:
        fields |= _plan(rule, draft, base, groups, was)
    begun = groups["times"]["status"] not in ("", StayStatus.EXPECTED)
    if groups["expected"]["admission_expected_at"] or not begun:  # afterwards it stands as the PAS has it
        fields |= _plan(_COMING, draft, base, groups, was)
    text = line("PV2", fields)
    return [text] if text else []


def _plan(rule: Rule, draft: Draft, base: Segment | None, groups: Groups, was: _Before) -> Raw:
    """Give the field of a plan as it stands now: two quotes where this change ended it, empty where there is none."""
    if rule.group not in draft.change.facts.get(Kind.STAY.value, {}):
        return {}
    now = {name: groups[rule.group][name] for name in rule.names}
    if any(now.values()):
        same = base is not None and rule.read(base, draft.reading) == now
        return {} if same else rule.write(Writing(now, frozenset(), draft.dialect.zone))
    ended = any(was.get(rule.group, {}).get(name) for name in rule.names)
    return dict.fromkeys(rule.numbers, DELETED if ended else "")


def _planned(draft: Draft, groups: Groups) -> datetime | None:
    group, name = _PLANNED_FOR.get(Event(draft.change.event), ("", ""))
    return clock.moment(str(groups[group][name])) if group else None


def _prior_place(draft: Draft) -> str:
    prior: Mapping[str, Value] = draft.change.facts.get("prior_place") or draft.change.was(Kind.STAY).get("place", {})
    place = {name: prior.get(name, "") for name in facts.GROUPS[Kind.STAY]["place"]}
    return _PLACE.write(Writing(place, frozenset(), draft.dialect.zone))[3]


def _zbe(draft: Draft) -> list[str]:
    """Give ZBE (IHE PAM, ITI-31), where the dialect has movements and the number of this one is known.

    A cancel bears the number of what it cancels and, as EVN-6 does, its time.
    """
    moved, change = draft.moved, draft.change
    if moved is None or not draft.dialect.movements or change.event == Event.UPDATE_STAY:
        return []
    groups, _ = told(change)
    return [
        segment(
            "ZBE",
            {
                1: components(escape(moved.number), escape(moved.authority)),
                2: times.stamp(change.occurred_at, draft.dialect.zone),
                4: "CANCEL" if moved.first else "INSERT",
                5: "Y" if moved.historic else "N",
                6: _first_trigger(draft, moved.first) if moved.first else "",
                7: escape(str(groups["place"]["ward"])),
            },
        )
    ]


def _first_trigger(draft: Draft, event: str) -> str:
    return draft.dialect.layouts[Event(event)].trigger
