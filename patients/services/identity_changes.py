"""Who somebody is, as a clerk settles it: two records are one person, or a number is another now.

Every number that ends is kept with its end and still says whose news it is. Nothing here touches demographics.
"""

from collections.abc import Sequence
from typing import Any

from pasmirror.lib import audit, clock
from pasmirror.lib.actor import Actor
from pasmirror.lib.idempotency import Key
from patients import facts, guard
from patients.facts import Kind, Named, News
from patients.identifiers import Identifier
from patients.models import Appointment, Change, Gate, Movement, Patient, Stay, Trunk
from patients.refusals import Refused, Stale
from patients.services import numbers
from patients.services.loaded import Loaded
from patients.services.moving import Moving
from patients.services.rows import IDENTIFIERS, Written, reserve
from patients.services.saving import Saved, all_locked, enter, locked, locked_stay, once
from patients.states import Event, StayStatus


def merge(
    *,
    survivor_id: int,
    loser_id: int,
    seen: int,
    seen_loser: int,
    reason: str,
    by: Actor,
    key: Key,
    although_different: bool = False,
) -> Saved:
    """Make two records one: `survivor_id` stands, all that is of the other is its from now on, and its numbers end.

    `seen`, `seen_loser`: the versions the clerk saw. Refused where they look like two people, unless the clerk has
    been told so and says `although_different`; where one was merged before, or both are admitted.
    """
    _why(reason, "Enter why they are one person")
    if survivor_id == loser_id:
        raise Refused("Choose two records: this is one and the same")
    asked = ["merge", survivor_id, loser_id, reason, although_different]

    def work(stands: Gate) -> Saved:
        survivor, loser = _both(survivor_id, loser_id)
        all_locked()
        _fresh(survivor, seen)
        _fresh(loser, seen_loser)
        _why_not_one(survivor, loser, although_different=although_different)
        return _join(survivor_id, loser_id, reason, Written(by=by, epoch=stands.epoch, change_ids=_keys()))

    return once(key, by, "merge", asked, work)


def renumber(
    *, patient_id: int, seen: int, ends: Identifier, number: Identifier, reason: str, by: Actor, key: Key
) -> Saved:
    """Let `number` be the patient's instead of `ends`, a valid one: the PAS's own for our temporary one, say."""
    _why(reason, "Enter why the number changes")
    number = _typed(number)
    asked = ["renumber", patient_id, ends.as_json(), number.as_json(), reason]

    def work(stands: Gate) -> Saved:
        patient = locked(Patient, patient_id)
        all_locked()
        _fresh(patient, seen)
        written = Written(by=by, epoch=stands.epoch, change_ids=_keys())
        _replace(Kind.PATIENT, patient, ends, number, written)
        full = {**_of(Kind.PATIENT, patient), "prior_ids": [ends.as_json()]}
        return _enter(Event.RENUMBER, "renumber", reason, written, full, {Kind.PATIENT: patient.pk})

    return once(key, by, "renumber", asked, work)


def link_stay_number(
    *, stay_id: int, seen: int, ends: Identifier, number: Identifier, reason: str, by: Actor, key: Key
) -> Saved:
    """Confirm that the PAS calls a stay `number`, which we call `ends`; from now on it is told of by that."""
    _why(reason, "Enter how the number is known")
    number = _typed(number)
    asked = ["link-stay", stay_id, ends.as_json(), number.as_json(), reason]

    def work(stands: Gate) -> Saved:
        patient, stay = locked_stay(stay_id, seen)
        written = Written(by=by, epoch=stands.epoch, change_ids=_keys())
        _replace(Kind.STAY, stay, ends, number, written)
        full = {**_of(Kind.PATIENT, patient), **_of(Kind.STAY, stay), "prior_stay_ids": [ends.as_json()]}
        objects = {Kind.PATIENT: patient.pk, Kind.STAY: stay.pk}
        return _enter(Event.RENUMBER_STAY, "link-stay", reason, written, full, objects)

    return once(key, by, "link-stay", asked, work)


def _why(reason: str, needed: str) -> None:
    if not reason.strip():
        raise Refused(needed, "reason")


def _typed(number: Identifier) -> Identifier:
    number = number._replace(value="".join(number.value.split()))
    if not number.value:
        raise Refused("Enter the number", "number")
    if len(number.value) > 50 or not number.value.isprintable():
        raise Refused("That is no number", "number")
    return number


def _keys() -> Any:
    """Take the id of the change: after the patients' locks, so that a patient's changes are in commit order."""
    return reserve({Change: 1})[Change]


def _fresh(patient: Patient, seen: int) -> None:
    if patient.version != seen:
        raise Stale(Kind.PATIENT, facts.of(Kind.PATIENT, patient), patient.version)
    if patient.merged_into_id:
        raise Refused("This record has been merged into another: open that one")


# Merges


