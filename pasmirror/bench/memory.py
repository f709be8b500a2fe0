"""What each of the product's processes takes, as its share of what it has in memory (PSS); read from /proc."""

from collections import defaultdict
from pathlib import Path

from pasmirror import supervise
from pasmirror.bench.report import Figure, ratio

PART = "memory"
GOAL = 1200.0  # megabytes, all processes of the demo together
PROC = Path("/proc")


def resident(*, root: int, var: Path) -> dict[str, float]:
    """Give megabytes (PSS) by name for `root` and all that descend from it; `var`: whose supervisor knows the names."""
    named = {pid: name for name, (_, pid) in supervise.states(var=var).items() if pid}
    parents = _parents()
    found: dict[str, float] = defaultdict(float)
    for pid in parents:
        line = _line(pid, parents)
        if root in line and (taken := pss(pid)):
            found[next((named[each] for each in line if each in named), _plain(pid, root))] += taken
    return dict(found)


def pss(pid: int) -> float:
    """Give one process's share in megabytes, 0 if it has gone or is not ours to look at."""
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


def figures(idle: dict[str, float], loaded: dict[str, float]) -> list[Figure]:
    """Give each process after the load, and both sums."""
    before, after = sum(idle.values()), sum(loaded.values())
    each = [Figure(PART, name, taken, "MB") for name, taken in sorted(loaded.items(), key=lambda pair: -pair[1])]
    return [
        Figure(PART, "all processes, idle", before, "MB", GOAL),
        Figure(PART, "all processes, after the load", after, "MB", GOAL),
        Figure(PART, "after the load against idle", ratio(after, before), "times"),
        *each,
    ]


def _parents() -> dict[int, int]:
    """Give every process's parent."""
    found = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            found[int(folder.name)] = int(text.rpartition(")")[2].split()[1])
    return found


def _line(pid: int, parents: dict[int, int]) -> list[int]:
    """Give a process and its forebears."""
    line = [pid]
    while (parent := parents.get(line[-1], 0)) and parent not in line:
        line.append(parent)
    return line


def _plain(pid: int, root: int) -> str:
    """Name one that supervisord does not know."""
    if pid == root:
        return "up"
    try:
        words = (PROC / str(pid) / "cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "other"
    return next((name for name in ("supervisord", "postgres") if name in words), "other")
