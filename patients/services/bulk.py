"""Takes a load's news into the record, thousands at a time: people nobody knows by COPY, the rest as the feed does.

Both ways leave the same rows (a test holds them to it). Knows no file: `load` is what the origin of all its changes
begins with, so that two rows of one load that say different things of one number are noticed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import connection, transaction

from pasmirror.lib import clock
from pasmirror.lib.actor import Actor
from patients.facts import Groups, Kind, News
from patients.identifiers import Identifier
from patients.models import Change, Patient, Trunk
from patients.services import feed, strangers
from patients.services.naming import KEEPS_RETIRED
from patients.services.taken import Blocked, Entry, Taken
from patients.states import APPOINTMENT_EVENTS, STAY_EVENTS, Event, StayStatus

Told = dict[tuple[Kind, int], str]
"""Of which objects a load has told already, and with which origin."""
REMEMBERED = 50_000  # objects that rows said nothing new of, the latest ones: what changes leaves its own trace
_BEGUN = frozenset({StayStatus.ATTENDING, StayStatus.IN, StayStatus.OUT})

_OWNERS = {
    Kind.PATIENT: "SELECT i.type, i.authority, i.value, i.until IS NULL, i.patient_id, i.patient_id, '', NULL "
    "FROM patients_patientidentifier i WHERE i.value = ANY(%s)",
    Kind.STAY: "SELECT i.type, i.authority, i.value, i.until IS NULL, i.stay_id, s.patient_id, s.status, "
    "s.admitted_at "
    "FROM patients_stayidentifier i JOIN patients_stay s ON s.id = i.stay_id WHERE i.value = ANY(%s)",
    Kind.APPOINTMENT: "SELECT i.type, i.authority, i.value, i.until IS NULL, i.appointment_id, a.patient_id, a.status, "
    "NULL FROM patients_appointmentidentifier i JOIN patients_appointment a ON a.id = i.appointment_id "
    "WHERE i.value = ANY(%s)",
}
_VALID, _RETIRED = " AND i.until IS NULL", " AND i.until IS NOT NULL"  # each has an index of its own


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose number it is: the patient, stay or appointment, its patient, and whether the number is still valid."""

    object_id: int
    patient: int
    valid: bool
    status: str = ""  # where the stay or appointment stands
    began: datetime | None = None


@dataclass(slots=True)
class _Known:
    """What a lot needs to know beforehand: who has its numbers, and what this load has told already."""

    owners: dict[Kind, dict[Identifier, Owner]]
    told: Told = field(default_factory=dict)


def take(
    entries: Sequence[Entry], *, by: Actor, load: str, blocked: Blocked | None = None, unchanged: Told | None = None
) -> list[Taken]:
    """Take rows of an extract, in one transaction; each says all it has to say of one patient, stay or appointment.

    A row may be several entries of one origin, in the order they happened; of what is known only the last is told. One
    that is refused holds up no other. `unchanged` is this load's own memory of what it has told without a change.

    Raises what the database refuses, and then nothing was taken.
    """
    taken: dict[int, Taken] = {}
    blocked, unchanged, entries = blocked or Blocked(), {} if unchanged is None else unchanged, list(entries)
    with transaction.atomic():
        rounds = _rounds(entries)
        if len(rounds) > 1:
            _lock(entries)
        for lot in rounds:
            some = [entries[n] for n in lot]
            kinds = {Kind.PATIENT, *(_kind(entry.news) for entry in some)}
            known = _Known({kind: _owners(kind, some) for kind in kinds})
            new = [n for n in lot if _is_strange(entries[n].news, known, blocked)]
            taken |= zip(new, strangers.insert([entries[n] for n in new], by=by), strict=True)
            if not (lot := [n for n in lot if n not in taken]):
                continue
            known.told = unchanged | _told(known.owners, load)
            taken |= dict.fromkeys(_needless(lot, entries, known), Taken("already", "already"))
            rest = [n for n in lot if n not in taken]
            for n, entry in zip(rest, _unverified([entries[n] for n in rest], known), strict=True):
                entries[n] = _of_begun(entry, _owner(entry.news, known))
            taken |= zip(rest, _as_the_feed([entries[n] for n in rest], known, by, blocked), strict=True)
            same = (entries[n] for n in rest if taken[n].outcome == "already")
            unchanged |= {thing: entry.origin for entry in same if (thing := _object(entry.news, known))[1]}
            for thing in list(unchanged)[: max(len(unchanged) - REMEMBERED, 0)]:
                del unchanged[thing]
    return [taken[n] for n in range(len(entries))]


