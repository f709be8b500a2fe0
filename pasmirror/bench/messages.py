"""A PAS's messages for people nobody has met before: A28, A01, A02, A03 and S12 for each; reads nothing of ours."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from messaging.simulators.messages import LONDON, encode, escape, field, segment, stamp
from messaging.simulators.people import FAMILIES, GIVEN, check_digit

STRUCTURES = {
    "A28": "ADT^A28^ADT_A05",
    "A01": "ADT^A01^ADT_A01",
    "A02": "ADT^A02^ADT_A02",
    "A03": "ADT^A03^ADT_A03",
    "S12": "SIU^S12^SIU_S12",
}
EVENTS = tuple(STRUCTURES)
WARDS = tuple(f"W{number:02d}" for number in range(1, 21))
BEDS = tuple(f"B{number:02d}" for number in range(1, 29))  # of each ward
TOGETHER = 40  # people whose events are told interleaved, as a morning's are


def messages(count: int, *, first: int) -> list[bytes]:
    """Give `count` messages for people numbered from `first`, each person's in the order they happened."""
    made = _all(first)
    return [next(made) for _ in range(count)]


def people(count: int) -> int:
    """Say how many person numbers `count` messages use up."""
    return (count // (len(EVENTS) * TOGETHER) + 1) * TOGETHER


def message(event: str, number: int) -> bytes:
    """Give one event of one person."""
    now = datetime.now(LONDON)
    header = {2: "DEMOPAS", 3: "RXX", 4: "TIE", 5: "RXX", 6: stamp(now), 8: STRUCTURES[event]}
    header |= {9: f"{event}-{number}", 10: "P", 11: "2.4", 16: "GBR"}
    body = _booking(number, now) if event == "S12" else _movement(event, number, now)
    return encode([segment("MSH|^~\\&", {place - 1: text for place, text in header.items()}), *body])


def _all(first: int) -> Iterator[bytes]:
    while True:
        for event in EVENTS:
            for number in range(first, first + TOGETHER):
                yield message(event, number)
        first += TOGETHER


def _movement(event: str, number: int, now: datetime) -> list[str]:
    happened = stamp(now - timedelta(minutes=10 - EVENTS.index(event)))
    practice = segment("PD1", {3: "The Densham Surgery^^A81001", 4: "G1111111^JONES^Mary^^^Dr"})
    evn = segment("EVN", {1: event, 2: stamp(now), 6: happened})
    visit = segment("PV1", {1: "1", 2: "N"}) if event == "A28" else _visit(event, number, now, happened)
    return [evn, _pid(number), practice, visit, "ZPI|1|LETTERS^Y|EN"]


def _pid(number: int) -> str:
    digits = f"9{number % 100_000_000:08d}"  # such numbers are not given to people
    check = check_digit(digits)
    numbers = [field(f"B{number:08d}", "", "", "RXX", "MR")]
    if check is not None:
        numbers.append(field(f"{digits}{check}", "", "", "NHS", "NH"))
    sex, title = (("M", "Mr"), ("F", "Mrs"))[number % 2]
    family, given = FAMILIES[number % len(FAMILIES)], GIVEN[sex][number // 7 % len(GIVEN[sex])]
    town = ("Leeds", "West Yorkshire", f"LS{1 + number % 17} {number % 9}AB", "", "HOME")
    return segment(
        "PID",
        {
            1: "1",
            3: "~".join(numbers),
            5: field(family, given, "", "", title),
            7: f"{1930 + number % 90}{1 + number % 12:02d}{1 + number % 28:02d}",
            8: sex,
            11: field(f"{1 + number % 180} High Street", "", *town),
            13: field(f"07700900{number % 1000:03d}", "PRN", "PH"),
        },
    )


def _visit(event: str, number: int, now: datetime, happened: str) -> str:
    first, second = WARDS[number % len(WARDS)], WARDS[(number + 1) % len(WARDS)]
    bed = BEDS[number // len(WARDS) % len(BEDS)]
    told = {
        1: "1",
        2: "I",
        3: field(first if event == "A01" else second, "A", bed, "RXX"),
        4: "21",
        7: "C1234567^SMITH^Ann^^^Dr",
        10: "300",
        14: "19",
        19: field(f"V{number:08d}", "", "", "RXX", "VN"),
        44: stamp(now - timedelta(minutes=9)),
    }
    if event == "A02":
        told[6] = field(first, "A", bed, "RXX")
    if event == "A03":
        told |= {36: "1", 37: "19", 45: happened}
    return segment("PV1", told)


def _booking(number: int, now: datetime) -> list[str]:
    begins = (now + timedelta(days=1 + number % 60)).replace(hour=8 + number % 10, minute=0, second=0)
    own = field(f"A{number:08d}", "RXX")
    times = f"^^30^{stamp(begins)}^{stamp(begins + timedelta(minutes=30))}"
    sch = segment("SCH", {1: own, 2: own, 7: field("", "Review"), 8: "FU", 11: times, 25: escape("Booked")})
    clinic = field("CARD", "", "", "RXX")
    place = segment("PV1", {1: "1", 2: "O", 3: clinic})
    return [sch, _pid(number), place, "RGS|1", segment("AIL", {1: "1", 3: clinic}), "ZPI|1|LETTERS^Y|EN"]
