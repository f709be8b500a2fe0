"""Which of the PAS's segments are kept of a person and of a stay, merged name by name; pure, knows no field.

Few messages carry them all (an ADT_A02 has no NK1 and no AL1), so a name that did not come stays as it was. Only what
registers or updates a person speaks of all the person's segments: what is absent there, the PAS does not have. One
that holds two quotes and nothing else (`NK1|""`) says that there are none of that name.
"""

import re
from collections.abc import Iterable, Sequence

from patients.states import Event

OF_STAY = frozenset({"PV1", "PV2", "OBX", "DG1", "DRG", "PR1", "ACC", "UB1", "UB2"})
WITH_STAY = OF_STAY | {"PID"}  # PID-18 is one stay's account number
SNAPSHOTS = frozenset({Event.REGISTER, Event.UPDATE})
IN_SNAPSHOT = frozenset({"ROL", "NK1", "DB1", "AL1", "GT1", "IN1", "IN2", "IN3"})  # HL7 2.4, ADT_A05; Z segments vary
RIDERS = {"IN1": ("IN2", "IN3")}  # belong to the one before them, and go with it


_NONE = re.compile(r'[A-Z][A-Z0-9]{2}(?:\|\d{0,4})?\|""[|"]*')


def of_person(kept: Sequence[str], heard: Iterable[str], event: str) -> list[str]:
    """Give what is kept of a person, whatever the stay, after a message that carried `heard`."""
    gone = IN_SNAPSHOT if event in SNAPSHOTS else frozenset[str]()
    return _merged(kept, [line for line in heard if line[:3] not in OF_STAY], gone)


def of_stay(kept: Sequence[str], heard: Iterable[str]) -> list[str]:
    """Give what is kept of a stay after a message about it."""
    kept = [line for line in kept if line[:3] in WITH_STAY]
    return _merged(kept, [line for line in heard if line[:3] in WITH_STAY], frozenset())


def _merged(kept: Sequence[str], heard: list[str], gone: frozenset[str]) -> list[str]:
    names = {line[:3] for line in heard} | gone
    names |= {rider for name in names for rider in RIDERS.get(name, ())}
    there = [line for line in heard if not _NONE.fullmatch(line)]
    return [*there, *(line for line in kept if line[:3] not in names)]
