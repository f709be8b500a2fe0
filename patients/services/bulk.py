"""Takes a load's news into the record, thousands at a time: people nobody knows by COPY, the rest as the feed does.

Both ways leave the same rows (a test holds them to it). Knows no file: `load` is what the origin of all its changes
begins with, so that two rows of one load that say different things of one number are noticed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction

from pasmirror.lib.actor import Actor
from patients.facts import Groups, Kind, News
from patients.identifiers import Identifier
from patients.models import Change, Trunk
from patients.services import feed, strangers
from patients.services.taken import Blocked, Entry, Taken
from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS, Event

_OWNERS = {
    Kind.PATIENT: "SELECT i.type, i.authority, i.value, i.until IS NULL, i.patient_id, i.patient_id "
    "FROM patients_patientidentifier i WHERE i.value = ANY(%s)",
    Kind.STAY: "SELECT i.type, i.authority, i.value, i.until IS NULL, i.stay_id, s.patient_id "
    "FROM patients_stayidentifier i JOIN patients_stay s ON s.id = i.stay_id WHERE i.value = ANY(%s)",
    Kind.APPOINTMENT: "SELECT i.type, i.authority, i.value, i.until IS NULL, i.appointment_id, a.patient_id "
    "FROM patients_appointmentidentifier i JOIN patients_appointment a ON a.id = i.appointment_id "
    "WHERE i.value = ANY(%s)",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose number it is: the patient, stay or appointment, its patient, and whether the number is still valid."""

    object_id: int
    patient: int
    valid: bool


@dataclass(slots=True)
class _Known:
    """What a lot needs to know beforehand: who has its numbers, and what this load has told already."""

    owners: dict[Kind, dict[Identifier, Owner]]
    told: Mapping[tuple[Kind, int], str] = field(default_factory=dict)  # object: origin of this load's last change


def take(entries: Sequence[Entry], *, by: Actor, load: str, blocked: Blocked | None = None) -> list[Taken]:
    """Take rows of an extract, in one transaction; each says all it has to say of one patient, stay or appointment.

    A row may be several entries of one origin, in the order they happened; only the last is told of what is known.

    Raises what the database refuses, and then nothing was taken.
    """
    taken: dict[int, Taken] = {}
    blocked = blocked or Blocked()
    with transaction.atomic():
        for lot in _rounds(entries):
            some = [entries[n] for n in lot]
            kinds = {Kind.PATIENT, *(_kind(entry.news) for entry in some)}
            known = _Known({kind: _owners(kind, some) for kind in kinds})
            known.told = _told(known.owners, load)
            taken |= dict.fromkeys(_begun(lot, entries, known), Taken("already", "already"))
            lot = [n for n in lot if n not in taken]
            new = [n for n in lot if _is_strange(entries[n].news, known, blocked)]
            taken |= zip(new, strangers.insert([entries[n] for n in new], by=by), strict=True)
            rest = [n for n in lot if n not in taken]
            taken |= zip(rest, _as_the_feed([entries[n] for n in rest], known, by, blocked), strict=True)
    return [taken[n] for n in range(len(entries))]


def _rounds(entries: Sequence[Entry]) -> list[list[int]]:
    """Part a lot so that no number is spoken of by two rows of one round; entries of one origin stay together."""
    rounds: list[list[int]] = []
    last: dict[Identifier, tuple[int, str]] = {}
    for n, entry in enumerate(entries):
        numbers = _numbers(entry.news, _kind(entry.news))
        before = [last[number] for number in numbers if number in last]
        turn = max((r if origin == entry.origin else r + 1 for r, origin in before), default=0)
        last |= dict.fromkeys(numbers, (turn, entry.origin))
        rounds += [[]] if turn == len(rounds) else []
        rounds[turn].append(n)
    return rounds


def _begun(lot: Sequence[int], entries: Sequence[Entry], known: _Known) -> list[int]:
    """Name the entries that only lead up to the last of the same row, where what they begin is known already."""
    last = {entries[n].origin: n for n in lot}
    return [n for n in lot if n != last[entries[n].origin] and _object(entries[n].news, known)[1]]


