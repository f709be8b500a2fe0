"""`manage.py lane`: what stands on a destination's lane, and a person's decision about it or a message. A thin door."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from failover.services import switch
from messaging.selectors import lanes
from messaging.services import lanes as leases
from messaging.services import outbox
from patients.refusals import Refused

DEEDS = {"resend": outbox.resend, "set-aside": outbox.set_aside}
SWITCHES = {"pause": leases.pause, "resume": leases.resume}


class Command(BaseCommand):
    """`lane list|pause|resume CODE`, `lane resend|set-aside ID`; all but the list with --by and --reason."""

    help = "List what waits on a lane; pause or resume it; send a refused message again, or set one aside."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, with what, by whom and why."""
        parser.add_argument("what", choices=["list", *SWITCHES, *DEEDS])
        parser.add_argument("which", help="the destination's code, or the message's number in its list")
        parser.add_argument("--by", default="", help="an account that may operate")
        parser.add_argument("--reason", default="")

    def handle(self, *, what: str, which: str, by: str, reason: str, **options: object) -> None:
        """Do it, and say what came of it."""
        if what == "list":
            for line in lanes.open_lines(which):
                self.stdout.write(line)
            return
        if what in DEEDS and not which.isdigit():
            raise CommandError("Name the message by its number in `lane list`.")
        try:
            who = switch.named_person(by)
            if what in SWITCHES:
                SWITCHES[what](which, by=who, reason=reason)
            else:
                DEEDS[what](int(which), by=who, reason=reason)
        except Refused as refusal:
            raise CommandError(refusal.reason) from None
        named = "Lane" if what in SWITCHES else "Message"
        self.stdout.write(f"{named} {which}: {what.replace('-', ' ')}, noted with name and reason.")
