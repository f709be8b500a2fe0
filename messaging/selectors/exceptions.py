"""Reads what was set aside for a person: of a patient, for the banner; of the whole feed, for the exception list."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, Max, OuterRef, Q, QuerySet

from messaging.models import Hold, Inbound, Ruling
from messaging.selectors import holds, messages
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
    channel: str = ""


@dataclass(frozen=True, slots=True)
class OfPatient:
    """What is set aside of one patient: those that need a person, oldest first, and how many wait behind any of them.

    How many wait behind each is not told here (0): some wait behind several.
    """

    heads: list[Parked]
    waiting: int


@dataclass(frozen=True, slots=True)
class Sought:
    """What to find among them; "" asks nothing. `state`: one of STATES; `number`: a patient's."""

    code: str = ""
    trigger: str = ""
    sender: str = ""
    channel: str = ""
    number: str = ""
    state: str = ""


SHOWN = 200  # of those that wait behind one
STATES = {
    "": "Needs a person",
    "waits": "Waits behind another",
    "settled": "Set aside for good, by a person or by a rule",  # of the newest messages
}


def of_patient(patient: int) -> OfPatient:
    """Give what is set aside of a patient; nothing where the feed is up to date for this patient."""
    held = Hold.objects.filter(patient=patient).values("message")
    heads = list(_heads().filter(Q(pk__in=held) | Q(patient=patient)).select_related("channel"))
    behind = holds.behind([row.pk for row in heads]) if heads else ()
    return OfPatient([_one(row, 0) for row in heads], len(behind))


def find(sought: Sought, *, limit: int = 50, before: int | None = None) -> list[Parked]:
    """Give the newest that fit, `limit` at a time; `before`: the message the last page ended with."""
    rows = _in_state(sought.state) if before is None else _in_state(sought.state).filter(pk__lt=before)
    asked = {"code": sought.code, "trigger": sought.trigger, "sender": sought.sender, "channel__code": sought.channel}
    rows = rows.filter(**{name: value for name, value in asked.items() if value})
    if sought.number:
        rows = rows.filter(messages.of_number(sought.number))
    return _told(rows.order_by("-pk")[:limit])


def choices(name: str) -> list[str]:
    """Give the values of a column ("code", "trigger", "sender", "channel__code") among those that need a person."""
    return list(_heads().order_by(name).values_list(name, flat=True).distinct())


def was_set_aside(found: Inbound) -> bool:
    """Say whether a message is set aside now, whether or not it waits behind another."""
    return found.outcome == Outcome.PARKED


def waiting_behind(message: int) -> list[Inbound]:
    """Give the first SHOWN of the messages that wait behind one, oldest first, without their bodies."""
    first = sorted(holds.behind([message]))[:SHOWN]
    return list(Inbound.objects.filter(pk__in=first).defer("raw", "answer").order_by("pk"))


def ahead_of(message: int) -> list[int]:
    """Give those that need a person and behind which this one waits, oldest first."""
    return holds.ahead(message)


def alike(found: Inbound) -> int:
    """Give how many are set aside as this one is, itself included: the same sender, trigger and code."""
    kind = {"sender": found.sender, "trigger": found.trigger, "code": found.code}
    return Inbound.objects.filter(outcome=Outcome.PARKED, **kind).count()


def _in_state(state: str) -> QuerySet[Inbound]:
    if state == "waits":
        return Inbound.objects.filter(outcome=Outcome.PARKED, code=WAITS).defer("raw", "answer")
    if state != "settled":
        return _heads()
    ruled = Ruling.objects.filter(
        sender=OuterRef("sender"), trigger=OuterRef("trigger"), code=OuterRef("code"),
        made_at__lte=OuterRef("applied_at"),
    )  # fmt: skip
    said = Q(reason__startswith="Skipped by a person") | Q(reason__startswith="Set aside by rule") | Exists(ruled)
    newest = Inbound.objects.aggregate(newest=Max("pk"))["newest"] or 0
    settled = Inbound.objects.filter(said, outcome=Outcome.FILED, pk__gt=newest - messages.REACH)
    return settled.exclude(code="").defer("raw", "answer")


def rulings() -> list[Ruling]:
    """Give the rules in force, newest first."""
    return list(Ruling.objects.filter(ended_at=None, until__gt=clock.now()).order_by("-made_at"))


def ruling(number: int) -> Ruling | None:
    """Give one rule, ended or not; None if there is no such one."""
    return Ruling.objects.filter(pk=number).first()


def _heads() -> QuerySet[Inbound]:
    return Inbound.objects.filter(outcome=Outcome.PARKED).exclude(code=WAITS).defer("raw", "answer").order_by("pk")


def _told(rows: QuerySet[Inbound]) -> list[Parked]:
    found = list(rows.select_related("channel"))
    heads = [row.pk for row in found if row.outcome == Outcome.PARKED and row.code != WAITS]
    waiting = holds.counts(heads) if heads else {}
    return [_one(row, waiting.get(row.pk, 0)) for row in found]


def _one(row: Inbound, waiting: int) -> Parked:
    return Parked(
        channel=row.channel.code,
        message=row.pk,
        received_at=row.received_at,
        sender=row.sender,
        trigger=row.trigger,
        code=row.code,
        reason=row.reason,
        patient=row.patient,
        waiting=waiting,
    )
