"""How one feed speaks, as the site file's [feed] declares it and Channel.policy keeps it; pure, knows no message."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self
from zoneinfo import ZoneInfo

UNKNOWN_PATIENT = ("provisional", "park")
A05 = ("preadmission", "appointment")


@dataclass(frozen=True, slots=True)
class Habits:
    """What the sender means by its authorities and identifier types (compared without regard to case)."""

    zone: str = "Europe/London"  # of times without an offset
    default_authority: str = ""  # of a number that names none
    hospital_types: tuple[str, ...] = ("MR", "MRN", "HOSP", "PI", "")  # CX.5 that mean the hospital number
    nhs_authorities: tuple[str, ...] = ("NHS", "NHSNBR", "NHS NUMBER")  # CX.4 that mean the NHS number
    nhs_types: tuple[str, ...] = ("NH", "NHS", "NHSNBR")  # CX.5 that do
    nhs_types_if_valid: tuple[str, ...] = ("HN", "NI")  # CX.5 that do where the check digit is right
    oids: tuple[str, ...] = ()  # authorities told by their universal id (HD.2) alone: "1.2.3=RXX"
    a05: str = "preadmission"  # what A05 and A38 are of those who are not inpatients: that, or an "appointment"

    def __post_init__(self) -> None:
        for name in ("hospital_types", "nhs_authorities", "nhs_types", "nhs_types_if_valid"):
            object.__setattr__(self, name, tuple(each.upper() for each in getattr(self, name)))

    def named(self, authority: str) -> str:
        """Give an authority as the site calls it, where it came as a universal id."""
        told = (each.partition("=") for each in self.oids)
        return next((name for oid, _, name in told if oid == authority), authority)

    def clock(self) -> ZoneInfo:
        """Give the zone itself; raises ZoneInfoNotFoundError for an unknown name."""
        return ZoneInfo(self.zone)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files and names of a feed that is spoken over TLS; the peer shows a certificate signed by `ca`."""

    cert: str  # file of our own certificate, with what stands between it and its authority
    key: str  # file of its key
    ca: str  # file of the authorities (or the self-signed certificates) that peers' certificates are held against
    names: tuple[str, ...] = ()  # a peer's certificate must bear one of these (subjectAltName, else CN); none: any
    fingerprints: tuple[str, ...] = ()  # SHA-256 of the peers' own certificates, in hex; none: any

    def why_not(self, names: Iterable[str], fingerprint: str) -> str | None:
        """Say why a peer whose certificate bears `names` is not taken; None if it is. Raises nothing."""
        if self.names and not {name.lower() for name in names} & {name.lower() for name in self.names}:
            return "its certificate bears none of the declared names"
        if self.fingerprints and bare(fingerprint) not in map(bare, self.fingerprints):
            return "its certificate is not one of the pinned ones"
        return None


def bare(fingerprint: str) -> str:
    """Give a fingerprint in one spelling: hex digits alone, in lower case."""
    return fingerprint.replace(":", "").replace(" ", "").lower()


@dataclass(frozen=True, slots=True)
class FeedPolicy:
    """One declared feed: where it may come from, its limits, and its habits. Seconds and bytes."""

    channel: str = "pas"
    place: int = 0  # in the site file: the mirror speaks as the first one's sender does
    port: int = 0  # 0: PASMIRROR_MLLP_PORT
    peers: tuple[str, ...] = ()  # addresses or networks; none: this machine only
    processing_id: str = "P"  # MSH-11; another is refused
    frame_limit: int = 1_048_576
    frame_seconds: float = 30.0  # a begun frame must be whole by then
    segment_limit: int = 10_000  # of one message; and of messages in one batch
    memory_limit: int = 67_108_864  # of all frames under way, together
    idle_seconds: float = 0.0  # a connection that brought no whole frame for so long is closed; 0: never
    connections: int = 32
    peer_connections: int = 16  # of one address
    grace: float = 30.0  # an appointment of a patient not yet known waits so long for the other channel
    unknown_patient: str = "provisional"  # for an update of somebody we do not know
    fidelity_sample: float = 0.1  # share of its messages that are compared with what we would have said; 0: none
    sending_app: str = ""  # MSH-3 and MSH-4 as the PAS writes them: the mirror speaks under this name
    sending_facility: str = ""
    tls: Tls | None = None
    habits: Habits = field(default_factory=Habits)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote (the habits' names may also stand beside the others); unknown names are ignored."""
        own = {f.name for f in fields(cls)} - {"habits", "tls"}
        tls = kept.get("tls")
        habits = {**kept, **kept.get("habits", {})}
        return cls(
            **{name: _frozen(value) for name, value in kept.items() if name in own},
            tls=Tls(**{f.name: _frozen(tls[f.name]) for f in fields(Tls) if f.name in tls}) if tls else None,
            habits=Habits(**{f.name: _frozen(habits[f.name]) for f in fields(Habits) if f.name in habits}),
        )

    def as_json(self) -> dict[str, Any]:
        """Give all of it as JSON, for Channel.policy."""
        return asdict(self)

    def faults(self) -> list[str]:
        """Name everything in it that cannot be used, one sentence each."""
        found = []
        for peer in self.peers:
            try:
                ipaddress.ip_network(peer, strict=False)
            except ValueError:
                found.append(f"peers: {peer!r} is neither an address nor a network")
        try:
            self.habits.clock()
        except (KeyError, ValueError):
            found.append(f"zone: {self.habits.zone!r} is not a time zone")
        if self.processing_id not in ("P", "T", "D"):
            found.append("processing_id must be P, T or D")
        if self.unknown_patient not in UNKNOWN_PATIENT:
            found.append(f"unknown_patient must be one of {', '.join(UNKNOWN_PATIENT)}")
        if not 0 <= self.port <= 65535:
            found.append("port must be from 1 to 65535")
        if self.frame_limit < 1024 or self.frame_seconds <= 0 or self.connections < 1:
            found.append("frame_limit (at least 1024), frame_seconds and connections must be positive")
        if self.segment_limit < 10 or self.peer_connections < 1 or self.idle_seconds < 0 or self.grace < 0:
            found.append("segment_limit (at least 10), peer_connections, idle_seconds and grace may not be negative")
        if self.memory_limit < 2 * self.frame_limit:
            found.append("memory_limit must be at least twice frame_limit")
        return found

    def why_not_peer(self, address: str) -> str | None:
        """Say why a connection from `address` is not taken; None if it is."""
        try:
            caller = ipaddress.ip_address(address.split("%")[0])
        except ValueError:
            return "its address cannot be read"
        if isinstance(caller, ipaddress.IPv6Address) and caller.ipv4_mapped:
            caller = caller.ipv4_mapped
        if not self.peers:
            return None if caller.is_loopback else "no peers are declared, so only this machine may connect"
        networks = (ipaddress.ip_network(peer, strict=False) for peer in self.peers)
        return None if any(caller in network for network in networks) else "it is not a declared peer"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
