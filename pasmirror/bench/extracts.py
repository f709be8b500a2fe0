"""A PAS's extract of people nobody has met before, as CSV, and its messages as one batch; reads nothing of ours."""

import csv
from pathlib import Path

from messaging.simulators.people import FAMILIES, GIVEN, check_digit
from pasmirror.bench.messages import messages

HEADER = (
    "LOCAL PATIENT IDENTIFIER", "NHS NUMBER", "NHS NUMBER STATUS INDICATOR CODE", "PERSON FAMILY NAME",
    "PERSON GIVEN NAME", "PERSON TITLE", "PERSON BIRTH DATE", "PERSON STATED GENDER CODE",
    "PATIENT USUAL ADDRESS LINE 1", "PATIENT USUAL ADDRESS LINE 3", "PATIENT USUAL ADDRESS LINE 4",
    "POSTCODE OF USUAL ADDRESS", "UK TELEPHONE NUMBER", "GENERAL MEDICAL PRACTITIONER (SPECIFIED)",
    "GENERAL MEDICAL PRACTICE CODE (PATIENT REGISTRATION)", "ETHNIC CATEGORY",
)  # fmt: skip
AS_OF = "2026-03-01T06:00"


def patients(path: Path, count: int, *, first: int) -> None:
    """Write `count` people numbered from `first`, a row for each."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(person(number) for number in range(first, first + count))


def person(number: int) -> list[str]:
    """Give one person's row."""
    digits = f"9{number % 100_000_000:08d}"  # such numbers are not given to people
    check = check_digit(digits)
    code, title = (("1", "Mr"), ("2", "Mrs"))[number % 2]
    given = GIVEN["MF"[number % 2]]
    return [
        f"L{number:08d}",
        f"{digits}{check}" if check is not None else "",
        "01" if check is not None else "",
        FAMILIES[number % len(FAMILIES)],
        given[number // 7 % len(given)],
        title,
        f"{1930 + number % 90}-{1 + number % 12:02d}-{1 + number % 28:02d}",
        code,
        f"{1 + number % 180} High Street",
        "Leeds",
        "West Yorkshire",
        f"LS{1 + number % 17} {number % 9}AB",
        f"07700900{number % 1000:03d}",
        "JONES, Mary (Dr) [G1111111]",
        "The Densham Surgery [A81001]",
        "ABCDEFGH"[number % 8],
    ]


def batch(path: Path, count: int, *, first: int) -> None:
    """Write `count` messages of people numbered from `first` as one batch, with its trailers."""
    with path.open("wb") as file:
        file.write(b"FHS|^~\\&|DEMOPAS|RXX\rBHS|^~\\&|DEMOPAS|RXX\r")
        file.writelines(messages(count, first=first))
        file.write(b"BTS|%d\rFTS|1\r" % count)
