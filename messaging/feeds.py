"""The site file's [feed], or each [[feed]]: one channel each, with its port, peers, limits, TLS and habits.

Reads and checks the sections; knows no table of the database.
"""

import ipaddress
import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from messaging.hl7.habits import A05, UNKNOWN_PATIENT, FeedPolicy, Habits, Tls, bare
from pasmirror.lib.sections import Section, SiteText

TYPES = ("hospital_types", "nhs_authorities", "nhs_types", "nhs_types_if_valid")


def feeds_of(file: SiteText, authority: str) -> tuple[FeedPolicy, ...]:
    """Read every declared feed, at least one; `authority` is that of a number that names none."""
    several = isinstance(file.root.table.get("feed"), list)
    sections = file.root.each("feed") if several else [file.root.one("feed")]
    if not sections:
        file.root.fault("feed", "there must be at least one [[feed]]")
        sections = [file.section({}, ("feed", 0))]
    feeds = tuple(_policy(file, section, authority, place) for place, section in enumerate(sections))
    _nothing_twice(feeds, sections)
    return feeds


def _policy(file: SiteText, feed: Section, authority: str, place: int) -> FeedPolicy:
    usual, habits = FeedPolicy(), Habits()
    peers = feed.words("peers", default=[])
    for index, peer in enumerate(peers):
        try:
            ipaddress.ip_network(peer, strict=False)
        except ValueError:
            file.fault((*feed.path, "peers", index), f"{peer!r} is no IP address or network")
    policy = FeedPolicy(
        channel=feed.text("channel", default=usual.channel, most=40, code=True),
        place=place,
        port=feed.port("port", default=usual.port),
        peers=tuple(peers),
        processing_id=feed.text("processing_id", default=usual.processing_id, choices=("P", "T", "D")),
        frame_limit=feed.whole("frame_limit", default=usual.frame_limit, least=1024, most=100_000_000),
        frame_seconds=feed.number("frame_seconds", default=usual.frame_seconds, least=0.1, most=3600),
        segment_limit=feed.whole("segment_limit", default=usual.segment_limit, least=10, most=1_000_000),
        memory_limit=feed.whole("memory_limit", default=usual.memory_limit, least=4096),
        idle_seconds=feed.number("idle_seconds", default=usual.idle_seconds, most=604_800),
        connections=feed.whole("connections", default=usual.connections, least=1, most=10_000),
        peer_connections=feed.whole("peer_connections", default=usual.peer_connections, least=1, most=10_000),
        grace=feed.number("grace", default=usual.grace, most=3600),
        unknown_patient=feed.text("unknown_patient", default=usual.unknown_patient, choices=UNKNOWN_PATIENT),
        fidelity_sample=feed.number("fidelity_sample", default=usual.fidelity_sample, most=1),
        sending_app=feed.text("sending_app", default="", most=60, code=True),
        sending_facility=feed.text("sending_facility", default="", most=60, code=True),
        tls=_tls(feed.one("tls")) if feed.has("tls") else None,
        habits=_habits(feed, habits, authority),
    )
    feed.asked.add("tls")  # the key may be absent, and is known all the same
    if policy.memory_limit < 2 * policy.frame_limit:
        named = "memory_limit" if feed.has("memory_limit") else "frame_limit"
        feed.fault(
            named, f"memory_limit ({policy.memory_limit}) must be at least twice frame_limit ({policy.frame_limit})"
        )
    return policy


def _habits(feed: Section, usual: Habits, authority: str) -> Habits:
    zone = feed.text("zone", default=usual.zone)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        feed.fault("zone", f"there is no time zone {zone!r}; it must look like 'Europe/London'")
    types = {name: tuple(feed.words(name, default=getattr(usual, name), blank=True)) for name in TYPES}
    default = feed.text("default_authority", default=authority, most=50, code=True)
    oids = feed.words("oids", default=[])
    for index, each in enumerate(oids):
        if not re.fullmatch(r"\d+(\.\d+)+=[^\s|^~\\&]{1,50}", each):
            path = (*feed.path, "oids", index)
            feed.file.fault(path, f"{each!r} is not as '1.2.3=RXX': a universal id, and its authority")
    a05 = feed.text("a05", default=usual.a05, choices=A05)
    return Habits(zone=zone, default_authority=default, oids=tuple(oids), a05=a05, **types)


def _tls(section: Section) -> Tls:
    return Tls(
        cert=section.text("cert", most=1000),
        key=section.text("key", most=1000),
        ca=section.text("ca", most=1000),
        names=tuple(section.words("names", default=[])),
        fingerprints=fingerprints(section),
    )


def fingerprints(section: Section) -> tuple[str, ...]:
    """Read the SHA-256 fingerprints of certificates that are taken; none: any."""
    found = section.words("fingerprints", default=[])
    for index, fingerprint in enumerate(found):
        if not re.fullmatch(r"[0-9a-f]{64}", bare(fingerprint)):
            path = (*section.path, "fingerprints", index)
            section.file.fault(path, "is no SHA-256 fingerprint: 64 hex digits, with or without colons")
    return tuple(found)


def _nothing_twice(feeds: tuple[FeedPolicy, ...], sections: list[Section]) -> None:
    for place, (feed, section) in enumerate(zip(feeds, sections, strict=True)):
        for earlier, other in zip(feeds[:place], sections, strict=False):
            if feed.channel == earlier.channel:
                section.fault("channel", f"the channel {feed.channel!r} is declared in line {other.line()} already")
            if feed.port == earlier.port:
                told = f"port {feed.port}" if feed.port else "the port of PASMIRROR_MLLP_PORT"
                section.fault("port", f"{told} is that of the channel {earlier.channel!r} already")
