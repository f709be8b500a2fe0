"""Typed reading of environment variables, every fault named at once; knows no variable by name."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class BadEnvironment(Exception):
    """The environment holds values that cannot be used; the text is one plain sentence for each."""


class Env:
    """Reads `source`; faults gather in `faults` and `finish()` raises them together.

    A variable that is unset or empty has its default. Values of variables whose name speaks of a secret,
    and all URLs, are never repeated in a fault.
    """

    def __init__(self, source: Mapping[str, str]) -> None:
        self.source = source
        self.faults: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """The value as it stands, without blanks around it."""
        return self.source.get(name, "").strip() or default

    def words(self, name: str, default: str = "") -> list[str]:
        """A list written with commas."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def networks(self, name: str, default: str = "") -> list[IPv4Network | IPv6Network]:
        """A list of addresses or networks written with commas."""
        found = []
        for word in self.words(name, default):
            try:
                found.append(ip_network(word))
            except ValueError:
                self.faults.append(f"{name} must hold addresses or networks with commas between, not {word!r}.")
        return found

    def whole(self, name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
        """A whole number from `least` to `most`."""
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            self.faults.append(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
            return default
        return int(value)

    def port(self, name: str, default: int) -> int:
        """A TCP port."""
        return self.whole(name, default, least=1, most=65535)

    def flag(self, name: str, *, default: bool) -> bool:
        """1 or 0 (also yes/no, on/off, true/false)."""
        value = self.text(name, "1" if default else "0").lower()
        if value in {"1", "yes", "on", "true"}:
            return True
        if value not in {"0", "no", "off", "false"}:
            self.faults.append(f"{name} must be 1 or 0, not {value!r}.")
            return default
        return False

    def path(self, name: str, default: Path) -> Path:
        """An absolute path; a relative one counts from the current folder."""
        return Path(self.text(name, str(default))).expanduser().absolute()

    def database(self, name: str, default: str) -> dict[str, Any]:
        """Django's database keys out of postgresql://user:password@host:port/name?host=/socket/folder&sslmode=…"""
        parts = urlsplit(self.text(name, default))
        try:
            port = parts.port
        except ValueError:
            port = -1
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        host = query.pop("host", "") or unquote(parts.hostname or "")
        database = unquote(parts.path.lstrip("/"))
        if parts.scheme not in {"postgres", "postgresql"} or not database or not host or port == -1:
            self.faults.append(f"{name} must look like postgresql://user:password@host:5432/database.")
        return {
            "NAME": database,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": host,
            "PORT": str(port or ""),
            "OPTIONS": query,
        }

    def broker(self, name: str, default: str) -> str:
        """A URL of the broker, as Celery's transport reads it."""
        value = self.text(name, default)
        if urlsplit(value).scheme not in {"redis", "rediss", "redis+socket", "unix"}:
            self.faults.append(f"{name} must look like redis://host:6379/0.")
        return value.replace("unix://", "redis+socket://", 1) if value.startswith("unix://") else value

    def finish(self) -> None:
        """Raise BadEnvironment if any value read so far was at fault."""
        if self.faults:
            raise BadEnvironment("\n".join(self.faults))
