"""Looks at the PAS from here: TCP connect, an MLLP query answered, an HTTP page; knows no rule and no database."""

import http.client
import socket
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from failover.health import Verdict
from messaging.hl7 import ack, dialects, queries
from messaging.hl7.dialects import Dialect
from messaging.mllp.sender import POSITIVE, NoAnswer, Peer
from messaging.mllp.tls import ClientTls
from pasmirror.lib import clock

NOBODY = "PASMIRROR-PROBE"  # a number that names no patient
WORST = (Verdict.DOWN, Verdict.HALF, Verdict.SLOW, Verdict.UP, Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Report:
    """What one way of looking found, and in a few words why."""

    way: str
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """One declared probe of the site file: kind tcp or mllp with host and port, or http with a URL."""

    way: str
    host: str = ""
    port: int = 0
    url: str = ""
    dialect: Dialect | None = field(default=None, compare=False)  # how an MLLP question is written
    secured: ClientTls | None = None  # how an MLLP question is sent over TLS

    @classmethod
    def of(cls, declared: dict[str, Any], dialect: Dialect, secured: ClientTls | None = None) -> "Target":
        """Read one row of the policy's probes."""
        where = declared.get("host", ""), int(declared.get("port", 0))
        return cls(declared["kind"], *where, url=declared.get("url", ""), dialect=dialect, secured=secured)


class Prober:
    """Runs probes in threads of its own, one at a time per target.

    What has not answered in time is reported down and waited for in the background: if it answers after all, the
    next look reports it slow. So a late peer is told from a dead one.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="probe")
        self._asked: dict[Target, tuple[Future[Report], float]] = {}

    def look(self, targets: Sequence[Target], *, timeout: float, patience: float) -> list[Report]:
        """Look at every target, for at most `timeout` seconds; gives one report per way, the worst."""
        for gone in set(self._asked) - set(targets):
            del self._asked[gone]
        for target in targets:
            if target not in self._asked:
                self._asked[target] = (self._threads.submit(_timed, target, timeout, patience), time.monotonic())
        wait([future for future, _ in self._asked.values()], timeout=timeout)
        found: dict[str, Report] = {}
        for target in targets:
            report = self._settle(target)
            known = found.get(report.way)
            if known is None or WORST.index(report.verdict) < WORST.index(known.verdict):
                found[report.way] = report
        return list(found.values())

    def close(self) -> None:
        """End the threads; a probe under way ends at its own timeout."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _settle(self, target: Target) -> Report:
        future, began = self._asked[target]
        if not future.done():
            return Report(target.way, Verdict.DOWN, f"no answer for {time.monotonic() - began:.1f} s")
        del self._asked[target]
        return future.result()


def _timed(target: Target, timeout: float, patience: float) -> Report:
    """Probe and mark as slow what took more than half of `timeout`."""
    began = time.monotonic()
    report = PROBES[target.way](target, patience)
    took = time.monotonic() - began
    if report.verdict == Verdict.UP and took > timeout / 2:
        return Report(target.way, Verdict.SLOW, f"answered after {took:.1f} s")
    return report


def tcp(target: Target, timeout: float) -> Report:
    """Connect and close."""
    try:
        socket.create_connection((target.host, target.port), timeout=timeout).close()
    except OSError as error:
        return Report("tcp", Verdict.DOWN, _why(error))
    return Report("tcp", Verdict.UP)


def mllp(target: Target, timeout: float) -> Report:
    """Ask for a patient nobody has: any answer to our question says that somebody works behind the port."""
    control_id = f"P{uuid.uuid4().hex[:19]}"
    question = queries.find_candidates(
        {"hospital_number": NOBODY},
        dialect=target.dialect or dialects.get("uk24"),
        control_id=control_id,
        now=clock.now(),
    )
    peer = Peer(target.host, target.port, timeout, secured=target.secured)
    try:
        raw = peer.query(question, control_id)
    finally:
        peer.close()
    if isinstance(raw, NoAnswer):
        return Report("mllp", Verdict.DOWN, f"no answer: {raw.phase}")
    code = ack.read_answer(raw).code
    return Report("mllp", Verdict.UP) if code in POSITIVE else Report("mllp", Verdict.HALF, f"answers {code}")


def http_page(target: Target, timeout: float) -> Report:
    """Get the page: 2xx or 3xx is up, any other status is half."""
    parts = urlsplit(target.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return Report("http", Verdict.DOWN, _why(error))
    finally:
        connection.close()
    return Report("http", Verdict.UP) if 200 <= status < 400 else Report("http", Verdict.HALF, f"status {status}")


PROBES = {"tcp": tcp, "mllp": mllp, "http": http_page}


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return "refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__
