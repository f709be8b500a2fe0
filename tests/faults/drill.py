"""One run of the real system under faults: product, the world outside it, who works there, and the judge at the end.

Knows addresses, process ids, console verbs and how to ask whether all is quiet; of the product only its tables.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg

from pasmirror import embedded, running, tether
from pasmirror.demo import cast
from pasmirror.demo.browser import PageRefused
from tests.eventually import eventually
from tests.faults.checker import judge, reading
from tests.faults.checker.finding import Finding
from tests.faults.outside import RECEIVERS, Outside
from tests.faults.prepared import CLERKS, SECOND, Prepared
from tests.faults.recorder import peers, sinks
from tests.faults.recorder.clerks import Clerks
from tests.faults.recorder.log import Log
from tests.faults.recorder.pas import PasDesk, feed
from tests.faults.strikes import Strikes
from tests.hospital import NORMAL, Hospital
from tests.product import ROOT, Product


class Drill(Hospital):
    """The demo's hospital, made from a prepared folder; `broken` names a deliberately broken build of the product."""

    def __init__(
        self,
        prepared: Prepared,
        folder: Path,
        *,
        proxied: Iterable[str] = (),
        broken: str = "",
        seed: int = 1,
        **environment: str,
    ) -> None:
        self.prepared, self.folder, self.seed = prepared, folder, seed
        self.var, self.logs = folder / "var", folder / "logs"
        told = prepared.environment(self.var) | environment | ({"PASMIRROR_BROKEN": broken} if broken else {})
        self._of(Product(self.var, "up", first=prepared.first, **told))
        self.strikes = Strikes(folder / "strikes")
        self.outside = Outside(folder / "sim", prepared.first, proxied)
        self.proxy = self.outside.proxy
        self._logs: list[Log] = []
        self._at_work: list[Clerks | PasDesk] = []

    def port(self, name: str) -> int:
        """Where one goes for `web`, `feed`, `pas`, `health` or a receiver: through its proxy, if it has one."""
        return self.outside.port(name)

    # Coming and going

    def __enter__(self) -> Self:
        self.prepared.clone(self.var)
        self.logs.mkdir(parents=True)
        try:
            self.outside.open()
            self.product.start()
            eventually(lambda: running.answers("127.0.0.1", self.product.mllp), within=30, every=0.1)
            self.pas.do("morning", patients=12, seed=self.seed)
            eventually(lambda: self.pas.do("quiet"), within=30, every=0.2, why="the morning is sent")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._all_go_home()
        self.wake_everyone()
        for proxy in self.proxy.values():
            proxy.heal()
        try:
            if self.product.up is not None:
                self.product.stop()
        finally:
            self.outside.close()
            left = self.product.everyone()
            for each in left:
                each.kill()
            psutil.wait_procs(left, timeout=10)

    def kill_pas(self) -> None:
        """Kill -9 the simulated PAS."""
        self.outside.kill("pas")

    def start_pas(self) -> None:
        """Start the PAS again, if it is dead."""
        self.outside.start("pas")

    @contextmanager
    def second_worker(self) -> Iterator[psutil.Process]:
        """Another Celery worker beside the product's own."""
        beside = Path(sys.executable).parent / "celery"
        command = [str(beside), "-A", "pasmirror", "worker", "-P", "threads", "-c", "8", "-n", "second@%h"]
        with (self.folder / "second.log").open("wb") as said:
            worker = subprocess.Popen(
                tether.command(command, on_death=signal.SIGKILL),
                cwd=ROOT,
                env=self.product.environment | {"PASMIRROR_ROLE": "work", "PASMIRROR_TRANSACTION_TIMEOUT": "5000"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        try:
            log = self.folder / "second.log"
            eventually(lambda: b" ready." in log.read_bytes(), within=30, every=0.1, why="the second worker is ready")
            yield psutil.Process(worker.pid)
        finally:
            worker.kill()
            worker.wait(10)

    # Who works here

    def log(self, name: str) -> Log:
        """A log of one client, closed with the drill at the latest."""
        log = Log(self.logs / f"{name}-{len(self._logs) + 1}.jsonl", seed=self.seed)
        self._logs.append(log)
        return log

    def clerks(self, *, n: int = 3, pace: float = 0.02) -> Clerks:
        """Clerks at work through the real forms, until they are stopped."""
        log = self.log("clerks")
        seed = self.seed * 100 + len(self._logs)
        made = Clerks(log, "127.0.0.1", self.port("web"), accounts(n), n=n, seed=seed, pace=pace)
        self._at_work.append(made)
        made.start()
        return made

    def desk(self, *, pace: float = 0.05) -> PasDesk:
        """The PAS's own users at work, until they are stopped."""
        log = self.log("pas")
        made = PasDesk(log, self.pas, seed=self.seed * 100 + len(self._logs), pace=pace)
        self._at_work.append(made)
        made.start()
        return made

    def some_saves(self, n: int, *, within: float = 90.0) -> None:
        """At least `n` acknowledged saves of one clerk, one after the other."""
        clerks = self.clerks(n=1, pace=0.0)
        eventually(lambda: clerks.saved() >= n, within=within, why=f"{n} saves")
        clerks.stop()

    def _all_go_home(self) -> None:
        for each in self._at_work:
            each.stop()
        for log in self._logs:
            log.close()

    # How it stands

    def db(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of our own to the drill's database, each statement committed by itself."""
        where = str(embedded.socket_folder(self.var))
        return psycopg.connect(host=where, user="postgres", dbname="pasmirror", autocommit=True, connect_timeout=5)

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of one query."""
        with self.db() as connection:
            return connection.execute(sql, values).fetchall()

    def frames(self, *receivers: str) -> int:
        """How many frames these receivers have taken, repeats too (all of them if none is named)."""
        counts: list[Any] = [self.receivers[name].do("counts") for name in receivers or RECEIVERS]
        return sum(int(each["messages"]) for each in counts)

    def beats(self, name: str, *, since: object, pid: int = 0) -> bool:
        """Whether one of our own processes, that of `pid` if given, has beaten after `since` (the database's clock)."""
        rows = self.ask("SELECT pid FROM lib_processbeat WHERE name = %s AND at > %s", name, since)
        return any(pid in (0, beaten) for (beaten,) in rows)

    def wake_everyone(self) -> None:
        """SIGCONT to every process of the product, and to the simulators."""
        for process in self.product.everyone():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
        self.outside.wake()

    def heal(self) -> None:
        """End every fault: strikes not fallen, frozen processes, proxies, the simulators' own; the dead are started."""
        self.strikes.lift()
        self.wake_everyone()
        self.outside.heal()

    def quiet(self, *, within: float = 60.0) -> None:
        """Wait until nothing is under way: tails empty, the feed applied, lanes drained or held shut, all replayed."""
        eventually(lambda: not self.busy(), within=within, every=0.3, why="all is quiet")

    def busy(self) -> str:
        """What is still under way; nothing if nothing is."""
        try:
            if self.outside.alive("pas") and not self.pas.do("quiet"):
                return "the PAS has messages to send"
            row = self.ask(_BUSY)[0]
        except (OSError, psycopg.Error) as fault:
            return type(fault).__name__
        return ", ".join(f"{count} {name}" for name, count in zip(_NAMES, row, strict=True) if count)

    # The way back, and the judgement

    def back_to_normal(self, *, within: float = 60.0, healed: bool = True) -> None:
        """Heal (or only start the PAS), release, replay, hand back; what is held is signed for by two people."""
        self.heal() if healed else self.start_pas()
        self.given_recovery_from_here(within=within)
        eventually(self.handed_over, within=within, every=0.5, why=f"control is handed back; {self.busy()}")
        self.until(NORMAL, within=within)

    def given_recovery_from_here(self, *, within: float) -> None:
        """Release the replay as soon as the PAS is well enough."""
        eventually(lambda: self.mode() != "mirror" or self._acted("release"), within=within, every=0.5, why="released")

    def handed_over(self) -> bool:
        """Ask for the hand-back, signing for what is held; whether control is with the PAS."""
        if self.mode() == NORMAL or self._acted("hand-back"):
            return True
        if self.ask("SELECT 1 FROM failover_replay WHERE \"end\" = 'held'"):
            self._sign(self.operator, cast.OPERATOR)
            self._sign(self.signed_in(SECOND), SECOND)
        return False

    def _sign(self, browser: Any, name: str) -> None:
        with contextlib.suppress(PageRefused):
            page = browser.open("/console/sign-holds")
            browser.send(page, reason=f"{name} has looked", password=cast.PASSWORD)

    def findings(self) -> list[Finding]:
        """What the checker finds in everything that was said, stored and received."""
        self._all_go_home()
        if not any(each.path.stem.startswith("feed") for each in self._logs):
            with self.log("feed") as log:
                feed(log, self.pas)
        known = peers.read(self.pas, self.receivers)
        found = sinks.collect(self.var, self.product, self.logs)
        with self.db() as connection:
            return judge.findings(reading.read(connection, self.logs, known, found))

    def judged(self, *, changes: int, within: float = 90.0) -> None:
        """Heal, wait until all is quiet, and assert that nothing is wrong and at least so many changes were saved."""
        self.heal()
        self.quiet(within=within)
        found = self.findings()
        assert not found, judge.report(found)
        saved = self.ask("SELECT count(*) FROM patients_change WHERE source = 'clerk'")[0][0]
        assert saved >= changes, f"only {saved} changes were saved: the drill has proven too little"


def accounts(n: int) -> list[tuple[str, str]]:
    """So many of the drill's clerks, each more than once if need be, with their password."""
    return [(CLERKS[number % len(CLERKS)], cast.PASSWORD) for number in range(n)]


_NAMES = (
    "changes without a number",
    "audit rows without a link",
    "messages not applied",
    "messages not sent",
    "changes not replayed",
)
_BUSY = """
SELECT (SELECT count(*) FROM patients_journaltail), (SELECT count(*) FROM lib_audittail),
       (SELECT count(*) FROM messaging_inbound WHERE outcome = 'stored'),
       (SELECT count(*) FROM messaging_outbound o JOIN messaging_destination d ON d.id = o.lane_id,
               messaging_emission e, patients_gate g
        WHERE NOT d.is_pas AND d.declared AND NOT d.paused AND o.epoch > g.fenced
          AND (o.leg = 'sending' OR o.leg = 'queued' AND (e.valve = 'open' OR o.attempts > 0))),
       (SELECT count(*) FROM patients_change c LEFT JOIN failover_replay r ON r.change = c.id, patients_gate g
        WHERE g.mode IN ('recovery', 'handback') AND c.source = 'clerk' AND c.epoch > g.fenced
          AND coalesce(r."end", 'waiting') IN ('waiting', 'sent'))
"""
