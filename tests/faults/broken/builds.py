"""Every deliberately broken build by name; what each breaks is its function's sentence, which ends in the finding."""

from collections.abc import Callable

from tests.faults.broken import feed, lanes, saves, way_back

BUILDS: dict[str, Callable[[], None]] = {
    build.__name__: build
    for build in (
        saves.gate_without_lock,
        saves.tail_outside,
        saves.surname_logged,
        saves.audit_forgotten,
        saves.refused_after_commit,
        feed.ack_before_commit,
        feed.two_masters_overlooked,
        lanes.cursor_poller,
        lanes.numbered_backwards,
        lanes.gap_in_lane,
        lanes.no_fencing_token,
        lanes.new_id_at_resend,
        lanes.msa2_not_compared,
        way_back.ledger_unread,
        way_back.fence_ignored,
    )
}


def exposes(name: str) -> str:
    """The kind of finding that this build must be caught by."""
    said = BUILDS[name].__doc__ or ""
    return said.rpartition(": ")[2].rstrip(".")
