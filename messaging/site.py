"""The site file's feeds, PAS and destinations: whom we listen to and whom we may send to.

A destination that the file no longer names is marked undeclared: nothing is queued for it or sent, its queue is kept.
A channel that it no longer names is marked likewise: nobody listens for it, and what came before is read as it was.
"""

import re
from dataclasses import dataclass
from typing import Any

from messaging.feeds import feeds_of
from messaging.hl7.dialects import KNOWN
from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel, Destination, Lane
from pasmirror.lib.sections import Fault, Section, SiteText
from patients import declared
from patients.states import CLERKS_EVENTS, Event

PAS = "pas"  # the code of the PAS as a destination
COPIES = tuple(Destination.PasCopy.values)
HOST = re.compile(r"[A-Za-z0-9_.:-]+")
EVENTS = tuple(event for event in Event if event in CLERKS_EVENTS)  # what destinations are told


@dataclass(frozen=True, slots=True)
class Peers:
    """Everything of the site file that is this app's: the feeds' policies, and columns of Destination by code."""

    feeds: tuple[FeedPolicy, ...]  # as they stand in the file; the mirror speaks as the first one's sender does
    destinations: dict[str, dict[str, Any]]

    @property
    def policy(self) -> FeedPolicy:
        """The first feed's."""
        return self.feeds[0]


def check(file: SiteText) -> list[Fault]:
    """Check [feed] or each [[feed]], [pas] and each [[destination]]; gives every fault of `file` so far."""
    read(file)
    return file.faults()


def apply(file: SiteText) -> None:
    """Put the feeds' policies and the destinations in force, in the caller's transaction."""
    peers = read(file)
    Channel.objects.exclude(code__in=[feed.channel for feed in peers.feeds]).update(declared=False)
    for feed in peers.feeds:
        Channel.objects.update_or_create(code=feed.channel, defaults={"policy": feed.as_json(), "declared": True})
    Destination.objects.exclude(code__in=peers.destinations).filter(declared=True).update(declared=False)
    for code, columns in peers.destinations.items():
        destination, _ = Destination.objects.update_or_create(code=code, defaults={**columns, "declared": True})
        Lane.objects.get_or_create(destination=destination)


def read(file: SiteText) -> Peers:
    """Read what this app needs; what is wrong is noted in `file`."""
    places = declared.read(file)
    feeds = feeds_of(file, places.authority)
    pas = file.root.one("pas")
    known = {
        "wards": [ward.code for ward in places.wards],
        "clinics": [clinic.code for clinic in places.clinics],
        "sites": [places.ods, *places.sites],
    }
    sections = {PAS: pas}
    columns = {PAS: {**_columns(pas, known), "is_pas": True}}
    for section in file.root.each("destination"):
        code = section.text("code", most=40, code=True)
        if code in sections:
            was = f"line {sections[code].line()}" if code != PAS else "the PAS itself"
            section.fault("code", f"the code {code!r} is taken by {was}")
            continue
        sections[code], columns[code] = section, {**_columns(section, known), "is_pas": False}
    _no_address_twice(sections, columns, own_ports={feed.port for feed in feeds})
    return Peers(feeds=feeds, destinations=columns)


def _columns(section: Section, known: dict[str, list[str]]) -> dict[str, Any]:
    host = section.text("host", most=200)
    if host and not HOST.fullmatch(host):
        section.fault("host", f"{host!r} is no host name or address")
    columns: dict[str, Any] = {
        "name": section.text("name", most=100),
        "host": host,
        "port": section.port("port"),
        "dialect": section.text("dialect", default="uk24", choices=KNOWN),
        "timeout": section.number("timeout", default=10.0, least=0.1, most=300),
        "retry_after": section.number("retry_after", default=2.0, least=0.05, most=3600),
        "retry_most": section.number("retry_most", default=60.0, least=0.05, most=86400),
        "reject_limit": section.whole("reject_limit", default=10, least=1, most=1000),
        "paused": section.flag("paused", default=False),
    }
    if columns["retry_most"] < columns["retry_after"]:
        section.fault(
            "retry_most" if section.has("retry_most") else "retry_after",
            f"retry_most ({columns['retry_most']:g} s) must be at least retry_after ({columns['retry_after']:g} s)",
        )
    if section.path == (PAS,):
        return columns  # the PAS is told every event: a filter here would unbalance the ledger
    columns["events"] = section.words("events", default=[], choices=EVENTS)
    columns |= {name: section.words(name, default=[], choices=codes) for name, codes in known.items()}
    columns["pas_copy"] = section.text("pas_copy", default=Destination.PasCopy.TOLERATED, choices=COPIES)
    return columns


def _no_address_twice(sections: dict[str, Section], columns: dict[str, dict[str, Any]], *, own_ports: set[int]) -> None:
    seen: dict[tuple[str, int], str] = {}
    for code, section in sections.items():
        address = (columns[code]["host"], columns[code]["port"])
        if not address[0] or not section.has("port"):
            continue
        if address in seen:
            section.fault("port", f"{address[0]} port {address[1]} is the address of {seen[address]!r} already")
        elif address[1] in own_ports and address[0] in ("127.0.0.1", "localhost", "::1"):
            section.fault("port", f"{address[0]} port {address[1]} is our own feed's: we would send to ourselves")
        seen.setdefault(address, code)
