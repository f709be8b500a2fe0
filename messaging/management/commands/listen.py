"""`manage.py listen`: takes the PAS's messages until told to end. A thin door on messaging.mllp.listener."""

import asyncio
import signal
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from messaging.hl7.habits import FeedPolicy
from messaging.mllp.listener import Listener
from messaging.services import reception

log = structlog.get_logger()
EVERY = 3.0  # seconds between heartbeats, and between looks at what is declared
AWAY = 1.0  # seconds between looks while the database is away


class Command(BaseCommand):
    """Take the PAS's messages."""

    help = "Listen on the declared feed's port, store each message and acknowledge it, until SIGTERM."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT; what is whole by then is stored and answered."""
        try:
            asyncio.run(Doors().run())
        except OSError as fault:
            raise CommandError(f"The feed's port cannot be opened: {fault.strerror or fault}.") from None


class Doors:
    """One listener per declared feed; a changed declaration takes effect within `EVERY` seconds."""

    def __init__(self) -> None:
        self.open: dict[str, Listener] = {}
        self.ended = asyncio.Event()

    async def run(self) -> None:
        """Open, keep and close the doors; raises OSError when a port cannot be had."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ended.set)
        try:
            while not self.ended.is_set():
                pause = EVERY if await self._look() else AWAY
                try:
                    await asyncio.wait_for(self.ended.wait(), pause)
                except TimeoutError:
                    continue
        finally:
            for listener in self.open.values():
                await listener.stop()

    async def _look(self) -> bool:
        """Read what is declared, act on it, and beat; False while the database is away."""
        try:
            declared = await asyncio.to_thread(reception.declared)
            await self._agree(declared)
            await asyncio.to_thread(reception.alive, self._sentence())
        except (DatabaseError, InterfaceError) as fault:
            log.warning("listen.database_away", fault=type(fault).__name__)
            return False
        return True

    async def _agree(self, declared: dict[str, FeedPolicy]) -> None:
        for code, listener in list(self.open.items()):
            policy = declared.get(code)
            if policy is None or policy.port != listener.policy.port:
                await self.open.pop(code).stop()
            elif policy != listener.policy:
                listener.policy = policy
                log.info("listen.policy_changed", channel=code)
        for code, policy in declared.items():
            if code not in self.open:
                port = policy.port or settings.MLLP_PORT
                listener = Listener(policy, reception.receive, host=settings.MLLP_HOST, port=port)
                await listener.start()
                self.open[code] = listener

    def _sentence(self) -> str:
        return " ".join(listener.sentence() for listener in self.open.values()) or "No feed is declared."
