"""Writes people nobody knows, thousands at once: record, numbers, trunk and change each by one COPY.

What stands afterwards is what the feed would have left of the same news. Who is a stranger is decided elsewhere: all
of their rows but keys and the moment of writing can be drafted before that is known, while the database is at work.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import starmap
from json.encoder import encode_basestring
from typing import NamedTuple

from django.db import connection
from django.db.models import Model

from pasmirror.lib import clock, copying
from pasmirror.lib.actor import Actor
from pasmirror.lib.copying import NULL, as_text, jsonb
from patients import facts
from patients.facts import Groups, Kind, News, Value
from patients.identifiers import NOT_VERIFIED
from patients.models import Change, Gate, Patient, PatientIdentifier, Trunk
from patients.services.rows import reserve
from patients.services.taken import Entry, Taken

SAME_NHS = "another patient has the same NHS number"
_BLANK = {  # in the order in which jsonb keeps the names of an object: so it need not sort them
    group: dict(sorted(values.items(), key=lambda each: (len(each[0]), each[0])))
    for group, values in sorted(facts.blank(Kind.PATIENT).items(), key=lambda each: (len(each[0]), each[0]))
}
_PERSON = ["id", "made_at", "heard_at", *(name for values in _BLANK.values() for name in values), "sent_at", "sent"]
_NUMBER = ["patient_id", "since", "type", "authority", "value"]
_TRUNK = ["object_id", "heard_at", "kind", "held", "message"]
_CHANGE = ["id", "patient_id", "recorded_at", "actor", "epoch", "event", "before", "after", "facts", "origin", "source"]
_CHANGE += ["occurred_at"]


class Draft(NamedTuple):
    """The rows of a new person as parts of COPY's lines; what several of them hold is there once."""

    person: str
    numbers: tuple[str, ...]
    held: str
    before: str
    after: str
    rest: str  # of the change, from its facts' numbers on


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted(Entry):
    """An entry with its draft, should it turn out to be of a stranger."""

    draft: Draft


class _Group(NamedTuple):
    """Where a group's values stand in a person's row, and what they are and tell while nothing is known."""

    place: slice
    values: list[Value]
    told: str


def _shape(group: str, values: Mapping[str, Value]) -> str:
    return f'"{group}":{{' + ",".join(f'"{name}":%s' for name in values) + "}"


def _groups() -> list[_Group]:
    made, place = [], 0
    for group, values in _BLANK.items():
        told = _shape(group, values) % tuple(map(jsonb, values.values()))
        made.append(_Group(slice(place, place := place + len(values)), [*values.values()], told))
    return made


_GROUPS, _SHAPE = _groups(), "\n".join(starmap(_shape, _BLANK.items()))
_ROW = {name: value for values in _BLANK.values() for name, value in values.items()}


def is_bare(news: News) -> bool:
    """Say whether the news gives an NHS number and not how sure it is."""
    nhs = news.patient.get("nhs", {})
    return bool(nhs.get("nhs_number")) and "nhs_status" not in nhs


def unverified(said: Groups) -> Groups:
    """Give what was said of a patient, the NHS number as one that nobody has verified."""
    return {**said, "nhs": {**said["nhs"], "nhs_status": NOT_VERIFIED}}


def draft(news: News, *, origin: str) -> Draft:
    """Draft the rows of the person that news registers; an NHS number without a status is not verified."""
    known = {**_ROW}
    for values in (unverified(news.patient) if is_bare(news) else news.patient).values():
        known.update(values)
    row = [*known.values()]
    told = _escaped(_SHAPE % tuple([encode_basestring(v) if type(v) is str else _json(v) for v in row])).split("\n")
    numbers = _escaped(",".join(["[" + ",".join(map(encode_basestring, number)) + "]" for number in news.patient_ids]))
    differing = tuple([n for n, group in enumerate(_GROUPS) if row[group.place] != group.values])
    held, after = ",".join(told), ",".join([told[n] for n in differing])
    sent, occurred = _moment(news.sent_at if news.patient else None), _moment(news.occurred_at)
    ages = _ages(news.sent_at, tuple([group for group, values in news.patient.items() if values]))
    return Draft(
        f"{copying.line([v if type(v) is str else as_text(v) for v in row])}\t{sent}\t{ages}",
        tuple([copying.line(number) for number in news.patient_ids]),
        f"{{{held}}}",
        _before(differing),
        _of_patient(after),
        f'"patient_ids":[{numbers}]}}\t{as_text(origin)}\tfeed\t{occurred}',
    )


def insert(entries: Sequence[Entry], *, by: Actor) -> list[Taken]:
    """Write each entry as a new patient, in the caller's transaction.

    Raises what the database refuses (a number that somebody has meanwhile been given, say): then none is written.
    """
    if not entries:
        return []
    at, epoch, nhs = as_text(clock.now()), Gate.objects.get(scope="site").epoch, _nhs_numbers(entries)
    who = f"{at}\t{jsonb(by.as_json())}\t{epoch}"
    keys = reserve({Patient: len(entries), Change: len(entries)})
    people, numbers, trunks, changes, taken = [], [], [], [], []
    for entry, patient, change in zip(entries, keys[Patient], keys[Change], strict=True):
        rows = entry.draft if isinstance(entry, Drafted) else draft(entry.news, origin=entry.origin)
        people.append(f"{patient}\t{at}\t{at}\t{rows.person}")
        numbers += [f"{patient}\t{at}\t{number}" for number in rows.numbers]
        trunks.append(f"{patient}\t{at}\tpatient\t{rows.held}\t{entry.message}")
        told = f'{entry.news.event}\t{rows.before}\t{rows.after}\t{{"patient":{rows.held},{rows.rest}'
        changes.append(f"{change}\t{patient}\t{who}\t{told}")
        same = (SAME_NHS,) if nhs[_nhs_number(entry.news)] > 1 else ()
        taken.append(Taken("applied", "", "", (*entry.news.warnings, *same), patient, change))
    _copy(Patient, _PERSON, people)  # parents first
    _copy(PatientIdentifier, _NUMBER, numbers)
    _copy(Trunk, _TRUNK, trunks)
    _copy(Change, _CHANGE, changes)
    return taken


_moment = lru_cache(maxsize=1024)(as_text)
_json = lru_cache(maxsize=1024, typed=True)(jsonb)


@lru_cache(maxsize=1024)
def _ages(sent_at: datetime | None, groups: tuple[str, ...]) -> str:
    """Give how old each of these groups is, for COPY, as the feed notes it (`patients.staleness`)."""
    return jsonb(dict.fromkeys(groups, clock.iso(sent_at))) if sent_at and groups else NULL


def _escaped(told: str) -> str:
    """Give JSON as COPY wants it, whose only mark it can hold is the backslash."""
    return told.replace("\\", "\\\\") if "\\" in told else told


@lru_cache(maxsize=256)
def _before(groups: Sequence[int]) -> str:
    return _of_patient(",".join([_GROUPS[n].told for n in groups]))


def _of_patient(groups: str) -> str:
    return f'{{"patient":{{{groups}}}}}' if groups else "{}"


def _copy(model: type[Model], names: Sequence[str], lines: list[str]) -> None:
    """Insert lines, each ended with the defaults of the columns that `names` leaves out."""
    rest = copying.left_over(model, names)
    copying.insert_lines(model, [*names, *rest], lines, end="".join(f"\t{value}" for value in rest.values()))


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
