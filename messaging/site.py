"""The site file's feeds, PAS and destinations: whom we listen to and whom we may send to.

A destination that the file no longer names is marked undeclared: nothing is queued for it or sent, its queue is kept.
A channel that it no longer names is marked likewise: nobody listens for it, and what came before is read as it was.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from messaging.conformance import Person
from messaging.feeds import feeds_of, fingerprints
from messaging.hl7 import dialects
from messaging.hl7.dialects import KNOWN
from messaging.hl7.habits import FeedPolicy
from messaging.mllp.tls import ClientTls
from messaging.models import Channel, Destination, Lane
from messaging.states import AckMode, AtLimit, Holds, OnNoApplicationAnswer, OnRefusal, OnUnknownAnswer
from pasmirror.lib.sections import Fault, Section, SiteText
from patients import declared
from patients.states import CLERKS_EVENTS, Event

PAS = "pas"  # the code of the PAS as a destination
LANES = 30  # the PAS's among them: worker and sweep have a thread and a connection for each, so that none waits
RETRY = "retry"
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
    if len(sections) > LANES:
        section = list(sections.values())[LANES]
        section.fault("code", f"there may be {LANES} destinations, the PAS among them: let one of them tell the rest")
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
        "tls": _tls(section),
        "dialect": section.text("dialect", default="uk24", choices=KNOWN),
        "ack_mode": section.text("ack_mode", default=AckMode.ORIGINAL, choices=AckMode.values),
        "timeout": section.number("timeout", default=10.0, least=0.1, most=300),
        "application_timeout": section.number("application_timeout", default=30.0, least=0.1, most=300),
        "retry_after": section.number("retry_after", default=2.0, least=0.05, most=3600),
        "retry_most": section.number("retry_most", default=60.0, least=0.05, most=86400),
        "reject_limit": section.whole("reject_limit", default=10, least=1, most=1000),
        "min_interval": section.number("min_interval", default=0.0, most=3600),
        "on_unknown_answer": section.text("on_unknown_answer", default=RETRY, choices=OnUnknownAnswer.values),
        "on_no_application_answer": section.text(
            "on_no_application_answer", default=RETRY, choices=OnNoApplicationAnswer.values
        ),
        "paused": section.flag("paused", default=False),
        "backlog_limit": section.whole("backlog_limit", default=1000, most=1_000_000),
        "wait_limit": section.number("wait_limit", default=600.0, most=7 * 86400),
    }
    if columns["retry_most"] < columns["retry_after"]:
        section.fault(
            "retry_most" if section.has("retry_most") else "retry_after",
            f"retry_most ({columns['retry_most']:g} s) must be at least retry_after ({columns['retry_after']:g} s)",
        )
    if section.path == (PAS,):
        _speakable(section, columns["dialect"], EVENTS)
        return columns  # the PAS is told every event: a filter here would unbalance the ledger
    columns["events"] = section.words("events", default=[], choices=EVENTS)
    _speakable(section, columns["dialect"], [Event(name) for name in columns["events"] if name in EVENTS] or EVENTS)
    columns |= {name: section.words(name, default=[], choices=codes) for name, codes in known.items()}
    columns["fidelity_least"] = section.number("fidelity_least", default=0.0, most=100)
    columns |= _policies(section)
    columns["probe"] = _probe(section)
    columns["pas_copy"] = section.text("pas_copy", default=Destination.PasCopy.TOLERATED, choices=COPIES)
    return columns


def _speakable(section: Section, code: str, told: Iterable[Event]) -> None:
    """Refuse a dialect that has no message for what the destination is told; better now than at the first of them."""
    try:
        dialect = dialects.get(code)
    except dialects.UnknownDialect:
        return  # noted as no choice
    except Exception as fault:  # noqa: BLE001 - a site's own file: whatever is wrong in it is said with the others
        section.fault("dialect", f"the dialect {code!r} cannot be read: {type(fault).__name__}")
        return
    if wrong := dialect.faults():
        section.fault("dialect", f"the dialect {code!r} cannot be written: {'; '.join(wrong)}")
    elif unsaid := dialect.unsaid(told):
        named = ", ".join(event.value for event in unsaid)
        only = "" if section.path == (PAS,) or section.has("events") else ": name in events those it has one for"
        section.fault("events" if section.has("events") else "dialect", f"{code!r} has no message for {named}{only}")


def _policies(section: Section) -> dict[str, Any]:
    """Read what is done about refusals and silence; the PAS's are the replay's own."""
    return {
        "on_ae": section.text("on_ae", default=OnRefusal.HOLD, choices=OnRefusal.values),
        "on_ar": section.text("on_ar", default=OnRefusal.RETRY, choices=OnRefusal.values),
        "at_limit": section.text("at_limit", default=AtLimit.SET_ASIDE, choices=AtLimit.values),
        "no_answer_limit": section.whole("no_answer_limit", default=20, most=10_000),
        "holds": section.text("holds", default=Holds.PATIENT, choices=Holds.values),
        "shadow": section.flag("shadow", default=False),
    }


def _probe(section: Section) -> dict[str, Any]:
    """Read of whom a probe of the destination speaks; as conformance.Person has it where nothing is said."""
    if not section.has("probe"):
        section.asked.add("probe")
        return {}
    table, usual = section.one("probe"), Person()
    return asdict(
        Person(
            processing_id=table.text("processing_id", default=usual.processing_id, choices=("P", "T", "D")),
            family=table.text("family", default=usual.family, most=40),
            authority=table.text("authority", default=usual.authority, most=40, code=True),
            number=table.text("number", default=usual.number, most=12, code=True),
        )
    )


def _tls(section: Section) -> dict[str, Any]:
    """Read how the destination is spoken to over TLS; nothing for plain MLLP."""
    if not section.has("tls"):
        section.asked.add("tls")  # the key may be absent, and is known all the same
        return {}
    table = section.one("tls")
    cert, key = table.text("cert", default="", most=1000), table.text("key", default="", most=1000)
    if bool(cert) != bool(key):
        table.fault("key" if cert else "cert", "cert and key come together, or neither")
    return ClientTls(
        ca=table.text("ca", most=1000),
        cert=cert,
        key=key,
        name=table.text("name", default="", most=200),
        fingerprints=fingerprints(table),
    ).as_json()


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
