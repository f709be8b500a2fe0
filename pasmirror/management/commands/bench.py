"""`manage.py bench`: figures, on a product of its own. A thin door on pasmirror.bench."""

import fcntl
import logging
import os
import shutil
import signal
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pasmirror.bench import report
from pasmirror.bench.course import LONG, PARTS, SIZES, Course
from pasmirror.bench.product import Address, NotMeasured, environment
from pasmirror.embedded import private_folder


class Command(BaseCommand):
    """Measure the product on a run of its own, and print the figures beside their goals."""

    help = "Print figures of feed, saves, lanes, pages, memory and loads, with the machine. Nothing is asserted."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The choices."""
        parser.add_argument(
            "parts",
            nargs="*",
            metavar="PART",
            help=f"which figures: {', '.join(SIZES)} (all if none); long: {', '.join(LONG)}",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
        parser.add_argument("--n", type=_count, help="how many, for each part: messages, requests a page, saves")
        parser.add_argument("--to", type=address, metavar="HOST:PORT", help="lane only: send to this receiver outside")
        parser.add_argument("--inside", action="store_true", help=SUPPRESS)

    def handle(self, *args: object, **options: Any) -> None:
        """Begin again in an environment of our own, then measure."""
        parts = [part for part in PARTS if part in (options["parts"] or SIZES)]
        if unknown := sorted(set(options["parts"]) - set(PARTS)):
            raise CommandError(f"There is no part {unknown[0]!r}: choose from {', '.join(PARTS)}.")
        if options["to"] and parts != ["lane"]:
            raise CommandError("--to is for one part only: bench lane --to HOST:PORT.")
        if not options["inside"]:
            begin_again()
        logging.disable(logging.WARNING)  # the processes keep their logs; here only figures are printed
        signal.signal(signal.SIGTERM, _end)
        sizes = {part: options["n"] or size for part, size in (SIZES | LONG).items()}
        course = Course(parts, sizes, tell=self._silent if options["json"] else self._say, to=options["to"])
        try:
            course.run()
        except NotMeasured as fault:
            raise CommandError(f"{fault} Its logs are in {settings.VAR}.") from None
        except KeyboardInterrupt:
            sys.exit(130)
        self._print(course, as_json=options["json"])
        shutil.rmtree(settings.VAR, ignore_errors=True)

    def _print(self, course: Course, *, as_json: bool) -> None:
        if as_json:
            self._say(report.as_json(course.machine, course.figures, seconds=course.seconds))
            return
        for line in ["", *report.as_text(course.machine, course.figures, seconds=course.seconds)]:
            self._say(line)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _silent(self, line: str) -> None:
        """Leave standard output to the figures."""


def begin_again() -> None:
    """Become the same command with a var folder and ports of its own, and without the operator's database."""
    var: Path = settings.VAR / "bench"
    private_folder(settings.VAR)
    lock = os.open(settings.VAR / "bench.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(f"A bench is already running in {var}.") from None
    os.set_inheritable(lock, True)  # noqa: FBT003 - held until the bench ends
    shutil.rmtree(var, ignore_errors=True)
    private_folder(var)
    own = [sys.executable, str(settings.BASE_DIR / "manage.py"), *sys.argv[1:], "--inside"]
    os.execve(sys.executable, own, environment(var, os.environ))  # noqa: S606 - our own command


def address(text: str) -> Address:
    """Read HOST:PORT; raises ArgumentTypeError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ArgumentTypeError(f"{text!r} must look like HOST:PORT")
    return host.strip("[]"), int(port)


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise ArgumentTypeError(f"{text!r} must be a whole number from 1")
    return int(text)


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(143)
