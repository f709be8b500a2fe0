"""Eight clerks saving at once with the sequencer behind them: how long a save takes, how soon it has its number."""

import threading
import time

from django.db import connection

from messaging.models import Destination, Outbound
from pasmirror.bench import clerks
from pasmirror.bench.clerks import Save
from pasmirror.bench.product import WITHIN, Product
from pasmirror.bench.report import Figure, at, middle, ratio

PART = "save"
ROUNDS = 3
LOOK_EVERY = 0.005  # seconds; how exactly the lag is seen


def measure(product: Product, count: int) -> list[Figure]:
    """Save `count` times in all, emission held."""
    product.mirror()
    lane = Destination.objects.filter(declared=True, is_pas=False).order_by("pk").values_list("pk", flat=True)[0]
    rates, took, lags = [], [], []
    for _ in range(ROUNDS):
        with Numbering(lane) as numbering:
            saves = clerks.save_all(max(clerks.CLERKS, count // ROUNDS))
            numbering.wait_for(saves)
        rates.append(ratio(len(saves), max(s.ended for s in saves) - saves[0].began))
        took += [save.took for save in saves]
        lags += [numbering.seen[save.change] - save.committed for save in saves if save.change in numbering.seen]
    return [
        Figure(PART, "saves, 8 clerks", middle(rates), "/s"),
        Figure(PART, "a save, median", at(took, 0.5) * 1000, "ms"),
        Figure(PART, "a save, p99", at(took, 0.99) * 1000, "ms"),
        Figure(PART, "the sequencer's lag, median", max(0.0, at(lags, 0.5)) * 1000, "ms"),
        Figure(PART, "the sequencer's lag, p99", max(0.0, at(lags, 0.99)) * 1000, "ms"),
        Figure(PART, "slowest round against fastest", ratio(min(rates), max(rates)), "times"),
    ]


class Numbering:
    """Notes when each change is first seen with its number in a lane, by anybody but who gave it."""

    def __init__(self, lane: int) -> None:
        self.lane = lane
        self.seen: dict[int, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="numbering", daemon=True)

    def __enter__(self) -> "Numbering":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(10)

    def wait_for(self, saves: list[Save]) -> None:
        """Wait until all of them have been seen."""
        end = time.monotonic() + WITHIN
        while not all(save.change in self.seen for save in saves) and time.monotonic() < end:
            time.sleep(LOOK_EVERY)

    def _look(self) -> None:
        rows = Outbound.objects.filter(lane=self.lane).order_by("-seq")
        last = rows.values_list("seq", flat=True).first() or 0
        while not self._ended.wait(LOOK_EVERY):
            fresh = list(rows.filter(seq__gt=last).values_list("seq", "change"))
            now = time.time()
            self.seen.update({change: now for _, change in fresh})
            last = max([last, *(seq for seq, _ in fresh)])
        connection.close()
