"""The product's settings for fault tests: the same, and what the environment of the test arms. Named by tests alone.

`PASMIRROR_STRIKES` names a folder: a file in it called after a crash point strikes the first process that comes by.
`PASMIRROR_BROKEN` names one broken build of `tests.faults.broken`. The product's own settings know neither.
"""

import os
import sys
from pathlib import Path

from tests.faults import strikes

_own = {name: os.environ.pop(name) for name in ("PASMIRROR_STRIKES", "PASMIRROR_BROKEN") if name in os.environ}

from pasmirror.settings import *  # noqa: E402, F403

os.environ.update(_own)  # for the processes this one starts
if folder := _own.get("PASMIRROR_STRIKES"):
    strikes.arm(Path(folder))
if build := _own.get("PASMIRROR_BROKEN"):
    INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.broken.apps.Broken"]  # noqa: F405
    BROKEN = build
    sys.stderr.write(f"A deliberately broken build: {build}\n")
