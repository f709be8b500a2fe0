"""The lease: one holder, a rising token, and a takeover that ends the old holder first."""

import threading

import pytest
from django.db import DatabaseError, connection

from messaging.models import Lane
from messaging.services import attempts, lanes
from messaging.services.lanes import LostLease
from tests.committed import Aside, aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make

pytestmark = pytest.mark.usefixtures("committed")


class Holder:
    """Somebody else, on a connection of their own, who claims the lane and then does as told."""

    def __init__(self, to: object, *, seconds: float) -> None:
        self.to, self.seconds = to, seconds
        self.go, self.claimed = threading.Event(), threading.Event()
        self.thread = Aside(self._hold)
        assert self.claimed.wait(10)

    def _hold(self) -> object:
        self.lease = lanes.claim(self.to, holder="other", seconds=self.seconds)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            self.backend = cursor.fetchone()[0]
        self.claimed.set()
        assert self.go.wait(20)
        return attempts.step(self.lease, None)

    def goes_on(self) -> object:
        self.go.set()
        return self.thread.result()


def test_one_holder_at_a_time_and_a_token_for_each() -> None:
    to = make.destination("pathology")
    other = Holder(to, seconds=30)
    assert other.lease.token == 1
    assert lanes.claim(to, holder=lanes.me(), seconds=30) is None
    lanes.release(other.lease)
    mine = lanes.claim(to, holder=lanes.me(), seconds=30)
    assert mine is not None
    assert mine.token == 2
    with pytest.raises(LostLease):
        other.goes_on()
    lanes.release(mine)
    assert Lane.objects.get().until is None


def test_only_the_holder_can_renew_and_an_old_release_harms_nobody() -> None:
    to = make.destination("pathology")
    first = Holder(to, seconds=0).lease
    assert lanes.renew(first, seconds=30)
    assert lanes.claim(to, holder="second", seconds=30) is None
    assert lanes.renew(first, seconds=0)
    second = lanes.claim(to, holder="second", seconds=30)
    assert second is not None
    assert not lanes.renew(first, seconds=30)
    lanes.release(first)
    assert Lane.objects.get().holder == "second"
    assert aside(lambda: lanes.claim(to, holder="third", seconds=30)) is None


def test_a_takeover_ends_the_connection_of_a_holder_whose_lease_ran_out() -> None:
    to = make.destination("pathology")
    frozen = Holder(to, seconds=0)
    mine = lanes.claim(to, holder=lanes.me(), seconds=30)
    assert mine is not None
    assert mine.token == frozen.lease.token + 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [frozen.backend])
        assert cursor.fetchone() == (0,)
    with pytest.raises(DatabaseError):
        frozen.goes_on()


def test_a_holder_whose_connection_is_gone_holds_nothing() -> None:
    to = make.destination("pathology")

    def die() -> int:
        lease = lanes.claim(to, holder="dead", seconds=3600)
        assert lease is not None
        return lease.token

    token = aside(die)  # its connection ends with it
    mine = eventually(lambda: lanes.claim(to, holder=lanes.me(), seconds=30), within=5)
    assert mine is not None
    assert mine.token == token + 1


def test_a_takeover_leaves_a_connection_alone_that_does_something_else_by_now() -> None:
    to = make.destination("pathology")
    busy, done = threading.Event(), threading.Event()

    def move_on() -> int:
        lease = lanes.claim(to, holder="moved on", seconds=0)
        assert lease is not None
        with connection.cursor() as cursor:
            cursor.execute("RESET application_name")
        busy.set()
        assert done.wait(20)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return int(cursor.fetchone()[0])

    other = Aside(move_on)
    assert busy.wait(10)
    assert lanes.claim(to, holder=lanes.me(), seconds=30) is not None
    done.set()
    assert other.result() == 1
