"""Broken builds of numbering and delivery. Each breaks one thing and names the finding that must come of it."""

import dataclasses
from typing import Any

from django.db import connection

from tests.faults.broken.swap import replace, rewrite


def cursor_poller() -> None:
    """The sequencer takes ids greater than the last it saw, so that who commits late is never numbered: lost_write."""
    from messaging.services import sequencer

    def take(limit: int) -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM patients_journaltail")
            cursor.execute(
                "SELECT id FROM patients_change WHERE source = 'clerk' "
                "AND id > (SELECT coalesce(max(change), 0) FROM messaging_outbound) ORDER BY id LIMIT %s",
                [limit],
            )
            return [row[0] for row in cursor.fetchall()]

    replace(sequencer, "_take_tail", take)


def numbered_backwards() -> None:
    """Of the changes numbered together the last comes first: inversion."""
    from messaging.services import sequencer

    rewrite(sequencer, "_NUMBER", "ORDER BY c.id)", "ORDER BY c.id DESC)")


def gap_in_lane() -> None:
    """A lane's head is raised by one too many: lane_gap."""
    from messaging.services import sequencer

    def rise(numbered: list[tuple[int, int, int]]) -> None:
        stood([(lane, seq + 1, change) for lane, seq, change in numbered])

    stood = replace(sequencer, "_raise_heads", rise)


def no_fencing_token() -> None:
    """Whoever lost a lane goes on as its holder: neither opening nor settling asks for the token: inversion."""
    from messaging.services import attempts, lanes, settling

    rewrite(attempts, "_GROUND", " AND l.token = %s", " AND %s::bigint IS NOT NULL")
    rewrite(settling, "_CLOSE", " AND closed_at IS NULL", "")
    rewrite(lanes, "_END_OLD_HOLDER", "WHERE l.destination_id = %s", "WHERE false AND l.destination_id = %s")


def new_id_at_resend() -> None:
    """What is sent again is written anew, under another MSH-10, so that nobody knows it again: duplicate_effect."""
    from messaging.models import Outbound
    from messaging.services import attempts, rendering
    from messaging.services.settling import Parcel

    def opened(lease: Any, ground: Any) -> Any:
        found = stood(lease, ground)
        if not isinstance(found, Parcel) or not found.sent_before:
            return found
        anew = rendering.another(found.control_id)
        body = found.body.replace(found.control_id.encode(), anew.encode(), 1)
        Outbound.objects.filter(pk=found.outbound).update(control_id=anew, body=body)
        return dataclasses.replace(found, control_id=anew, body=body)

    stood = replace(attempts, "_open", opened)


def msa2_not_compared() -> None:
    """Any AA settles, whatever message it is the answer to: lost_write."""
    from messaging.mllp import sender

    replace(sender, "_check", lambda _raw, _control_id: None)
