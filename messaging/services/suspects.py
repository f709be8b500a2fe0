"""The message that may itself be what silences its receiver: held while another is tried, and judged by that one.

A receiver that falls over at one message and one that is dead look the same from here: neither answers. So, at the
destination's limit, the message is held and the next patient's goes. Answered at once, the first is the cause and
stays held, for a person. Answered only after silences of its own, the receiver had been dead: the first is sent again.
One message of a lane at a time is under suspicion, so an outage of any length sets aside no second one.
"""

import structlog
from django.db import connection
from django.db.models import Q

from messaging.endings import UNANSWERED, Policy, may_be_the_cause
from messaging.models import Destination, Lane, Outbound
from messaging.services.parcels import Parcel, Told
from messaging.states import Leg
from pasmirror.lib import alarms
from patients.models import Fate

log = structlog.get_logger()
HELD = UNANSWERED


def suspect(to: Destination, policy: Policy, parcel: Parcel, silences: int) -> bool:
    """Put the message under suspicion, in the caller's transaction; False if there is no reason to, or no use."""
    if not may_be_the_cause(policy, silences=silences):
        return False
    others = Outbound.objects.filter(lane=to.pk, leg=Leg.QUEUED, body__isnull=False).exclude(patient=parcel.patient)
    if not others.exists():
        return False
    free = Q(suspect=None) | Q(suspect=parcel.outbound)
    taken = Lane.objects.filter(free, destination=to).update(suspect=parcel.outbound)
    if taken:
        log.warning("lane.suspects", lane=to.code, control_id=parcel.control_id)
    return bool(taken)


def judge(to: Destination, parcel: Parcel, found: int) -> list[Told]:
    """Now that `parcel` was answered, let the lane's suspect `found` go or keep it; in the caller's transaction."""
    Lane.objects.filter(destination=to).update(suspect=None)
    if not parcel.silences or parcel.outbound == found:
        return []
    row = Outbound.objects.filter(pk=found, leg=Leg.HELD).first()
    if row is None:
        return []  # a person has decided meanwhile
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_outbound SET leg = %s, silences = 0, due_at = clock_timestamp() WHERE id = %s",
            [Leg.SENDING, row.pk],
        )
    alarms.clear(HELD.alarm, subject=row.control_id)
    log.info("lane.suspect_cleared", lane=to.code, control_id=row.control_id)
    return [(row.change, to.code, Fate.SENT, "")]
