#!/usr/bin/env python
"""The door for people and scripts: names the settings, runs one command, and knows nothing else."""

import os
import sys

UNHURRIED = {"migrate", "makemigrations", "up", "demo", "bench", "verify", "test"}
"""Commands whose transactions may take longer than a clerk's save."""


def main() -> None:
    """Run the command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pasmirror.settings")
    if UNHURRIED.intersection(sys.argv[1:2]):
        os.environ.setdefault("PASMIRROR_TRANSACTION_TIMEOUT", "0")
    if sys.argv[1:2] == ["demo"]:
        os.environ.setdefault("PASMIRROR_HTTPS", "0")  # plain HTTP on this machine alone
    from django.core.management import execute_from_command_line

    from pasmirror.lib.env import BadEnvironment

    try:
        execute_from_command_line(sys.argv)
    except BadEnvironment as fault:
        sys.exit(str(fault))


if __name__ == "__main__":
    main()
