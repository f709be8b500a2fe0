"""The order in which the parts are run on one product, and what each of them needs before it."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pasmirror.bench import backlog, feed, growth, lane, load, memory, pages, save
from pasmirror.bench.clerks import save_all
from pasmirror.bench.machine import machine
from pasmirror.bench.product import Address, Product
from pasmirror.bench.report import Figure

SIZES = {"feed": 6000, "pages": 40, "save": 600, "lane": 600, "memory": 1000, "load": 50_000}
"""How many messages, requests a page, saves, messages, messages of load, and rows; in the order they are run."""
LONG = {backlog.PART: 50_000, growth.SIZE: 1_000_000, growth.FLOW: 200_000}
"""Messages queued, patients, and messages: minutes each, so only on request."""
PARTS = (*SIZES, *LONG)
LARGE = (load.PART, *LONG)  # last: they make the record many times larger
SETTLED = 3.0  # seconds after the start until a process is idle
SOME_PATIENTS = 1000  # messages that put patients into the record of a bench of the pages alone


@dataclass
class Course:
    """One run: what is to be measured and what came out."""

    parts: Sequence[str]
    sizes: dict[str, int]
    tell: Callable[[str], object]
    to: Address | None = None
    figures: list[Figure] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    _person: int = 1

    def run(self) -> None:
        """Start a product, measure the parts, end it. Raises NotMeasured."""
        began, before = time.monotonic(), os.getloadavg()[0]
        self.tell("Starting a product of our own, with its simulators …")
        with Product() as product:
            self.machine = machine(load=before)
            idle = self._idle(product)
            for part in PARTS:
                if part in self.parts and part not in (memory.PART, *LARGE):
                    self.tell(f"Measuring: {part} …")
                    self.figures += self._measure(part, product)
            if memory.PART in self.parts:
                self.figures += self._loaded(product, idle)
            for part in LARGE:
                if part in self.parts:
                    self.tell(f"Measuring: {part} …")
                    self.figures += self._large(part, product)
        self.seconds = time.monotonic() - began

    def _measure(self, part: str, product: Product) -> list[Figure]:
        count = self.sizes[part]
        match part:
            case "feed":
                figures = feed.measure(count, first=self._person)
                self._person += feed.ROUNDS * (feed.used(count) + feed.used(count, 1))
                return figures
            case "pages":
                if "feed" not in self.parts:
                    self._some_patients(min(SOME_PATIENTS, 10 * count))
                return pages.measure(product, count)
            case "save":
                return save.measure(product, count)
            case _:
                return lane.measure(product, count, to=self.to)

    def _large(self, part: str, product: Product) -> list[Figure]:
        count = self.sizes[part]
        if part == load.PART:
            figures = load.measure(count, first=self._person)
            self._person += load.used(count)
        elif part == backlog.PART:
            figures = backlog.measure(product, count)
        elif part == growth.SIZE:
            figures, self._person = growth.sizes(count, first=self._person, tell=self.tell)
        else:
            figures = growth.flow(count, first=self._person, tell=self.tell)
        return figures

    def _some_patients(self, count: int) -> None:
        feed.burst(count, first=self._person)
        self._person += feed.used(count)

    def _idle(self, product: Product) -> dict[str, float]:
        if memory.PART not in self.parts:
            return {}
        time.sleep(SETTLED)
        return memory.resident(root=product.pid, var=product.var)

    def _loaded(self, product: Product, idle: dict[str, float]) -> list[Figure]:
        """Load what has not been loaded by another part, and look again."""
        self.tell(f"Measuring: {memory.PART} …")
        if list(self.parts) == [memory.PART]:
            self._some_patients(self.sizes[memory.PART])
            product.mirror()
            product.speak()
            save_all(self.sizes[memory.PART] // 10)
        return memory.figures(idle, memory.resident(root=product.pid, var=product.var))
