"""Which field holds which facts, both ways: one rule per field, in a table per segment; pure, knows no event.

A field that came speaks of all its components: an address or a name is one value and changes as a whole; `""`
deletes, absent leaves, and so does a field of blanks and separators. PID-13 speaks only of those kinds of telephone
it names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from messaging.hl7 import times, values
from messaging.hl7.names import person_line, person_parts, practice_line, practice_parts
from messaging.hl7.phones import read_phones, write_phones
from messaging.hl7.read import Segment
from messaging.hl7.text import DELETED, components, escape, repetitions
from pasmirror.lib import clock
from patients.facts import Value

Said = dict[str, Value]
Raw = dict[int, str]
Parts = Callable[[Segment, int, Mapping[int, str]], dict[str, str]]
SEXES = frozenset("MFUOAN")
CLASSES = frozenset("EIOPRBCNU")


@dataclass(slots=True)
class Reading:
    """What a read needs beside the segment, and the warnings it leaves."""

    zone: ZoneInfo
    warnings: list[str]

    def warn(self, sentence: str) -> None:
        """Keep a warning; it names a field, never a value."""
        self.warnings.append(sentence)


@dataclass(frozen=True, slots=True)
class Writing:
    """The facts of one group, those among them that were known before and are not now, and the zone of times.

    `base`: the segment as the PAS sent it, in standard separators, for fields that hold more than our facts.
    """

    facts: Mapping[str, Value]
    gone: frozenset[str]
    zone: ZoneInfo
    base: Segment | None = None

    def text(self, name: str) -> str:
        """Give a fact escaped, two quotes where it is gone, empty where it never was."""
        return self.mark(name, escape(str(self.facts[name])))

    def mark(self, name: str, rendered: str) -> str:
        """Give `rendered`, or two quotes where it is empty because the fact `name` is gone."""
        return rendered or (DELETED if name in self.gone else "")

    def whole(self, names: tuple[str, ...], *parts: str) -> str:
        """Give parts as one field; two quotes for the field itself when all of its facts are gone or unknown."""
        if not any(self.facts[name] for name in names):
            return DELETED if self.gone.intersection(names) else ""
        return components(*parts)


@dataclass(frozen=True, slots=True)
class Rule:
    """One field (or two that belong together): the facts it speaks of, how to read them, how to write them."""

    numbers: tuple[int, ...]
    group: str
    names: tuple[str, ...]
    read: Callable[[Segment, Reading], Said]
    write: Callable[[Writing], Raw]


def composite(number: int, group: str, parts: Mapping[int, str], of: Parts = values.of) -> Rule:
    """Make the rule of a field whose components are facts; `of` reads them."""

    def read(segment: Segment, _reading: Reading) -> Said:
        return {**of(segment, number, parts)} if segment.raw(number) else {}

    def write(writing: Writing) -> Raw:
        rendered = {component: writing.text(name) for component, name in parts.items()}
        ordered = [rendered.get(component, "") for component in range(1, max(parts) + 1)]
        return {number: writing.whole(tuple(parts.values()), *ordered)}

    return Rule((number,), group, tuple(parts.values()), read, write)


def coded(number: int, group: str, name: str) -> Rule:
    """Make the rule of a field whose first component is one fact."""
    return composite(number, group, {1: name})


def tabled(number: int, group: str, name: str, table: str, codes: frozenset[str]) -> Rule:
    """Make the rule of a field whose codes are known; another is taken as it is, with a warning."""

    def read(segment: Segment, reading: Reading) -> Said:
        value = values.text(segment, number)
        if value and value.upper() not in codes:
            reading.warn(f"{segment.name}-{number}: a code outside HL7 table {table}, taken as it is")
        return {} if value is None else {name: value.upper()}

    return Rule((number,), group, (name,), read, lambda w: {number: w.text(name)})


def timed(number: int, group: str, name: str) -> Rule:
    """Make the rule of a field that is one moment."""

    def read(segment: Segment, reading: Reading) -> Said:
        value = values.text(segment, number)
        if not value:
            return {} if value is None else {name: ""}
        at = times.moment(value, reading.zone)
        if at is None:
            reading.warn(f"{segment.name}-{number}: not a time, not taken")
            return {}
        if times.happens_twice(value, reading.zone):
            reading.warn(f"{segment.name}-{number}: in the hour that happens twice, the first was taken")
        return {name: clock.iso(at)}

    def write(writing: Writing) -> Raw:
        at = clock.moment(str(writing.facts[name]))
        return {number: writing.mark(name, times.stamp(at, writing.zone) if at else "")}

    return Rule((number,), group, (name,), read, write)


def _legal(segment: Segment) -> int:
    """Say which repetition of PID-5 is the name: the legal one, else the first that is no alias and no former name."""
    if segment.repeats(5) < 2:
        return 0
    said = [n for n in range(segment.repeats(5)) if values.of(segment, 5, _NAME_PARTS, n)]
    kinds = {n: (values.text(segment, 5, 7, n) or "").upper() for n in said}
    ranked = ([n for n in said if kinds[n] == "L"], [n for n in said if kinds[n] not in _OTHER_NAMES], said, [0])
    return next(chosen[0] for chosen in ranked if chosen)


def _read_name(segment: Segment, _reading: Reading) -> Said:
    chosen = _legal(segment)
    said = values.of(segment, 5, _NAME_PARTS, chosen)
    return {**said, "family": values.leading(segment, 5, chosen)} if said else {}


def _home(segment: Segment) -> int:
    """Say which repetition of PID-11 is the home address: the one called so, else the first."""
    kinds = [(segment.get(11, 7, repetition=n) or "").upper() for n in range(segment.repeats(11))]
    return next((n for n, kind in enumerate(kinds) if kind in ("H", "HOME")), 0)


def _write_name(writing: Writing) -> Raw:
    return _among(writing, 5, _legal(writing.base) if writing.base else 0, _NAME_PARTS)


def _write_address(writing: Writing) -> Raw:
    ours = _home(writing.base) if writing.base else 0
    return _among(writing, 11, ours, _ADDRESS_PARTS, kind="HOME")


def _among(writing: Writing, number: int, ours: int, parts: Mapping[int, str], kind: str = "") -> Raw:
    """Write one repetition of a field and leave the PAS's others, and of ours the components that are no facts.

    `kind`: of name or address (component 7 of XPN and XAD), where the PAS has said none.
    """
    repeated = writing.base.raw(number).split("~") if writing.base else [""]
    theirs = {n: text for n, text in enumerate(repeated[ours].split("^"), start=1) if text not in ("", DELETED)}
    known = any(writing.facts[name] for name in parts.values())
    if not known and len(repeated) == 1:
        return {number: DELETED if writing.gone.intersection(parts.values()) else ""}
    kept = {7: kind, **theirs} if known else {7: theirs.get(7, kind)}
    kept |= {n: writing.text(name) for n, name in parts.items()}
    repeated[ours] = components(*(kept.get(n, "") for n in range(1, max(kept) + 1)))
    return {number: repetitions(repeated)}


def _read_address(segment: Segment, reading: Reading) -> Said:
    chosen = _home(segment)
    said = values.of(segment, 11, _ADDRESS_PARTS, chosen)
    return {**said, "line1": values.leading(segment, 11, chosen)} if said else {}


def _read_born(segment: Segment, reading: Reading) -> Said:
    value = values.text(segment, 7)
    if not value:
        return {} if value is None else {"born": ""}
    day = times.partial_date(value)
    if day is None:
        reading.warn("PID-7: not a date, not taken")
        return {}
    return {"born": day}


def _read_death(segment: Segment, reading: Reading) -> Said:
    """Read PID-30, and PID-29 where that has none; a date that cannot be read makes nobody dead, nor alive again."""
    date, word = values.text(segment, 29), values.text(segment, 30)
    died_at = _died_at(date, reading) if date else date
    if date and not died_at:
        reading.warn("PID-29: not a date, not taken")
    dead = None if word is None else _DEAD.get(word.upper())
    if word is not None and dead is None:
        reading.warn("PID-30: neither yes nor no, not taken")
    if dead is None and died_at is not None:
        dead = bool(died_at)
    if dead is None:
        return {}
    if not dead:
        return {"dead": False, "died_at": ""}
    return {"dead": True} if died_at is None else {"dead": True, "died_at": died_at}


def _died_at(text: str, reading: Reading) -> str | None:
    at = times.moment(text, reading.zone) if len(text) > len("YYYY-MM-DD") else None
    return clock.iso(at) if at else times.partial_date(text)


def _write_death(writing: Writing) -> Raw:
    at = str(writing.facts["died_at"])
    stamped = times.stamp(moment, writing.zone) if "T" in at and (moment := clock.moment(at)) else at.replace("-", "")
    dead = "Y" if writing.facts["dead"] else "N" if "dead" in writing.gone else ""
    return {29: writing.mark("died_at", stamped), 30: dead}


def _read_gp(segment: Segment, _reading: Reading) -> Said:
    said = values.of(segment, 4, _PERSON_PARTS) if segment.raw(4) else {}
    return {"gp": person_line(said["family"], said["given"], said["title"], said["code"])} if said else {}


def _write_gp(writing: Writing) -> Raw:
    family, given, title, code = map(escape, person_parts(str(writing.facts["gp"])))
    return {4: writing.whole(("gp",), code, family, given, "", "", title)}


def _read_practice(segment: Segment, _reading: Reading) -> Said:
    said = values.of(segment, 3, {1: "name", 3: "code"}) if segment.raw(3) else {}
    return {"practice": practice_line(said["name"], said["code"])} if said else {}


def _write_practice(writing: Writing) -> Raw:
    name, code = map(escape, practice_parts(str(writing.facts["practice"])))
    return {3: writing.whole(("practice",), name, "", code)}


def _read_consultant(segment: Segment, _reading: Reading) -> Said:
    said = values.of(segment, 7, _PERSON_PARTS) if segment.raw(7) else {}
    name = person_line(said["family"], said["given"], said["title"]) if said else ""
    return {"consultant": said["code"], "consultant_name": name} if said else {}


def _write_consultant(writing: Writing) -> Raw:
    line = str(writing.facts["consultant_name"])
    family, given, title, code = map(escape, person_parts(line))
    if code:  # brackets that are no code of ours: all of it is the name
        family, given, title = escape(line), "", ""
    return {7: writing.whole(CONSULTANT, writing.text("consultant"), family, given, "", "", title)}


CONSULTANT = ("consultant", "consultant_name")
_NAME_PARTS = {1: "family", 2: "given", 3: "middle", 5: "title"}
_OTHER_NAMES = frozenset("ABMNPS")  # XPN.7, HL7 table 0200: alias, at birth, maiden, nickname, of a partner, coded
_PERSON_PARTS = {1: "code", 2: "family", 3: "given", 6: "title"}  # XCN
_DEAD = {**dict.fromkeys(("Y", "YES", "1", "TRUE"), True), **dict.fromkeys(("N", "NO", "0", "FALSE", ""), False)}
_ADDRESS_PARTS = {1: "line1", 2: "line2", 3: "town", 4: "county", 5: "postcode"}
_BORN = Rule((7,), "birth", ("born",), _read_born, lambda w: {7: w.mark("born", str(w.facts["born"]).replace("-", ""))})
PHONES = ("phone", "mobile", "email")

RULES: dict[str, tuple[Rule, ...]] = {
    "PID": (
        Rule((5,), "name", tuple(_NAME_PARTS.values()), _read_name, _write_name),
        _BORN,
        tabled(8, "sex", "sex", "0001", SEXES),
        Rule((11,), "address", tuple(_ADDRESS_PARTS.values()), _read_address, _write_address),
        Rule((13, 14), "phones", PHONES, lambda s, _: read_phones(s), lambda w: write_phones(w.facts, w.gone, w.base)),
        coded(15, "background", "language"),
        coded(16, "background", "marital"),
        coded(17, "background", "religion"),
        coded(22, "background", "ethnic"),
        Rule((29, 30), "death", ("dead", "died_at"), _read_death, _write_death),
    ),
    "PD1": (
        Rule((3,), "address", ("practice",), _read_practice, _write_practice),
        Rule((4,), "address", ("gp",), _read_gp, _write_gp),
    ),
    "PV1": (
        tabled(2, "admission", "patient_class", "0004", CLASSES),
        composite(3, "place", {1: "ward", 2: "bay", 3: "bed", 4: "site"}, values.place),
        coded(4, "admission", "admission_method"),
        Rule((7,), "consultant", CONSULTANT, _read_consultant, _write_consultant),
        coded(10, "consultant", "specialty"),
        coded(14, "admission", "admission_source"),
        coded(36, "discharge", "discharge_method"),
        coded(37, "discharge", "discharge_destination"),
        timed(44, "times", "admitted_at"),
        timed(45, "times", "discharged_at"),
    ),
}
