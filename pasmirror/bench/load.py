"""The first load: how fast an extract of patients and a batch of messages get in, and what the process takes for it."""

import subprocess
import sys
import time
from pathlib import Path

from django.conf import settings

from messaging.extracts import files
from messaging.services import loading
from pasmirror.bench import extracts
from pasmirror.bench.memory import pss
from pasmirror.bench.product import WITHIN, NotMeasured
from pasmirror.bench.report import Figure, middle, ratio
from pasmirror.lib.models import AuditRow

PART = "load"
ROUNDS = 3
SHARE = 20  # an extract of so small a part, for the memory of a small file
MESSAGES = 5  # rows for each message of the batch
LOOK_EVERY = 0.05  # seconds


def measure(count: int, *, first: int) -> list[Figure]:
    """Load extracts of `count` people and of a part of them, and a batch of messages, numbered from `first`."""
    folder = settings.VAR
    rows, told, least, most = [], [], [], []
    for _ in range(ROUNDS):
        path, few, some = folder / f"{first}.csv", max(10, count // SHARE), max(10, count // MESSAGES)
        extracts.patients(path, count, first=first)
        most.append(load(path))
        rows.append(pace(path))
        first += count
        extracts.patients(path, few, first=first)
        least.append(load(path))
        batch = folder / f"{first}.hl7"
        extracts.batch(batch, some, first=first)
        load(batch)
        told.append(pace(batch))
        first += max(few, some)
        path.unlink()
        batch.unlink()
    return [
        Figure(PART, f"patients (CSV), {count:,} rows", middle(rows), "/s", 10_000, least=True),
        Figure(PART, f"messages (HL7 batch), {some:,}", middle(told), "/s"),
        Figure(PART, "patients against messages", ratio(middle(rows), middle(told)), "times"),
        Figure(PART, f"memory at most, {count:,} rows", max(most), "MB"),
        Figure(PART, f"memory at most, {few:,} rows", max(least), "MB"),
        Figure(PART, f"memory, {SHARE} times the rows", ratio(max(most), max(least)), "times"),
    ]


def used(count: int) -> int:
    """Say how many person numbers `measure` uses up."""
    return ROUNDS * (count + max(10, count // SHARE, count // MESSAGES))


def pace(path: Path) -> float:
    """Give how many a second went in, from the first lot's commit to the last one's; of one lot only, 0."""
    subject = loading.subject(files.look(path))
    lots = [(row.at, row.detail["read"]) for row in AuditRow.objects.filter(subject=subject).order_by("id")][:-1]
    (began, first), (ended, last) = lots[0], lots[-1]
    return ratio(last - first, (ended - began).total_seconds())


def load(path: Path, *, within: float = WITHIN) -> float:
    """Load a file as a person would; gives the megabytes it took at most."""
    words = [sys.executable, "manage.py", "load", str(path), "--as-of", extracts.AS_OF, "--authority", "RXX"]
    began, most = time.perf_counter(), 0.0
    with subprocess.Popen(
        words, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None:
            most = max(most, pss(process.pid))
            if time.perf_counter() - began > within:
                process.kill()
                raise NotMeasured(f"{path.name} was not loaded within {within:.0f} s.")
            time.sleep(LOOK_EVERY)
    if process.returncode:
        raise NotMeasured(f"{path.name} was not loaded whole.")
    return most
