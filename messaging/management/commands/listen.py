"""`manage.py listen`: takes the PAS's messages until told to end. A thin door on messaging.mllp.doors."""

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from messaging.mllp.doors import DoorFailed, Doors
from pasmirror.lib import garbage


class Command(BaseCommand):
    """Take the PAS's messages."""

    help = "Listen on each declared feed's port, store each message and acknowledge it, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether others listen beside us."""
        parser.add_argument(
            "--share", action="store_true", help="let other processes of this machine listen on the same ports"
        )

    def handle(self, *args: Any, share: bool = False, **options: Any) -> None:
        """Run until SIGTERM or SIGINT; what is whole by then is stored and answered."""
        garbage.seldom()
        try:
            asyncio.run(Doors(shared=share).run_until_told())
        except OSError as fault:
            raise CommandError(f"The feed's port cannot be opened: {fault.strerror or fault}.") from None
        except DoorFailed as fault:
            raise CommandError(str(fault)) from None
