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

WIDTH = 20  # of the bar, in characters
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
        parser.add_argument(
            "--encoding", default="", help="how it is written, where that cannot be seen: cp1252, utf-8"
        )
        parser.add_argument("--authority", default="", help="whose numbers bear no authority; usually the site's own")
        parser.add_argument("--visit-authority", default="", help="whose the visit numbers are; usually as the feed's")
        parser.add_argument("--appointment-authority", default="", help="whose the appointment numbers are; likewise")
        parser.add_argument(
            "--appointment-type", default="", choices=["", *load_choice.BOOKING_TYPES], help="SCH-1 or SCH-2; likewise"
        )
        parser.add_argument("--channel", default="", help="the feed whose habits an HL7 file follows, if several")
        parser.add_argument("--ignore", action="append", default=[], metavar="COLUMN", help="leave a column out")
        parser.add_argument("--into", type=Path, metavar="FOLDER", help="for refused rows and warnings; else beside")
        parser.add_argument("--again", action="store_true", help="load a file once more that has been loaded whole")

    def handle(self, *args: object, **options: Any) -> None:
        """Load each file; refused rows make the exit code 1."""
        refused = 0
        for before, path in enumerate(options["files"]):
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
                what = f"Nothing of {path.name} was loaded; what was before it stays" if before else "Nothing was done"
                raise CommandError(f"The database does not answer. {what}.", returncode=2) from None
        if refused:
            sys.exit(1)

    def _load(self, path: Path, options: dict[str, Any]) -> int:
        source = files.look(path, options["encoding"])
        by = accounts.at_the_shell()
        before = loading.reached(source)
        if before and before.done and not options["again"]:
            self.stdout.write(
                f"{path.name}: loaded already ({_told(before)}). Nothing was changed; --again loads it anew."
            )
            self._point(before)
            return before.counts["refused"]
        taker = load_choice.taker(source, load_choice.Wishes.of(options), by=by)
        progress = _Progress(self.stderr, source, started=None if before and before.done else before)
        work = Loading(source, taker, by=by, folder=options["into"] or path.parent, tell=progress.tell)
        place = work.run(anew=options["again"])
        progress.end()
        self.stdout.write(f"{path.name}: {_told(place)}.")
        self._point(place)
        return place.counts["refused"]

    def _point(self, place: Place) -> None:
        """Say where refused rows and warnings are."""
        if place.counts["refused"]:
            self.stdout.write(f"  Refused, with the reasons: {place.refused.path}")
        if place.counts["warned"]:
            self.stdout.write(f"  Warnings: {place.warnings.path}")


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
        self.out, self.source = out, source
        self.alive = bool(getattr(out, "isatty", lambda: False)())
        self.said = time.monotonic()
        self.first: tuple[float, Place] | None = None  # after the first lot of this run
        if started and started.read:
            self.out.write(f"{source.path.name}: going on after the first {started.read:,}.")

    def tell(self, place: Place) -> None:
        """Say how far it is."""
        now = time.monotonic()
        self.first = self.first or (now, place)
        if now - self.said < (0.1 if self.alive else EVERY):
            return
        self.said = now
        share = min(place.line / self.source.length, 1.0)
        bar = f"[{'#' * int(share * WIDTH):-<{WIDTH}}] " if self.alive else ""
        text = f"{self.source.path.name}: {bar}{share:.0%}, {place.read:,} read, {place.counts['refused']:,} refused"
        text += self._pace(place, now - self.first[0], self.first[1])
        self.out.write(f"\r{text}\x1b[K" if self.alive else text, ending="" if self.alive else "\n")
        self.out.flush()

    def _pace(self, place: Place, seconds: float, first: Place) -> str:
        """Give how fast it goes and when it will be done, once that can be said."""
        if seconds <= 0 or place.line <= first.line:
            return ""
        left = round(seconds * (self.source.length - place.line) / (place.line - first.line))
        return (
            f", {(place.read - first.read) / seconds:,.0f} a second, {max(left, 0) // 60}:{max(left, 0) % 60:02d} to go"
        )

    def end(self) -> None:
        """Leave the line behind."""
        if self.alive:
            self.out.write("\r\x1b[K", ending="")
