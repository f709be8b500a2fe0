"""Links records that belong together and unlinks them; a link changes neither record's facts."""

from typing import Any

from patients import facts
from patients.facts import Kind, News
from patients.models import Patient, PatientLink
from patients.services.rows import Written
from patients.states import Event


def link(kind: str, patient: Patient, other: Patient, news: News, written: Written, origin: str) -> int | None:
    """Link two records, in the caller's transaction; gives the change made, None if they were linked already."""
    _, new = PatientLink.objects.get_or_create(
        kind=kind, patient_id=patient.pk, other_id=other.pk, until=None, defaults={"since": news.occurred_at}
    )
    return _journal(Event.LINK, kind, patient, other, news, written, origin) if new else None


def unlink(patient: Patient, other: Patient, news: News, written: Written, origin: str) -> int | None:
    """End what the PAS linked, whichever way round it named them; gives the change made, None if there was none."""
    ended = 0
    for one, another in ((patient, other), (other, patient)):
        standing = PatientLink.objects.filter(kind="linked", patient_id=one.pk, other_id=another.pk, until=None)
        ended += standing.update(until=news.occurred_at)
    return _journal(Event.UNLINK, "linked", patient, other, news, written, origin) if ended else None


def follow(loser: int, survivor: int, written: Written) -> None:
    """Let a merged record's links be the survivor's, each once and none to itself."""
    for row in PatientLink.objects.filter(until=None, patient_id=loser) | PatientLink.objects.filter(
        until=None, other_id=loser
    ):
        ends = {loser: survivor}
        patient, other = ends.get(row.patient_id, row.patient_id), ends.get(row.other_id, row.other_id)
        row.until = written.at
        row.save(update_fields=["until"])
        if patient != other:
            PatientLink.objects.get_or_create(
                kind=row.kind, patient_id=patient, other_id=other, until=None, defaults={"since": row.since}
            )


def _journal(
    event: Event, kind: str, patient: Patient, other: Patient, news: News, written: Written, origin: str
) -> int:
    change = next(written.change_ids)
    full: dict[str, Any] = {Kind.PATIENT.value: facts.of(Kind.PATIENT, patient), "link": kind, "other": other.pk}
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
