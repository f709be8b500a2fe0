"""Our own certificates towards destinations: an alarm before one ends, quiet once it is renewed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from messaging.models import Destination
from messaging.services import certificates
from pasmirror.lib import alarms
from tests.authority import Authority
from tests.factories import lanes as make

pytestmark = pytest.mark.django_db


def sounding() -> dict[str, str]:
    return {alarm.subject: alarm.sentence for alarm in alarms.standing() if alarm.code == certificates.ALARM}


def test_a_certificate_that_ends_soon_or_cannot_be_read_is_told_until_it_is_renewed(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    soon, good = authority.certificate("soon.example", days=5), authority.certificate("good.example", days=300)
    ca = str(authority.ca)
    make.destination("soon", 1, tls={"ca": ca, "cert": str(soon[0]), "key": str(soon[1])})
    make.destination("good", 2, tls={"ca": ca, "cert": str(good[0]), "key": str(good[1])})
    make.destination("gone", 3, tls={"ca": ca, "cert": "/nowhere/a.crt", "key": "/nowhere/a.key"})
    make.destination("nameless", 4, tls={"ca": ca})
    make.destination("plain", 5)
    until = certificates.good_until()
    assert set(until) == {"soon", "good", "gone"}
    left = (until["soon"] or datetime.now(UTC)) - datetime.now(UTC)
    assert timedelta(days=4, hours=23) < left <= timedelta(days=5)
    certificates.watch()
    assert set(sounding()) == {"soon", "gone"}
    assert f"{until['soon']:%d %B %Y}" in sounding()["soon"]
    for ours, renewed in zip(soon, authority.certificate("soon.example", days=300), strict=True):
        ours.write_bytes(renewed.read_bytes())
    Destination.objects.filter(code="gone").update(declared=False)
    certificates.watch()
    assert sounding() == {}
