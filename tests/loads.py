"""The door to loads as a person uses it: a file written, `manage.py load` run in this process, what it said."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from django.core.management import CommandError, call_command

from patients.models import Appointment, LastSegments, Movement, Patient, PatientIdentifier, Trunk

AS_OF = "2026-03-01T06:00"


@dataclass(frozen=True, slots=True)
class Load:
    """What one run said, the sentence it ended with if it could not, and its exit code."""

    path: Path
    said: str
    error: str
    code: int

    @classmethod
    def of(cls, path: Path, **words: Any) -> Self:
        """Load a file that is there."""
        out, error, code = io.StringIO(), "", 0
        asked = {"as_of": AS_OF, "authority": "RXX", **words}
        try:
            call_command("load", str(path), stdout=out, stderr=io.StringIO(), **asked)
        except CommandError as fault:
            error, code = str(fault), fault.returncode
        except SystemExit as end:
            code = int(end.code or 0)
        return cls(path, out.getvalue(), error, code)

    def pointer(self, what: str) -> str:
        """Give the line that says where refused rows or warnings are."""
        return f"  {what}: {beside(self.path.parent / f'{self.path.stem}.{what.lower()}.csv')}\n"


def load(folder: Path, name: str, text: str | bytes, **words: Any) -> Load:
    """Write a file and load it."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Load.of(path, **words)


def beside(path: Path) -> Path:
    """Give the newest file beside the one loaded: of p.refused.csv, p.<part of its digest>.refused.csv."""
    if path.exists():
        return path
    stem, what, ending = path.name.split(".")
    found = sorted(path.parent.glob(f"{stem}.????????.{what}*.{ending}"), key=lambda each: each.stat().st_mtime_ns)
    return found[-1] if found else path


def written(path: Path) -> list[list[str]]:
    """Read a file of refused rows or warnings, by the name `beside` goes by."""
    with beside(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def record() -> tuple[list[Any], ...]:
    """Give what the record and the trunk say, by number instead of by key."""
    names = dict(PatientIdentifier.objects.values_list("patient_id", "value"))
    said = [
        (names[patient.pk], patient.family, patient.born, patient.postcode, patient.sent_at, patient.provisional)
        for patient in Patient.objects.all()
    ]
    stays = [
        (names[movement.stay.patient_id], movement.event, movement.ward, movement.bed, movement.occurred_at,
         movement.stay.status, movement.stay.ward)
        for movement in Movement.objects.select_related("stay")
    ]  # fmt: skip
    kept = [(names[row.patient_id], row.stay > 0, row.segments) for row in LastSegments.objects.all()]
    booked = Appointment.objects.values_list("patient_id", "clinic", "starts_at", "status")
    held = sorted(str(held) for held in Trunk.objects.values_list("kind", "held"))
    return sorted(said), sorted(stays), sorted(kept), sorted((names[each[0]], *each[1:]) for each in booked), held


def spoken_at(second: int, raw: bytes) -> bytes:
    """Give the message with an MSH-7 of its own, by which older ones are told."""
    return raw.replace(
        raw.split(b"|")[6], b"20260301%02d%02d%02d" % (8 + second // 3600, second // 60 % 60, second % 60), 1
    )


def refusals(folder: Path, stem: str) -> list[str]:
    """Give the reasons in the file of refused rows; none if there is no such file."""
    return [reason for path in sorted(folder.glob(f"{stem}.*refused.csv")) for _, reason, *_ in written(path)[1:]]
