"""Acknowledgements that are lost or late. Rows 32 and 33 of the catalogue."""

from typing import Any

import pytest

from tests.eventually import eventually
from tests.faults.conftest import Make
from tests.faults.proxy import MllpProxy

pytestmark = pytest.mark.timeout(240)
TIMES = 3


def test_row_32_the_receiver_has_the_message_and_its_ack_is_lost_and_the_same_bytes_go_again(drilled: Make) -> None:
    drill = drilled(proxied=("pathology", "eprescribing"))
    drill.given_mirror()
    drill.receivers["eprescribing"].do("deduplicate", on=False)
    had = {name: drill.frames(name) for name in drill.proxy}
    doors = {name: drill.proxy[name] for name in ("pathology", "eprescribing")}
    for door in doors.values():
        assert isinstance(door, MllpProxy)
        door.lose_ack(times=TIMES)
    drill.some_saves(8)
    drill.quiet()
    for name, door in doors.items():
        assert door.fired()["lose_ack"] == TIMES, "the fault did not strike as often as it should"
        messages, attempts = drill.ask(_SENT, name)[0]
        assert attempts == messages + TIMES, "each lost answer cost one more attempt, and no more"
        counts: Any = drill.receivers[name].do("counts")
        dropped = TIMES if name == "pathology" else 0  # the other has the effect of each repeat, and it was counted
        assert (counts["messages"], counts["repeats"]) == (had[name] + messages + TIMES, dropped)
    drill.judged(changes=8)


_SENT = """
SELECT count(*), sum(attempts)::int FROM messaging_outbound o JOIN messaging_destination d ON d.id = o.lane_id
WHERE d.code = %s
"""


def test_row_33_an_ack_that_comes_after_its_time_is_not_taken_for_the_next_message(drilled: Make) -> None:
    drill = drilled(proxied=("pathology",))
    drill.given_mirror()
    door = drill.proxy["pathology"]
    assert isinstance(door, MllpProxy)
    door.delay_ack(3.0, times=TIMES)  # the destination's timeout is 2 s
    drill.some_saves(8)
    drill.quiet(within=60)
    assert door.fired()["delay_ack"] == TIMES, "the fault did not strike as often as it should"
    eventually(lambda: drill.frames("pathology") >= 8 + TIMES, within=20, why="each was sent again after its timeout")
    wrong = drill.ask(
        "SELECT count(*) FROM messaging_attempt a JOIN messaging_outbound o ON o.id = a.outbound_id "
        "WHERE a.ending = 'accepted' AND position(o.control_id::bytea in a.answer) = 0"
    )
    assert wrong == [(0,)], "an answer was taken for another message"
    drill.judged(changes=8)
