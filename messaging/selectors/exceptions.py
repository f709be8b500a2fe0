"""Reads what was set aside for a person: of a patient, for the banner; of the whole feed, for the exception list."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from messaging.models import Hold, Inbound, Ruling
from messaging.selectors import holds
from messaging.states import Outcome
from pasmirror.lib import clock
from patients.services.taken import WAITS


@dataclass(frozen=True, slots=True)
class Parked:
    """One message that needs a person: why, since when, and how many wait behind it."""

    message: int
    received_at: datetime
    sender: str
    trigger: str
    code: str
    reason: str
    patient: int | None
    waiting: int


def of_patient(patient: int) -> list[Parked]:
    """Give what is set aside of a patient, oldest first; nothing where the feed is up to date for this patient."""
    held = Hold.objects.filter(patient=patient).values("message")
    return _told(_heads().filter(Q(pk__in=held) | Q(patient=patient)))


def everything(*, limit: int = 100, before: int | None = None) -> list[Parked]:
    """Give the newest of all that are set aside, `limit` at a time; `before`: the message the last page ended with."""
    heads = _heads() if before is None else _heads().filter(pk__lt=before)
    return _told(heads.order_by("-pk")[:limit])


def rulings() -> list[Ruling]:
    """Give the rules in force, newest first."""
    return list(Ruling.objects.filter(ended_at=None, until__gt=clock.now()).order_by("-made_at"))


def _heads() -> QuerySet[Inbound]:
    return Inbound.objects.filter(outcome=Outcome.PARKED).exclude(code=WAITS).defer("raw", "answer").order_by("pk")


def _told(rows: QuerySet[Inbound]) -> list[Parked]:
    return [
        Parked(
            message=row.pk,
            received_at=row.received_at,
            sender=row.sender,
            trigger=row.trigger,
            code=row.code,
            reason=row.reason,
            patient=row.patient,
            waiting=len(holds.behind([row.pk])),
        )
        for row in rows
    ]
