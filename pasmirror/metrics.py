"""Figures for a Prometheus server, read from the database alone: counts, ages and codes, never a word of a patient.

Each costs as much as what waits, not as what ever was, so that a scrape is cheap in the longest outage.
"""

import hmac
from collections.abc import Iterable, Iterator
from datetime import datetime
from ipaddress import ip_address

from django.conf import settings
from django.db import connection
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseForbidden
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from failover.selectors import evidence
from messaging.selectors import age, backlogs
from messaging.services import emission
from messaging.states import Valve
from pasmirror.lib import clock
from pasmirror.lib.models import Alarm, Hook, Notice, ProcessBeat
from patients.selectors import gate
from patients.states import Mode


def metrics(request: HttpRequest) -> HttpResponse:
    """Give the figures; 404 where the site lets nobody read them, 403 to whoever may not."""
    if not settings.METRICS_TOKEN and not settings.METRICS_PEERS:
        raise Http404
    if not (_shows_the_token(request) and _is_let_in(request)):
        return HttpResponseForbidden("These figures are not for you.\n", content_type="text/plain; charset=utf-8")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _shows_the_token(request: HttpRequest) -> bool:
    shown = request.headers.get("Authorization", "").encode()
    return not settings.METRICS_TOKEN or hmac.compare_digest(shown, f"Bearer {settings.METRICS_TOKEN}".encode())


def _is_let_in(request: HttpRequest) -> bool:
    if not settings.METRICS_PEERS:
        return True
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in network for network in settings.METRICS_PEERS)


class Figures(Collector):
    """Everything there is to be told, as it stands in the database when it is asked for."""

    def collect(self) -> Iterable[Metric]:
        """Give every figure."""
        yield from _of_the_mirror()
        yield from _of_alarms()
        yield from _of_lanes()
        yield from _of_the_feed()
        yield from _of_processes()


def _one(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pasmirror_{name}", words, value=value)


def _each(name: str, words: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"pasmirror_{name}", words, labels=[label])
    for of, value in values:
        family.add_metric([of], value)
    return family


def _seconds(since: datetime | None) -> float:
    return max(0.0, (clock.now() - since).total_seconds()) if since else 0.0


def _of_the_mirror() -> Iterator[Metric]:
    stand, watch = gate.now(), evidence.watch()
    yield _each("mode", "1 for the mode there is", "mode", [(mode.value, mode == stand.mode) for mode in Mode])
    yield _one("epoch", "The epoch, which rises with every change of master", stand.epoch)
    yield _one("emission_open", "1 while the mirror speaks for the PAS", emission.now().valve == Valve.OPEN)
    yield _one("paused", "1 while the monitor only watches", watch.paused)
    yield _one("tilt", "1 while the monitor trusts its clock or database not", watch.tilt_until is not None)


def _of_alarms() -> Iterator[Metric]:
    stand = Alarm.objects.filter(cleared_at=None).values_list("code").annotate(count=Count("pk")).order_by("code")
    yield _each("alarms", "Alarms that stand, by code", "code", stand)
    untold = Notice.objects.filter(state=Notice.State.WAITING).values_list("hook__code").annotate(count=Count("pk"))
    waiting = dict.fromkeys(Hook.objects.filter(declared=True).values_list("code", flat=True), 0) | dict(untold)
    yield _each("notices_waiting", "Alarms that a hook was not told of yet", "hook", sorted(waiting.items()))


def _of_lanes() -> Iterator[Metric]:
    lanes = [lane for lane in backlogs.backlogs() if lane.declared]
    messages = GaugeMetricFamily(
        "pasmirror_lane_messages", "Messages of a lane that are not accepted", labels=["destination", "state"]
    )
    for lane in lanes:
        for state in ("unreleased", "queued", "in_doubt", "held", "set_aside"):
            messages.add_metric([lane.code, state], getattr(lane, state))
    yield messages

    def each(name: str, words: str, values: Iterable[float]) -> Metric:
        return _each(f"lane_{name}", words, "destination", zip([lane.code for lane in lanes], values, strict=True))

    yield each("oldest_seconds", "Age of the oldest message not ended", [_seconds(lane.oldest_at) for lane in lanes])
    yield each("attempts", "Attempts made at messages not ended", [lane.attempts for lane in lanes])
    yield each("failures", "Attempts without an answer in a row", [lane.failures for lane in lanes])
    yield each("paused", "1 while nothing is sent by somebody's decision", [lane.paused for lane in lanes])
    numbers = CounterMetricFamily("pasmirror_lane_numbers", "Numbers a lane has given", labels=["destination"])
    for lane in lanes:
        numbers.add_metric([lane.code], lane.head)
    yield numbers


def _of_the_feed() -> Iterator[Metric]:
    yield _each(
        "feed_age_seconds",
        "How old what a feed brought is: the age of its newest message, or of the oldest that is not applied",
        "feed",
        [(code, _seconds(at)) for code, at in age.feeds() if at is not None],
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(at) FROM patients_journaltail")
        (oldest,) = cursor.fetchone()
    yield _one("tail_age_seconds", "Age of the oldest entry that has no number on the lanes yet", _seconds(oldest))


def _of_processes() -> Iterator[Metric]:
    beats = GaugeMetricFamily(
        "pasmirror_process_beat_seconds", "Seconds since a process last said that it works", labels=["process", "node"]
    )
    for row in ProcessBeat.objects.order_by("name", "node"):
        beats.add_metric([row.name, row.node], _seconds(row.at))
    yield beats
