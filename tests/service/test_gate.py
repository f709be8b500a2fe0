"""The gate under load: a save commits only in the epoch it was checked in, and a flip is never starved."""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import pytest
from django.db import connection, transaction

from pasmirror import embedded
from pasmirror.lib import idempotency
from pasmirror.lib.actor import system
from pasmirror.lib.models import AuditRow, IdempotencyKey
from patients.models import Change, Gate, JournalTail, Patient
from patients.services import gate
from patients.states import Mode
from tests.committed import Aside, committed  # noqa: F401
from tests.eventually import eventually
from tests.factories import lanes as make
from tests.feed_door import database_url

ROOT = Path(__file__).resolve().parents[2]
THREADS, PROCESSES, FLIPS = 50, 5, 50
STARVED = 3.0  # seconds; with a lock that savers can pass it by, a flip waits until they end, or for its lock's time
pytestmark = pytest.mark.usefixtures("committed")


@pytest.mark.timeout(180)
def test_fifty_savers_and_fifty_flips_never_meet_in_a_wrong_epoch(
    committed: None,  # noqa: F811
    valkey_server: embedded.Valkey,
) -> None:
    make.mirror_mode()
    Gate.objects.update(fenced=0)
    savers = [_savers(THREADS // PROCESSES) for _ in range(PROCESSES)]
    try:
        eventually(lambda: Change.objects.count() > THREADS, within=60)
        flips = [_flip(Mode.NORMAL if number % 2 == 0 else Mode.MIRROR) for number in range(FLIPS)]
    finally:
        told = [json.loads(one.communicate(timeout=60)[0]) for one in savers]
    saved, refused = (sum(each[name] for each in told) for name in ("saved", "refused"))
    waits = [flip.waited for flip in flips]
    assert max(waits) < STARVED, f"a flip waited {max(waits):.2f} s"
    late = {f.ended: Change.objects.filter(epoch=f.ended).count() - f.made for f in flips}
    assert not any(late.values()), f"saves committed after their epoch had ended: {late}"
    assert saved == Change.objects.count() == JournalTail.objects.count() == Patient.objects.count()
    assert AuditRow.objects.filter(action="register").count() == saved
    assert refused, "no save ever met a closed gate: the flips proved nothing"
    writable = set(range(2, 2 + FLIPS + 1, 2))  # epoch 2 was open; every other flip opened it again
    assert set(Change.objects.values_list("epoch", flat=True)) <= writable


def _savers(threads: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.savers", str(threads)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class _Flip(NamedTuple):
    """How long it waited, the epoch it ended, and the changes of that epoch there were when it had the gate."""

    waited: float
    ended: int
    made: int


def _flip(to: Mode) -> _Flip:
    time.sleep(0.05)  # let some saves through
    began = time.monotonic()
    with transaction.atomic():
        ended = gate.flip(to=to, by=system("test"), sentence="flip", new_epoch=True).epoch - 1
        made = Change.objects.filter(epoch=ended).count()
    return _Flip(time.monotonic() - began, ended, made)


def test_a_flip_waits_for_the_save_before_it_and_no_longer(committed: None) -> None:  # noqa: F811
    make.mirror_mode()
    inside, go_on = threading.Event(), threading.Event()

    def slow_save() -> int:
        with transaction.atomic():
            stands = gate.passed()
            gate.refuse_unless_writable(stands)
            epoch = stands.epoch
            inside.set()
            go_on.wait(10)
            return epoch

    def flip() -> int:
        with transaction.atomic():
            return gate.flip(to=Mode.NORMAL, by=system("test"), sentence="flip", new_epoch=True).epoch

    save = Aside(slow_save)
    assert inside.wait(5)
    flipping = Aside(flip)
    eventually(lambda: _waiting_for_the_gate() == 1, within=5)
    assert Gate.objects.get().mode == Mode.MIRROR
    go_on.set()
    assert save.result() == 2
    assert flipping.result() == 3


def test_a_key_in_use_waits_and_then_answers_with_the_first_result(committed: None) -> None:  # noqa: F811
    key, inside, go_on = uuid.uuid4(), threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic():
            assert idempotency.claim(key, make.CLERK, asked="this") is None
            inside.set()
            go_on.wait(10)
            idempotency.settle(key, {"change": 7})

    def second() -> dict[str, object] | None:
        with transaction.atomic():
            return idempotency.claim(key, make.CLERK, asked="this")

    one = Aside(first)
    assert inside.wait(5)
    two = Aside(second)
    go_on.set()
    one.result()
    assert two.result() == {"change": 7}
    assert IdempotencyKey.objects.count() == 1


def _waiting_for_the_gate() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return int(cursor.fetchone()[0])
