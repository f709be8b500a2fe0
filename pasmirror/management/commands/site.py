"""The door to the site file: checks it and names every fault with its line, or puts it in force."""

from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from pasmirror import site
from pasmirror.lib import accounts


class Command(BaseCommand):
    """`manage.py site check|apply [FILE]`; without FILE the one in PASMIRROR_SITE."""

    help = "Check the site file (exit 1 with every fault), or put it in force."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, and with which file."""
        parser.add_argument("what", choices=["check", "apply"], help="check only, or check and put in force")
        parser.add_argument("file", nargs="?", type=Path, default=settings.SITE_FILE, help="default: PASMIRROR_SITE")

    def handle(self, *, what: str, file: Path, **options: object) -> None:
        """Do it, and say the outcome in one line or one line a fault."""
        text = self._text(file)
        try:
            if what == "apply":
                site.apply(text, by=accounts.at_the_shell())
            elif faults := site.check(text):
                raise site.SiteFaulty(faults)
        except site.SiteFaulty as faulty:
            for fault in faulty.faults:
                self.stderr.write(f"{file}, {fault}")
            count = f"{len(faulty.faults)} fault{'s' if len(faulty.faults) > 1 else ''}"
            raise CommandError(f"{count} in {file}; nothing was put in force.") from None
        except (DatabaseError, InterfaceError):
            raise CommandError("The database does not answer. Nothing was put in force.", returncode=2) from None
        self.stdout.write(f"{file} is in force." if what == "apply" else f"{file} is sound.")

    def _text(self, file: Path) -> str:
        try:
            return file.read_text(encoding="utf-8")
        except OSError as fault:
            raise CommandError(f"{file} cannot be read: {fault.strerror}.") from None
        except UnicodeDecodeError as fault:
            raise CommandError(f"{file} is not UTF-8 text (byte {fault.start + 1}).") from None
