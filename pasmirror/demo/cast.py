"""Who is in the demo: accounts with one known password, made for the demo's own database and nowhere else."""

import os
from pathlib import Path

from django.conf import settings

from pasmirror.lib.models import Role, User
from pasmirror.running import CannotRun
from patients.models import Organisation, Patient

SITE = Path(__file__).with_name("site.toml")
HOSPITAL = "Demo Hospital"  # in the demo's site file: what marks a database as the demo's
PASSWORD = "mirror-demo"  # noqa: S105 - a demo's, printed on the terminal; the product ships no account
OPERATOR = "itops"
ACCOUNTS: dict[str, str] = {
    "clerk": Role.CLERK,
    OPERATOR: Role.OPERATOR,
    "quality": Role.DATA_QUALITY,
    "engine": Role.INTEGRATION,
    "auditor": Role.AUDITOR,
}


def refuse_demo() -> None:
    """Refuse to run the product on the demo's database, whose accounts have a known password."""
    if _is_demo():
        raise CannotRun(
            "This database holds the demo's hospital and its accounts with a known password: name another folder by "
            "PASMIRROR_VAR (or another DATABASE_URL), or remove this one."
        )


def refuse_real() -> None:
    """Refuse to play the demo on a database that holds anything but the demo."""
    if not _is_demo() and (User.objects.exists() or Organisation.objects.exists() or Patient.objects.exists()):
        raise CannotRun(
            "This database is in use and not the demo's: the demo would declare simulated destinations in it, and "
            "accounts with a known password. Name another folder by PASMIRROR_VAR, or unset DATABASE_URL."
        )


def _is_demo() -> bool:
    return Organisation.objects.filter(name=HOSPITAL).exists()


def make() -> None:
    """Make the demo's accounts, or put their passwords back."""
    for name, role in ACCOUNTS.items():
        user, _ = User.objects.get_or_create(username=name, defaults={"role": role})
        user.role = role
        if not user.check_password(PASSWORD):
            user.set_password(PASSWORD)
        user.save()


def environment() -> dict[str, str]:
    """Give the site file the ports this run's simulators have."""
    base = settings.SIM_BASE_PORT
    ports = {"PAS": base, "PAS_HEALTH": base + 2, "PATHOLOGY": base + 10, "EPRESCRIBING": base + 20}
    own = {f"PASMIRROR_SIM_{name}_PORT": str(port) for name, port in ports.items()}
    return {**os.environ, **own, "PASMIRROR_MLLP_PORT": str(settings.MLLP_PORT)}


def clerk_name() -> str:
    """Name the demo's clerk."""
    return next(name for name, role in ACCOUNTS.items() if role == Role.CLERK)


def words() -> list[str]:
    """Say who may sign in, where and how; and how to kill the PAS oneself."""
    control = settings.SIM_BASE_PORT + 1
    return [
        f"Address   http://{settings.HTTP_HOST}:{settings.HTTP_PORT}/",
        *(f"Account   {name:<8} ({role}), password {PASSWORD}" for name, role in ACCOUNTS.items()),
        f"Kill the PAS yourself    .venv/bin/python -m messaging.simulators.control 127.0.0.1:{control} die",
        "  or: kill -9 its process, named by  pgrep -f messaging.simulators.pas",
    ]
