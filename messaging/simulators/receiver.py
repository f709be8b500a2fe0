"""A simulated downstream system that keeps what it got and the effects it had; knows no PAS and no mirror."""

from __future__ import annotations

import argparse
import base64
import json
import logging
import signal
import ssl
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from messaging.simulators.control import ControlDoor
from messaging.simulators.door import Door
from messaging.simulators.effects import Effect, event_key, events
from messaging.simulators.faults import Faults, Verb
from messaging.simulators.messages import Message, Unreadable, ack
from messaging.simulators.store import Store

log = logging.getLogger(__name__)
SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY, received_at TEXT NOT NULL, control_id TEXT NOT NULL, sender TEXT NOT NULL,
    trigger TEXT NOT NULL, answer TEXT NOT NULL, raw BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS effect (
    id INTEGER PRIMARY KEY, message INTEGER NOT NULL, received_at TEXT NOT NULL, control_id TEXT NOT NULL,
    sender TEXT NOT NULL, trigger TEXT NOT NULL, key TEXT NOT NULL, patient_ids TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS effect_of ON effect (control_id, sender)
"""


class Receiver:
    """A receiver with its doors; port 0 takes any free port."""

    def __init__(
        self,
        name: str,
        *,
        store: str | Path,
        port: int = 0,
        control: int = 0,
        dedup: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.app = name.upper()
        self.facility = "RXX"
        self.dedup = dedup
        self.faults = Faults()
        self.store = Store(store, SCHEMA)
        self.door = Door(self, self.faults, port=port, tls=tls)
        reads: dict[str, Verb] = {
            "effects": self.effects,
            "messages": self.messages,
            "counts": self.counts,
            "forget": self.forget,
        }
        reads |= {"duplicates_of_events": self.duplicates_of_events, "deduplicate": self.deduplicate}
        self.control = ControlDoor(self.faults.verbs() | self.door.verbs() | reads, port=control)

    def start(self) -> None:
        """Open both doors; raises OSError when a port is in use."""
        self.control.listener.start()
        self.door.listener.start()

    def stop(self) -> None:
        """Close both doors and the store."""
        self.faults.heal()
        self.door.listener.stop()
        self.control.listener.stop()
        self.store.close()

    def take(self, raw: bytes) -> bytes:
        """Keep a message, have its effect unless it is a repeat, answer AA (AR when it cannot be read)."""
        try:
            message = Message(raw)
        except Unreadable:
            self.note(raw, "AR")
            return ack(None, "AR", app=self.app, facility=self.facility, text="no MSH segment")
        with self.store.writing():
            kept = self._keep(raw, message, "AA")
            seen = self.store.row(
                "SELECT 1 FROM effect WHERE control_id = ? AND sender = ?", message.control_id, message.sender
            )
            if not (seen and self.dedup):
                self.store.write(
                    "INSERT INTO effect (message, received_at, control_id, sender, trigger, key, patient_ids)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    kept,
                    datetime.now(UTC).isoformat(),
                    message.control_id,
                    message.sender,
                    message.trigger,
                    event_key(message),
                    json.dumps(message.patient_ids),
                )
        log.info("took %s %s", message.control_id, message.trigger)
        return ack(message, "AA", app=self.app, facility=self.facility)

    def note(self, raw: bytes, answer: str) -> None:
        """Keep a message that had no effect."""
        try:
            message: Message | None = Message(raw)
        except Unreadable:
            message = None
        self._keep(raw, message, answer)

    def _keep(self, raw: bytes, message: Message | None, answer: str) -> int:
        named = (message.control_id, message.sender, message.trigger) if message else ("", "", "")
        return self.store.write(
            "INSERT INTO message (received_at, control_id, sender, trigger, answer, raw) VALUES (?, ?, ?, ?, ?, ?)",
            datetime.now(UTC).isoformat(),
            *named,
            answer,
            raw,
        )

    def _effects(self) -> list[Effect]:
        return [
            Effect(
                key=row["key"],
                trigger=row["trigger"],
                control_id=row["control_id"],
                speaker=row["sender"].split("|")[0],
                patient_ids=tuple(json.loads(row["patient_ids"])),
                at=row["received_at"],
            )
            for row in self.store.rows("SELECT * FROM effect ORDER BY id")
        ]

    def effects(self) -> list[dict[str, object]]:
        """Every effect in order; `event` is the same for effects of one event, whoever spoke it."""
        effects = self._effects()
        named = {id(member): event for event, members in events(effects).items() for member in members}
        return [
            {
                "key": effect.key,
                "event": named[id(effect)],
                "trigger": effect.trigger,
                "control_id": effect.control_id,
                "speaker": effect.speaker,
                "patient_ids": list(effect.patient_ids),
                "received_at": effect.at,
            }
            for effect in effects
        ]

    def messages(self, since: int = 0) -> list[dict[str, object]]:
        """Every frame after that id: raw as text where it is UTF-8, always in base64."""
        return [
            {key: row[key] for key in ("id", "received_at", "control_id", "sender", "trigger", "answer")}
            | {"raw": row["raw"].decode(errors="replace"), "base64": base64.b64encode(row["raw"]).decode()}
            for row in self.store.rows("SELECT * FROM message WHERE id > ? ORDER BY id", int(since))
        ]

    def counts(self) -> dict[str, object]:
        """Frames, effects, repeats taken without effect, and effects by trigger."""
        by_trigger = self.store.rows("SELECT trigger, count(*) FROM effect GROUP BY trigger ORDER BY trigger")
        taken = self.store.count("SELECT count(*) FROM message WHERE answer = 'AA'")
        effects = self.store.count("SELECT count(*) FROM effect")
        return {
            "messages": self.store.count("SELECT count(*) FROM message"),
            "effects": effects,
            "repeats": taken - effects,
            "triggers": {row[0]: row[1] for row in by_trigger},
        }

    def duplicates_of_events(self) -> list[dict[str, object]]:
        """Events with more than one effect, and who spoke them."""
        return [
            {"event": event, "effects": [[member.speaker, member.control_id] for member in members]}
            for event, members in events(self._effects()).items()
            if len(members) > 1
        ]

    def deduplicate(self, *, on: bool = True) -> bool:
        """Drop repeats of MSH-10 and sender, or have their effect again."""
        self.dedup = on
        return on

    def forget(self) -> None:
        """Forget everything received."""
        with self.store.writing():
            self.store.write("DELETE FROM effect")
            self.store.write("DELETE FROM message")


def main(argv: list[str]) -> int:
    """Run until SIGTERM or SIGINT; one JSON line on standard output says which ports are open."""
    parser = argparse.ArgumentParser(prog="python -m messaging.simulators.receiver", description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--no-dedup", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="log warnings only")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING if args.quiet else logging.INFO, format="%(asctime)s %(message)s")
    receiver = Receiver(args.name, store=args.store, port=args.port, control=args.control, dedup=not args.no_dedup)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        receiver.start()
    except OSError as error:
        sys.stderr.write(f"{args.name}: cannot listen: {error.strerror}\n")
        return 1
    ports = {"ready": args.name, "port": receiver.door.listener.port, "control": receiver.control.listener.port}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    ended.wait()
    receiver.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
