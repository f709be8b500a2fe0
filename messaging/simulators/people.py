"""Synthetic people with test NHS numbers (999 000 0000 to 999 999 9999); knows no real person and no message."""

from __future__ import annotations

import random

FAMILIES = (
    *("SMITH", "JONES", "TAYLOR", "BROWN", "O'BRIEN", "WILLIAMS", "PATEL", "KHAN", "EVANS", "NÍ BHRAONÁIN"),
    *("HUGHES", "OKAFOR", "WALKER", "SINGH", "MACDONALD", "GREEN", "BEGUM", "CLARKE", "NOVÁK", "HARRIS"),
    *("D'SOUZA", "LEWIS", "ÖZTÜRK", "WRIGHT", "ADEYEMI", "SMITH-JONES", "KOWALSKI", "ROBINSON", "ST JOHN", "CHEN"),
)
GIVEN = {
    "M": (
        "John",
        "David",
        "Mohammed",
        "Thomas",
        "José",
        "Daniel",
        "Seán",
        "Arjun",
        "Oliver",
        "Kwame",
        "Piotr",
        "George",
    ),
    "F": ("Mary", "Ann", "Fatima", "Zoë", "Sarah", "Aoife", "Priya", "Chloé", "Grace", "Ngozi", "Agnieszka", "Emily"),
}
TITLES = {"M": ("Mr", "Master"), "F": ("Mrs", "Miss")}
STREETS = (
    "High Street",
    "Church Lane",
    "Station Road",
    "Mill Hill",
    "Queen's Drive",
    "King & Castle Yard",
    "The Green",
)
TOWNS = (("Leeds", "West Yorkshire", "LS"), ("York", "North Yorkshire", "YO"), ("Hull", "East Yorkshire", "HU"))
PRACTICES = (
    ("A81001", "The Densham Surgery", "G1111111", "JONES", "Mary"),
    ("A81002", "Smith & Sons Medical Centre", "G2222222", "O'NEILL", "Patrick"),
    ("B86003", "Station Road Practice", "G3333333", "RAO", "Anita"),
)
CONSULTANTS = (("C1234567", "SMITH", "Ann"), ("C2345678", "BAPTISTE", "Leo"), ("C3456789", "O'CONNOR", "Ruth"))


def nhs_number(chance: random.Random) -> str:
    """A test NHS number with its modulus 11 check digit (NHS Data Dictionary, NHS NUMBER)."""
    while True:
        digits = f"999{chance.randrange(1_000_000):06d}"
        check = check_digit(digits)
        if check is not None:
            return f"{digits}{check}"


def check_digit(digits: str) -> int | None:
    """The tenth digit of nine, None where no valid number has them."""
    rest = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
    return None if rest == 10 else rest % 11


def person(chance: random.Random) -> dict[str, str]:
    """Someone's details by the names the record uses, and `nhs`."""
    sex = chance.choice("MF")
    family = chance.choice(FAMILIES)
    town, county, area = chance.choice(TOWNS)
    practice, practice_name, gp, gp_family, gp_given = chance.choice(PRACTICES)
    inward = f"{chance.randint(1, 9)}{chance.choice('ABDEFG')}{chance.choice('HJLN')}"
    born = chance.randint(1930, 2019)
    details = {
        "family": family,
        "given": chance.choice(GIVEN[sex]),
        "title": TITLES[sex][born > 2008],
        "dob": f"{born}{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}",
        "sex": sex,
        "line1": f"{chance.randint(1, 180)} {chance.choice(STREETS)}",
        "town": town,
        "county": county,
        "postcode": f"{area}{chance.randint(1, 17)} {inward}",
        "phone": f"07700900{chance.randrange(1000):03d}",
        "practice": practice,
        "practice_name": practice_name,
        "gp": gp,
        "gp_family": gp_family,
        "gp_given": gp_given,
        "nhs": nhs_number(chance),
    }
    if chance.random() < 0.5:
        details |= {"kin_family": family, "kin_given": chance.choice(GIVEN["F"]), "kin_relation": "SPO"}
    if chance.random() < 0.3:
        details["allergy"] = chance.choice(("Penicillin", "Latex", "Nuts & sesame"))
    return details
