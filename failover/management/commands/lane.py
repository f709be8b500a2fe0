"""`manage.py lane`: what stands on a destination's lane, and a person's decision about it or a message. A thin door."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from failover.services import switch
from messaging.resends import Asked, Scope
from messaging.selectors import destinations, lanes, probes
from messaging.selectors import resending as resends
from messaging.services import lanes as leases
from messaging.services import outbox, probing, resending
from pasmirror.lib.permissions import Permission
from patients.refusals import Refused

DEEDS = {"resend": outbox.resend, "set-aside": outbox.set_aside}
PROBE, AGAIN = "probe", "again"
NUMBERS = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)
SWITCHES = {"pause": leases.pause, "resume": leases.resume}


class Command(BaseCommand):
    """`lane list|pause|resume|probe|again CODE`, `lane resend|set-aside ID`; all but `list` with --by and --reason."""

    help = "List what waits on a lane; pause, resume or probe it; send a refused message again, or set one aside."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, with what, by whom and why."""
        parser.add_argument("what", choices=["list", *SWITCHES, PROBE, AGAIN, *DEEDS])
        parser.add_argument("which", help="the destination's code, or the message's number in its list")
        parser.add_argument("--by", default="", help="an account that may operate")
        parser.add_argument("--reason", default="")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--numbers", default="", help="of `again`: from and to, as 12-40, or one number")
        which.add_argument("--epoch", type=int, default=0, help="of `again`: everything of that epoch")
        which.add_argument("--unwritten", action="store_true", help="of `again`: all that could not be written")
        which.add_argument("--resync-list", action="store_true", help="of `again`: the patients on the resync list")
        parser.add_argument("--confirmed", action="store_true", help="probe it though emission is open")

    def handle(
        self, *, what: str, which: str, by: str, reason: str, confirmed: bool = False, **options: object
    ) -> None:
        """Do it, and say what came of it."""
        if what == "list":
            for line in lanes.open_lines(which):
                self.stdout.write(line)
            return
        if what == PROBE:
            self._probe(which, by=by, reason=reason, confirmed=confirmed)
            return
        if what == AGAIN:
            self._again(which, asked(options), by=by, reason=reason)
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

    def _again(self, code: str, what: Asked, *, by: str, reason: str) -> None:
        try:
            who = switch.named_person(by, Permission.RESEND)
            head = destinations.standing(code)
            if head is None:
                raise Refused("There is no such destination")
            seen = resends.foreseen(head.to, what)  # before the sweep begins on it
            made = resending.order(code, what, by=who, reason=reason)
        except Refused as refusal:
            raise CommandError(refusal.reason) from None
        self.stdout.write(
            f"Order {made.pk} is being worked off: {seen.same} messages as they were, "
            f"{seen.current} patients by their current state, {seen.left_out} messages left out."
        )

    def _probe(self, code: str, *, by: str, reason: str, confirmed: bool) -> None:
        try:
            who = switch.named_person(by, Permission.PROBE)
            probe = probing.order(code, by=who, reason=reason, confirmed=confirmed, here=True)
        except Refused as refusal:
            raise CommandError(refusal.reason) from None
        probing.run(probe)
        probe.refresh_from_db()
        for line in probes.lines(probes.probed(probe)):
            self.stdout.write(line)


def asked(options: dict[str, Any]) -> Asked:
    """Read which messages are to be sent again from the command's options; CommandError if it does not say."""
    if numbers := NUMBERS.fullmatch(str(options.get("numbers") or "")):
        first, last = int(numbers[1]), int(numbers[2] or numbers[1])
        return Asked(Scope.RANGE, first=first, last=last)
    if options.get("epoch"):
        return Asked(Scope.EPOCH, epoch=options["epoch"])
    if options.get("unwritten"):
        return Asked(Scope.UNWRITTEN)
    if options.get("resync_list"):
        return Asked(Scope.RESYNC)
    raise CommandError("Say what to send again: --numbers 12-40, --epoch N, --unwritten or --resync-list.")
