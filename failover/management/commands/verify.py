"""`manage.py verify`: checks that the whole holds together. A thin door on failover.selectors.verify."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from failover.selectors import verify


class Command(BaseCommand):
    """Check lanes, tail, journal, audit chain and ledger."""

    help = "Check lanes, tail, journal, audit chain and ledger. Exit 1 with each finding, 2 without a database."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The choices."""
        parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")

    def handle(self, *args: object, **options: Any) -> None:
        """Check and print."""
        try:
            findings = verify.findings(settings.VAR / "anchor" / "audit.log")
        except (DatabaseError, InterfaceError):
            raise CommandError("The database does not answer, so nothing was checked.", returncode=2) from None
        if options["json"]:
            self.stdout.write(json.dumps({"whole": not findings, "findings": findings}, indent=2))
        elif not findings:
            self.stdout.write("whole: lanes gapless, tail young, journal on its way, audit chain true, ledger right")
        if findings:
            raise CommandError("\n".join(findings), returncode=1)