def _rounds(entries: Sequence[Entry]) -> list[list[int]]:
    """Part a lot so that no number is spoken of by two rows of one round; entries of one origin stay together."""
    said = [number for entry in entries for number in _numbers(entry.news, _kind(entry.news))]
    if len({*said}) == len(said):
        return [[*range(len(entries))]]
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


def _lock(entries: Sequence[Entry]) -> None:
    """Lock all the patients of a lot at once, by id, as everybody does: round by round they would come in no order."""
    kinds = {Kind.PATIENT, *(_kind(entry.news) for entry in entries)}
    patients = {owner.patient for kind in kinds for owner in _owners(kind, entries).values()}
    list(Patient.objects.select_for_update().filter(pk__in=patients).order_by("pk").values_list("pk"))


def _needless(lot: Sequence[int], entries: Sequence[Entry], known: _Known) -> list[int]:
    """Name the entries that only lead up to the last of the same row, where what they begin is known already.

    And the last one where it says nothing that the one before it has not said.
    """
    last = {entries[n].origin: n for n in lot}
    found = []
    for n in lot:
        news, owner = entries[n].news, _owner(entries[n].news, known)
        if n != last[entries[n].origin]:
            found += [n] if owner and _is_begun(owner, news) else []
        elif news.event == Event.MODIFY_APPOINTMENT and owner is None and "status" not in news.appointment:
            found.append(n)
    return found


def _is_begun(owner: Owner, news: News) -> bool:
    """Say whether what the news begins has begun: an expected stay has not, nor has who attends been admitted."""
    if news.event == Event.ADMIT and owner.status == StayStatus.ATTENDING:
        return not news.stay.get("admission", {}).get("patient_class")  # not said: it may be either
    return news.event in APPOINTMENT_EVENTS or owner.status in _BEGUN


def _of_begun(entry: Entry, owner: Owner | None) -> Entry:
    """Give a row of a stay that has begun already as what it is: its details, as they stood when they were written."""
    news = entry.news
    if news.event not in (Event.ADMIT, Event.ATTEND) or owner is None or not _is_begun(owner, news):
        return entry
    if owner.status == StayStatus.OUT:
        return entry
    said = dict(news.stay)
    if owner.began and abs(owner.began - news.occurred_at) < timedelta(days=1):
        said.pop("times", None)  # the same time, perhaps less precise
    at = news.sent_at or news.occurred_at
    return replace(entry, news=replace(news, event=Event.UPDATE_STAY, occurred_at=at, stay=said))


def _unverified(entries: Sequence[Entry], known: _Known) -> list[Entry]:
    """Give the entries, an NHS number without a status as not verified where it is not the one the PAS holds."""
    patients = {n: _patient(entry.news, known) for n, entry in enumerate(entries) if strangers.is_bare(entry.news)}
    trunks = Trunk.objects.filter(kind=Kind.PATIENT, object_id__in={*patients.values()} - {0}) if patients else ()
    held = {trunk.object_id: trunk.held.get("nhs", {}).get("nhs_number") for trunk in trunks}
    new = {n for n, patient in patients.items() if held.get(patient) != entries[n].news.patient["nhs"]["nhs_number"]}
    return [_with_status(entry) if n in new else entry for n, entry in enumerate(entries)]


