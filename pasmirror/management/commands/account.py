"""The door to accounts: add, list, lock, unlock, new password; a password comes from a prompt or standard input."""

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from pasmirror.lib import accounts


class Command(BaseCommand):
    """`manage.py account add NAME --role ROLE [--password-stdin]`, `list`, `lock|unlock|password NAME`."""

    help = "Add, list, lock and unlock accounts, and give new passwords."

    def add_arguments(self, parser: CommandParser) -> None:
        """One word for what to do, then what it needs."""
        does = parser.add_subparsers(dest="what", required=True, parser_class=type(parser))
        add = does.add_parser("add", help="make an account")
        add.add_argument("--role", required=True, help="clerk, operator, data_quality, integration or auditor")
        password = does.add_parser("password", help="give an account a new password")
        lock = does.add_parser("lock", help="lock an account, signed in or not")
        unlock = does.add_parser("unlock", help="let a locked account sign in again")
        does.add_parser("list", help="list the accounts")
        for door in (add, password, lock, unlock):
            door.add_argument("name")
        for door in (add, password):
            door.add_argument("--password-stdin", action="store_true", help="read the password from standard input")

    def handle(self, *, what: str, **options: Any) -> None:
        """Do it, and say the outcome in one line."""
        try:
            self.stdout.write(getattr(self, f"_{what}")(**options))
        except accounts.AccountRefused as refusal:
            raise CommandError(str(refusal)) from None
        except (DatabaseError, InterfaceError):
            raise CommandError("The database does not answer. Nothing was done.", returncode=2) from None

    def _add(self, *, name: str, role: str, password_stdin: bool, **_: object) -> str:
        password = self._asked(from_stdin=password_stdin)
        accounts.add(name=name, role=role, password=password, by=accounts.at_the_shell())
        return f"Account {name} ({role}) added."

    def _password(self, *, name: str, password_stdin: bool, **_: object) -> str:
        password = self._asked(from_stdin=password_stdin)
        accounts.set_password(name=name, password=password, by=accounts.at_the_shell())
        return f"Account {name} has a new password."

    def _asked(self, *, from_stdin: bool) -> str:
        if from_stdin:
            return sys.stdin.readline().rstrip("\n")
        if not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask for the password at; use --password-stdin.")
        password = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != password:
            raise CommandError("The two passwords differ.")
        return password

    def _lock(self, *, name: str, **_: object) -> str:
        accounts.lock(name=name, by=accounts.at_the_shell())
        return f"Account {name} locked."

    def _unlock(self, *, name: str, **_: object) -> str:
        accounts.unlock(name=name, by=accounts.at_the_shell())
        return f"Account {name} unlocked."

    def _list(self, **_: object) -> str:
        rows = [
            f"{user.username:30} {user.role:14} {'active' if user.is_active else 'locked':8} "
            f"{user.last_login.strftime('last in %Y-%m-%d %H:%M') if user.last_login else 'never in'}"
            for user in accounts.every()
        ]
        return "\n".join(rows) or "There are no accounts yet: manage.py account add NAME --role ROLE"
