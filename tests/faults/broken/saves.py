"""Broken builds of a clerk's save. Each breaks one thing and names the finding that must come of it."""

from types import SimpleNamespace
from typing import Any

import structlog
from django.db import transaction

from pasmirror.lib import crash
from pasmirror.lib.crash import Point
from tests.faults.broken.swap import replace

log = structlog.get_logger()


def gate_without_lock() -> None:
    """A save reads the gate without its shared lock, so that a flip overtakes it: two_masters."""
    from patients.services import gate

    assert callable(gate.locks.share)
    replace(gate, "locks", SimpleNamespace(share=lambda _lock: None, take=gate.locks.take))


def tail_outside() -> None:
    """The tail row is written after the change's commit, so that a crash between loses it: lost_write."""
    from patients.services import saving

    def later(**row: Any) -> Any:
        def write() -> None:
            crash.at(Point.SAVE_COMMITTED)  # the change is, the tail row is not
            tail.objects.create(**row)

        transaction.on_commit(write)

    tail: Any = replace(saving, "JournalTail", type("Later", (), {"objects": SimpleNamespace(create=later)}))


def surname_logged() -> None:
    """Every save writes the surname into the log: patient_data_in_sink."""
    from patients.services import saving

    def save(order: Any, *more: Any) -> Any:
        log.warning("save.begun", family=order.news.patient.get("name", {}).get("family", ""))
        return stood(order, *more)

    stood = replace(saving, "_save", save)


def audit_forgotten() -> None:
    """A clerk's change is written without its audit row: broken_chain."""
    from patients.services import rows

    assert callable(rows.audit.record_all)
    forget = SimpleNamespace(record_all=list, new_row=rows.audit.new_row)
    replace(rows, "audit", forget)


def refused_after_commit() -> None:
    """The screen says that nothing was saved after all has been: screen_lied."""
    from pasmirror.lib import idempotency
    from patients.refusals import Refused
    from patients.services import registration

    def save(order: Any) -> Any:
        stood(order)
        raise Refused("Nothing was saved. Try again.")

    stood = replace(registration, "save", save)
    replace(idempotency, "earlier", lambda *_: None)  # which would lead the form to its record
