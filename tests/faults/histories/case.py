"""A history with its verdict: a story to be told, and the kinds of findings it must give, neither more nor fewer."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.checker.finding import Kind
from tests.faults.histories.story import Story

Tell = Callable[[Story], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One history; `kinds` empty: it was sound, however odd it looks."""

    name: str
    kinds: frozenset[Kind]
    tell: Tell


class Shelf:
    """The histories of one subject."""

    def __init__(self) -> None:
        self.cases: list[Case] = []

    def sound(self, tell: Tell) -> Tell:
        """Keep a history in which nothing may be found."""
        return self.guilty()(tell)

    def guilty(self, *kinds: Kind) -> Callable[[Tell], Tell]:
        """Keep a history in which exactly these kinds must be found."""

        def keep(tell: Tell) -> Tell:
            self.cases.append(Case(tell.__name__, frozenset(kinds), tell))
            return tell

        return keep
