"""Broken builds of the way back. Each breaks one thing and names the finding that must come of it."""

from tests.faults.broken.swap import replace, rewrite


def ledger_unread() -> None:
    """Control is handed back whatever the ledger says: unbalanced_ledger."""
    from failover.services import handback

    replace(handback, "why_not", lambda _incident: None)
    replace(handback, "why_not_finish", lambda _incident: None)


def fence_ignored() -> None:
    """What waits at hand-back stays queued, and the sender asks for no fence, valve or mode: fenced_emission."""
    from failover.services import handback
    from messaging.selectors import lanes
    from messaging.services import attempts

    replace(handback, "leave_residue", lambda _incident: [])
    for sender in (attempts, lanes):
        replace(sender, "why_not_send", lambda **_: None)
    due = replace(lanes, "_has_due", lambda lane, *, fenced, **may: due(lane, fenced=0, **may))
    rewrite(attempts, "_NEXT", "AND o.body IS NOT NULL AND o.epoch > %(fenced)s", "AND o.body IS NOT NULL")
