"""Opens, tells and closes incidents, in the caller's transaction; whether a move is allowed is not its affair."""

from typing import Any

from failover.health import Health
from failover.models import Incident, ModeMove, Signature
from failover.selectors import incidents
from messaging.services import incarnation
from pasmirror.lib import alarms, audit, clock
from pasmirror.lib.actor import Actor
from patients.refusals import Refused

MIRROR_ALARM = "mirror-mode"


def open(*, by: Actor, reason: str, epoch: int, health: Health) -> Incident:  # noqa: A001 - an incident is opened
    """Begin an incident with `epoch`, the PAS seeming to be as `health` says; IntegrityError if one is open."""
    incident = Incident.objects.create(
        opened_at=clock.now(),
        opened_by=by.as_json(),
        reason=reason[:300],
        first_epoch=epoch,
        report={"health": health.value},
    )
    alarms.sound(MIRROR_ALARM, f"Mirror mode is open since epoch {epoch}; incident {incident.pk}.")
    return incident


def close(incident: Incident, *, closing: str, report: dict[str, Any] | None = None) -> None:
    """End an incident: `closing` is handback or stood_down."""
    incident.closed_at, incident.closing, incident.report = clock.now(), closing, {**incident.report, **(report or {})}
    incident.save(update_fields=["closed_at", "closing", "report"])
    alarms.clear(MIRROR_ALARM)
    one_master()


def one_master() -> None:
    """Clear the alarms of two masters on every feed: a person has decided, or the incident is over."""
    _clear(incidents.TWO_MASTERS)


def new_life() -> None:
    """Clear the alarms of a restored database: a person has opened emission in a new epoch."""
    _clear(incarnation.ALARM)


def move(
    incident: Incident | None,
    *,
    before: str,
    after: str,
    epoch: int,
    by: Actor,
    sentence: str,
    evidence: list[dict[str, Any]] | None = None,
) -> ModeMove:
    """Record one move of the mode (or of the emission switch: held, open) in the timeline and the audit trail."""
    row = ModeMove.objects.create(
        incident=incident,
        before=before,
        after=after,
        epoch=epoch,
        at=clock.now(),
        by=by.as_json(),
        sentence=sentence,
        evidence=evidence or [],
    )
    detail = {"before": str(before), "after": str(after), "incident": incident.pk if incident else None}
    audit.record(action="mode_move", by=by, subject=f"move:{row.pk}", epoch=epoch, detail=detail)
    return row


def sign(
    incident: Incident, *, purpose: str, by: Actor, statement: dict[str, Any] | None = None, subject: str = ""
) -> Signature:
    """Keep a named person's word: `purpose` is release, handback or hold."""
    signature = Signature.objects.create(
        incident=incident, purpose=purpose, subject=subject, by=by.as_json(), at=clock.now(), statement=statement or {}
    )
    audit.record(action=f"signed_{purpose}", by=by, subject=subject or f"incident:{incident.pk}")
    return signature


def acknowledge(*, by: Actor) -> Incident:
    """Note that a person has seen what the monitor did by itself; Refused where there is nothing to acknowledge."""
    incident = incidents.latest()
    if incident is None:
        raise Refused("There is no incident to acknowledge.")
    seen(incident, by=by)
    return incident


def seen(incident: Incident, *, by: Actor) -> None:
    """Note that `by` knows of this incident and those before, so that the monitor may act by itself again."""
    now = clock.now()
    Incident.objects.filter(pk__lt=incident.pk, acknowledged_at=None).update(acknowledged_at=now)
    incident.acknowledged_at = now
    incident.save(update_fields=["acknowledged_at"])
    audit.record(action="acknowledged", by=by, subject=f"incident:{incident.pk}")


def _clear(code: str) -> None:
    for alarm in alarms.standing():
        if alarm.code == code:
            alarms.clear(code, subject=alarm.subject)
