"""Orders to send again beside clerks, sequencer and delivery: no receiver's clock is ever turned back."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from messaging.models import Outbound, ResendOrder
from messaging.resends import Asked, Scope
from messaging.services import delivery, resending
from messaging.simulators.receiver import Receiver
from patients.refusals import Refused
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make
from tests.factories.resends import IVY

pytestmark = pytest.mark.usefixtures("committed")
PEOPLE, TURNS = 2, 4
EVERYTHING = Asked(Scope.RANGE, first=1, last=10**6)


def clerk(family: str) -> None:
    """Register somebody, and give them one telephone number after the other, each greater than the last."""
    saved = make.register(family)
    for turn in range(1, TURNS + 1):
        make.update(saved, turn, str(1000 + turn))


def order() -> None:
    """Have everything sent again, and as soon as that is worked off once more."""
    if resending.run_once() or ResendOrder.objects.filter(ended_at=None).exists():
        return
    with suppress(Refused):  # nothing is on the lane yet
        resending.order("pathology", EVERYTHING, by=IVY, reason="their database was restored")


def deliver() -> None:
    delivery.run("pathology", seconds=0.2)


@contextmanager
def over_and_over(*work: Callable[[], object]) -> Iterator[None]:
    """Do each of these on a connection of its own, again and again."""
    ended: list[int] = []

    def loop(each: Callable[[], object]) -> None:
        while not ended:
            each()

    threads = [Aside(lambda each=each: loop(each)) for each in work]
    try:
        yield
    finally:
        ended.append(1)
        for thread in threads:
            thread.result(within=60)


def drained() -> bool:
    resending.run_once()
    make.number_and_render()
    deliver()
    return not Outbound.objects.exclude(leg="accepted").exists()


def phones(peer: Receiver) -> dict[str, list[int]]:
    """The numbers a receiver was told, in order, by name."""
    found: dict[str, list[int]] = defaultdict(list)
    for message in peer.messages():
        pid = next(line.split("|") for line in str(message["raw"]).split("\r") if line.startswith("PID"))
        found[pid[5]].append(int(pid[13].partition("^")[0]) if len(pid) > 13 and pid[13] else 0)
    return found


def test_what_a_receiver_has_of_a_patient_is_never_older_than_before(tmp_path: Path) -> None:
    make.mirror_mode()
    peer = make.receiver(tmp_path)
    make.destination("pathology", make.port_of(peer))
    clerks = [Aside(lambda n=n: clerk(f"FAMILY{n}")) for n in range(PEOPLE)]
    with over_and_over(make.number_and_render, deliver, order):
        for thread in clerks:
            thread.result(within=60)
        before = ResendOrder.objects.count()
        eventually(lambda: ResendOrder.objects.count() > before, within=30, why="all is sent again")
    eventually(drained, within=60, why="all of it is delivered")
    told = phones(peer)
    peer.stop()
    assert len(told) == PEOPLE
    assert all(each == sorted(each) and each[-1] == 1000 + TURNS for each in told.values()), dict(told)
    assert sum(map(len, told.values())) > PEOPLE * (TURNS + 1), "something was sent again"
    numbers = list(Outbound.objects.order_by("seq").values_list("seq", flat=True))
    assert numbers == list(range(1, make.lane().head + 1))
