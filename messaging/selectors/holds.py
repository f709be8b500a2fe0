"""Reads who waits behind which parked message, and what follows once it is settled."""

from collections.abc import Collection

from django.db.models import Q

from messaging.models import Hold, Inbound
from messaging.states import Outcome
from patients.identifiers import Identifier
from patients.services.taken import WAITS, Blocked


def standing() -> Blocked:
    """Give everybody who waits, and behind which message."""
    blocked = Blocked()
    for message, patient, *number in Hold.objects.values_list("message", "patient", "type", "authority", "value"):
        if patient is None:
            blocked.add(message, (), (Identifier(*number),))
        else:
            blocked.add(message, (patient,), ())
    return blocked


def behind(messages: Collection[int]) -> set[int]:
    """Give the messages that wait behind these, directly or behind another that does."""
    found: set[int] = set()
    fresh = set(messages)
    first = min(fresh, default=0)
    while fresh:
        holds = list(Hold.objects.filter(message__in=fresh).values_list("patient", "value"))
        same = Q(patient__in={patient for patient, _ in holds if patient})
        same |= Q(patient=None, value__in={value for patient, value in holds if patient is None})
        waiting = Inbound.objects.filter(outcome=Outcome.PARKED, code=WAITS, pk__gt=first)
        near = Hold.objects.filter(same).exclude(message__in=found | fresh).values("message")
        fresh = set(waiting.filter(pk__in=near).values_list("pk", flat=True))
        found |= fresh
    return found
