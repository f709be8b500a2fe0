"""Reads incidents: the open one, what was captured in it, and how often the monitor acted by itself lately."""

from datetime import datetime
from typing import Any

from django.db.models import F, Q

from failover.health import Health
from failover.models import Incident, ModeMove
from messaging.selectors import fidelity
from messaging.services import incarnation
from messaging.states import Valve
from pasmirror.lib.actor import Actor
from pasmirror.lib.models import Alarm
from patients.models import Change, JournalTail
from patients.states import Mode

MONITOR = "monitor"  # the name under which the monitor acts by itself
TWO_MASTERS = "two-masters"  # the alarm sounded by the feed when the PAS speaks while we do


def current() -> Incident | None:
    """Give the open incident, if there is one."""
    return Incident.objects.filter(closed_at=None).first()


def latest() -> Incident | None:
    """Give the open incident, else the one opened last."""
    return Incident.objects.order_by("-pk").first()


def captured(incident: Incident) -> int:
    """Count the changes clerks have made in an open incident."""
    return Change.objects.filter(source="clerk", epoch__gte=incident.first_epoch).count()


def anything_captured(incident: Incident) -> bool:
    """Say whether a clerk has saved anything in an open incident; exact under the gate's lock."""
    return (
        Change.objects.filter(source="clerk", epoch__gte=incident.first_epoch).exists() or JournalTail.objects.exists()
    )


def planned(incident: Incident) -> bool:
    """Say whether a person opened mirror mode while the PAS was not seen to be down: then a person ends it."""
    return is_person(incident.opened_by) and incident.report.get("health") != Health.DOWN


def withheld(incident: Incident | None) -> str:
    """Say why emission may not open by itself now, in the open incident or the next; else ""."""
    if restored():
        return "the database was restored or promoted"
    if why := fidelity.why_not_open():
        return f"we do not yet say well enough what the PAS says. {why}".removesuffix(".")
    if incident is None:
        return ""
    if Alarm.objects.filter(code=TWO_MASTERS, cleared_at=None).exists():
        return "the PAS itself was heard to speak"
    last = incident.moves.order_by("-pk").first()
    if last is not None and (last.before, last.after) == (Valve.OPEN, Valve.HELD) and is_person(last.by):
        return "a person holds it"
    return ""


def restored() -> bool:
    """Say whether the database was restored or promoted and no person has opened emission since."""
    return Alarm.objects.filter(code=incarnation.ALARM, cleared_at=None).exists()


def automatic_flips(since: datetime) -> int:
    """Count how often mirror mode opened by itself since `since` and nobody has acknowledged it."""
    return _automatic(Mode.NORMAL, Mode.MIRROR, since)


def automatic_emissions(since: datetime) -> int:
    """Count how often emission opened by itself since `since` and nobody has acknowledged it."""
    return _automatic(Valve.HELD, Valve.OPEN, since)


def timeline(incident: Incident) -> list[ModeMove]:
    """Give every move of the mode and of the emission switch in an incident, in order."""
    return list(incident.moves.order_by("pk"))


def is_person(by: Actor | dict[str, Any]) -> bool:
    """Say whether an actor, or one as stored, is a person and not one of our own processes."""
    how: str = by.how if isinstance(by, Actor) else by.get("how", "")
    return how != "process"


def _automatic(before: str, after: str, since: datetime) -> int:
    unseen = Q(incident__acknowledged_at=None) | Q(incident__acknowledged_at__lt=F("at"))
    moves = ModeMove.objects.filter(unseen, before=before, after=after, at__gte=since)
    return moves.filter(by__subject=MONITOR, by__how="process").count()
