"""Clerks who save as fast as they can, threads in a process of its own until stdin closes; for the gate's test."""

import json
import sys
import threading

import django

django.setup()

from django.db import connection  # noqa: E402

from patients.refusals import NotWritable  # noqa: E402
from tests.factories import lanes as make  # noqa: E402


def work(threads: int) -> dict[str, int]:
    """Save until told to end; gives how many saves were made and how many refused."""
    over, told = threading.Event(), {"saved": 0, "refused": 0}
    lock = threading.Lock()

    def clerk(number: int) -> None:
        try:
            while not over.is_set():
                try:
                    make.register(f"CLERK{number}")
                    outcome = "saved"
                except NotWritable:
                    outcome = "refused"
                with lock:
                    told[outcome] += 1
        finally:
            connection.close()

    clerks = [threading.Thread(target=clerk, args=(number,)) for number in range(threads)]
    for one in clerks:
        one.start()
    sys.stdin.read()
    over.set()
    for one in clerks:
        one.join(30)
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(work(int(sys.argv[1]))))
