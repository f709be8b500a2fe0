"""What every test of the way back stands on: a simulated PAS, a receiver, and the mirror in an open incident."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.committed import committed  # noqa: F401
from tests.factories.way_back import WorldOfTest


@pytest.fixture
def world(committed: None, tmp_path: Path) -> Iterator[WorldOfTest]:  # noqa: F811
    made = WorldOfTest(tmp_path, "pathology")
    yield made
    made.close()
