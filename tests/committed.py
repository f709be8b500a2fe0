"""A database whose commits are real, for tests of several connections; emptied afterwards, append-only tables too."""

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from django.db import connection

from messaging.models import Emission
from messaging.services import delivery
from pasmirror.lib import clock
from patients.models import Gate

T = TypeVar("T")


@pytest.fixture
def committed(transactional_db: None) -> Iterator[None]:
    """Commits are real; gate (NORMAL, epoch 1) and emission (held) are in place."""
    Gate.objects.update_or_create(
        scope="site", defaults={"mode": "normal", "epoch": 1, "fenced": 0, "since": clock.now()}
    )
    if not Emission.objects.exists():
        Emission.objects.create(valve="held", since=clock.now())
    yield
    delivery.hang_up()
    with connection.cursor() as cursor:  # so that what follows may empty the append-only tables
        cursor.execute("SET session_replication_role = replica")


class Aside(threading.Thread):
    """Runs something on a database connection of its own; `result()` gives what it gave, or raises what it raised."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self.work = work
        self.start()

    def run(self) -> None:
        self.given: object = None
        self.raised: BaseException | None = None
        try:
            self.given = self.work()
        except BaseException as fault:  # noqa: BLE001 - `result` raises it again
            self.raised = fault
        finally:
            connection.close()

    def result(self, within: float = 20.0) -> object:
        self.join(within)
        assert not self.is_alive(), "still at it"
        if self.raised:
            raise self.raised
        return self.given


def aside(work: Callable[[], T], within: float = 20.0) -> T:
    """Do `work` on another connection and give its result."""
    return Aside(work).result(within)  # type: ignore[return-value]
