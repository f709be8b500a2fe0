"""`manage.py load FILE…`: a PAS's own files into the record. A thin door on messaging.services.loading."""

import sys
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from messaging.extracts import files
from messaging.extracts.columns import Extract
from messaging.extracts.files import FileFault, Source
from messaging.services import load_choice, loading
from messaging.services.loading import Interrupted, Loading, Place
from pasmirror.lib import accounts

EVERY = 2.0  # seconds between two lines of progress where there is no terminal


class Command(BaseCommand):
    """Load files one after the other, and say what became of each."""

    help = (
        "Load HL7 batches (FHS, BHS, or bare messages) and CSV extracts of patients, stays, appointments, wards, beds, "
        "clinics and staff, packed (.gz) or not. After an interruption the same command goes on where it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """The files, and what cannot be seen from them."""
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--as", dest="extract", choices=[e.value for e in Extract], help="what a CSV is about")
        parser.add_argument("--as-of", metavar="TIME", help="when the CSV was taken out of the PAS: 2026-03-01T06:00")
        parser.add_argument("--authority", default="", help="whose numbers bear no authority; usually the site's own")
        parser.add_argument("--channel", default="", help="the feed whose habits an HL7 file follows, if several")
        parser.add_argument("--ignore", action="append", default=[], metavar="COLUMN", help="leave a column out")
        parser.add_argument("--into", type=Path, metavar="FOLDER", help="for refused rows and warnings; else beside")
        parser.add_argument("--again", action="store_true", help="load a file once more that has been loaded whole")

    def handle(self, *args: object, **options: Any) -> None:
        """Load each file; refused rows make the exit code 1."""
        refused = 0
        for path in options["files"]:
            try:
                refused += self._load(path, options)
            except FileFault as fault:
                raise CommandError(str(fault)) from None
            except Interrupted:
                raise CommandError(
                    "The database does not answer. What was loaded stays: the same command goes on from there.",
                    returncode=2,
                ) from None
            except (DatabaseError, InterfaceError):
                raise CommandError("The database does not answer. Nothing was done.", returncode=2) from None
        if refused:
            sys.exit(1)

    def _load(self, path: Path, options: dict[str, Any]) -> int:
        source = files.look(path)
        by = accounts.at_the_shell()
        before = loading.reached(source)
        if before and before.done and not options["again"]:
            self.stdout.write(
                f"{path.name}: loaded already ({_told(before)}). Nothing was changed; --again loads it anew."
            )
            return 0
        taker = load_choice.taker(source, load_choice.Wishes.of(options), by=by)
        progress = _Progress(self.stderr, source, started=None if before and before.done else before)
        work = Loading(source, taker, by=by, folder=options["into"] or path.parent, tell=progress.tell)
        place = work.run(anew=options["again"])
        progress.end()
        self._say(path.name, place, work)
        return place.counts["refused"]

    def _say(self, name: str, place: Place, work: Loading) -> None:
        self.stdout.write(f"{name}: {_told(place)}.")
        if place.counts["refused"]:
            self.stdout.write(f"  Refused, with the reasons: {work.refused.path}")
        if place.counts["warned"]:
            self.stdout.write(f"  Warnings: {work.warnings.path}")


def _told(place: Place) -> str:
    counts = place.counts
    parts = [f"{place.read:,} read", f"{counts['applied']:,} taken", f"{counts['already']:,} unchanged"]
    parts += [f"{counts['filed']:,} not followed"] if counts["filed"] else []
    parts += [f"{counts['refused']:,} refused"]
    parts += [f"{counts['warned']:,} warnings"] if counts["warned"] else []
    return ", ".join(parts)


class _Progress:
    """One line on standard error: written over where a person looks on, a new one now and then elsewhere."""

    def __init__(self, out: Any, source: Source, *, started: Place | None) -> None:
        self.out, self.name, self.alive = out, source.path.name, bool(getattr(out, "isatty", lambda: False)())
        self.began = self.said = time.monotonic()
        self.first = started.read if started else 0
        if self.first:
            self.out.write(f"{self.name}: going on after the first {self.first:,}.")

    def tell(self, place: Place) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if now - self.said < (0.1 if self.alive else EVERY):
            return
        self.said = now
        pace = (place.read - self.first) / max(now - self.began, 0.001)
        text = f"{self.name}: {place.read:,} read, {place.counts['refused']:,} refused, {pace:,.0f} a second"
        self.out.write(f"\r{text}\x1b[K" if self.alive else text, ending="" if self.alive else "\n")
        self.out.flush()

    def end(self) -> None:
        """Leave the line behind."""
        if self.alive:
            self.out.write("\r\x1b[K", ending="")
