"""Texts that occur nowhere else in a run, by which an entry is found again anywhere; knows no page and no message.

A mark is a surname of capital letters: `ZQ`, five letters of the seed, five of the number. All are of one length, and
no mark is part of another or of two side by side, since `Z` and `Q` stand at the beginning alone.
"""

LETTERS = "ABCDEFGHIJKLMNOPRSTUVW"  # without Q, Z; and without X, Y, so that few marks are words
WIDTH = 5
PER_PERSON = 10_000
"""Entries of one person in one run: person 0 is the PAS's user, clerks count from 1."""
PEOPLE = 100


def mark(seed: int, number: int) -> str:
    """The surname number `number` of a run; ValueError beyond 22^5 numbers, seeds count modulo as many."""
    if not 0 <= number < len(LETTERS) ** WIDTH:
        raise ValueError(f"no mark has the number {number}")
    return f"ZQ{_letters(seed % len(LETTERS) ** WIDTH)}{_letters(number)}"


def number_of(person: int, entry: int) -> int:
    """The number of one person's entry; ValueError where numbers of two people would meet."""
    if not (0 <= person < PEOPLE and 0 <= entry < PER_PERSON):
        raise ValueError(f"no number for entry {entry} of person {person}")
    return person * PER_PERSON + entry


def nhs_number(seed: int, number: int) -> str:
    """A valid NHS number out of the range kept for tests (999 …), another for each number; "" where there is none."""
    digits = f"999{(seed * 104_729 + number) % 1_000_000:06d}"
    check = 11 - sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), digits, strict=True)) % 11
    return "" if check == 10 else f"{digits}{check % 11}"


def born(number: int) -> str:
    """A date of birth, "1961-02-01", that differs from those of the numbers around."""
    return f"{1930 + number % 61}-{1 + number % 12:02d}-{1 + number % 28:02d}"


def _letters(number: int) -> str:
    found = ""
    for _ in range(WIDTH):
        number, rest = divmod(number, len(LETTERS))
        found = LETTERS[rest] + found
    return found
