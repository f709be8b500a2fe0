"""Reads differences a person must settle."""

from failover.models import Discrepancy


def waiting() -> list[Discrepancy]:
    """Give those not yet decided, oldest first."""
    return list(Discrepancy.objects.filter(decided_at=None).order_by("raised_at", "pk"))


def decided(limit: int = 50) -> list[Discrepancy]:
    """Give the newest decided ones."""
    return list(Discrepancy.objects.exclude(decided_at=None).order_by("-decided_at")[:limit])


def one(discrepancy_id: int) -> Discrepancy | None:
    """Give one."""
    return Discrepancy.objects.filter(pk=discrepancy_id).first()


def rows(found: Discrepancy) -> list[tuple[str, str, str, str]]:
    """Give each field as (name, trunk, ours, theirs)."""
    sides = [found.trunk or {}, found.ours or {}, found.theirs or {}]
    names = list(dict.fromkeys(name for side in sides for name in side))
    return [(name, *(str(side.get(name, "")) for side in sides)) for name in names]
