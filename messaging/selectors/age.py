"""How old the record is: when the newest message came on any channel. Cheap enough to ask with every page."""

from datetime import datetime

from django.db.models import Max

from messaging.models import Channel


def data_as_at() -> datetime | None:
    """Give when the PAS was last heard; None if never."""
    newest: datetime | None = Channel.objects.aggregate(newest=Max("received_at"))["newest"]
    return newest
