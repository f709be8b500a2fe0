"""Names the machine the figures belong to; knows nothing of the product but its database and its commit."""

import os
import platform
import subprocess
import time
from pathlib import Path

from django.conf import settings
from django.db import connection

from pasmirror.bench.report import middle

COMMITS = 50


def machine(*, load: float) -> dict[str, str]:
    """Name processor, cores, memory, kernel, Python, PostgreSQL, what a durable commit costs, and our own commit.

    `load`: the machine's load (of one minute) before the bench began.
    """
    return {
        "Processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GB",
        "Kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": f"{_postgres()}, a durable commit takes {durable_commit() * 1000:.2f} ms",
        "Commit": _commit() or "not in git",
        "Load before": f"{load:.1f} (what else ran; figures of a machine with a load near its cores say little)",
    }


def durable_commit() -> float:
    """Measure the median seconds of the smallest commit that has to reach the disk."""
    taken = []
    with connection.cursor() as cursor:
        for _ in range(COMMITS):
            began = time.perf_counter()
            cursor.execute("SELECT pg_logical_emit_message(true, 'bench', '')")
            taken.append(time.perf_counter() - began)
    return middle(taken)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _postgres() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])


def _commit() -> str:
    """Name the commit this code is of, "" outside a repository or before its first commit."""
    words = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(words, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
