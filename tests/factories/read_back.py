"""Our messages as a stranger reads them: every fact, by python-hl7 alone; imports nothing of the product."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import hl7

LONDON = ZoneInfo("Europe/London")
DELETED = '""'
WAY = {("PRN", "PH"): "phone", ("PRN", "CP"): "mobile", ("NET", "Internet"): "email"}
Facts = dict[str, Any]


def stamp(iso: object) -> str:
    """Give an ISO moment, or the whole or part of a date, as HL7 writes it in London; "" stays."""
    text = str(iso or "")
    if "T" not in text:
        return text.replace("-", "")
    return datetime.fromisoformat(text).astimezone(LONDON).strftime("%Y%m%d%H%M%S")


def line(family: str, given: str = "", title: str = "", code: str = "") -> str:
    """Give a person as one line: "SMITH, Ann (Dr) [C1]"."""
    said = ", ".join(part for part in (family, given) if part)
    return (said + (f" ({title})" if title else "") + (f" [{code}]" if code else "")).strip()


class Stranger:
    """A message as python-hl7 has it."""

    def __init__(self, raw: bytes) -> None:
        self.message = hl7.parse(raw.decode())
        self.names = [str(segment[0]) for segment in self.message]

    def segments(self, name: str) -> Sequence[Any]:
        """Give every segment of that name."""
        return list(self.message.segments(name)) if name in self.names else []

    def get(self, name: str, field: int, part: int = 1, *, repeat: int = 1, segment: int = 0) -> str:
        """Give one component, unescaped; "" where there is none, and where it is deleted."""
        found = self.segments(name)
        if segment >= len(found) or field >= len(found[segment]) or repeat > len(found[segment](field)):
            return ""
        try:
            text = str(found[segment].extract_field(1, field, repeat, part))
        except IndexError:
            return ""  # a field of one component, as python-hl7 has it
        return "" if text == DELETED else text

    def repeats(self, name: str, field: int, *, segment: int = 0) -> int:
        """Say how often a field is there."""
        found = self.segments(name)
        return len(found[segment](field)) if segment < len(found) and field < len(found[segment]) else 0

    def parts(self, name: str, field: int, *numbers: int, segment: int = 0) -> list[str]:
        """Give some components of a field's first repeat."""
        return [self.get(name, field, number, segment=segment) for number in numbers]

    def numbers(self, name: str, field: int, *, segment: int = 0) -> set[tuple[str, str, str]]:
        """Give numbers (CX) as type, authority and value."""
        found = set()
        for repeat in range(1, self.repeats(name, field, segment=segment) + 1):
            value, authority, kind = (self.get(name, field, n, repeat=repeat, segment=segment) for n in (1, 4, 5))
            found |= {(kind, authority, value)} if value else set()
        return found

    def header(self) -> list[str]:
        """Give MSH-3, 4, 9, 10, 11 and 12, as they stand."""
        return [str(self.segments("MSH")[0](number)) for number in (3, 4, 9, 10, 11, 12)]

    def event(self) -> Facts:
        """Give what EVN says."""
        return {"trigger": self.get("EVN", 1), "recorded": self.get("EVN", 2), "planned": self.get("EVN", 3),
                "occurred": self.get("EVN", 6)}  # fmt: skip

    def person(self, segment: int = 0) -> Facts:
        """Give the person of a PID, in the groups the record has; GP and practice from PD1."""
        at = {"segment": segment}
        family, given, middle, title = self.parts("PID", 5, 1, 2, 3, 5, **at)
        phones = dict.fromkeys(WAY.values(), "")
        for repeat in range(1, self.repeats("PID", 13, **at) + 1):
            texts = [self.get("PID", 13, number, repeat=repeat, **at) for number in (1, 2, 3, 4)]
            if kind := WAY.get((texts[1], texts[2])):
                phones[kind] = texts[3] if kind == "email" else texts[0]
        address = dict(zip(("line1", "line2", "town", "county", "postcode"), self.parts("PID", 11, 1, 2, 3, 4, 5, **at),
                           strict=True))  # fmt: skip
        code, gp_family, gp_given, gp_title = self.parts("PD1", 4, 1, 2, 3, 6)
        practice, practice_code = self.parts("PD1", 3, 1, 3)
        nhs = [each for each in self.numbers("PID", 3, **at) if each[1] == "NHS"]
        codes = {"language": 15, "marital": 16, "religion": 17, "ethnic": 22}
        return {
            "name": {"family": family, "given": given, "middle": middle, "title": title},
            "birth": {"born": self.get("PID", 7, **at)},
            "sex": {"sex": self.get("PID", 8, **at)},
            "nhs": {"nhs_number": nhs[0][2] if nhs else "", "nhs_status": self.get("PID", 32, **at)},
            "address": address | {
                "gp": line(gp_family, gp_given, gp_title, code),
                "practice": practice + (f" [{practice_code}]" if practice_code else ""),
            },
            "phones": phones,
            "death": {"dead": self.get("PID", 30, **at), "died_at": self.get("PID", 29, **at)},
            "background": {name: self.get("PID", number, **at) for name, number in codes.items()},
        }  # fmt: skip

    def visit(self) -> Facts:
        """Give what PV1 and PV2 say of the stay."""
        code, family, given, title = self.parts("PV1", 7, 1, 2, 3, 6)
        return {
            "class": self.get("PV1", 2),
            "place": self.parts("PV1", 3, 1, 2, 3, 4),
            "method": self.get("PV1", 4),
            "prior": self.parts("PV1", 6, 1, 2, 3, 4),
            "consultant": [code, line(family, given, title), self.get("PV1", 10)],
            "away_to": self.get("PV1", 11),
            "source": self.get("PV1", 14),
            "numbers": self.numbers("PV1", 19),
            "discharge": [self.get("PV1", 36), self.get("PV1", 37)],
            "pending": self.parts("PV1", 42, 1, 2, 3),
            "times": [self.get("PV1", 44), self.get("PV1", 45)],
            "expected": [self.get("PV2", 8), self.get("PV2", 9)],
            "back": self.get("PV2", 47),
        }

    def movement(self) -> list[str]:
        """Give ZBE-1 (two parts), 2, 4, 5, 6 and 7."""
        return [*self.parts("ZBE", 1, 1, 2), *(self.get("ZBE", number) for number in (2, 4, 5, 6, 7))]

    def booking(self) -> Facts:
        """Give what SCH, AIL and TQ1 say of the appointment."""
        minutes, starts, ends = self.parts("SCH", 11, 3, 4, 5)
        return {
            "numbers": [self.parts("SCH", 1, 1, 2), self.parts("SCH", 2, 1, 2)],
            "why": self.get("SCH", 6, 2),
            "reason": self.get("SCH", 7, 2),
            "type": self.get("SCH", 8),
            "times": [minutes, starts, ends],
            "words": self.get("SCH", 25),
            "clinic": [self.get("AIL", 3), self.get("PV1", 3)],
            "tq1": [*self.parts("TQ1", 6, 1, 2), self.get("TQ1", 7), self.get("TQ1", 8)],
        }

    def document(self) -> Facts:
        """Give what TXA and the OBX say of the document."""
        code, family, given, title = self.parts("TXA", 9, 1, 2, 3, 6)
        texts = [self.get("OBX", 5, segment=n) for n in range(len(self.segments("OBX")))]
        return {
            "number": "^".join(self.parts("TXA", 12, 1, 2)),
            "kind": self.get("TXA", 2),
            "author": line(family, given, title, code),
            "written_at": [self.get("TXA", 4), self.get("TXA", 6)],
            "status": self.get("TXA", 17),
            "title": {self.get("OBX", 3, 2, segment=n) for n in range(len(texts))},
            "text": "\n".join(texts),
        }
