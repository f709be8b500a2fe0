"""What is told of lanes without counting the whole outbox is what counting all of it gives."""

import random

import pytest
from django.db import connection

from messaging.models import Outbound
from messaging.selectors import lanes as status
from messaging.states import Leg
from pasmirror.lib import clock
from tests.factories import lanes as make

pytestmark = pytest.mark.django_db
ALL = """
SELECT d.code, o.leg, count(*), sum(greatest(o.attempts - 1, 0)) FROM messaging_outbound o
JOIN messaging_destination d ON d.id = o.lane_id GROUP BY d.code, o.leg
"""


@pytest.mark.parametrize("seed", range(3))
def test_every_leg_of_every_lane_is_counted_as_it_is(seed: int) -> None:
    make.mirror_mode()
    for port, code in enumerate(("pathology", "radiology", "quiet"), start=1):
        make.destination(code, port, events=["merge"] if code == "quiet" else [])
    for _ in range(12):
        make.register()
    make.number_and_render()
    chance = random.Random(seed)
    now = clock.now()
    for row in Outbound.objects.all():
        row.leg, row.attempts = chance.choice(list(Leg)), chance.choice([0, 1, 2, 5])
        row.settled_at = now
        row.save(update_fields=["leg", "attempts", "settled_at"])
    wanted: dict[str, dict[str, int]] = {}
    resends: dict[str, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(ALL)
        for code, leg, count, more in cursor.fetchall():
            wanted.setdefault(code, {})[leg] = count
            resends[code] = resends.get(code, 0) + more
    for lane in status.lane_status():
        code = lane["code"]
        found = {
            leg.value: int(lane["in_doubt" if leg == Leg.SENDING else leg.value])  # type: ignore[literal-required]
            for leg in Leg
        }
        assert {leg: count for leg, count in found.items() if count} == wanted.get(code, {})
        assert lane["resends"] == resends.get(code, 0)
        assert (lane["last_ack_at"] is not None) == bool(wanted.get(code, {}).get("accepted"))
