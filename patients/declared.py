"""What the site file declares of places, clinics and number blocks, read and checked; pure, knows no database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from pasmirror.lib.sections import Section, SiteText
from patients.facts import Kind
from patients.identifiers import FILLER, HOSPITAL, PLACER, VISIT

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
USES = ("screen", "paper")
SCHEMES = ("mod11",)
POOL_TYPES = {Kind.PATIENT.value: (HOSPITAL,), Kind.STAY.value: (VISIT,), Kind.APPOINTMENT.value: (PLACER, FILLER)}
LONGEST_BED = 100  # characters; what a bed may have
LONGEST_NUMBER = 50  # characters; what an identifier may have


@dataclass(frozen=True, slots=True)
class Ward:
    """A ward and its beds, each as (bay, bed)."""

    code: str
    name: str
    site: str
    specialty: str
    beds: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Hours:
    """A clinic's hours on one weekday (0 is Monday), local time."""

    weekday: int
    starts: time
    ends: time
    minutes: int
    places: int


@dataclass(frozen=True, slots=True)
class Clinic:
    """A clinic and its weekly hours."""

    code: str
    name: str
    site: str
    specialty: str
    hours: tuple[Hours, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """A block of numbers reserved with the PAS."""

    kind: str
    type: str
    authority: str
    prefix: str
    first: int
    last: int
    width: int
    low_water: int
    check_digit: str
    use: str
    node: str

    @property
    def lowest(self) -> str:
        """The block's first number as it is written, without a check digit."""
        return f"{self.prefix}{self.first:0{self.width}d}"

    @property
    def highest(self) -> str:
        """The block's last number as it is written, without a check digit."""
        return f"{self.prefix}{self.last:0{self.width}d}"

    def overlaps(self, other: "Pool") -> bool:
        """Say whether one number could come out of both blocks."""
        return (
            (self.authority, self.type, len(self.highest)) == (other.authority, other.type, len(other.highest))
            and self.lowest <= other.highest
            and other.lowest <= self.highest
        )


@dataclass(frozen=True, slots=True)
class Places:
    """Everything of the site file that is this app's."""

    ods: str
    name: str
    authority: str
    sites: dict[str, str]  # ODS code: name
    wards: tuple[Ward, ...]
    clinics: tuple[Clinic, ...]
    pools: tuple[Pool, ...]


def read(file: SiteText) -> Places:
    """Read the organisation, its sites, wards, clinics and pools; what is wrong is noted in `file`."""
    root = file.root
    organisation = root.one("organisation")
    ods = organisation.text("ods", most=10, code=True)
    sites = {s.text("ods", most=10, code=True): s.text("name") for s in _once(root.each("site"), "ods", "site")}
    known = {ods, *sites} - {""}
    return Places(
        ods=ods,
        name=organisation.text("name"),
        authority=organisation.text("authority", most=50, code=True),
        sites=sites,
        wards=tuple(_ward(section, known) for section in _once(root.each("ward"), "code", "ward")),
        clinics=tuple(_clinic(section, known) for section in _once(root.each("clinic"), "code", "clinic")),
        pools=_apart([(section, _pool(section)) for section in root.each("pool")]),
    )


def _once(sections: Iterable[Section], key: str, what: str) -> list[Section]:
    """Note a fault at each section whose `key` another had before."""
    sections, seen = list(sections), dict[str, int]()
    for section in sections:
        value = section.text(key, most=100, code=True)
        if value and value in seen:
            section.fault(key, f"the {what} {value} is declared already, in line {seen[value]}")
        seen.setdefault(value, section.line(key))
    return sections


def _site_of(section: Section, known: set[str]) -> str:
    site = section.text("site", default="", most=10, code=True)
    if site and known and site not in known:
        section.fault("site", f"no [[site]] has the ODS code {site!r}")
    return site


def _ward(section: Section, sites: set[str]) -> Ward:
    beds: dict[tuple[str, str], None] = {}
    for bay in section.each("bays"):
        name = bay.text("bay", default="", most=100, code=True)
        for bed in bay.words("beds"):
            if (name, bed) in beds:
                bay.fault("beds", f"bed {bed} of bay {name!r} is declared twice")
            if len(bed) > LONGEST_BED:
                bay.fault("beds", f"a bed's code may have at most {LONGEST_BED} characters")
            if any(mark in bed for mark in "|^~\\& "):
                bay.fault("beds", f"the bed {bed!r} is a code and may hold no blank and none of | ^ ~ \\ &")
            beds[name, bed] = None
    return Ward(
        code=section.text("code", most=100, code=True),
        name=section.text("name"),
        site=_site_of(section, sites),
        specialty=section.text("specialty", default="", most=50),
        beds=tuple(beds),
    )


def _clinic(section: Section, sites: set[str]) -> Clinic:
    hours: list[Hours] = []
    for session in section.each("sessions"):
        for new in _hours(session):
            if any(h.weekday == new.weekday and h.starts < new.ends and new.starts < h.ends for h in hours):
                session.fault("days", f"overlaps another session of this clinic on {DAYS[new.weekday]}")
            hours.append(new)
    return Clinic(
        code=section.text("code", most=100, code=True),
        name=section.text("name"),
        site=_site_of(section, sites),
        specialty=section.text("specialty", default="", most=50),
        hours=tuple(hours),
    )


def _hours(session: Section) -> list[Hours]:
    days = session.words("days", choices=DAYS)
    starts, ends = _time(session, "from"), _time(session, "to")
    minutes = session.whole("minutes", default=30, least=5, most=720)
    places = session.whole("places", default=1, least=1, most=1000)
    if starts is None or ends is None:
        return []
    if ends <= starts:
        session.fault("to", f"the session ends at {ends:%H:%M}, which is not after {starts:%H:%M}")
        return []
    if (ends.hour - starts.hour) * 60 + ends.minute - starts.minute < minutes:
        session.fault("minutes", f"no slot of {minutes} minutes fits between {starts:%H:%M} and {ends:%H:%M}")
    return [Hours(DAYS.index(day), starts, ends, minutes, places) for day in dict.fromkeys(days)]


def _time(session: Section, name: str) -> time | None:
    text = session.text(name)
    try:
        return datetime.strptime(text, "%H:%M").time() if text else None  # noqa: DTZ007  (a clinic's wall clock)
    except ValueError:
        session.fault(name, f'must be a time of day as "09:00", not {text!r}')
        return None


def _pool(section: Section) -> Pool:
    kind = section.text("kind", choices=POOL_TYPES)
    first = section.whole("first", default=None, least=0, most=2**62)
    pool = Pool(
        kind=kind,
        type=section.text("type", choices=POOL_TYPES.get(kind, sum(POOL_TYPES.values(), ()))),
        authority=section.text("authority", most=50, code=True),
        prefix=section.text("prefix", default="", most=20, code=True),
        first=first,
        last=section.whole("last", default=None, least=0, most=2**62),
        width=section.whole("width", default=6, least=1, most=18),
        low_water=section.whole("low_water", default=100),
        check_digit=section.text("check_digit", default="", choices=SCHEMES),
        use=section.text("use", default="screen", choices=USES),
        node=section.text("node", default="", most=50, code=True),
    )
    if pool.last < pool.first and section.has("last"):
        section.fault("last", f"the block ends at {pool.last}, before its first number {pool.first}")
    elif len(str(pool.last)) > pool.width:
        section.fault("width", f"the last number {pool.last} does not fit in {pool.width} digits")
    elif len(pool.highest) >= LONGEST_NUMBER:
        section.fault("width", f"a number of this block would be longer than {LONGEST_NUMBER} characters")
    return pool


def _apart(pools: Sequence[tuple[Section, Pool]]) -> tuple[Pool, ...]:
    """Note a fault at each block that shares a number with one before it."""
    for index, (section, pool) in enumerate(pools):
        for other_section, other in pools[:index]:
            if pool.prefix + pool.authority and pool.overlaps(other):
                section.fault(
                    "first",
                    f"the block {pool.lowest} to {pool.highest} overlaps the one in line {other_section.line()}",
                )
    return tuple(pool for _, pool in pools)
