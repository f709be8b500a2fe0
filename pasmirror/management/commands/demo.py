"""`manage.py demo`: the product with its simulators, and one whole outage played. A thin door on pasmirror.demo."""

import logging
import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from pasmirror import running, site
from pasmirror.demo import cast
from pasmirror.demo.story import Story, StoryFailed
from pasmirror.lib.actor import system


class Command(BaseCommand):
    """Start everything, play the story, and stay unless told to exit."""

    help = "Play one whole outage on simulated peers, with a line a step; then stay up. --exit stops after the story."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The choices."""
        parser.add_argument("--exit", action="store_true", help="stop after the story; exit 0 only if all was proven")

    def handle(self, *args: object, **options: object) -> None:
        """Run the product with the story beside it."""
        logging.disable(logging.WARNING)  # the story is told in its own lines; the processes keep their logs
        self.stay = not options["exit"]
        run = running.Run(simulators=True, tell=self._say, prepare=self._prepare)
        try:
            code = run.forever(self._play)
        except running.CannotRun as refusal:
            raise CommandError(str(refusal)) from refusal
        sys.exit(code)

    def _prepare(self) -> None:
        cast.refuse_real()
        site.apply(cast.SITE.read_text(encoding="utf-8"), by=system("demo"), environment=cast.environment())
        cast.make()

    def _play(self) -> int | None:
        try:
            proven = Story(self._say).play()
        except StoryFailed as failure:
            self._say(f"The story stopped: {failure}")
            proven = False
        self._say("All proven." if proven else "NOT proven: see above.")
        if not self.stay:
            return 0 if proven else 1
        for line in cast.words():
            self._say(line)
        self._say("Ctrl-C ends it.")
        return None

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
