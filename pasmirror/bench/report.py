"""A figure, the statistics behind it, and how a run's figures are printed; knows nothing of what is measured."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, in `unit`. `goal` is 0 where nobody named one; `least` says whether it is a floor or a ceiling."""

    part: str
    name: str
    value: float
    unit: str
    goal: float = 0.0
    least: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if not self.goal:
            return None
        return self.value >= self.goal if self.least else self.value <= self.goal


def middle(values: Iterable[float]) -> float:
    """Give the median, 0 of nothing."""
    return float(statistics.median(list(values) or [0.0]))


def at(values: Sequence[float], share: float) -> float:
    """Give the value that `share` of all do not exceed (0.5 to 1.0), 0 of nothing."""
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(len(ordered) * share))]) if ordered else 0.0


def ratio(one: float, other: float) -> float:
    """Give `one` in parts of `other`, 0 where there is no other."""
    return one / other if other else 0.0


def as_json(machine: dict[str, str], figures: Sequence[Figure], *, seconds: float) -> str:
    """Give the run as one JSON object: machine, seconds, figures."""
    rows = [{**asdict(figure), "value": round(figure.value, 3), "reached": figure.reached} for figure in figures]
    return json.dumps({"machine": machine, "seconds": round(seconds, 1), "figures": rows}, indent=2)


def as_text(machine: dict[str, str], figures: Sequence[Figure], *, seconds: float) -> list[str]:
    """Give the run as lines for a person."""
    widest = max((len(figure.name) for figure in figures), default=0)
    lines = [f"{name:<12}{value}" for name, value in machine.items()]
    for part, members in groupby(figures, key=lambda figure: figure.part):
        lines += ["", part]
        lines += [f"  {figure.name:<{widest}}  {_amount(figure.value):>9} {_beside(figure)}" for figure in members]
    return [*lines, "", f"All measured in one run of {seconds:.0f} s; medians unless said otherwise."]


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _beside(figure: Figure) -> str:
    if figure.reached is None:
        return figure.unit
    bound = f"goal: at {'least' if figure.least else 'most'} {figure.goal:,.10g}"
    return f"{figure.unit:<9} {bound}{'' if figure.reached else '  (not reached)'}"
