"""Which segments a message structure holds, and in which order, by the tables of hl7apy; knows no event and no site.

Building a message with hl7apy takes milliseconds; its tables say all that is needed to put our own lines in order, and
are read once for each structure.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from hl7apy import load_library
from hl7apy.exceptions import UnsupportedVersion

HEADER = frozenset({"MSH", "SFT"})


@lru_cache(maxsize=256)
def places(version: str, structure: str) -> Mapping[str, int]:
    """Give the place of each segment that may stand in a structure, where it first may; KeyError for an unknown one.

    `version` as in MSH-12, `structure` as in MSH-9.3.
    """
    try:
        tables: Any = load_library(version)
    except UnsupportedVersion:
        raise KeyError(version) from None
    order: dict[str, int] = {}
    for name in _segments(tables.MESSAGES[structure]):
        order.setdefault(name, len(order))
    return order


def _segments(reference: Any) -> Iterator[str]:
    """Give the segments of a structure, its groups laid open."""
    for name, below, _cardinality, kind in reference[1]:
        if kind == "GRP":
            yield from _segments(below)
        else:
            yield name
