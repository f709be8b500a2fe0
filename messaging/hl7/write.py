"""A change of the record as a message: our own segments, laid over what the PAS last sent; pure, no Django."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from messaging.hl7 import bookings, identity, times
from messaging.hl7.dialects import Dialect, Layout
from messaging.hl7.fields import RULES, Reading, Writing
from messaging.hl7.overlay import Ground, laid, line
from messaging.hl7.text import components, encode, escape, repetitions, segment
from patients import facts
from patients.facts import Groups, Kind, Value
from patients.identifiers import FILLER, HOSPITAL, PLACER, VISIT, Identifier
from patients.states import Event

NO_VISIT = "N"  # PV1-2 of a message about a person only (UK A.3)
_VISIT_FIELDS = frozenset({6})  # of the last PV1, what belongs to that one movement


class Mark(NamedTuple):
    """Towards the PAS: our change, and the destinations we have told of it already (segment ZPM)."""

    change: int
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What of a journal row is needed to tell of it; `facts` and `before` as in patients.models.Change."""

    change: int
    event: str
    facts: Mapping[str, Any]
    occurred_at: datetime
    recorded_at: datetime
    before: Mapping[str, Mapping[str, Mapping[str, Value]]] = field(default_factory=dict)

    @classmethod
    def of(cls, change: Any) -> Self:
        """Take them from a journal row, or anything with its attributes."""
        return cls(change.pk, change.event, change.facts, change.occurred_at, change.recorded_at, change.before)

    def groups(self, kind: Kind) -> Groups:
        """Give every group of `kind`, unknown where the journal has none."""
        return facts.overlaid(facts.blank(kind), self.facts.get(kind.value, {}))

    def was(self, kind: Kind) -> Mapping[str, Mapping[str, Value]]:
        """Give the values before of the groups that changed."""
        return self.before.get(kind.value, {})

    def ids(self, kind: Kind, type_: str | None = None) -> list[Identifier]:
        """Give the identifiers of `kind`, or those of one type."""
        every = [Identifier(*parts) for parts in self.facts.get(f"{kind.value}_ids", [])]
        return [i for i in every if type_ is None or i.type == type_]


def write(
    change: ChangeFacts,
    *,
    dialect: Dialect,
    control_id: str,
    now: datetime,
    mark: Mark | None = None,
    last_segments: Sequence[str] = (),
) -> bytes:
    """Render a change. `last_segments`: the segments the PAS last sent of this patient and stay, oldest first.

    KeyError for an event the dialect has no layout for.
    """
    layout = dialect.layouts[Event(change.event)]
    visits = frozenset(i.value for i in change.ids(Kind.STAY)) if layout.shape == "visit" else frozenset[str]()
    ground = Ground(last_segments, visits=visits)
    reading = Reading(dialect.zone, [])
    lines = {"person": _person, "visit": _visit, "booking": _booking}[layout.shape](
        change, dialect, layout, ground, reading
    )
    zpm = [segment("ZPM", {1: str(mark.change), 2: repetitions([escape(code) for code in mark.told])})] if mark else []
    carried = [text for text in ground.carried(layout.carried) if text[0] == "Z"]
    msh = header(dialect, message_type=layout.message_type, control_id=control_id, now=now)
    return encode([msh, *lines, *carried, *zpm])


def header(dialect: Dialect, *, message_type: str, control_id: str, now: datetime) -> str:
    """Give an MSH segment."""
    names = (dialect.sending_app, dialect.sending_facility, dialect.receiving_app, dialect.receiving_facility)
    sent = times.stamp(now, dialect.zone)
    parts = ["MSH", "^~\\&", *map(escape, names), sent, "", message_type, control_id, dialect.processing_id]
    return "|".join([*parts, dialect.version, "", "", "", "", dialect.country])


def _person(change: ChangeFacts, dialect: Dialect, layout: Layout, ground: Ground, reading: Reading) -> list[str]:
    return [
        _evn(change, dialect, layout),
        _pid(change, dialect, ground, reading),
        *_pd1(change, ground, reading),
        *_around(segment("PV1", {1: "1", 2: NO_VISIT}), layout, ground),
    ]


def _visit(change: ChangeFacts, dialect: Dialect, layout: Layout, ground: Ground, reading: Reading) -> list[str]:
    return [
        _evn(change, dialect, layout),
        _pid(change, dialect, ground, reading),
        *_pd1(change, ground, reading),
        *_around(_pv1(change, dialect, ground, reading), layout, ground),
    ]


def _booking(change: ChangeFacts, dialect: Dialect, layout: Layout, ground: Ground, reading: Reading) -> list[str]:
    booking = change.groups(Kind.APPOINTMENT)["booking"]
    clinic = components(escape(str(booking["clinic"])), "", "", escape(dialect.sending_facility))
    return [
        _sch(change, dialect, reading),
        _pid(change, dialect, ground, reading),
        segment("PV1", {1: "1", 2: "O", 3: clinic}),
        "RGS|1",
        segment("AIL", {1: "1", 3: clinic}),
    ]


