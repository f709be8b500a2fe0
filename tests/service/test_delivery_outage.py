"""A receiver gone for eight hours with 50,000 messages queued for it, and back; and a queue beyond 100,000."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.db.models import F, Max, Min

from messaging.models import Attempt, Lane, Outbound
from messaging.selectors import lanes as status
from messaging.services import delivery, sequencer
from messaging.simulators.receiver import Receiver
from pasmirror.lib import alarms
from patients.models import JournalTail
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make
from tests.service.test_delivery_defects import as_many_saves_would_leave, ids

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.long, pytest.mark.timeout(3000)]
QUEUED = 50_000
GONE = timedelta(hours=8)
TRIES = int(GONE.total_seconds() / 60)  # of a lane that rests for a minute at most between two
MIB = 1024 * 1024


@pytest.fixture
def receivers(committed: None, tmp_path: Path) -> Iterator[dict[str, Receiver]]:  # noqa: F811
    make.mirror_mode()
    made = {name: make.receiver(tmp_path, name) for name in ("pathology", "radiology")}
    make.destination("pathology", make.port_of(made["pathology"]), timeout=10.0)
    make.destination("radiology", make.port_of(made["radiology"]), timeout=10.0, events=["admit"])
    yield made
    delivery.hang_up()
    for peer in made.values():
        peer.stop()


def as_after_a_long_outage() -> None:
    """Eight hours have passed, and a try a minute has failed."""
    Outbound.objects.filter(leg="queued").update(queued_at=F("queued_at") - GONE, due_at=F("due_at") - GONE)
    Lane.objects.filter(destination__code="pathology").update(failures=TRIES, rest_until=None)


def test_gone_for_8_hours_with_50_000_queued_it_is_told_all_in_order_and_the_other_waited_for_nothing(
    receivers: dict[str, Receiver],
) -> None:
    gone, well = receivers["pathology"], receivers["radiology"]
    gone.door.stop_listening()
    people = [make.register(f"FAMILY{number}") for number in range(9)]
    as_many_saves_would_leave(QUEUED)
    make.number_and_render()
    eventually(lambda: delivery.run("pathology") and Lane.objects.get(pk=lane()).failures >= 3, within=20)
    assert [alarm.subject for alarm in alarms.standing()] == ["pathology"]
    as_after_a_long_outage()

    for number, person in enumerate(people, start=1):
        make.admit(person, bed=f"WA{number}")
    make.number_and_render()
    assert delivery.run("radiology").sent == len(people), "the other has everything in one slice"
    assert delivery.run("pathology").sentence == "no answer (connect): the lane rests"
    assert set(make.legs("pathology")) == {"queued"}, "nothing was given up or held, however long it took"
    assert not Outbound.objects.filter(lane=lane(), attempts__gt=0).exists(), "and nothing was told"
    stands = next(each for each in status.lane_status() if each["code"] == "pathology")
    assert (stands["queued"], stands["failures"]) == (QUEUED + len(people), TRIES + 1)
    assert (stands["oldest_seconds"] or 0) >= GONE.total_seconds()

    gone.door.listener.start()
    grown = drained()
    assert grown < 64, f"the sender grew by {grown:.0f} MiB over it"
    assert make.received(gone) == ids("pathology"), "in order, each once, none skipped"
    assert gone.counts()["effects"] == QUEUED + len(people)
    assert make.received(well) == ids("radiology")
    assert all(each["resends"] == 0 for each in status.lane_status())
    assert alarms.standing() == []
    assert Attempt.objects.filter(ending="accepted").count() == QUEUED + 2 * len(people)


def lane() -> int:
    return int(Lane.objects.get(destination__code="pathology").pk)


def drained() -> float:
    """Slices until nothing is queued; by how many MiB this process grew from the first to the fullest."""
    own = psutil.Process()
    assert eventually(lambda: delivery.run("pathology").sent, within=20, why="the first slice of the way back")
    first = most = own.memory_info().rss

    def slice_of_it() -> bool:
        nonlocal most
        more = delivery.run("pathology").more
        most = max(most, own.memory_info().rss)
        return not more and not Outbound.objects.filter(lane=lane(), leg__in=("queued", "sending")).exists()

    eventually(slice_of_it, within=2400, why="the queue drains")
    return (most - first) / MIB


def test_1682_beyond_100_000_every_change_has_its_number(receivers: dict[str, Receiver]) -> None:
    """There, a queue had a limit, of 1,000 in one release and 100,000 in another; the next message was never sent."""
    make.register()
    as_many_saves_would_leave(100_100)
    while sequencer.run_once():
        pass
    rows = Outbound.objects.filter(lane=lane())
    assert rows.count() == rows.values("change").distinct().count() == 100_100
    assert rows.aggregate(least=Min("seq"), most=Max("seq")) == {"least": 1, "most": 100_100}
    assert make.lane().head == 100_100
    assert not JournalTail.objects.exists()
