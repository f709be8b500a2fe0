"""What every fault test may ask for: the prepared folder, and a drill of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.drill import Drill
from tests.faults.prepared import Prepared

Make = Callable[..., Drill]
LONG = os.environ.get("PASMIRROR_FAULTS") == "long"
"""Whether the tests may take their time: more rounds, more points (`make faults`)."""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Tables, site and accounts, made once."""
    made = Prepared(tmp_path_factory.mktemp("drills"))
    made.make()
    return made


@pytest.fixture
def drilled(prepared: Prepared, tmp_path: Path) -> Iterator[Make]:
    """Make a running drill with the choices the test needs; it is ended with the test."""
    with ExitStack() as stack:

        def make(**choices: Any) -> Drill:
            return stack.enter_context(Drill(prepared, tmp_path, **choices))

        yield make
