"""Clerks who save as fast as they can, in processes with threads as the web's workers are; knows no page.

Such a process says "ready", waits for a line, saves, and prints what it saved; `save_all` starts them and counts.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import astuple, dataclass

from celery.signals import before_task_publish
from django.conf import settings
from django.db import connection

from pasmirror import tether
from pasmirror.lib.actor import Actor
from patients.facts import Groups
from patients.services import registration

PROCESSES = 2  # as many as the web has workers
CLERKS = 8
WARMING = 2  # saves of each clerk that do not count: they open connections
PATIENCE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Save:
    """One save: the change it made, and when it began, was committed and was answered (seconds since 1970)."""

    change: int
    began: float
    committed: float
    ended: float

    @property
    def took(self) -> float:
        """Seconds until the clerk read "saved"."""
        return self.ended - self.began


def save_all(count: int) -> list[Save]:
    """Have eight clerks save `count` times between them: each registers a person, then changes the phone number."""
    each = max(1, count // CLERKS)
    command = [sys.executable, "-m", "pasmirror.bench", str(CLERKS // PROCESSES), str(each)]
    environment = {**os.environ, "PASMIRROR_ROLE": "web", "PASMIRROR_TRANSACTION_TIMEOUT": "5000"}
    workers: list[subprocess.Popen[str]] = []
    try:
        with (settings.VAR / "clerks.log").open("ab") as log:
            for _ in range(PROCESSES):
                workers.append(
                    subprocess.Popen(
                        tether.command(command, on_death=signal.SIGTERM),
                        cwd=settings.BASE_DIR,
                        env=environment,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        text=True,
                    )
                )
        for worker in workers:
            _line(worker)
        for worker in workers:
            _go(worker)
        return sorted(
            (Save(*row) for worker in workers for row in json.loads(_line(worker))), key=lambda save: save.began
        )
    finally:
        for worker in workers:
            worker.terminate()
            worker.communicate()


def _line(worker: subprocess.Popen[str]) -> str:
    said = worker.stdout.readline() if worker.stdout else ""
    if not said:
        raise RuntimeError(f"a clerk's process ended by itself; {settings.VAR}/clerks.log says why")
    return said


def _go(worker: subprocess.Popen[str]) -> None:
    if worker.stdin:
        worker.stdin.write("go\n")
        worker.stdin.flush()


_rung = threading.local()


@before_task_publish.connect  # type: ignore[untyped-decorator]
def _note_commit(**_: object) -> None:
    """Note the moment in this thread: the bell rings right after a save's commit."""
    _rung.at = time.time()


class Clerk:
    """One clerk at one desk."""

    def __init__(self, name: str) -> None:
        self.by = Actor(subject=name, role="clerk", how="bench")
        self.patient: int | None = None
        self.saves = 0

    def save(self) -> Save:
        """Save once: a new person, or that person's new phone number."""
        self.saves += 1
        key, began = uuid.uuid4(), time.time()
        if self.patient is None:
            saved = registration.register(patient=_person(key), by=self.by, key=key)
            self.patient = saved.patient
        else:
            phone: Groups = {"phones": {"phone": f"0113 496 {self.saves % 10_000:04d}"}}
            saved = registration.update(patient_id=self.patient, seen=1, patient=phone, by=self.by, key=key)
            self.patient = None
        ended = time.time()
        return Save(saved.change, began, getattr(_rung, "at", ended), ended)


def _person(key: uuid.UUID) -> Groups:
    letters = "".join(chr(ord("A") + int(digit, 16)) for digit in key.hex[:8])
    return {
        "name": {"family": f"BENCH{letters}", "given": "Anna"},
        "birth": {"born": "1952-03-01"},
        "sex": {"sex": "F"},
        "address": {"line1": "1 High Street", "town": "Leeds", "postcode": "LS1 1AA"},
    }


def work(threads: int, saves: int) -> None:
    """Save with `threads` clerks, `saves` times each, once told to go."""
    made: list[Save] = []
    seated = threading.Barrier(threads + 1)

    def sit(clerk: Clerk) -> None:
        try:
            for _ in range(WARMING):
                clerk.save()
            seated.wait(PATIENCE)  # all are ready
            seated.wait(PATIENCE)  # go
            made.extend([clerk.save() for _ in range(saves)])
        except BaseException:
            seated.abort()
            raise
        finally:
            connection.close()

    at_desks = [threading.Thread(target=sit, args=(Clerk(f"clerk{number}"),)) for number in range(threads)]
    for thread in at_desks:
        thread.start()
    seated.wait(PATIENCE)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    seated.wait(PATIENCE)
    for thread in at_desks:
        thread.join()
    sys.stdout.write(json.dumps([astuple(save) for save in made]) + "\n")
