"""What a fault needs of the machine: being root, or a program of a Debian package. Where it is missing they raise."""

import os
import shutil


class Missing(Exception):
    """The machine cannot do this fault; the text says what is missing, in one sentence."""


def root(what: str) -> None:
    """Raise Missing unless we are root."""
    if os.geteuid() != 0:
        raise Missing(f"{what} needs root: run the tests as root.")


def command(name: str, *, package: str) -> str:
    """Where a program is; Missing if it is not installed."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise Missing(f"The program {name} is not installed: install Debian's package {package}.")
    return found
