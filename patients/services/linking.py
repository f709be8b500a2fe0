"""Links records that belong together and unlinks them; a link changes neither record's facts."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db.models import Q

from patients import facts
from patients.facts import Kind, News
from patients.models import Patient, PatientLink
from patients.services.rows import Written
from patients.states import Event

MOTHER = "mother"


class Pair(NamedTuple):
    """Two records, in the order they are named; `numbers` gives all valid numbers of one, as they are journalled."""

    patient: Patient
    other: Patient
    numbers: Callable[[Kind, Patient], list[list[str]]]


def link(kind: str, pair: Pair, news: News, written: Written, origin: str) -> int | None:
    """Link two records, in the caller's transaction; gives the change made.

    None if they are linked already, whichever way round they were named then, or if newer news says otherwise: that
    the link ended, or that the mother is somebody else. A newborn has one mother: the last one named.
    """
    patient, other, _ = pair
    standing, ended = Q(until=None), Q(until__gt=news.occurred_at)
    same = _of(kind, patient.pk, other.pk)
    if PatientLink.objects.filter(same, standing | ended).exists():
        return None
    if kind == MOTHER:
        others = PatientLink.objects.filter(standing, kind=kind, patient=patient.pk)
        if others.filter(since__gt=news.occurred_at).exists():
            return None
        others.update(until=news.occurred_at)
    PatientLink.objects.create(kind=kind, patient_id=patient.pk, other_id=other.pk, since=news.occurred_at)
    return _journal(Event.LINK, kind, pair, news, written, origin)


def _of(kind: str, patient: int, other: int) -> Q:
    """Give the links of two records: one way round for mother and child, either way for what the PAS links."""
    one = Q(kind=kind, patient=patient, other=other)
    return one if kind == MOTHER else one | Q(kind=kind, patient=other, other=patient)


def unlink(pair: Pair, news: News, written: Written, origin: str) -> int | None:
    """End what the PAS linked, whichever way round it named them; gives the change made.

    None if there is no such link, or none from before this news.
    """
    standing = PatientLink.objects.filter(_of("linked", pair.patient.pk, pair.other.pk), until=None)
    ended = standing.exclude(since__gt=news.occurred_at).update(until=news.occurred_at)
    return _journal(Event.UNLINK, "linked", pair, news, written, origin) if ended else None


def follow(loser: int, survivor: int, written: Written) -> None:
    """Let a merged record's links be the survivor's, each once, one mother, and none to itself."""
    for row in PatientLink.objects.filter(until=None, patient_id=loser) | PatientLink.objects.filter(
        until=None, other_id=loser
    ):
        ends = {loser: survivor}
        patient, other = ends.get(row.patient_id, row.patient_id), ends.get(row.other_id, row.other_id)
        row.until = written.at
        row.save(update_fields=["until"])
        same = Q(kind=MOTHER, patient=patient) if row.kind == MOTHER else _of(row.kind, patient, other)
        if patient != other and not PatientLink.objects.filter(same, until=None).exists():
            PatientLink.objects.create(kind=row.kind, patient_id=patient, other_id=other, since=row.since)


def _journal(event: Event, kind: str, pair: Pair, news: News, written: Written, origin: str) -> int:
    """Enter it with all that a message about it must say: both records' numbers, and who the other one is."""
    patient, other, numbers = pair
    change = next(written.change_ids)
    full: dict[str, Any] = {
        Kind.PATIENT.value: facts.of(Kind.PATIENT, patient),
        "patient_ids": numbers(Kind.PATIENT, patient),
        "link": kind,
        "other": other.pk,
        "other_ids": numbers(Kind.PATIENT, other),
        "other_patient": facts.of(Kind.PATIENT, other),
    }
    written.journal(
        change=change,
        news=News(event=event, occurred_at=news.occurred_at),
        source="feed",
        origin=origin,
        known={},
        full=full,
        objects={Kind.PATIENT: patient.pk},
    )
    return change