def _both(survivor_id: int, loser_id: int) -> tuple[Patient, Patient]:
    """Lock both records, by id as everybody does."""
    rows = {pk: locked(Patient, pk) for pk in sorted((survivor_id, loser_id))}
    return rows[survivor_id], rows[loser_id]


def _why_not_one(survivor: Patient, loser: Patient, *, although_different: bool) -> None:
    one, other = facts.of(Kind.PATIENT, survivor), facts.of(Kind.PATIENT, loser)
    if not although_different and guard.disagreement(one, other):
        raise Refused("Birth date and name or NHS number differ: these look like two people", "although_different")
    if Stay.objects.filter(patient__in=(survivor, loser), status=StayStatus.IN).count() > 1:
        raise Refused("Both are admitted: take back the admission that is wrong, or discharge it, first")


def _join(survivor_id: int, loser_id: int, reason: str, written: Written) -> Saved:
    """Move all that was one's to the other, by the feed's own hands; its numbers end, and name the one that stands."""
    theirs, ended = numbers.valid(Kind.PATIENT, survivor_id), numbers.valid(Kind.PATIENT, loser_id)
    if not theirs or not ended:
        raise Refused("One of them has no hospital number to be merged by")
    named = (Named(tuple(theirs)), Named(tuple(ended)))
    news = News(Event.MERGE, written.at.replace(microsecond=0), tuple(theirs), prior=named[1], reason=reason.strip())
    keys = reserve({Patient: 0, Stay: 0, Appointment: 0, Trunk: 0, Movement: 0})
    loaded = Loaded([news], named, keys, last=True)  # both are locked: nothing of theirs can have moved
    survivor, loser = (loaded.rows[Kind.PATIENT][pk] for pk in (survivor_id, loser_id))
    moving = Moving(loaded, written)
    moving.retire(Kind.PATIENT, loser_id, ended, written.at)
    moving.everything(loser, survivor)
    written.touch(Kind.PATIENT, survivor, {})
    full = {
        Kind.PATIENT.value: facts.of(Kind.PATIENT, survivor),
        "patient_ids": loaded.numbers_of(Kind.PATIENT, survivor),
        "merged": loser_id,
        "prior_ids": [number.as_json() for number in ended],
    }
    change = next(written.change_ids)
    enter(written, change, news, "merge", known={}, full=full, objects={Kind.PATIENT: survivor_id})
    loaded.flush()
    audit.record(
        action=Event.MERGE.value, by=written.by, subject=f"patient:{loser_id}", change=change, epoch=written.epoch,
        detail={"merged_into": survivor_id},
    )  # fmt: skip
    return Saved(change, survivor_id)


# Numbers


def _replace(kind: Kind, row: Any, ends: Identifier, number: Identifier, written: Written) -> None:
    """End one valid number of a row and give it another that nobody has or had."""
    if ends not in numbers.valid(kind, row.pk):
        raise Refused("The number that is to end is not valid any more: open the record again", "ends")
    if number == ends:
        raise Refused("That is the number it has already", "number")
    held: Sequence[tuple[int, Any]] = list(_holders(kind, number))
    if any(owner != row.pk for owner, _ in held):
        whose = "another patient: is it one person, to be merged?" if kind is Kind.PATIENT else "another stay"
        raise Refused(f"This number belongs to {whose}", "number")
    if held:
        ended = any(until for _, until in held)
        raise Refused("This number was replaced before" if ended else "That number is on the record already", "number")
    same = {"type": ends.type, "authority": ends.authority, "value": ends.value, "until": None}
    IDENTIFIERS[kind].objects.filter(**same).update(until=written.at)  # type: ignore[attr-defined]
    written.number(kind, row, number, written.at)
    written.touch(kind, row, {})


def _holders(kind: Kind, number: Identifier) -> Any:
    same = {"type": number.type, "authority": number.authority, "value": number.value}
    return IDENTIFIERS[kind].objects.filter(**same).values_list(f"{kind.value}_id", "until")  # type: ignore[attr-defined]


def _of(kind: Kind, row: Any) -> dict[str, Any]:
    return {kind.value: facts.of(kind, row)}


def _enter(
    event: Event, screen: str, reason: str, written: Written, full: dict[str, Any], objects: dict[Kind, int]
) -> Saved:
    """Enter a changed number with the numbers that are valid now."""
    for kind, pk in objects.items():
        new = [Identifier(row.type, row.authority, row.value) for row in written.numbers[kind]]
        full[f"{kind.value}_ids"] = [number.as_json() for number in (*numbers.valid(kind, pk), *new)]
    news = News(event, clock.now().replace(microsecond=0), reason=reason.strip())
    change = next(written.change_ids)
    enter(written, change, news, screen, known={}, full=full, objects=objects)
    return Saved(change, objects[Kind.PATIENT], objects.get(Kind.STAY))
