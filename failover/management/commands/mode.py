"""`manage.py mode …`: throws a switch by hand. A thin door on failover.services."""

import getpass
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from failover.services import handback, switch
from pasmirror.lib.actor import Actor
from patients.refusals import Refused

DONE: dict[str, str] = {
    "mirror": "Mirror mode is open; emission is held.",
    "stand-down": "Mirror mode has ended: the PAS is master.",
    "open": "Emission is open: the mirror speaks for the PAS.",
    "hold": "Emission is held: nothing leaves.",
    "recover": "The replay to the PAS is released; emission is held.",
    "handback": "Hand-back has begun: saving is frozen until the last entries have drained.",
    "pause": "The monitor is paused: it watches and never acts.",
    "resume": "The monitor acts again.",
    "acknowledge": "Acknowledged.",
    "attest": "Noted.",
}
PLAIN: dict[str, Callable[..., object]] = {
    "mirror": switch.open_mirror,
    "stand-down": switch.stand_down,
    "open": switch.open_emission,
    "hold": switch.hold_emission,
    "pause": switch.pause,
    "resume": switch.resume,
}
NEEDS_PASSWORD = frozenset({"open", "recover", "handback"})


class Command(BaseCommand):
    """Throw a switch, as a named person, for a reason."""

    help = "Throw a switch as a named operator. open, recover and handback ask for that person's password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The choices."""
        parser.add_argument("switch", choices=sorted(DONE))
        parser.add_argument("--by", required=True, metavar="USER", help="who throws it: an account that may operate")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the audit trail")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument(
            "--checked",
            default="",
            metavar="ITEMS",
            help=f"recover: what was checked, with commas, or all: {', '.join(switch.CHECKLIST)}",
        )
        parser.add_argument("--verdict", choices=["up", "down"], help="attest: how the PAS is")

    def handle(self, *args: object, **options: Any) -> None:
        """Throw it and say so in one sentence."""
        wanted, reason = options["switch"], options["reason"].strip()
        if not reason:
            raise CommandError("Say why: --reason TEXT.")
        try:
            by = self._person(options)
            throw(wanted, by=by, reason=reason, checked=options["checked"], verdict=options["verdict"] or "")
        except Refused as refusal:
            raise CommandError(refusal.reason) from None
        except (DatabaseError, InterfaceError):
            raise CommandError("The database does not answer. Nothing was done.", returncode=2) from None
        self.stdout.write(DONE[wanted])

    def _person(self, options: dict[str, Any]) -> Actor:
        if options["switch"] not in NEEDS_PASSWORD:
            return switch.named_person(options["by"])
        if options["password_stdin"]:
            return switch.confirm_person(options["by"], sys.stdin.readline().rstrip("\r\n"))
        if not sys.stdin.isatty():
            raise CommandError("This needs the password: give it on standard input with --password-stdin.")
        return switch.confirm_person(options["by"], getpass.getpass(f"Password of {options['by']}: "))


def throw(wanted: str, *, by: Actor, reason: str, checked: str = "", verdict: str = "") -> None:
    """Throw one switch; Refused with the reason if it may not be thrown now."""
    match wanted:
        case "recover":
            switch.release(by=by, reason=reason, checklist=checklist(checked))
        case "handback":
            handback.begin(by=by, reason=reason)
        case "acknowledge":
            switch.acknowledge(by=by.because(reason))
        case "attest":
            switch.attest(by=by, verdict=verdict, reason=reason)
        case _:
            PLAIN[wanted](by=by, reason=reason)


def checklist(checked: str) -> dict[str, bool]:
    """Read `--checked`: names with commas, or all; Refused for a name that is not on the list."""
    names = set(switch.CHECKLIST) if checked.strip() == "all" else {n.strip() for n in checked.split(",") if n.strip()}
    if unknown := names - set(switch.CHECKLIST):
        raise Refused(f"Not on the checklist: {', '.join(sorted(unknown))}.", "checklist")
    return {name: name in names for name in switch.CHECKLIST}