def _with_status(entry: Entry) -> Entry:
    return replace(entry, news=replace(entry.news, patient=strangers.unverified(entry.news.patient)))


def _patient(news: News, known: _Known) -> int:
    owners = known.owners[Kind.PATIENT]
    return next((owners[number].patient for number in news.patient_ids if number in owners), 0)


def _kind(news: News) -> Kind:
    if news.event in STAY_EVENTS:
        return Kind.STAY
    return Kind.APPOINTMENT if news.event in APPOINTMENT_EVENTS else Kind.PATIENT


def _numbers(news: News, kind: Kind) -> tuple[Identifier, ...]:
    if kind is Kind.PATIENT:
        return news.patient_ids
    return news.stay_ids if kind is Kind.STAY else news.appointment_ids


def _owners(kind: Kind, entries: Sequence[Entry]) -> dict[Identifier, Owner]:
    said = {number for entry in entries for number in _numbers(entry.news, kind)}
    values = list({number.value for number in said})
    asked = _OWNERS[kind] + _VALID
    if kind in KEEPS_RETIRED:
        asked += f" UNION ALL {_OWNERS[kind]}{_RETIRED}"
    with connection.cursor() as cursor:
        cursor.execute(asked, [values] * asked.count("%s"))
        found = [(Identifier(*row[:3]), Owner(row[4], row[5], row[3], *row[6:])) for row in cursor.fetchall()]
    found.sort(key=lambda pair: pair[1].valid)  # of a number with several holders the one who has it now
    return {number: owner for number, owner in found if number in said}


def _told(owners: Mapping[Kind, Mapping[Identifier, Owner]], load: str) -> Told:
    """Say of which objects this load has told a change already."""
    patients = {owner.patient for of_kind in owners.values() for owner in of_kind.values()}
    if not patients:
        return {}
    changes = Change.objects.filter(patient__in=patients, origin__startswith=load).order_by("id")
    told: Told = {}
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
    told = feed.take(rest, by=by, blocked=blocked, audited=False, apart=True) if rest else []
    taken = iter(_since(rest, told, known))
    return [set_aside[n] if n in set_aside else next(taken) for n in range(len(entries))]


def _since(entries: Sequence[Entry], taken: Sequence[Taken], known: _Known) -> list[Taken]:
    """Give the outcomes, with nothing to change where the feed has told since the extract was made what ended it."""
    filed = {n: _object(entries[n].news, known) for n, each in enumerate(taken) if each.outcome == "filed"}
    stays = {pk for kind, pk in filed.values() if kind is Kind.STAY}
    trunks = Trunk.objects.filter(kind=Kind.STAY, object_id__in=stays) if stays else ()
    heard = {trunk.object_id: max((step["told"] for step in trunk.steps), default="") for trunk in trunks}
    since = {n for n in filed if taken[n].code == "older"}
    for n, (kind, pk) in filed.items():
        sent = entries[n].news.sent_at
        if kind is Kind.STAY and sent and heard.get(pk, "") > clock.iso(sent):
            since.add(n)
    return [replace(each, outcome="already") if n in since else each for n, each in enumerate(taken)]


def _held(entries: Sequence[Entry], known: _Known) -> dict[tuple[Kind, int], Groups]:
    """Give what the PAS holds of whatever this load has told of already."""
    again = {key for entry in entries if (key := _object(entry.news, known)) in known.told}
    trunks = Trunk.objects.filter(kind__in=list(Kind), object_id__in={pk for _, pk in again})
    return {(Kind(t.kind), t.object_id): t.held for t in trunks if (Kind(t.kind), t.object_id) in again}


def _object(news: News, known: _Known) -> tuple[Kind, int]:
    owner = _owner(news, known)
    return _kind(news), owner.object_id if owner else 0


def _owner(news: News, known: _Known) -> Owner | None:
    kind = _kind(news)
    owners = known.owners.get(kind, {})
    return next((owners[number] for number in _numbers(news, kind) if number in owners), None)


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
