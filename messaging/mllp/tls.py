"""TLS of the feed's door and towards destinations: who we are, whose certificates we take, until when ours is good.

Opens no sockets of its own.
"""

import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from messaging.hl7.habits import Tls, bare

_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}  # UTCTime and GeneralizedTime (RFC 5280, 4.1.2.5)


class TlsUnusable(Exception):
    """The declared files cannot be used; the text says in one sentence which and why."""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Files and names of a destination that is spoken to over TLS."""

    ca: str  # file of the authorities (or self-signed certificates) that its certificate is held against
    cert: str = ""  # file of our own certificate, which we show if we are asked; none: we have none
    key: str = ""
    name: str = ""  # that its certificate must bear; none: the host's
    fingerprints: tuple[str, ...] = ()  # SHA-256 of its certificate, in hex, one of these; none: any

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self | None:
        """Read what `as_json` wrote; None for nothing."""
        if not kept:
            return None
        return cls(**{**kept, "fingerprints": tuple(kept.get("fingerprints", ()))})

    def as_json(self) -> dict[str, Any]:
        """Give all of it as JSON, for Destination.tls."""
        return {**asdict(self), "fingerprints": list(self.fingerprints)}

    def why_not(self, fingerprint: str) -> str | None:
        """Say why a peer with this certificate is not taken; None if it is."""
        if self.fingerprints and bare(fingerprint) not in map(bare, self.fingerprints):
            return "its certificate is not one of the pinned ones"
        return None


def client_context(declared: ClientTls) -> ssl.SSLContext:
    """Give a client's context for TLS 1.2 or newer that takes no peer but one the files vouch for.

    The files are read anew each time, so that a renewed certificate is used from the next connection on. Raises
    TlsUnusable.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # demands a certificate, and that it bears the name
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        named = declared.ca
        made.load_verify_locations(declared.ca)
        if declared.cert:
            named = f"{declared.cert} with {declared.key}"
            made.load_cert_chain(declared.cert, declared.key or None, _no_password)
    except OSError as fault:  # ssl.SSLError is one
        why = getattr(fault, "reason", None) or fault.strerror or type(fault).__name__
        raise TlsUnusable(f"The destination's TLS files cannot be used: {named}: {why}.") from None
    return made


def context(declared: Tls) -> ssl.SSLContext:
    """Give a server's context for TLS 1.2 or newer that takes no peer without a certificate. Raises TlsUnusable."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.verify_mode = ssl.CERT_REQUIRED
    try:
        named = f"{declared.cert} with {declared.key}"
        made.load_cert_chain(declared.cert, declared.key, _no_password)
        named = declared.ca
        made.load_verify_locations(declared.ca)
    except OSError as fault:  # ssl.SSLError is one
        why = getattr(fault, "reason", None) or fault.strerror or type(fault).__name__
        raise TlsUnusable(f"The feed's TLS files cannot be used: {named}: {why}.") from None
    return made


def _no_password() -> str:
    return ""


def state_of_files(declared: Tls) -> tuple[int, ...]:
    """Give what changes when one of the files is replaced."""
    found = []
    for name in (declared.cert, declared.key, declared.ca):
        try:
            found.append(Path(name).stat().st_mtime_ns)
        except OSError:
            found.append(0)
    return tuple(found)


def shown(tls: ssl.SSLObject | ssl.SSLSocket) -> tuple[list[str], str]:
    """Give the names the peer's certificate bears, and its SHA-256 fingerprint."""
    read: dict[str, Any] = dict(tls.getpeercert() or {})
    names = [name for kind, name in read.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    if not names:
        names = [value for part in read.get("subject", ()) for key, value in part if key == "commonName"]
    return names, hashlib.sha256(tls.getpeercert(binary_form=True) or b"").hexdigest()


def good_until(certificate: str) -> datetime | None:
    """Say until when the first certificate of a PEM file is good; None if it cannot be read."""
    try:
        pem = Path(certificate).read_text(encoding="ascii")
        start, end = pem.index(ssl.PEM_HEADER), pem.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
        der = ssl.PEM_cert_to_DER_cert(pem[start:end])
        body = _inside(_inside(der))  # Certificate, tbsCertificate
        if body[0] == 0xA0:
            body = _after(body)  # version
        validity = _inside(_after(_after(_after(body))))  # serial number, algorithm, issuer
        ends = _after(validity)
        text = _inside(ends).split(b"Z")[0].decode("ascii") + "Z"
        return datetime.strptime(text, _TIMES[ends[0]]).replace(tzinfo=UTC)
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _inside(der: bytes) -> bytes:
    """Give what the first element holds, and whatever follows it."""
    return der[_head(der) :]


def _after(der: bytes) -> bytes:
    """Give what follows the first element."""
    return der[_head(der) + _length(der) :]


def _head(der: bytes) -> int:
    return 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)


def _length(der: bytes) -> int:
    return int.from_bytes(der[2 : _head(der)], "big") if der[1] & 0x80 else der[1]
