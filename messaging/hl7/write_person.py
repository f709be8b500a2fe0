"""The beginning of every message about a patient: EVN, PID, PD1, and numbers as CX; knows no stay, no appointment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from messaging.hl7 import identity, times
from messaging.hl7.dialects import Dialect, Layout
from messaging.hl7.fields import Reading
from messaging.hl7.overlay import Ground, laid, line
from messaging.hl7.telling import ChangeFacts, Moved
from messaging.hl7.text import components, escape, repetitions, segment
from patients.facts import Kind
from patients.identifiers import HOSPITAL, Identifier

NO_VISIT = "N"  # PV1-2 of a message about a person only (UK A.3)


@dataclass(frozen=True, slots=True)
class Draft:
    """One change on its way to a message: what is told, as which layout of a dialect, on what ground."""

    change: ChangeFacts
    dialect: Dialect
    layout: Layout
    ground: Ground
    reading: Reading
    moved: Moved | None = None


def person(draft: Draft) -> list[str]:
    """Give a message about the person only."""
    return [evn(draft), pid(draft), *pd1(draft), no_visit()]


def no_visit() -> str:
    """Give the PV1 of a message that is of no visit."""
    return segment("PV1", {1: "1", 2: NO_VISIT})


def evn(draft: Draft, planned: datetime | None = None) -> str:
    """Give EVN: recorded, planned for, occurred. A cancel's time is that of what it cancels, as its change has it."""
    zone, change = draft.dialect.zone, draft.change
    return segment(
        "EVN",
        {
            1: draft.layout.trigger,
            2: times.stamp(change.recorded_at, zone),
            3: times.stamp(planned, zone) if planned else "",
            6: times.stamp(change.occurred_at, zone),
        },
    )


def pid(draft: Draft) -> str:
    """Give PID: our facts over the PAS's own, its account number only where it is of this stay."""
    change, dialect, base = draft.change, draft.dialect, draft.ground.last("PID")
    of_stay = draft.ground.of_stay("PID")
    groups = change.groups(Kind.PATIENT)
    nhs_number = str(groups["nhs"]["nhs_number"])
    account = of_stay.raw(18) if of_stay else ""  # one stay's, not the person's
    ours = laid("PID", base, groups, change.was(Kind.PATIENT), draft.reading, frozenset({18}))
    fields = {1: "1", **ours, 18: account}
    said = identity.person(base, dialect.habits) if base else identity.Person()
    ids = change.ids(Kind.PATIENT)
    if base is None or set(said.ids) != set(ids) or said.nhs.get("nhs_number", "") != nhs_number:
        fields[3] = repetitions([cx(each) for each in first(ids, dialect, HOSPITAL)] + _nhs_cx(nhs_number))
        if said.nhs:  # the PAS's own places for an NHS number would contradict ours
            fields |= {2: "", 19: nhs_number if base and base.raw(19) else ""}
    if dialect.nhs_status_in_pid32 and groups["nhs"]["nhs_status"]:
        fields[32] = f"NSTS{groups['nhs']['nhs_status']}"
    return segment("PID", fields)


def pd1(draft: Draft) -> list[str]:
    """Give PD1, if there is anything to say in it."""
    change = draft.change
    fields = laid("PD1", draft.ground.last("PD1"), change.groups(Kind.PATIENT), change.was(Kind.PATIENT), draft.reading)
    text = line("PD1", fields)
    return [text] if text else []


def first(ids: Sequence[Identifier], dialect: Dialect, type_: str) -> list[Identifier]:
    """Give the numbers with the PAS's own first."""
    return sorted(ids, key=lambda each: (each.authority != dialect.authority, each.type != type_))


def cx(identifier: Identifier) -> str:
    """Give a number with its authority and type."""
    return components(escape(identifier.value), "", "", identity.written(identifier.authority), escape(identifier.type))


def _nhs_cx(number: str) -> list[str]:
    return [f"{number}^^^NHS^NH"] if number else []
