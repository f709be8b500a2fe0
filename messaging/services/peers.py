"""The connection to a declared destination, as its row declares it: the only place of the product that makes one.

Whatever is sent goes to an address that stands in the table of destinations, and there is no other way out.
"""

import json

from messaging.mllp.sender import Peer
from messaging.mllp.tls import ClientTls
from messaging.models import Destination
from messaging.states import AckMode


def of(to: Destination) -> Peer:
    """Give a peer, not connected yet."""
    enhanced = to.ack_mode == AckMode.ENHANCED
    return Peer(
        to.host,
        to.port,
        to.timeout,
        secured=ClientTls.of(to.tls),
        application_timeout=to.application_timeout if enhanced else None,
    )


def identity(to: Destination) -> tuple[str, ...]:
    """Give what must be the same for a kept connection to be used again."""
    settled = [to.host, to.port, to.timeout, to.ack_mode, to.application_timeout, to.tls]
    return (to.code, json.dumps(settled, sort_keys=True))
