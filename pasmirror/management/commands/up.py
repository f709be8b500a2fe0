"""`manage.py up`: the product, all of it, until it is told to end. A thin door on pasmirror.running."""

import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pasmirror import running
from pasmirror.demo import cast


class Command(BaseCommand):
    """Start everything under one supervisor, and stay."""

    help = "Run PAS Mirror: web, listen, apply, work, sweep and monitor, with the embedded database if none is named."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The choices."""
        parser.add_argument("--with-simulators", action="store_true", help="also a simulated PAS and two receivers")

    def handle(self, *args: object, **options: object) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP."""
        real = not options["with_simulators"]
        self.run = running.Run(simulators=not real, tell=self._say, prepare=cast.refuse_demo if real else lambda: None)
        try:
            code = self.run.forever(self._ready)
        except running.CannotRun as refusal:
            raise CommandError(str(refusal)) from refusal
        sys.exit(code)

    def _ready(self) -> None:
        if not self.run.await_screens():
            self._say(f"The screens do not answer yet; {settings.VAR}/log/web.log says why.")
        self._say(f"PAS Mirror: http://{settings.HTTP_HOST}:{settings.HTTP_PORT}/ · feed on port {settings.MLLP_PORT}")
        self._say("Ctrl-C ends it.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
