"""A PAS that is spoken to over TLS: told, asked and probed the same way, so that no probe takes it for dead."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from failover import probes
from failover.health import Verdict
from failover.models import Policy
from failover.selectors import evidence
from messaging.mllp.tls import ClientTls
from messaging.models import Destination
from messaging.services import peers
from messaging.simulators.receiver import Receiver
from tests.authority import Authority
from tests.factories import lanes as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def pas(db: None, tmp_path: Path) -> Iterator[Receiver]:
    authority = Authority(tmp_path / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.certificate("pas.example"))
    made = Receiver("pas", store=tmp_path / "pas.sqlite", tls=context)
    made.start()
    tls = ClientTls(ca=str(authority.ca), name="pas.example").as_json()
    make.destination("pas", make.port_of(made), is_pas=True, tls=tls, timeout=3.0)
    yield made
    made.stop()


def probed(host: str, port: int) -> Verdict:
    policy = Policy(probes=[{"kind": "mllp", "host": host, "port": port}])
    return probes.mllp(evidence.targets(policy)[0], 3.0).verdict


def test_the_probe_asks_over_tls_where_it_asks_the_pass_own_port(pas: Receiver) -> None:
    assert probed("127.0.0.1", make.port_of(pas)) == Verdict.UP
    assert len(pas.messages()) == 1


def test_without_the_declaration_the_same_pas_would_seem_down(pas: Receiver) -> None:
    Destination.objects.update(tls={})
    assert probed("127.0.0.1", make.port_of(pas)) == Verdict.DOWN


def test_a_probe_of_another_address_is_asked_in_the_clear(pas: Receiver) -> None:
    policy = Policy(probes=[{"kind": "mllp", "host": "127.0.0.1", "port": 1}, {"kind": "tcp"}])
    assert [target.secured for target in evidence.targets(policy)] == [None, None]


def test_what_the_pas_is_told_and_asked_goes_over_tls_too(pas: Receiver) -> None:
    line = peers.of(Destination.objects.get())
    try:
        raw = line.query(b"MSH|^~\\&|MIRROR|RXX|||20260701||ADT^A28|Q1|P|2.4\rPID|1||X\r", "Q1")
        assert isinstance(raw, bytes)
    finally:
        line.close()
    assert [str(message["control_id"]) for message in pas.messages()] == ["Q1"]
