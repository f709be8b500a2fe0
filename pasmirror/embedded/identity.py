"""Who the database server is: PostgreSQL refuses to run as root, and nothing outside var may be changed for it."""

import functools
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pasmirror import tether
from pasmirror.embedded.places import EmbeddedFault, stand_in


@dataclass(frozen=True)
class Identity:
    """Who the server is: ourselves; ourselves under another number in a namespace; or, as root, another account."""

    namespace: int | None = None
    uid: int | None = None


@functools.cache
def identity(binary: Path) -> Identity:
    """As root the server gets a namespace; where those are refused, another account that can reach `binary`."""
    if os.geteuid() != 0:
        return Identity()
    uid = stand_in().pw_uid
    version = [str(binary), "--version"]
    namespaced = tether.command(version, on_death=signal.SIGTERM, as_uid=uid)
    if subprocess.run(namespaced, capture_output=True, check=False).returncode == 0:
        return Identity(namespace=uid)
    plain = tether.command(version, on_death=signal.SIGTERM)
    if _succeeds(plain, uid):
        return Identity(uid=uid)
    account = stand_in().pw_name
    raise EmbeddedFault(
        "PostgreSQL does not run as root, this machine refuses user namespaces, and the account "
        f"{account} cannot reach this folder: run as an ordinary user, or set DATABASE_URL."
    )


def _succeeds(argv: list[str], uid: int) -> bool:
    try:
        return subprocess.run(argv, capture_output=True, check=False, user=uid, extra_groups=[]).returncode == 0
    except OSError:
        return False
