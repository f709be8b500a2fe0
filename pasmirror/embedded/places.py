"""Where the embedded services of a run keep their sockets, what their URLs are, and where their binaries lie."""

import hashlib
import os
import pwd
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

DATABASE = "pasmirror"
OWNER = "postgres"
LONGEST_SOCKET = 100  # bytes; the kernel's limit for a Unix socket is 107


class EmbeddedFault(Exception):
    """An embedded service cannot run here; the text is one plain sentence."""


def private_folder(path: Path) -> Path:
    """`path` as a folder of our own that nobody else can enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid not in {os.getuid(), stand_in().pw_uid}:
        raise EmbeddedFault(f"{path} belongs to somebody else, so nothing is put there.")
    path.chmod(0o700)
    return path


def socket_folder(var: Path) -> Path:
    """Where the sockets of the run in `var` are.

    A path too long for a socket is replaced by a short one under the system's temporary folder, the same for every
    process that looks.
    """
    folder = var / "run"
    if len(os.fsencode(folder / ".s.PGSQL.5432.lock")) <= LONGEST_SOCKET:
        return folder
    name = hashlib.sha256(os.fsencode(var)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pasmirror-{os.getuid()}-{name}"


def postgres_url(var: Path) -> str:
    """The database's URL, whether or not the server is up."""
    return f"postgresql://{OWNER}@/{DATABASE}?host={quote(str(socket_folder(var)), safe='')}"


def redis_url(var: Path) -> str:
    """The broker's URL, whether or not the server is up."""
    return f"redis+socket://{socket_folder(var) / 'valkey.sock'}"


def stand_in() -> pwd.struct_passwd:
    """An account that exists on every Debian-like machine and owns nothing."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return next(account for account in pwd.getpwall() if account.pw_uid != 0)


def wheel(name: str) -> Path:
    """The folder of an installed package."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedFault(f"The package {name} is not installed: run `make setup`, or set the service's URL.")
    return Path(spec.origin).parent
