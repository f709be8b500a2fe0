"""When the next commit begins, so that those who speak at the same time share it; knows no frame, no socket, no table.

Peers who wait for their answers fall into step with the commits: half of them speak while the other half are stored,
and each commit is for half of them. A moment's patience brings all of them into one.
"""

import asyncio
from collections.abc import Set

PATIENCE = 0.003  # seconds that frames wait for those of the others, at most


class Gathering:
    """Says when what waits is to be stored: once as many frames wait as have spoken lately, or PATIENCE later."""

    def __init__(self) -> None:
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._before: Set[int] = frozenset()  # the connections in the last commit
        self._expected = 1  # connections in the last two

    def came(self, waiting: int) -> None:
        """Take note that a frame came; `waiting`: how many wait now."""
        if waiting >= self._expected:
            self._due.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._due.set)

    async def due(self) -> None:
        """Wait until there is something to store, and it has waited long enough."""
        await self._due.wait()

    def taken(self, connections: Set[int], *, left: int) -> None:
        """Take note of whose frames are being stored now, and how many frames wait still."""
        self._expected, self._before = len(self._before | connections), connections
        self.dropped(left=left)

    def dropped(self, *, left: int) -> None:
        """Take note that frames wait no more; what is `left` goes as soon as it can."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if left:
            self._due.set()
        else:
            self._due.clear()
