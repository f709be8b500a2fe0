"""Reads ahead on a thread of its own, so that the database need not wait for the reader; knows not what is read."""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")
DEPTH = 4  # lots that may stand ready


def lots(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Give `items` in lists of `size`; the last may be shorter."""
    items = iter(items)
    while lot := list(islice(items, size)):
        yield lot


class Ahead(Generic[T]):
    """What `source` gives, read ahead on a thread; what it raises is raised here. The thread ends with the block."""

    def __init__(self, source: Iterable[T]) -> None:
        self.source = source
        self.ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(DEPTH)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._read, name="reads ahead", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self.thread.start()
        return self._given()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def _read(self) -> None:
        try:
            for item in self.source:
                if not self._put(item, None):
                    return
            self._put(None, None)
        except BaseException as fault:  # noqa: BLE001 - it is raised where the items are asked for
            self._put(None, fault)

    def _put(self, item: T | None, fault: BaseException | None) -> bool:
        """Wait until there is room; False if nobody wants it any more."""
        while not self.ended.is_set():
            with suppress(queue.Full):
                self.ready.put((item, fault), timeout=0.2)
                return True
        return False

    def _given(self) -> Iterator[T]:
        while True:
            item, fault = self.ready.get()
            if fault is not None:
                raise fault
            if item is None:
                return
            yield item
