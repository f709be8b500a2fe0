"""What the PAS has to say, kept until each peer answered AA: an ordered lane a peer; knows no record."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from messaging.simulators.dialect import APP, STRUCTURES, VERSION
from messaging.simulators.faults import Faults
from messaging.simulators.messages import LONDON, Message, encode, header, now, stamp
from messaging.simulators.record import AUTHORITY
from messaging.simulators.store import Store
from messaging.simulators.wire import Client

log = logging.getLogger(__name__)
FEED = "feed"
SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, lane TEXT NOT NULL, control_id TEXT NOT NULL, trigger TEXT NOT NULL, raw BLOB NOT NULL,
    made_at TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, sent_at TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS outbox_next ON outbox (lane, sent_at, id)
"""


class Outbox:
    """The lanes by name, each with the address of its peer; call `speak` inside `store.writing()`."""

    def __init__(
        self, store: Store, faults: Faults, lanes: Mapping[str, tuple[str, int]], *, again: float = 0.3
    ) -> None:
        self.store = store
        self.lanes = dict(lanes)
        self._faults = faults
        self._again = again
        self._held: set[str] = set()
        self._clock_offset = 0.0
        self._ended = False
        self._bell = threading.Condition()
        self._threads: list[threading.Thread] = []

    def speak(self, trigger: str, segments: Sequence[str], *, lanes: Iterable[str] | None = None) -> str:
        """Queue one message for these lanes (None: all), return its control id."""
        control_id = f"PAS{self.store.next_number('message', first=1):010d}"
        made_at = stamp(datetime.now(LONDON) + timedelta(seconds=self._clock_offset))
        msh = header(
            app=APP,
            facility=AUTHORITY,
            to=("ROUTE", ""),
            made_at=made_at,
            kind=STRUCTURES[trigger],
            control_id=control_id,
            version=VERSION,
        )
        raw = encode([msh, *segments])
        for lane in self.lanes if lanes is None else lanes:
            self.store.write(
                "INSERT INTO outbox (lane, control_id, trigger, raw, made_at) VALUES (?, ?, ?, ?, ?)",
                lane,
                control_id,
                trigger,
                raw,
                now(),
            )
        return control_id

    def ring(self) -> None:
        """Wake the senders; call it after the transaction."""
        with self._bell:
            self._bell.notify_all()

    def start(self) -> None:
        """Start one sender a lane."""
        for lane, (host, port) in self.lanes.items():
            thread = threading.Thread(target=self._run, args=(lane, Client(host, port)), daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the senders; what is unsent stays for the next start."""
        with self._bell:
            self._ended = True
            self._bell.notify_all()
        for thread in self._threads:
            thread.join(timeout=6)

    def _run(self, lane: str, client: Client) -> None:
        while not self._ended:
            sent = self._can_speak(lane) and self._send_next(lane, client)
            with self._bell:
                if not self._ended and not sent:
                    self._bell.wait(self._again)
        client.close()

    def _can_speak(self, lane: str) -> bool:
        return lane not in self._held and self._faults.armed("go_silent") is None

    def _send_next(self, lane: str, client: Client) -> bool:
        """Send the oldest unsent message; true when it was accepted."""
        row = self.store.row(
            "SELECT id, control_id, raw FROM outbox WHERE lane = ? AND sent_at = '' ORDER BY id LIMIT 1", lane
        )
        if row is None:
            return False
        self.store.write("UPDATE outbox SET attempts = attempts + 1 WHERE id = ?", row["id"])
        try:
            answer = Message(client.send(row["raw"]))
        except (OSError, ValueError) as error:
            client.close()
            log.info("%s %s no answer (%s)", lane, row["control_id"], type(error).__name__)
            return False
        if answer.field("MSA", 2) != row["control_id"] or answer.field("MSA", 1) not in ("AA", "CA"):
            client.close()
            log.info("%s %s answered %s", lane, row["control_id"], answer.field("MSA", 1))
            return False
        self.store.write("UPDATE outbox SET sent_at = ? WHERE id = ?", now(), row["id"])
        return True

    def verbs(self) -> dict[str, Callable[..., object]]:
        """The control verbs of the outbox."""
        return {
            "outbox": self.depth,
            "quiet": self.quiet,
            "spoken": self.spoken,
            "hold_backlog": self.hold,
            "send_backlog": self.release,
            "clock_offset": self.clock_offset,
        }

    def depth(self) -> dict[str, object]:
        """How many messages wait, in all and by lane."""
        lanes = {
            lane: self.store.count("SELECT count(*) FROM outbox WHERE lane = ? AND sent_at = ''", lane)
            for lane in self.lanes
        }
        return {"depth": sum(lanes.values()), "lanes": lanes, "held": sorted(self._held)}

    def quiet(self) -> bool:
        """True when every peer has everything."""
        return self.depth()["depth"] == 0

    def spoken(self, since: int = 0) -> list[dict[str, object]]:
        """Every message queued after that id, by lane, with when it was made and answered AA."""
        rows = self.store.rows(
            "SELECT id, lane, control_id, trigger, made_at, attempts, sent_at FROM outbox WHERE id > ? ORDER BY id",
            since,
        )
        return [dict(row) for row in rows]

    def hold(self, lane: str | None = None) -> list[str]:
        """Keep messages back on one lane or all: a silent feed while the PAS is well."""
        self._held |= {lane} if lane else set(self.lanes)
        return sorted(self._held)

    def release(self, lane: str | None = None) -> None:
        """Send what was kept back."""
        self._held -= {lane} if lane else set(self._held)
        self.ring()

    def clock_offset(self, seconds: float) -> float:
        """Let MSH-7 of every message from now on be wrong by so many seconds."""
        self._clock_offset = float(seconds)
        return self._clock_offset
