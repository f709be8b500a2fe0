"""Reads the whole state in one object, for the console, `manage.py status` and scripts: counts and codes only."""

from typing import Any

from failover.health import look
from failover.models import Incident
from failover.selectors import evidence, incidents, ledger
from messaging.selectors.feed import feed_status
from messaging.selectors.lanes import lane_status
from messaging.services import emission
from pasmirror.lib import alarms, beat, clock
from pasmirror.lib.models import ProcessBeat
from patients.selectors import gate


def status() -> dict[str, Any]:
    """Give mode, emission, flags, evidence, feed, lanes, incident, ledger, alarms and processes; times are aware."""
    stands, watch, valve = gate.now(), evidence.watch(), emission.now()
    rules, words = evidence.rules(), evidence.words()
    picture = look(words, rules, clock.now(), evidence.spoke_at())
    incident = incidents.current()
    return {
        "mode": stands.mode,
        "since": stands.since,
        "reason": stands.sentence,
        "epoch": stands.epoch,
        "fenced": stands.fenced,
        "emission": valve.valve,
        "emission_since": valve.since,
        "paused": watch.paused,
        "tilt": watch.tilt_until is not None,
        "tilt_reason": watch.tilt_reason,
        "pas": {
            "health": picture.health.value,
            "down_since": watch.down_since,
            "well_since": watch.well_since,
            "down_by": list(picture.kinds),
        },
        "evidence": [
            {**said, "at": word.at, "since": word.since}
            for word, said in zip(words, evidence.as_json(words), strict=True)
        ],
        "policy": {"capture": rules.capture.value, "emission": rules.emission.value},
        "monitor": watch.sentence,
        "monitor_at": watch.beat_at,
        "proposal": watch.proposal,
        "feed": feed_status(),
        "lanes": lane_status(),
        "incident": _incident(incident),
        "ledger": ledger.ledger(incident).as_json() if incident else None,
        "alarms": [
            {"code": alarm.code, "subject": alarm.subject, "sentence": alarm.sentence, "raised_at": alarm.raised_at}
            for alarm in alarms.standing()
        ],
        "processes": _processes(),
    }


def _incident(incident: Incident | None) -> dict[str, Any] | None:
    """Tell of the open incident, with its timeline."""
    if incident is None:
        return None
    return {
        "id": incident.pk,
        "opened_at": incident.opened_at,
        "reason": incident.reason,
        "first_epoch": incident.first_epoch,
        "captured": incidents.captured(incident),
        "acknowledged": incident.acknowledged_at is not None,
        "acknowledged_at": incident.acknowledged_at,
        "emission_opened_at": incident.emission_opened_at,
        "timeline": [
            {"at": m.at, "before": m.before, "after": m.after, "epoch": m.epoch, "sentence": m.sentence}
            for m in incidents.timeline(incident)
        ],
    }


def _processes() -> list[dict[str, Any]]:
    silent = clock.now() - beat.SILENT_AFTER
    return [
        {"name": row.name, "node": row.node, "at": row.at, "sentence": row.sentence, "silent": row.at < silent}
        for row in ProcessBeat.objects.order_by("name", "node")
    ]
