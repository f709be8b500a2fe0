"""All doors of one `listen` process: one listener per declared feed, opened, kept and closed as the site file says.

Knows the settings and what to tell the operators; what a frame means, and how it is stored, is none of its business.
"""

import asyncio
import contextlib
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from messaging.hl7.habits import FeedPolicy, Tls
from messaging.mllp import tls
from messaging.mllp.listener import Listener
from messaging.services import reception
from pasmirror.lib import clock

T = TypeVar("T")
log = structlog.get_logger()
EVERY = 3.0  # seconds between heartbeats, and between looks at what is declared
AWAY = 1.0  # seconds between looks while the database is away
SPARE_FILES = 128  # descriptors for all but the feed's connections
ENDS_SOON = timedelta(days=30)
SHUT, STALE, ENDING = "feed-shut", "certificate-unusable", "certificate-ends"  # alarms, by channel


@dataclass(slots=True)
class Door:
    """One open door, the state of its TLS files when they were read, and until when its certificate is good."""

    listener: Listener
    files: tuple[tuple[str, int], ...]
    until: datetime | None


class DoorFailed(Exception):
    """A listener stands still for good by a fault of the program; the text says which. The process has to end."""


class Doors:
    """One listener per declared feed; a changed declaration or certificate takes effect within `EVERY` seconds."""

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared
        self.open: dict[str, Door] = {}
        self.shut: dict[str, str] = {}  # why a declared door is not open, by channel
        self.stale: dict[str, str] = {}  # why an open one still has the TLS files it read before
        self.ended = asyncio.Event()
        self.desk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="doors")  # asks the database

    async def run_until_told(self) -> None:
        """Run until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ended.set)
        await self.run()

    async def run(self) -> None:
        """Open, keep and close the doors; raises OSError when no port at all can be had, and DoorFailed."""
        try:
            while not self.ended.is_set():
                pause = EVERY if await self._look() else AWAY
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.ended.wait(), pause)
        finally:
            await asyncio.gather(*(door.listener.stop() for door in self.open.values()))
            await self._ask(reception.part)
            self.desk.shutdown()
        for code, door in self.open.items():
            if door.listener.failed.done():
                raise DoorFailed(f"The feed {code} stood still: {type(door.listener.failed.result()).__name__}.")

    async def _look(self) -> bool:
        """Read what is declared, act on it, and beat; False while the database is away."""
        try:
            declared = await self._ask(reception.declared)
            raise_file_limit(sum(policy.connections for policy in declared.values()) + SPARE_FILES)
            await self._agree(declared)
            await self._ask(reception.tell, SHUT, self.shut)
            await self._ask(reception.tell, STALE, self.stale)
            await self._ask(reception.tell, ENDING, self._ending())
            await self._ask(reception.alive, self._sentence())
        except (DatabaseError, InterfaceError) as fault:
            log.warning("listen.database_away", fault=type(fault).__name__)
            return False
        return True

    async def _ask(self, work: Callable[..., T], *given: object) -> T:
        """Do `work` on the one thread, and so the one connection, kept for it."""
        return await asyncio.get_running_loop().run_in_executor(self.desk, work, *given)

    async def _agree(self, declared: dict[str, FeedPolicy]) -> None:
        for code, door in list(self.open.items()):
            old, policy = door.listener.policy, declared.get(code)
            if policy is None or policy.port != old.port or bool(policy.tls) != bool(old.tls):
                await self.open.pop(code).listener.stop()
            elif policy != old:
                door.listener.adopt(policy)
                log.info("listen.policy_changed", channel=code)
        self.shut, self.stale = {}, {}
        refused: OSError | None = None
        for code, policy in declared.items():
            try:
                await self._keep(code, policy)
            except tls.TlsUnusable as fault:
                if code in self.open:
                    self.stale[code] = f"The feed {code} goes on with the TLS files read before. {fault}"
                else:
                    self.shut[code] = f"The feed {code} is not listened for. {fault}"
            except OSError as fault:
                refused = fault
                self.shut[code] = f"The port of feed {code} cannot be opened: {fault.strerror or fault}."
        if refused and not self.open:
            raise refused

    async def _keep(self, code: str, policy: FeedPolicy) -> None:
        """Open the door unless it is; with its TLS files as they are now. Raises TlsUnusable, OSError."""
        files = _files(policy.tls)
        door = self.open.get(code)
        if door and door.files == files:
            return
        context = tls.context(policy.tls) if policy.tls else None
        until = tls.good_until(policy.tls.cert) if policy.tls else None
        if door:
            if door.files[2:] != files[2:]:
                door.listener.cut_all("the authorities of peers' certificates have changed")
            door.listener.tls, door.files, door.until = context, files, until
            log.info("listen.certificate_read", channel=code)
            return
        port = policy.port or settings.MLLP_PORT
        listener = Listener(
            policy,
            reception.receive,
            host=settings.MLLP_HOST,
            port=port,
            tls=context,
            shared=self.shared,
            at_end=reception.part,
        )
        await listener.start()
        listener.failed.add_done_callback(lambda _: self.ended.set())
        self.open[code] = Door(listener, files, until)

    def _ending(self) -> dict[str, str]:
        found = {}
        for code, door in self.open.items():
            if door.until and door.until - clock.now() < ENDS_SOON:
                found[code] = f"The certificate of feed {code} is good until {door.until:%d %B %Y}: renew it."
        return found

    def _sentence(self) -> str:
        said = [door.listener.sentence() for door in self.open.values()]
        return " ".join([*said, *self.shut.values(), *self.stale.values()]) or "No feed is declared."


def _files(declared: Tls | None) -> tuple[tuple[str, int], ...]:
    """Give name and time of our own certificate, its key, and the authorities of peers' certificates."""
    if declared is None:
        return ()
    return tuple(zip((declared.cert, declared.key, declared.ca), tls.state_of_files(declared), strict=True))


def raise_file_limit(wanted: int) -> None:
    """Let this process have `wanted` open files, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        log.warning("listen.few_files", have=most, wanted=wanted)
