"""How old the record is: as old as the declared feed that is furthest behind. Cheap enough to ask with every page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from messaging.models import Channel, Inbound
from messaging.states import Outcome
from pasmirror.lib import clock

ALIKE = timedelta(minutes=1)  # feeds that stand no further apart are equally new


@dataclass(frozen=True, slots=True)
class Age:
    """What the record holds is as at `at` (None: nothing is heard yet); `late`: the feed that is behind the others."""

    at: datetime | None
    late: str = ""


def data() -> Age:
    """Give up to when the record holds what the PAS has said: what came and is not applied yet is not in it.

    A feed that the site file names no more counts only where none is declared.
    """
    found = feeds()
    if not found:
        return Age(None)
    never = [code for code, at in found if at is None]
    if never:
        return Age(None, never[0] if len(never) < len(found) else "")
    stands = sorted((at, code) for code, at in found if at is not None)
    (oldest, code), (newest, _) = stands[0], stands[-1]
    return Age(oldest, code if newest - oldest >= ALIKE else "")


def feeds() -> list[tuple[str, datetime | None]]:
    """Give each declared feed with when its oldest message not yet applied came, else its newest; None: never.

    Those that the site file names no more only where none is declared.
    """
    stored = Inbound.objects.filter(channel=OuterRef("pk"), outcome=Outcome.STORED).order_by("number")
    rows = Channel.objects.annotate(stands=Coalesce(Subquery(stored.values("received_at")[:1]), "received_at"))
    found = list(rows.order_by("code").values_list("code", "stands", "declared"))
    declared = [(code, at) for code, at, named in found if named]
    return declared or [(code, at) for code, at, _ in found]


def lags(behind: timedelta) -> bool:
    """Say whether the applier is further behind a feed than that; what waits for another feed's news does not count."""
    stored = Inbound.objects.filter(channel=OuterRef("pk"), outcome=Outcome.STORED, waiting_since=None)
    oldest = Subquery(stored.order_by("number").values("received_at")[:1])
    return Channel.objects.annotate(oldest=oldest).filter(oldest__lt=clock.now() - behind).exists()
