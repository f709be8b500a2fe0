"""A simulated PAS: its doors, its record, its outbox and its faults, put together; knows no mirror, only messages."""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from messaging.simulators import outbox as outboxes
from messaging.simulators import record as records
from messaging.simulators.control import ControlDoor, Farewell
from messaging.simulators.day import Day, Town
from messaging.simulators.desk import Desk
from messaging.simulators.dialect import APP
from messaging.simulators.door import Door
from messaging.simulators.faults import DOOR_FAULTS, Faults
from messaging.simulators.health import HealthPage
from messaging.simulators.messages import Message, Unreadable, ack
from messaging.simulators.queries import QUERY_TYPES, Queries
from messaging.simulators.replay import Replay
from messaging.simulators.staff import Staff
from messaging.simulators.store import Store
from messaging.simulators.wire import address

FAULTS = {**DOOR_FAULTS, "refuse_all": {"code": "AE", "err": "207", "text": "database error", "times": 0}}


class Pas:
    """The PAS with its doors; port 0 takes any free port; `lanes` are the feed and the downstream peers by name."""

    app = APP
    facility = records.AUTHORITY

    def __init__(
        self,
        *,
        store: str | Path,
        lanes: Mapping[str, tuple[str, int]],
        port: int = 0,
        control: int = 0,
        health: int = 0,
    ) -> None:
        self.faults = Faults()
        self.store = Store(store, f"{records.SCHEMA};{outboxes.SCHEMA}")
        self.record = records.Record(self.store)
        self.outbox = outboxes.Outbox(self.store, self.faults, lanes)
        chance = random.Random()  # noqa: S311 - made-up people
        desk = Desk(self.record, self.outbox)
        self.replay = Replay(desk)
        self.queries = Queries(self.record)
        self.staff = Staff(desk, Town(self.record, chance).someone)
        self.day = Day(self.staff)
        self.door = Door(self, self.faults, port=port)
        self.health = HealthPage(self.faults, port=health)
        self.control = ControlDoor(self._verbs(), port=control)

    def _verbs(self) -> dict[str, Callable[..., object]]:
        own: dict[str, Callable[..., object]] = {
            "morning": self.day.morning,
            "traffic": self.day.traffic,
            "die": self.die,
            "backup": self.store.backup,
            "restore_backup": self.restore_backup,
            "patients": self.patients,
            "stays": lambda: [self._with_mrn(each) for each in self.record.stays()],
            "appointments": lambda: [self._with_mrn(each) for each in self.record.appointments()],
            "find": self.find,
            "free_beds": self.record.free_beds,
        }
        faults = self.faults.verbs(FAULTS) | self.door.verbs()
        return faults | self.outbox.verbs() | self.replay.verbs() | self.staff.verbs() | own

    def start(self) -> None:
        """Open the doors and start sending; raises OSError when a port is in use."""
        for listener in (self.control.listener, self.health.listener, self.door.listener):
            listener.start()
        self.outbox.start()

    def stop(self) -> None:
        """Close the doors, end the senders, close the store."""
        self.day.traffic(0)
        self.faults.heal()
        for listener in (self.door.listener, self.health.listener, self.control.listener):
            listener.stop()
        self.outbox.stop()
        self.store.close()

    def take(self, raw: bytes) -> bytes:
        """Answer a query or apply a replayed message; AR when it cannot be read."""
        try:
            message = Message(raw)
        except Unreadable:
            self.note(raw, "AR")
            return ack(None, "AR", app=self.app, facility=self.facility, text="no MSH segment")
        if fault := self.faults.fire("refuse_all"):
            code, err, text = (str(fault[key]) for key in ("code", "err", "text"))
            self.replay.keep(message, code, err=err)
            return ack(message, code, app=self.app, facility=self.facility, err=err, text=text)
        if message.kind in QUERY_TYPES:
            return self.queries.answer(message)
        return self.replay.take(message)

    def note(self, raw: bytes, answer: str) -> None:
        """Keep a message that had no effect."""
        try:
            self.replay.keep(Message(raw), answer)
        except Unreadable:
            self.replay.keep(None, answer)

    def die(self) -> None:
        """End the process at once, as a killed one."""
        raise Farewell(lambda: os._exit(137))

    def restore_backup(self) -> int:
        """Bring the record back as it was backed up; returns how many patients it then holds."""
        self.store.restore(records.TABLES)
        return len(self.record.patients())

    def _with_mrn(self, row: records.Stay | records.Appointment) -> dict[str, object]:
        return vars(row) | {"mrn": self.record.mrn(row.patient)}

    def patients(self) -> list[dict[str, object]]:
        """Everyone with numbers, stays and appointments."""
        return [self.record.shown(each) for each in self.record.patients()]

    def find(self, id: object) -> dict[str, object] | None:  # noqa: A002 - the verb's own word
        """One patient by any number, None when unknown."""
        owners = self.record.known_as(str(id))
        return self.record.shown(self.record.patient(owners.pop())) if len(owners) == 1 else None


def _lane(text: str) -> tuple[str, tuple[str, int]]:
    name, equals, where = text.partition("=")
    if not equals or not name:
        raise ValueError(f"not NAME=HOST:PORT: {text}")
    return name, address(where)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m messaging.simulators.pas", description=__doc__)
    for port in ("--port", "--control", "--health"):
        parser.add_argument(port, type=int, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--feed", type=address, required=True, metavar="HOST:PORT")
    parser.add_argument("--downstream", type=_lane, action="append", default=[], metavar="NAME=HOST:PORT")
    parser.add_argument("--quiet", action="store_true", help="log warnings only")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run until SIGTERM or SIGINT; one JSON line on standard output says which ports are open."""
    args = _arguments(argv)
    logging.basicConfig(level=logging.WARNING if args.quiet else logging.INFO, format="%(asctime)s %(message)s")
    lanes = {outboxes.FEED: args.feed, **dict(args.downstream)}
    pas = Pas(store=args.store, lanes=lanes, port=args.port, control=args.control, health=args.health)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        pas.start()
    except OSError as error:
        sys.stderr.write(f"pas: cannot listen: {error.strerror}\n")
        return 1
    ports = {"port": pas.door.listener.port, "control": pas.control.listener.port, "health": pas.health.listener.port}
    sys.stdout.write(json.dumps({"ready": "pas", **ports}) + "\n")
    sys.stdout.flush()
    ended.wait()
    pas.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
