"""A sender that sleeps past its lease, at each of three places, while another goes on: what may come of it.

The outcomes are those of the table in docs/delivery.md. Here both senders are threads of this process; the same with
real workers, stopped by the kernel, is tests/faults/test_two_workers.py.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import DatabaseError

from messaging.models import Attempt, Outbound
from messaging.services import attempts, delivery, lanes, settling
from messaging.services.delivery import Slice
from messaging.simulators.receiver import Receiver
from pasmirror.lib import crash
from pasmirror.lib.crash import Point
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make
from tests.faults.broken import lanes as broken

pytestmark = pytest.mark.usefixtures("committed")
CLAIMED, COMMITTED, AWAITING = (
    Point.DELIVER_CLAIMED,
    Point.DELIVER_ATTEMPT_COMMITTED,
    Point.SENDER_BYTES_SENT,
)
SLICE = 0.2  # seconds; a lease lasts that, twice the answer's 0.2 s, and the slack
MESSAGES = 6  # of two patients, three each


class Sleeper:
    """A sender that stands still the first time it comes to `point`, until it is woken."""

    def __init__(self, point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
        self.point = point
        self.asleep, self.woken = threading.Event(), threading.Event()
        monkeypatch.setattr(crash, "strike", self._strike)
        self.thread = Aside(lambda: delivery.run("pathology", seconds=SLICE))
        assert self.asleep.wait(10), f"nobody came to {point}"

    def _strike(self, point: Point) -> None:
        sleeper = threading.current_thread() is not threading.main_thread()  # which is the one who goes on
        if point == self.point and sleeper and not self.asleep.is_set():
            self.asleep.set()
            assert self.woken.wait(30)

    def wakes(self) -> object:
        """Let it go on to its end; gives what its slice said, or the fault of its database."""
        self.woken.set()
        try:
            return self.thread.result()
        except DatabaseError as fault:  # the takeover has ended its connection
            return fault


@pytest.fixture
def pathology(committed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:  # noqa: F811
    monkeypatch.setattr(delivery, "SLACK", 0.8)
    make.mirror_mode()
    peer = make.receiver(tmp_path, "pathology")
    make.destination("pathology", make.port_of(peer), timeout=0.2)
    yield peer
    delivery.hang_up()
    peer.stop()


def sleep_at(point: Point, peer: Receiver, monkeypatch: pytest.MonkeyPatch) -> tuple[object, int]:
    """Two patients' messages: one sender sleeps at `point` past its lease, the other sends all; then the first wakes.

    More is due when it wakes, and nobody else is at it. Gives how its slice ended, and how many frames it put out.
    """
    people = [make.register(name) for name in ("ADAMS", "BAKER")]
    for person in people:
        make.update(person, 1, "1")
    make.number_and_render()
    sleeper = Sleeper(point, monkeypatch)
    assert delivery.run("pathology", seconds=SLICE).sentence == "another is at it", "its lease holds"
    make.deliver()
    for person in people:
        make.update(person, 2, "2")
    make.number_and_render()
    had = len(peer.messages())
    ended = sleeper.wakes()
    late = len(peer.messages()) - had
    make.deliver()
    return ended, late


def breaches(peer: Receiver) -> set[str]:
    """What the way it went breaks, of order, count, bytes and token."""
    found = set()
    rows = {row.control_id: row for row in Outbound.objects.all()}
    came = [str(message["control_id"]) for message in peer.messages()]
    newest: dict[int, int] = {}
    for row in map(rows.__getitem__, came):
        if row.seq < newest.get(row.patient, 0):
            found.add("one came after a later one of its patient")
        newest[row.patient] = max(row.seq, newest.get(row.patient, 0))
    if any(came.count(name) > row.attempts for name, row in rows.items()):
        found.add("one left more often than was counted")
    if any(len(each) > 1 for each in bodies(peer).values()):
        found.add("one was sent again with other bytes")
    tokens = list(Attempt.objects.order_by("pk").values_list("token", flat=True))
    if tokens != sorted(tokens):
        found.add("an attempt was opened under an old token")
    return found


def bodies(peer: Receiver) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for message in peer.messages():
        found.setdefault(str(message["control_id"]), set()).add(str(message["base64"]))
    return found


OUTCOMES = {
    # Where it sleeps: repeats at the receiver, attempts of the message in hand, and how they ended.
    CLAIMED: (0, ["accepted"]),
    COMMITTED: (0, ["sender lost", "accepted"]),
    AWAITING: (1, ["sender lost", "accepted"]),
}


@pytest.mark.parametrize("point", OUTCOMES, ids=str)
def test_a_sender_that_sleeps_past_its_lease_sends_nothing_more_and_settles_nothing(
    pathology: Receiver, monkeypatch: pytest.MonkeyPatch, point: Point
) -> None:
    repeats, ends = OUTCOMES[point]
    ended, late = sleep_at(point, pathology, monkeypatch)
    assert isinstance(ended, DatabaseError) or ended == Slice(0, "the lane was taken over")
    assert late == 0, "it sent although its lease was over"
    assert breaches(pathology) == set()
    assert pathology.counts()["effects"] == MESSAGES
    assert pathology.counts()["repeats"] == repeats
    first = Outbound.objects.order_by("seq")[0]
    assert [a.detail or a.ending for a in Attempt.objects.filter(outbound=first).order_by("pk")] == ends
    assert Attempt.objects.count() == MESSAGES - 1 + len(ends)
    assert not Attempt.objects.filter(closed_at=None).exists()


def without_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((attempts, "_GROUND"), (settling, "_CLOSE"), (lanes, "_END_OLD_HOLDER")):
        monkeypatch.setattr(module, name, getattr(module, name))  # so that it is put back
    broken.no_fencing_token()


def without_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_outlived", lambda _ends: False)


@pytest.mark.parametrize(
    ("point", "broken_by", "breach"),
    [
        (CLAIMED, without_the_token, "an attempt was opened under an old token"),
        (COMMITTED, without_the_clock, "one came after a later one of its patient"),
        (AWAITING, without_the_token, "one came after a later one of its patient"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_with_the_check_taken_out_it_is_found(
    pathology: Receiver, monkeypatch: pytest.MonkeyPatch, point: Point, broken_by: object, breach: str
) -> None:
    """The test above on a build without what holds the sleeper back: the token, or before the bytes the lease's end."""
    broken_by(monkeypatch)  # type: ignore[operator]
    sleep_at(point, pathology, monkeypatch)
    assert breach in breaches(pathology)


def test_a_sender_that_wakes_while_its_lease_holds_goes_on_as_if_nothing_had_been(
    pathology: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SLACK", 30.0)
    make.register()
    make.number_and_render()
    sleeper = Sleeper(COMMITTED, monkeypatch)
    assert delivery.run("pathology", seconds=SLICE).sentence == "another is at it"
    assert isinstance(ended := sleeper.wakes(), Slice)
    assert ended.sent == 1
    assert Attempt.objects.get().ending == "accepted"
    eventually(lambda: delivery.run("pathology", seconds=SLICE).sentence == "nothing is due", within=5)
