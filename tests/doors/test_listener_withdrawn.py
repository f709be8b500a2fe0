"""A peer whose leave is withdrawn is cut off at once: by its address, its pinned certificate, or its authority."""

import pytest

from messaging.models import Channel, Inbound
from tests.authority import Authority, fingerprint
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.feed_door import HandWritten, Listening, msa

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(180)]
MESSAGE = b"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||ADT^A28^ADT_A05|%s|P|2.4\rPID|1||P1^^^RXX^MR\r"


def declare(door, **policy):
    """Have the site file say something else; until the listener has taken it in."""
    seen = door.said().count("listen.policy_changed")
    Channel.objects.filter(code="pas").update(policy={"port": door.port, **policy})
    eventually(lambda: door.said().count("listen.policy_changed") > seen, within=30)


def test_an_address_taken_off_the_list_is_cut_off_and_the_others_stay(tmp_path):
    with Listening(tmp_path / "listen.log", peers=["127.0.0.0/8"]) as door:
        with HandWritten(door.port, source="127.0.0.2") as gone, HandWritten(door.port) as stays:
            assert msa(gone.ask(MESSAGE % b"G1")) == ("AA", "G1")
            assert msa(stays.ask(MESSAGE % b"S1")) == ("AA", "S1")
            declare(door, peers=["127.0.0.1"])
            assert gone.answer() == b"", "it is cut off"
            assert msa(stays.ask(MESSAGE % b"S2")) == ("AA", "S2")
        assert "it is not a declared peer" in door.said()
    assert list(Inbound.objects.order_by("number").values_list("control_id", flat=True)) == ["G1", "S1", "S2"]


def test_a_certificate_that_is_pinned_no_more_ends_its_connection(tmp_path):
    authority = Authority(tmp_path / "ca")
    cert, key = authority.certificate("localhost")
    first, second = authority.certificate("one.example"), authority.certificate("two.example")
    tls = {"cert": str(cert), "key": str(key), "ca": str(authority.ca)}
    both = [fingerprint(first[0]), fingerprint(second[0])]
    with Listening(tmp_path / "listen.log", tls={**tls, "fingerprints": both}) as door:
        peers = [HandWritten(door.port, tls=authority.peer(*each)) for each in (first, second)]
        with peers[0] as gone, peers[1] as stays:
            assert msa(gone.ask(MESSAGE % b"G1")) == ("AA", "G1")
            declare(door, tls={**tls, "fingerprints": both[1:]})
            assert gone.answer() == b""
            assert msa(stays.ask(MESSAGE % b"S1")) == ("AA", "S1")


def test_an_authority_that_is_declared_no_more_ends_what_it_vouched_for(tmp_path):
    """Whoever has a certificate of the new one is back at once."""
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new", "Another")
    cert, key = old.certificate("localhost")
    tls = {"cert": str(cert), "key": str(key)}
    before, after = old.certificate("tie.example"), new.certificate("tie.example")
    with Listening(tmp_path / "listen.log", tls={**tls, "ca": str(old.ca)}) as door:
        with HandWritten(door.port, tls=old.peer(*before)) as gone:
            assert msa(gone.ask(MESSAGE % b"G1")) == ("AA", "G1")
            declare(door, tls={**tls, "ca": str(new.ca)})
            assert gone.answer() == b""
        with HandWritten(door.port, tls=new.peer(*after, trusts=old)) as back:
            assert msa(back.ask(MESSAGE % b"B1")) == ("AA", "B1")
