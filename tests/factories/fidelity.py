"""A PAS heard in NORMAL with every message sampled, destinations, and what comparing them showed."""

from messaging.models import Channel, Destination, FidelityPoint
from messaging.services import apply, fidelity
from tests.factories import lanes as make
from tests.factories.identity import POLICY
from tests.service.test_apply import store


def listening(share: float = 1.0, **policy: object) -> Channel:
    """Declare the feed, with that share of its messages sampled."""
    made, _ = Channel.objects.update_or_create(
        code="pas", defaults={"policy": {**POLICY, "fidelity_sample": share, **policy}}
    )
    return made


def destination(code: str = "pathology", **more: object) -> Destination:
    """Declare a destination."""
    return make.destination(code, **more)


def hear(*texts: str | bytes) -> list[int]:
    """Store and apply messages of the feed; gives their ids."""
    ids = store(*texts)
    while apply.run_once():
        pass
    return ids


def hear_and_compare(*texts: str | bytes) -> list[int]:
    """Store, apply and compare messages; gives their ids."""
    ids = hear(*texts)
    while fidelity.run_once():
        pass
    return ids


def found(code: str = "pathology", event: str = "") -> dict[str, tuple[str, str]]:
    """Give by field the differences found for a destination, as (verdict, components)."""
    points = FidelityPoint.objects.filter(destination__code=code).exclude(verdict="same")
    points = points.filter(event=event) if event else points
    return {point.field: (point.verdict, point.parts) for point in points}
