"""All doors of one `listen` process: one listener per declared feed, opened, kept and closed as the site file says.

Knows the settings and what to tell the operators; what a frame means, and how it is stored, is none of its business.
"""

import asyncio
import contextlib
import resource
import signal
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from messaging.hl7.habits import FeedPolicy
from messaging.mllp import tls
from messaging.mllp.listener import Listener
from messaging.services import reception
from pasmirror.lib import clock

log = structlog.get_logger()
EVERY = 3.0  # seconds between heartbeats, and between looks at what is declared
AWAY = 1.0  # seconds between looks while the database is away
SPARE_FILES = 128  # descriptors for all but the feed's connections
ENDS_SOON = timedelta(days=30)
SHUT, ENDING = "feed-shut", "certificate-ends"  # alarms, by channel


@dataclass(slots=True)
class Door:
    """One open door, and the state of its TLS files when they were read."""

    listener: Listener
    files: tuple[int, ...] = ()


class Doors:
    """One listener per declared feed; a changed declaration or certificate takes effect within `EVERY` seconds."""

    def __init__(self, *, shared: bool = False) -> None:
        self.shared = shared
        self.open: dict[str, Door] = {}
        self.shut: dict[str, str] = {}  # why a declared door is not open, by channel
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Open, keep and close the doors; raises OSError when no port at all can be had."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ended.set)
        try:
            while not self.ended.is_set():
                pause = EVERY if await self._look() else AWAY
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.ended.wait(), pause)
        finally:
            await asyncio.gather(*(door.listener.stop() for door in self.open.values()))

    async def _look(self) -> bool:
        """Read what is declared, act on it, and beat; False while the database is away."""
        try:
            declared = await asyncio.to_thread(reception.declared)
            raise_file_limit(sum(policy.connections for policy in declared.values()) + SPARE_FILES)
            await self._agree(declared)
            await asyncio.to_thread(reception.tell, SHUT, self.shut)
            await asyncio.to_thread(reception.tell, ENDING, self._ending())
            await asyncio.to_thread(reception.alive, self._sentence())
        except (DatabaseError, InterfaceError) as fault:
            log.warning("listen.database_away", fault=type(fault).__name__)
            return False
        return True

    async def _agree(self, declared: dict[str, FeedPolicy]) -> None:
        for code, door in list(self.open.items()):
            old, policy = door.listener.policy, declared.get(code)
            if policy is None or policy.port != old.port or bool(policy.tls) != bool(old.tls):
                await self.open.pop(code).listener.stop()
            elif policy != old:
                door.files = () if policy.tls != old.tls else door.files
                door.listener.policy = policy
                log.info("listen.policy_changed", channel=code)
        self.shut = {}
        refused: OSError | None = None
        for code, policy in declared.items():
            try:
                await self._keep(code, policy)
            except tls.TlsUnusable as fault:
                self.shut[code] = f"The feed {code} is not listened for. {fault}"
            except OSError as fault:
                refused = fault
                self.shut[code] = f"The port of feed {code} cannot be opened: {fault.strerror or fault}."
        if refused and not self.open:
            raise refused

    async def _keep(self, code: str, policy: FeedPolicy) -> None:
        """Open the door unless it is; with its TLS files as they are now. Raises TlsUnusable, OSError."""
        files = tls.state_of_files(policy.tls) if policy.tls else ()
        door = self.open.get(code)
        if door and door.files == files:
            return
        context = tls.context(policy.tls) if policy.tls else None
        if door:
            door.listener.tls, door.files = context, files
            log.info("listen.certificate_read", channel=code)
            return
        port = policy.port or settings.MLLP_PORT
        listener = Listener(
            policy, reception.receive, host=settings.MLLP_HOST, port=port, tls=context, shared=self.shared
        )
        await listener.start()
        self.open[code] = Door(listener, files)

    def _ending(self) -> dict[str, str]:
        found = {}
        for code, door in self.open.items():
            declared = door.listener.policy.tls
            until = tls.good_until(declared.cert) if declared else None
            if until and until - clock.now() < ENDS_SOON:
                found[code] = f"The certificate of feed {code} is good until {until:%d %B %Y}: renew it."
        return found

    def _sentence(self) -> str:
        said = [door.listener.sentence() for door in self.open.values()]
        return " ".join([*said, *self.shut.values()]) or "No feed is declared."


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
