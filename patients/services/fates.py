"""Writes what became of a change at each destination; called by the apps above."""

from collections.abc import Iterable

from pasmirror.lib import clock
from patients.models import ChangeFate, Fate


def tell(rows: Iterable[tuple[int, str, Fate, str]]) -> None:
    """Upsert fates: (change id, destination code, fate, reason) each; the reason holds no patient's particulars."""
    at = clock.now()
    ChangeFate.objects.bulk_create(
        [ChangeFate(change_id=c, destination=d, fate=f, at=at, reason=r[:200]) for c, d, f, r in rows],
        update_conflicts=True,
        unique_fields=["change", "destination"],
        update_fields=["fate", "at", "reason"],
    )
