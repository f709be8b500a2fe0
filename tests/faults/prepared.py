"""A var folder with everything in it that a drill starts from: tables, site, accounts. Made once, copied per drill."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg

from pasmirror import embedded
from pasmirror.demo import cast
from tests.product import ROOT, free_ports

HOSPITAL = "Drill Hospital"  # any name but the demo's, whose database the product refuses
SETTINGS = "tests.faults.settings"
SECOND = "itops2"  # what is held open at hand-back asks for two people
CLERKS = ("clerk", "clerk2", "clerk3")
ACCOUNTS = f"""
from pasmirror.demo import cast
cast.ACCOUNTS.update({{{SECOND!r}: "operator", **dict.fromkeys({CLERKS!r}, "clerk")}})
cast.make()
"""


class Prepared:
    """The folder and the row of ports its site file speaks of; one drill at a time may use them."""

    def __init__(self, folder: Path) -> None:
        self.var = folder / "prepared"
        self.first = free_ports()

    def environment(self, var: Path) -> dict[str, str]:
        """What every process of a drill in `var` is told."""
        base = self.first + 10
        ports = {"PAS": base, "PAS_HEALTH": base + 2, "PATHOLOGY": base + 10, "EPRESCRIBING": base + 20}
        return {
            **{f"PASMIRROR_SIM_{name}_PORT": str(port) for name, port in ports.items()},
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "PYTHONPATH": str(ROOT),
            "PASMIRROR_STRIKES": str(var.parent / "strikes"),
            "PASMIRROR_SITE": str(var / "site.toml"),
        }

    def make(self) -> None:
        """Make the tables, put the site in force, make the accounts."""
        self.var.mkdir(mode=0o700, parents=True)
        site = self.var / "site.toml"
        site.write_text(cast.SITE.read_text().replace(cast.HOSPITAL, HOSPITAL))
        with embedded.Postgres(self.var):
            with psycopg.connect(
                host=str(embedded.socket_folder(self.var)), user="postgres", autocommit=True
            ) as server:
                server.execute("ALTER SYSTEM SET track_commit_timestamp = on")  # by it the checker knows the order
            for words in (["migrate"], ["site", "apply", str(site)], ["shell", "--no-imports", "-c", ACCOUNTS]):
                self._manage(*words)

    def clone(self, to: Path) -> None:
        """Copy it for one drill."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.var), str(to)], check=True)

    def _manage(self, *words: str) -> None:
        settled = {
            name: value for name, value in os.environ.items() if not name.startswith(("PASMIRROR_", "DATABASE_"))
        }
        environment = {**settled, "PASMIRROR_VAR": str(self.var), "PASMIRROR_HTTPS": "0", **self.environment(self.var)}
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {' '.join(words)}: {done.stderr[-800:]}"
