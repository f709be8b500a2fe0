"""Keeps each observer's last word: since when it stands and how often in a row it failed; judges nothing."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from failover.health import PERSON, Verdict, Word
from failover.models import Observation
from failover.probes import Report
from pasmirror.lib import clock
from pasmirror.lib.actor import Actor


def note(reports: Iterable[Report], *, observer: str, at: datetime, fresh: float) -> list[Word]:
    """Keep what `observer` found just now and give it as words.

    A verdict runs on from the one before only if that one is at most `fresh` seconds old: what nobody watched
    does not count.
    """
    said = list(reports)
    old = {row.way: row for row in Observation.objects.filter(observer=observer).exclude(way=PERSON)}
    words = [_word(report, old.get(report.way), observer, at, fresh) for report in said]
    Observation.objects.bulk_create(
        [
            Observation(
                observer=word.observer,
                way=word.way,
                verdict=word.verdict,
                at=word.at,
                since=word.since,
                fails=word.fails,
                detail=word.detail,
            )
            for word in words
        ],
        update_conflicts=True,
        unique_fields=["observer", "way"],
        update_fields=["verdict", "at", "since", "fails", "detail"],
    )
    gone = set(old) - {word.way for word in words}
    if gone:
        Observation.objects.filter(observer=observer, way__in=gone).delete()
    return words


def attest(*, by: Actor, verdict: Verdict) -> None:
    """Keep a person's word."""
    now = clock.now()
    Observation.objects.update_or_create(
        observer=by.subject[:60],
        way=PERSON,
        defaults={"verdict": verdict, "at": now, "since": now, "fails": 0, "detail": ""},
    )


def _word(report: Report, before: Observation | None, observer: str, at: datetime, fresh: float) -> Word:
    runs_on = before is not None and at - before.at <= timedelta(seconds=fresh)
    same = runs_on and before is not None and before.verdict == report.verdict
    since = before.since if same and before is not None else at
    fails = (before.fails if runs_on and before is not None else 0) + 1 if report.verdict == Verdict.DOWN else 0
    return Word(observer, report.way, report.verdict, at, since, fails, report.detail[:200])
