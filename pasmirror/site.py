"""The site file as a whole: composes what each app reads of it, and puts it in force in one transaction."""

import hashlib
import os
from collections.abc import Mapping

from django.db import transaction

import failover.site
import messaging.site
import pasmirror.lib.site
import patients.site
from pasmirror.lib import audit, locks
from pasmirror.lib.actor import Actor
from pasmirror.lib.locks import Lock
from pasmirror.lib.sections import Fault, SiteText


class SiteFaulty(Exception):
    """The site file has faults, and nothing of it was put in force."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


def check(text: str, environment: Mapping[str, str] = os.environ) -> list[Fault]:
    """Give every fault of a site file's text, in the order of its lines; needs no database."""
    return _checked(text, environment).faults()


def apply(text: str, *, by: Actor, environment: Mapping[str, str] = os.environ) -> None:
    """Put a site file's text in force, all or nothing; raises SiteFaulty with every fault. Repeating it is harmless."""
    file = _checked(text, environment)
    if file.found:
        raise SiteFaulty(file.faults())
    with transaction.atomic():
        locks.take(Lock.SITE)
        patients.site.apply(file, text)
        messaging.site.apply(file)
        failover.site.apply(file)
        pasmirror.lib.site.apply(file)
        if file.found:
            raise SiteFaulty(file.faults())
        audit.record(
            action="site.applied",
            by=by,
            subject="site",
            detail={"sha256": hashlib.sha256(text.encode()).hexdigest()},
        )


def _checked(text: str, environment: Mapping[str, str]) -> SiteText:
    file = SiteText(text, environment)
    if file.readable:
        patients.site.check(file)
        messaging.site.check(file)
        failover.site.check(file)
        pasmirror.lib.site.check(file)
        file.finish()
    return file
