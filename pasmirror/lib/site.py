"""The site file's hooks: whom alarms are told besides the screens; knows no alarm by name."""

import re
from typing import Any
from urllib.parse import urlsplit

from pasmirror.lib.models import Hook
from pasmirror.lib.sections import Fault, Section, SiteText

ADDRESS = re.compile(r"[^@\s,;<>\"]+@[A-Za-z0-9.-]+")
MOST = 20  # addresses of one hook


def check(file: SiteText) -> list[Fault]:
    """Check each [[hook]]; gives every fault of `file` so far."""
    read(file)
    return file.faults()


def apply(file: SiteText) -> None:
    """Put the hooks in force, in the caller's transaction. One that the file names no more is told nothing more."""
    hooks = read(file)
    Hook.objects.exclude(code__in=hooks).filter(declared=True).update(declared=False)
    for code, columns in hooks.items():
        Hook.objects.update_or_create(code=code, defaults={**columns, "declared": True})


def read(file: SiteText) -> dict[str, dict[str, Any]]:
    """Give the columns of Hook by code; what is wrong is noted in `file`."""
    found: dict[str, dict[str, Any]] = {}
    for section in file.root.each("hook"):
        code = section.text("code", most=40, code=True)
        if code in found:
            section.fault("code", f"the code {code!r} is taken by another hook")
        found[code] = _columns(section)
    return found


def _columns(section: Section) -> dict[str, Any]:
    kind = section.text("kind", choices=Hook.Kind.values)
    columns: dict[str, Any] = {"kind": kind, "url": "", "to": [], "alarms": section.words("alarms", default=[])}
    if kind == Hook.Kind.WEBHOOK:
        columns["url"] = section.text("url", most=500)
        if columns["url"] and (wrong := _why_not(columns["url"])):
            section.fault("url", wrong)
    elif kind == Hook.Kind.MAIL:
        columns["to"] = section.words("to")
        if not columns["to"] and section.has("to"):
            section.fault("to", "must name somebody to write to")
        if len(columns["to"]) > MOST:
            section.fault("to", f"may name at most {MOST} addresses")
        for address in columns["to"]:
            if not ADDRESS.fullmatch(address):
                section.fault("to", f"{address!r} is no mail address")
    return columns


def _why_not(url: str) -> str | None:
    """Say why a request cannot be sent there; the address itself may hold a secret and is not repeated."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # a port that is none, a host name with an empty or an endless part
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        return "must look like https://host/path"
    if parts.username is not None:
        return "may hold no user name: requests are signed, or the path holds the receiver's own secret"
    return None
