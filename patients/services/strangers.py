"""Writes people nobody knows, thousands at once: record, numbers, trunk and change each by one COPY.

What stands afterwards is what the feed would have left of the same news. Who is a stranger is decided elsewhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from django.db import connection
from django.db.models import Model

from pasmirror.lib import clock, copying
from pasmirror.lib.actor import Actor
from pasmirror.lib.copying import NULL, as_text, jsonb
from patients import facts
from patients.facts import Kind, News, Value
from patients.models import Change, Gate, Patient, PatientIdentifier, Trunk
from patients.services.rows import reserve
from patients.services.taken import Entry, Taken

SAME_NHS = "another patient has the same NHS number"
_BLANK = facts.blank(Kind.PATIENT)
_BLANK_JSON = {group: jsonb(values) for group, values in _BLANK.items()}
_SHAPES = {group: "{" + ",".join(f'"{name}":%s' for name in values) + "}" for group, values in _BLANK.items()}
_PERSON = ["id", *(name for values in _BLANK.values() for name in values), "made_at", "heard_at", "sent_at", "sent"]
_NUMBER = ["type", "authority", "value", "since", "patient_id"]
_TRUNK = ["id", "kind", "object_id", "held", "heard_at", "message"]
_CHANGE = ["id", "event", "patient_id", "before", "after", "facts", "origin", "source", "actor", "epoch"]
_CHANGE += ["occurred_at", "recorded_at"]


def insert(entries: Sequence[Entry], *, by: Actor) -> list[Taken]:
    """Write each entry as a new patient, in the caller's transaction.

    Raises what the database refuses (a number that somebody has meanwhile been given, say): then none is written.
    """
    if not entries:
        return []
    lines = _Lines(len(entries), by, Gate.objects.get(scope="site").epoch)
    nhs = _nhs_numbers(entries)
    taken = []
    for entry in entries:
        patient, change = lines.add(entry)
        same = (SAME_NHS,) if nhs[_nhs_number(entry.news)] > 1 else ()
        taken.append(Taken("applied", "", "", (*entry.news.warnings, *same), patient, change))
    lines.write()
    return taken


class _Lines:
    """The rows of many new people as COPY's lines."""

    def __init__(self, count: int, by: Actor, epoch: int) -> None:
        self.keys = reserve({Patient: count, Trunk: count, Change: count})
        self.at = as_text(clock.now())
        self.who = f"{jsonb(by.as_json())}\t{epoch}"
        self.people: list[str] = []
        self.numbers: list[str] = []
        self.trunks: list[str] = []
        self.changes: list[str] = []

    def add(self, entry: Entry) -> tuple[int, int]:
        """Add one person; gives the ids of patient and change."""
        news, at = entry.news, self.at
        patient, change = next(self.keys[Patient]), next(self.keys[Change])
        known = facts.overlaid(_BLANK, news.patient)
        values = [v if type(v) is str else as_text(v) for group in known.values() for v in group.values()]
        sent = as_text(news.sent_at if news.patient else None)  # how old its demographics are
        ages = _ages(news.sent_at, tuple([group for group, said in news.patient.items() if said]))
        self.people.append(f"{patient}\t{copying.line(values)}\t{at}\t{at}\t{sent}\t{ages}")
        self.numbers += ["\t".join([*map(as_text, number), at, str(patient)]) for number in news.patient_ids]
        written = {group: _written(group, values) for group, values in known.items()}
        held = _json_object(written)
        self.trunks.append(f"{next(self.keys[Trunk])}\tpatient\t{patient}\t{held}\t{at}\t{entry.message}")
        differing = [group for group, values in known.items() if values != _BLANK[group]]
        before, after = ({group: of[group] for group in differing} for of in (_BLANK_JSON, written))
        numbers = ",".join(["[" + ",".join(map(encode_basestring_ascii, number)) + "]" for number in news.patient_ids])
        full = _json_object({"patient": held, "patient_ids": f"[{numbers}]".replace("\\", "\\\\")})
        self.changes.append(
            f"{change}\t{news.event}\t{patient}\t{_of_patient(before)}\t{_of_patient(after)}\t{full}"
            f"\t{as_text(entry.origin)}\tfeed\t{self.who}\t{as_text(news.occurred_at)}\t{at}"
        )
        return patient, change

    def write(self) -> None:
        """Write them all, parents first."""
        _copy(Patient, _PERSON, self.people)
        _copy(PatientIdentifier, _NUMBER, self.numbers)
        _copy(Trunk, _TRUNK, self.trunks)
        _copy(Change, _CHANGE, self.changes)


@lru_cache(maxsize=1024)
def _ages(sent_at: datetime | None, groups: tuple[str, ...]) -> str:
    """Give how old each of these groups is, for COPY, as the feed notes it (`patients.staleness`)."""
    return jsonb(dict.fromkeys(groups, clock.iso(sent_at))) if sent_at and groups else NULL


def _written(group: str, values: Mapping[str, Value]) -> str:
    """Give a group as JSON for COPY; `values` in the order of the blank one."""
    told = _SHAPES[group] % tuple([encode_basestring_ascii(v) if type(v) is str else jsonb(v) for v in values.values()])
    return told.replace("\\", "\\\\") if "\\" in told else told


def _json_object(parts: Mapping[str, str]) -> str:
    """Put together a JSON object from parts that are JSON already."""
    return "{" + ",".join([f'"{name}":{part}' for name, part in parts.items()]) + "}"


def _of_patient(groups: Mapping[str, str]) -> str:
    return _json_object({"patient": _json_object(groups)}) if groups else "{}"


def _copy(model: type[Model], names: Sequence[str], lines: list[str]) -> None:
    """Insert lines, each ended with the defaults of the columns that `names` leaves out."""
    rest: dict[str, Any] = copying.left_over(model, names)
    end = "".join(f"\t{value}" for value in rest.values())
    copying.insert_lines(model, [*names, *rest], [line + end for line in lines])


def _nhs_number(news: News) -> str:
    return str(news.patient.get("nhs", {}).get("nhs_number", ""))


def _nhs_numbers(entries: Sequence[Entry]) -> Counter[str]:
    """Count how many have each NHS number, here and in the record; of none at all nobody."""
    said = Counter(_nhs_number(entry.news) for entry in entries)
    del said[""]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nhs_number FROM patients_patient WHERE nhs_number = ANY(%s) AND nhs_number <> ''", [list(said)]
        )
        said.update(row[0] for row in cursor.fetchall())
    return said
