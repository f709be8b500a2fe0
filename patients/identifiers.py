"""Identifiers as the NHS and HL7 know them: type, assigning authority, value; pure."""

from typing import NamedTuple

from nhs_number.validate import is_valid


class Identifier(NamedTuple):
    """One number of a patient, stay or appointment; `type` by HL7 table 0203 (MR, VN), PLAC and FILL for SCH-1/2."""

    type: str
    authority: str
    value: str

    def as_json(self) -> list[str]:
        """Give the three parts as a JSON list."""
        return [self.type, self.authority, self.value]


HOSPITAL = "MR"  # hospital number, PID-3
VISIT = "VN"  # visit number, PV1-19
PLACER = "PLAC"  # placer appointment id, SCH-1
FILLER = "FILL"  # filler appointment id, SCH-2

NOT_VERIFIED = "02"  # number present but not traced: all an outage registration can claim
VERIFIED = "01"


def why_not_nhs_number(text: str) -> str | None:
    """Say why `text` is no NHS number (modulus 11), in a clerk's words; None if it is one or empty."""
    if not text.strip():
        return None
    digits = "".join(text.split()).replace("-", "")
    if not digits.isdigit() or len(digits) != 10:
        return "An NHS number has 10 digits, for example 999 000 0018"
    if not is_valid(digits):
        return "This is not a valid NHS number: check each digit"
    return None


def nhs_digits(text: str) -> str:
    """Give the ten digits of a typed NHS number ("" for empty)."""
    return "".join(text.split()).replace("-", "")


def nhs_spaced(digits: str) -> str:
    """Give an NHS number as staff read it: 3-3-4."""
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}" if len(digits) == 10 else digits
