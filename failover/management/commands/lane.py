"""`manage.py lane`: what stands on a destination's lane, and a person's decision about one message. A thin door."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from failover.services import switch
from messaging.selectors import lanes
from messaging.services import outbox
from patients.refusals import Refused

DEEDS = {"resend": outbox.resend, "set-aside": outbox.set_aside}


class Command(BaseCommand):
    """`lane list CODE`, `lane resend ID`, `lane set-aside ID`; the last two with --by and --reason."""

    help = "List what waits on a lane; send a refused message again, or set one aside."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, with what, by whom and why."""
        parser.add_argument("what", choices=["list", *DEEDS])
        parser.add_argument("which", help="the destination's code (list) or the message's number in that list")
        parser.add_argument("--by", default="", help="an account that may operate")
        parser.add_argument("--reason", default="")

    def handle(self, *, what: str, which: str, by: str, reason: str, **options: object) -> None:
        """Do it, and say what came of it."""
        if what == "list":
            for line in lanes.open_lines(which):
                self.stdout.write(line)
            return
        if not which.isdigit():
            raise CommandError("Name the message by its number in `lane list`.")
        try:
            DEEDS[what](int(which), by=switch.named_person(by), reason=reason)
        except Refused as refusal:
            raise CommandError(refusal.reason) from None
        self.stdout.write(f"Message {which}: {what.replace('-', ' ')}, noted with name and reason.")
