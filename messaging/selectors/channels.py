"""Reads which channels are declared, and as whose sender the mirror speaks; writes nothing."""

from messaging.hl7.habits import FeedPolicy
from messaging.models import Channel


def declared() -> dict[str, FeedPolicy]:
    """Give the policy of every declared feed by channel code, in the site file's order."""
    rows = Channel.objects.filter(declared=True).order_by("pk").values_list("code", "policy")
    policies = {code: FeedPolicy.of({**policy, "channel": code}) for code, policy in rows}
    return dict(sorted(policies.items(), key=lambda each: each[1].place))


def spoken() -> FeedPolicy:
    """Give the policy of the feed declared first: its sender's names and habits are those the mirror speaks with."""
    return next(iter(declared().values()), FeedPolicy())