def _around(pv1: str, layout: Layout, ground: Ground) -> list[str]:
    """Put PV1 between the carried segments that come before it and those that come after."""
    carried = [text for text in ground.carried(layout.carried) if text[0] != "Z"]
    before = [text for text in carried if text[:3] in ("ROL", "NK1")]
    return [*before, pv1, *(text for text in carried if text not in before)]


def _evn(change: ChangeFacts, dialect: Dialect, layout: Layout) -> str:
    recorded, occurred = times.stamp(change.recorded_at, dialect.zone), times.stamp(change.occurred_at, dialect.zone)
    return segment("EVN", {1: layout.trigger, 2: recorded, 6: occurred})


def _pid(change: ChangeFacts, dialect: Dialect, ground: Ground, reading: Reading) -> str:
    base, of_stay = ground.last("PID"), ground.of_stay("PID")
    groups = change.groups(Kind.PATIENT)
    nhs_number = str(groups["nhs"]["nhs_number"])
    account = of_stay.raw(18) if of_stay else ""  # one stay's, not the person's
    fields = {1: "1", **laid("PID", base, groups, change.was(Kind.PATIENT), reading, frozenset({18})), 18: account}
    said = identity.person(base, dialect.habits) if base else identity.Person()
    ids = change.ids(Kind.PATIENT)
    if base is None or set(said.ids) != set(ids) or said.nhs.get("nhs_number", "") != nhs_number:
        fields[3] = repetitions([_cx(each) for each in _first(ids, dialect, HOSPITAL)] + _nhs_cx(nhs_number))
        if said.nhs:  # the PAS's own places for an NHS number would contradict ours
            fields |= {2: "", 19: nhs_number if base and base.raw(19) else ""}
    if dialect.nhs_status_in_pid32 and groups["nhs"]["nhs_status"]:
        fields[32] = f"NSTS{groups['nhs']['nhs_status']}"
    return segment("PID", fields)


def _pd1(change: ChangeFacts, ground: Ground, reading: Reading) -> list[str]:
    fields = laid("PD1", ground.last("PD1"), change.groups(Kind.PATIENT), change.was(Kind.PATIENT), reading)
    text = line("PD1", fields)
    return [text] if text else []


def _pv1(change: ChangeFacts, dialect: Dialect, ground: Ground, reading: Reading) -> str:
    base = ground.of_stay("PV1")
    groups = change.groups(Kind.STAY)
    fields = {1: "1", **laid("PV1", base, groups, change.was(Kind.STAY), reading, _VISIT_FIELDS)}
    if change.event == Event.TRANSFER:
        fields[6] = _prior_place(change, dialect)
    visits = _first(change.ids(Kind.STAY, VISIT), dialect, VISIT)
    if not base and visits:
        fields[19] = _cx(visits[0])
    return segment("PV1", fields)


def _prior_place(change: ChangeFacts, dialect: Dialect) -> str:
    prior: Mapping[str, Value] = change.facts.get("prior_place") or change.was(Kind.STAY).get("place", {})
    place = {name: prior.get(name, "") for name in facts.GROUPS[Kind.STAY]["place"]}
    rule = next(rule for rule in RULES["PV1"] if rule.group == "place")
    return rule.write(Writing(place, frozenset(), dialect.zone))[3]


def _sch(change: ChangeFacts, dialect: Dialect, reading: Reading) -> str:
    groups = change.groups(Kind.APPOINTMENT)
    numbers = {}
    for number, kind in ((1, PLACER), (2, FILLER)):
        ours = _first(change.ids(Kind.APPOINTMENT, kind), dialect, kind)
        whose = identity.written(ours[0].authority).replace("&", "^") if ours else ""  # EI, not CX
        numbers[number] = components(escape(ours[0].value), whose) if ours else ""
    return segment(
        "SCH",
        {
            1: numbers[1],
            2: numbers[2] or numbers[1],
            6: bookings.write_reason(change.facts.get("event_reason", "")),
            7: bookings.write_reason(groups["booking"]["reason"]),
            8: escape(str(groups["booking"]["appointment_type"])),
            11: bookings.write_times(groups["booking"], reading),
            25: bookings.STATUS_WORDS.get(str(groups["status"]["status"]), "")
            or escape(str(groups["wording"]["status_words"])),
        },
    )


def _first(ids: Sequence[Identifier], dialect: Dialect, type_: str) -> list[Identifier]:
    """Give the numbers with the PAS's own first."""
    return sorted(ids, key=lambda each: (each.authority != dialect.authority, each.type != type_))


def _cx(identifier: Identifier) -> str:
    return components(escape(identifier.value), "", "", identity.written(identifier.authority), escape(identifier.type))


def _nhs_cx(number: str) -> list[str]:
    return [f"{number}^^^NHS^NH"] if number else []