def _kind(news: News) -> Kind:
    if news.event in STAY_EVENTS:
        return Kind.STAY
    return Kind.APPOINTMENT if news.event in APPOINTMENT_EVENTS else Kind.PATIENT


def _numbers(news: News, kind: Kind) -> tuple[Identifier, ...]:
    return {Kind.PATIENT: news.patient_ids, Kind.STAY: news.stay_ids, Kind.APPOINTMENT: news.appointment_ids}[kind]


def _owners(kind: Kind, entries: Sequence[Entry]) -> dict[Identifier, Owner]:
    said = {number for entry in entries for number in _numbers(entry.news, kind)}
    with connection.cursor() as cursor:
        cursor.execute(_OWNERS[kind], [list({number.value for number in said})])
        found = [(Identifier(*row[:3]), Owner(row[4], row[5], row[3])) for row in cursor.fetchall()]
    found.sort(key=lambda pair: pair[1].valid)  # of a number with several holders the one who has it now
    return {number: owner for number, owner in found if number in said}


def _told(owners: Mapping[Kind, Mapping[Identifier, Owner]], load: str) -> dict[tuple[Kind, int], str]:
    """Say of which objects this load has told already, and with which origin."""
    patients = {owner.patient for of_kind in owners.values() for owner in of_kind.values()}
    if not patients:
        return {}
    changes = Change.objects.filter(patient__in=patients, origin__startswith=load).order_by("id")
    told: dict[tuple[Kind, int], str] = {}
    for event, patient, stay, appointment, origin in changes.values_list(
        "event", "patient_id", "stay", "appointment", "origin"
    ):
        if event in (Event.REGISTER, Event.UPDATE):
            told[Kind.PATIENT, patient] = origin
        told |= {(k, pk): origin for k, pk in ((Kind.STAY, stay), (Kind.APPOINTMENT, appointment)) if pk}
    return told


def _is_strange(news: News, known: _Known, blocked: Blocked) -> bool:
    """Say whether a row registers somebody none of whose numbers anybody has or has had."""
    return (
        news.event == Event.REGISTER
        and bool(news.patient_ids)
        and not any(number in known.owners[Kind.PATIENT] or number in blocked.numbers for number in news.patient_ids)
    )


def _as_the_feed(entries: Sequence[Entry], known: _Known, by: Actor, blocked: Blocked) -> list[Taken]:
    held = _held(entries, known)
    set_aside = {n: why for n, entry in enumerate(entries) if (why := _why_not(entry, known, held))}
    rest = [entry for n, entry in enumerate(entries) if n not in set_aside]
    taken = iter(feed.take(rest, by=by, blocked=blocked, audited=False) if rest else ())
    return [set_aside[n] if n in set_aside else next(taken) for n in range(len(entries))]


def _held(entries: Sequence[Entry], known: _Known) -> dict[tuple[Kind, int], Groups]:
    """Give what the PAS holds of whatever this load has told of already."""
    again = {key for entry in entries if (key := _object(entry.news, known)) in known.told}
    trunks = Trunk.objects.filter(kind__in=list(Kind), object_id__in={pk for _, pk in again})
    return {(Kind(t.kind), t.object_id): t.held for t in trunks if (Kind(t.kind), t.object_id) in again}


def _object(news: News, known: _Known) -> tuple[Kind, int]:
    kind = _kind(news)
    owners = known.owners.get(kind, {})
    return kind, next((owners[number].object_id for number in _numbers(news, kind) if number in owners), 0)


def _why_not(entry: Entry, known: _Known, held: Mapping[tuple[Kind, int], Groups]) -> Taken | None:
    thing = _object(entry.news, known)
    origin = known.told.get(thing, entry.origin)
    if origin != entry.origin and not _says(held.get(thing, {}), entry.news.groups(thing[0])):
        line = origin.rpartition(":")[2]
        reason = f"Line {line} of this file says something else of the same number"
        return Taken("parked", "told-twice", reason, entry.news.warnings)
    return None


def _says(held: Groups, said: Groups) -> bool:
    return all(
        held.get(group, {}).get(name) == value for group, values in said.items() for name, value in values.items()
    )
