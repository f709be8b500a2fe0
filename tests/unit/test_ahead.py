"""Nothing is made, and nothing happens, later than the message that tells of it came."""

from datetime import UTC, datetime, timedelta

import pytest

from messaging.hl7.ahead import WARNING, bounded
from patients.facts import News

CAME = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
NEVER = datetime(2027, 7, 1, 10, 0, tzinfo=UTC)
BEFORE = CAME - timedelta(hours=5)


@pytest.mark.parametrize("event", ["transfer", "cancel_transfer", "book", "update"])
@pytest.mark.parametrize(
    ("happened", "sent", "taken", "made"),
    [
        (BEFORE, BEFORE, BEFORE, BEFORE),
        (BEFORE, NEVER, BEFORE, CAME),
        (NEVER, BEFORE, CAME, BEFORE),
        (NEVER, NEVER, CAME, CAME),
        (NEVER, None, CAME, None),
        (NEVER + timedelta(days=1), NEVER, CAME, CAME),
        (CAME + timedelta(minutes=5), CAME + timedelta(minutes=5), CAME + timedelta(minutes=5), None),
    ],
)
def test_what_is_told_from_the_future_is_held_to_when_the_message_came(event, happened, sent, taken, made):
    told = News(event=event, occurred_at=happened, sent_at=sent, other=News(event=event, occurred_at=NEVER))
    held = bounded(told, CAME)
    assert (held.occurred_at, held.sent_at) == (taken, made if made or sent is None else sent)
    assert held.other is not None
    assert held.other.occurred_at == CAME
    assert (WARNING in held.warnings) == (sent == NEVER)
    assert bool(held.warnings) == (NEVER in (sent, happened) or happened > NEVER)
