"""A clock that lies to one command and its children: an offset or another rate, changed while it runs.

Knows libfaketime (Debian's package `faketime`) and nothing of who is lied to. The wall clock alone lies, unless
`monotonic` is asked for: Python waits for ever on a lock with a timeout if its monotonic clock is not the kernel's.
With the monotonic clock left alone, libfaketime 0.9.10 makes `time.sleep` of Python 3.11 fail (wolfcw/libfaketime
#426), so the folder `lied_to` gives such a Python another sleep.
"""

import os
import re
from pathlib import Path

from tests.faults.verbs.needs import Missing

OFFSET = re.compile(r"[+-]\d+(\.\d+)?[smhdy]?")
LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
SLEEP_FOR_PYTHON = Path(__file__).resolve().parent / "lied_to"


def environment(file: Path, *, offset: str = "+0", rate: float = 1.0, monotonic: bool = False) -> dict[str, str]:
    """What to add to a command's environment; its clock then follows `file`, which `change` writes anew.

    `offset` is like "+15m", "-1h" or "+0.5" (seconds); a `rate` of 1.01 gains 36 s an hour, counted from the command's
    start. Raises Missing if libfaketime is not installed.
    """
    library = _library()
    change(file, offset=offset, rate=rate)
    paths = [str(SLEEP_FOR_PYTHON), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    preloaded = [str(library), *os.environ.get("LD_PRELOAD", "").split()]
    return {
        "LD_PRELOAD": " ".join(preloaded),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_XRESET": "1",  # a changed rate counts from its change
        "FAKETIME_DONT_FAKE_MONOTONIC": "0" if monotonic else "1",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def change(file: Path, *, offset: str = "+0", rate: float = 1.0) -> None:
    """Set the clock of every command that follows `file`, from its next look at the clock."""
    if not OFFSET.fullmatch(offset):
        raise ValueError(f"not an offset like +15m or -1h: {offset}")
    if rate <= 0:
        raise ValueError(f"a clock runs forward: {rate}")
    draft = file.with_name(f".{file.name}")
    draft.write_text(f"{offset} x{rate}\n" if rate != 1.0 else f"{offset}\n")
    draft.rename(file)


def heal(file: Path) -> None:
    """Tell every command that follows `file` the true time again."""
    change(file)


def _library() -> Path:
    for folder in LIBRARIES:
        for found in sorted(Path(folder).glob("**/faketime/libfaketimeMT.so.1")):
            return found
    raise Missing("A clock cannot be made to lie without libfaketime: install Debian's package faketime.")
