"""The figures: right, readable to the standard's own parser, free of patient data, guarded, and cheap."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from prometheus_client.parser import text_string_to_metric_families

from messaging.models import Channel, Outbound
from messaging.selectors import destinations
from messaging.selectors import lanes as status
from pasmirror.lib import alarms, beat, clock
from pasmirror.lib.models import Hook, ProcessBeat
from tests.factories import lanes as make

pytestmark = pytest.mark.django_db
TOKEN = "nine green bottles"


@pytest.fixture(autouse=True)
def _open(settings: LazySettings) -> None:
    settings.METRICS_TOKEN = TOKEN
    settings.METRICS_PEERS = []


def asked(client: Client | None = None, **headers: str) -> str:
    said = {"Authorization": f"Bearer {TOKEN}", **headers}
    answer = (client or Client()).get(reverse("metrics"), headers=said)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert answer["Cache-Control"] == "no-store"
    return answer.content.decode()


def figures(text: str) -> dict[str, float]:
    """Every sample by name and labels, as a server reads it."""
    return {
        " ".join([sample.name, *(sample.labels[key] for key in sorted(sample.labels))]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_it_tells_how_everything_stands() -> None:
    make.mirror_mode()
    for code, port in (("pathology", 1), ("pas", 2)):
        make.destination(code, port, is_pas=code == "pas")
    for name in ("QUILLMARK", "QUILLMARK", "QUILLMARK", "QUILLMARK"):
        make.register(name)
    make.number_and_render()
    rows = Outbound.objects.filter(lane__destination__code="pathology")
    for seq, leg in enumerate(("accepted", "sending", "held"), start=1):
        rows.filter(seq=seq).update(leg=leg, attempts=2, queued_at=clock.now() - timedelta(minutes=5))
    alarms.sound("message-refused", "refused", subject="M01")
    alarms.sound("message-refused", "refused", subject="M02")
    Hook.objects.create(code="desk", kind="webhook", url="https://secret.example/in")
    alarms.sound("tilt", "TILT")
    Channel.objects.create(code="adt", received_at=clock.now() - timedelta(seconds=90))
    beat.beat("monitor", "well")
    text = asked()
    seen = figures(text)
    assert {mode: seen[f"pasmirror_mode {mode}"] for mode in ("normal", "mirror", "recovery", "handback")} == {
        "normal": 0, "mirror": 1, "recovery": 0, "handback": 0,
    }  # fmt: skip
    wanted = {
        "pasmirror_epoch": 2,
        "pasmirror_emission_open": 1,
        "pasmirror_paused": 0,
        "pasmirror_tilt": 0,
        "pasmirror_alarms message-refused": 2,
        "pasmirror_alarms tilt": 1,
        "pasmirror_notices_waiting desk": 1,
        "pasmirror_lane_messages pathology queued": 1,
        "pasmirror_lane_messages pathology in_doubt": 1,
        "pasmirror_lane_messages pathology held": 1,
        "pasmirror_lane_messages pathology set_aside": 0,
        "pasmirror_lane_messages pas unreleased": 4,
        "pasmirror_lane_attempts pathology": 4,
        "pasmirror_lane_failures pathology": 0,
        "pasmirror_lane_paused pathology": 0,
        "pasmirror_lane_numbers_total pathology": 4,
        "pasmirror_lane_oldest_seconds pas": 0,
        "pasmirror_tail_age_seconds": 0,
    }
    assert {name: seen[name] for name in wanted} == wanted
    assert 299 < seen["pasmirror_lane_oldest_seconds pathology"] < 400
    assert 89 < seen["pasmirror_feed_age_seconds adt"] < 190
    node = ProcessBeat.objects.get().node
    assert seen[f"pasmirror_process_beat_seconds {node} monitor"] < 60
    assert "QUILLMARK" not in text
    assert "secret" not in text
    assert "M01" not in text


def test_an_entry_without_a_number_grows_old() -> None:
    make.mirror_mode()
    make.register()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE patients_journaltail SET at = at - interval '90 seconds'")
    assert figures(asked())["pasmirror_tail_age_seconds"] > 89


@pytest.mark.parametrize("shown", ["", "Bearer nine green bottle", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer é"])
def test_whoever_does_not_show_the_token_is_refused(shown: str) -> None:
    answer = Client().get(reverse("metrics"), headers={"Authorization": shown} if shown else {})
    assert answer.status_code == 403
    assert b"pasmirror_" not in answer.content


def test_where_the_site_says_nothing_there_are_no_figures(settings: LazySettings) -> None:
    settings.METRICS_TOKEN = ""
    assert Client().get(reverse("metrics")).status_code == 404


@pytest.mark.parametrize(
    ("address", "status"), [("10.1.2.3", 200), ("10.2.0.1", 403), ("fd00::7", 200), ("", 403), ("@", 403)]
)
def test_only_the_sites_networks_are_let_in(settings: LazySettings, address: str, status: int) -> None:
    settings.METRICS_TOKEN = ""
    settings.METRICS_PEERS = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    assert Client(REMOTE_ADDR=address).get(reverse("metrics")).status_code == status


def test_where_both_are_given_both_are_asked_for(settings: LazySettings) -> None:
    settings.METRICS_PEERS = [ip_network("10.1.0.0/16")]
    assert Client(REMOTE_ADDR="10.1.0.1").get(reverse("metrics")).status_code == 403
    asked(Client(REMOTE_ADDR="10.1.0.1"))


def test_nothing_of_it_looks_at_what_was_accepted() -> None:
    """Each statement of the outbox names only legs that have a partial index, and uses it, or ends at the first row."""
    make.mirror_mode()
    make.destination("pathology")
    with CaptureQueriesContext(connection) as seen:
        asked()
        status.lane_status()
        destinations.standings()
    plans = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in seen.captured_queries:
            if "messaging_outbound" in query["sql"]:
                cursor.execute("EXPLAIN " + query["sql"])
                plans.append("\n".join(row[0] for row in cursor.fetchall()))
    assert len(plans) == 3
    for plan in plans[1:]:
        assert "outbound_accepted" in plan, "what was accepted last is not looked for among what waits"
    for plan in plans:
        assert "Seq Scan on messaging_outbound" not in plan
        assert "outbound_open" in plan
        assert "outbound_ended_otherwise" in plan
