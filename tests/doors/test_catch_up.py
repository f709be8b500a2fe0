"""A PAS that sends its history again, through the real listener: 2,000 messages, repeats among them, one record."""

import random

import pytest

from messaging.models import Inbound
from messaging.services import apply
from pasmirror.bench.messages import messages
from patients.models import Appointment, Change, Patient
from tests.committed import committed  # noqa: F401
from tests.feed_door import END, VT, HandWritten, Listening, msa
from tests.loads import record, spoken_at

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(400)]
HISTORY = 2000
TOGETHER = 50  # frames on the wire at a time


def history() -> list[bytes]:
    """A day of 400 people; some appointments are called off at its end."""
    day = messages(HISTORY - 40, first=1)
    booked = [raw for raw in day if b"SIU^S12" in raw][:40]
    day += [raw.replace(b"SIU^S12^", b"SIU^S15^").replace(b"|S12-", b"|S15-") for raw in booked]
    return [spoken_at(second, raw) for second, raw in enumerate(day)]


def under_new_ids(day: list[bytes]) -> list[bytes]:
    """The same history, but each message with an MSH-10 never used before."""
    return [raw.replace(raw.split(b"|")[9], b"AGAIN%d" % number, 1) for number, raw in enumerate(day)]


def with_repeats(day: list[bytes]) -> list[bytes]:
    """The same in its order, and among it, anywhere, a quarter of it sent before its time or once more."""
    chance = random.Random(11)
    told = list(day)
    for raw in chance.sample(day, len(day) // 4):
        told.insert(chance.randrange(len(told)), raw)
    return told


def tell(door: Listening, told: list[bytes]) -> None:
    with HandWritten(door.port, timeout=60) as peer:
        for start in range(0, len(told), TOGETHER):
            some = told[start : start + TOGETHER]
            peer.write(b"".join(VT + raw + END for raw in some))
            assert {msa(peer.answer())[0] for _ in some} == {"AA"}
    while apply.run_once():
        pass


def test_a_history_sent_again_leaves_the_same_record(tmp_path) -> None:
    day = history()
    assert len(day) == HISTORY
    with Listening(tmp_path / "listen.log", habits={"default_authority": "RXX"}) as door:
        tell(door, day)
        before, changes = record(), Change.objects.count()
        assert Patient.objects.count() >= 392
        assert Appointment.objects.filter(status="cancelled").count() == 40
        tell(door, with_repeats(day))
        assert Inbound.objects.count() == HISTORY, "the same message is stored once"
        assert record() == before
        assert Change.objects.count() == changes
        tell(door, with_repeats(under_new_ids(day)[: HISTORY // 2]) + under_new_ids(day)[HISTORY // 2 :])
    assert Inbound.objects.filter(outcome="parked").count() == 0
    assert record() == before
