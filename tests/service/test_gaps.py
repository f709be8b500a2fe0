"""The feed's usual silences are learned from what came, alarms sound and clear, and a long history is learned once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from messaging.management.commands.sweep import Sweep
from messaging.models import Channel, FeedHour, Inbound
from messaging.selectors import gaps as reading
from messaging.services import gaps
from messaging.services.gaps import AT_ONCE
from pasmirror.lib import alarms, clock
from tests.factories.desk import signed_in
from tests.factories.lanes import mirror_mode

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 29, 10, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def came(channel, *moments, ids=None):
    """Messages that came at these moments, in order."""
    rows = []
    for index, moment in enumerate(moments):
        channel.last += 1
        rows.append(
            Inbound(
                channel=channel, number=channel.last, received_at=moment, peer="", raw=b"", answer=b"",
                outcome="applied", control_id=ids[index] if ids else "",
            )
        )  # fmt: skip
    Inbound.objects.bulk_create(rows, batch_size=2000)
    channel.received_at = moments[-1]
    channel.save()


def weeks_of(channel, *, every, weeks=4, until=NOW):
    """A feed that spoke regularly for weeks."""
    count = int(timedelta(weeks=weeks) / every)
    came(channel, *(until - every * (count - n) for n in range(count + 1)))


@pytest.fixture
def feed():
    return Channel.objects.create(code="pas")


def standing():
    return [(alarm.code, alarm.subject) for alarm in alarms.standing()]


def test_a_feed_quieter_than_usual_alarms_until_it_speaks_again(feed):
    weeks_of(feed, every=timedelta(minutes=5))
    while gaps.watch(NOW):
        pass
    assert FeedHour.objects.filter(channel=feed).count() == 168
    assert standing() == []
    gaps.watch(NOW + timedelta(minutes=14))
    assert standing() == []
    gaps.watch(NOW + timedelta(minutes=16))
    assert standing() == [("feed-quiet", "pas")]
    (alarm,) = alarms.standing()
    assert alarm.sentence == (
        "Feed pas: nothing has come for 16 min; at this hour the longest silence is usually 5 min."
    )
    came(feed, NOW + timedelta(minutes=17))
    gaps.watch(NOW + timedelta(minutes=18))
    assert standing() == []


def test_the_silence_of_the_night_is_usual_at_night(feed):
    """Of every week, nothing comes on Sunday from 02:00 to 05:00."""
    sunday = datetime(2026, 6, 28, 4, 30, tzinfo=UTC)  # 05:30 at the site
    moments = [sunday - timedelta(weeks=4) + timedelta(minutes=5 * n) for n in range(12 * 24 * 28)]
    came(feed, *(m for m in moments if not (m.weekday() == 6 and 1 <= m.hour < 4)))
    while gaps.watch(sunday):
        pass
    feed.received_at = sunday.replace(hour=0, minute=55)
    feed.save()
    gaps.watch(sunday.replace(hour=3))
    assert standing() == []
    friday = feed.received_at - timedelta(days=2)
    assert reading.of(Channel(pk=feed.pk, code="pas", received_at=friday), friday + timedelta(hours=2)).quiet


def test_hours_are_learned_once_and_as_they_end(feed):
    weeks_of(feed, every=timedelta(minutes=10), weeks=1)
    counts = []
    while count := gaps.watch(NOW):
        counts.append(count)
    assert sum(counts) == 168
    assert gaps.watch(NOW) == 0
    assert gaps.watch(NOW + HOUR) == 1
    assert gaps.watch(NOW + HOUR) == 0
    rows = FeedHour.objects.filter(channel=feed)
    assert max(len(row.longest) for row in rows) == 1
    ended = rows.get(learned_at=NOW.replace(minute=0))
    assert ended.longest == [30 * 60.0], "the half hour in which nothing more came"


def test_a_feed_that_never_spoke_says_nothing(feed):
    assert gaps.watch(NOW) == 0
    assert standing() == []
    assert reading.standing()[0].age is None


def numbered(feed, *numbers, after=0):
    moments = (NOW + timedelta(minutes=after, seconds=place / 100) for place in range(len(numbers)))
    came(feed, *moments, ids=[f"M{number}" for number in numbers])


def test_missing_numbers_alarm_until_they_come(feed):
    numbered(feed, *(n for n in range(1000, 1150) if n not in (1060, 1061)))
    gaps.watch(NOW + timedelta(minutes=3))
    (alarm,) = alarms.standing()
    assert (alarm.code, alarm.subject) == ("feed-jump", "pas")
    assert alarm.sentence.endswith("2 are missing, the newest after control id M1059.")
    numbered(feed, *range(1150, 2900), after=4)
    gaps.watch(NOW + timedelta(minutes=8))
    assert standing() == [("feed-jump", "pas")], "much that comes after them changes nothing"
    numbered(feed, 1060, after=9)
    gaps.watch(NOW + timedelta(minutes=11))
    assert alarms.standing()[0].sentence.endswith("1 is missing, the newest after control id M1059.")
    numbered(feed, 1061, after=12)
    gaps.watch(NOW + timedelta(minutes=14))
    assert standing() == []


def test_missing_numbers_are_found_in_the_middle_of_a_busy_minute_and_forgotten_after_a_day(feed):
    numbered(feed, *range(1000, 1100))
    gaps.watch(NOW + timedelta(minutes=2))
    numbered(feed, *(n for n in range(1100, 9000) if n not in range(3000, 3010)), after=3)
    gaps.watch(NOW + timedelta(minutes=6))
    assert alarms.standing()[0].sentence.endswith("10 are missing, the newest after control id M2999.")
    numbered(feed, *range(9000, 9100), after=60 * 24 + 8)
    gaps.watch(NOW + timedelta(days=1, minutes=10))
    assert standing() == []


def test_one_that_is_overtaken_is_not_missing(feed):
    numbered(feed, *range(1000, 1090), 1091, 1090)
    gaps.watch(NOW + timedelta(seconds=5))
    assert standing() == []


def test_the_page_says_how_long_each_feed_is_silent(feed):
    mirror_mode()
    Channel.objects.create(code="siu")
    weeks_of(feed, every=timedelta(minutes=5), until=clock.now() - timedelta(minutes=40))
    while gaps.watch():
        pass
    page = " ".join(signed_in("integration").get(reverse("exceptions")).content.decode().split())
    assert "Quieter than usual" in page
    assert "Never heard" in page
    assert standing() == [("feed-quiet", "pas")]


def test_the_sweep_keeps_watch(feed, tmp_path):
    weeks_of(feed, every=HOUR, weeks=1, until=clock.now())
    Sweep(overdue=0.5, anchor=tmp_path / "audit.log")._look()
    assert FeedHour.objects.filter(channel=feed).count() == AT_ONCE - 1, "the feed's first hour only begins"


def test_a_fault_in_the_watching_does_not_end_the_sweep(feed, tmp_path):
    weeks_of(feed, every=HOUR, weeks=1, until=clock.now())
    sweep = Sweep(overdue=0.5, anchor=tmp_path / "audit.log")
    sweep._look()
    FeedHour.objects.update(longest=["no", 1, 2, 3])
    with pytest.raises(TypeError):
        gaps.watch()
    sweep._anchored = 0.0
    sweep._look()
    assert sweep.anchor.read_text().count("\n") == 2
