"""The feed over TLS: only a peer with a certificate that we declared is heard; every other is shut out and logged."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from messaging.mllp import tls
from messaging.models import Channel, Inbound
from pasmirror.lib.models import Alarm
from tests.authority import Authority, fingerprint
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.feed_door import END, VT, HandWritten, Listening, free_port, msa

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(180)]
MESSAGE = b"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||ADT^A28^ADT_A05|%s|P|2.4\rPID|1||P1^^^RXX^MR\r"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


@pytest.fixture
def declared(authority):
    cert, key = authority.certificate("localhost")
    return {"cert": str(cert), "key": str(key), "ca": str(authority.ca), "names": ["tie.example"]}


def refused(port, context):
    """Whether a peer gets no answer: shut out in the handshake, or (TLS 1.3) at its first reading."""
    try:
        with HandWritten(port, tls=context) as peer:
            return peer.ask(MESSAGE % b"BAD") == b""
    except (ssl.SSLError, OSError):
        return True


def test_a_declared_peer_is_answered_and_no_other(tmp_path, authority, declared):
    stranger = Authority(tmp_path / "stranger", "Somebody else")
    tie, key = authority.certificate("tie.example")
    ended = authority.certificate("tie.example", ended=True)
    other = authority.certificate("other.example")
    forged = stranger.certificate("tie.example")
    with Listening(tmp_path / "listen.log", tls=declared) as door:
        with HandWritten(door.port, tls=authority.peer(tie, key)) as peer:
            assert msa(peer.ask(MESSAGE % b"ONE")) == ("AA", "ONE")
            peer.write(VT + MESSAGE % b"TWO" + END + VT + MESSAGE % b"THREE" + END)
            assert [msa(peer.answer()) for _ in range(2)] == [("AA", "TWO"), ("AA", "THREE")]
            assert peer.socket.version() in ("TLSv1.2", "TLSv1.3")
        assert refused(door.port, None), "plain text"
        assert refused(door.port, authority.peer()), "no certificate"
        assert refused(door.port, authority.peer(*other)), "a name that is not declared"
        assert refused(door.port, authority.peer(*ended)), "a certificate that has ended"
        assert refused(door.port, stranger.peer(*forged, trusts=authority)), "the right name from the wrong authority"
        with HandWritten(door.port, tls=authority.peer(tie, key)) as peer:
            assert msa(peer.ask(MESSAGE % b"FOUR")) == ("AA", "FOUR"), "and it goes on"
        assert "none of the declared names" in door.said()
        assert door.said().count("listen.no_handshake") >= 4
    assert sorted(Inbound.objects.values_list("control_id", flat=True)) == ["FOUR", "ONE", "THREE", "TWO"]


def test_an_old_version_of_tls_is_refused(tmp_path, authority, declared):
    cert, key = authority.certificate("tie.example")
    with Listening(tmp_path / "listen.log", tls=declared) as door:
        words = ["-connect", f"127.0.0.1:{door.port}", "-cert", cert, "-key", key, "-CAfile", authority.ca]
        for version, taken in (("-tls1_1", False), ("-tls1_2", True)):
            done = subprocess.run(
                ["openssl", "s_client", *words, version, "-cipher", "ALL:@SECLEVEL=0"],
                input=b"", capture_output=True, timeout=60, check=False,
            )  # fmt: skip
            assert (b"Cipher is (NONE)" in done.stdout) != taken, done.stderr


def test_a_pinned_certificate_is_the_only_one_taken(tmp_path, authority, declared):
    pinned, same_name = authority.certificate("tie.example"), Authority(tmp_path / "second").certificate("tie.example")
    own = {**declared, "fingerprints": [fingerprint(pinned[0])]}
    both = tmp_path / "both.crt"
    both.write_text(authority.ca.read_text() + (tmp_path / "second" / "ca.crt").read_text())
    with Listening(tmp_path / "listen.log", tls={**own, "ca": str(both)}) as door:
        with HandWritten(door.port, tls=authority.peer(*pinned)) as peer:
            assert msa(peer.ask(MESSAGE % b"PIN")) == ("AA", "PIN")
        assert refused(door.port, authority.peer(*same_name))
        assert "not one of the pinned ones" in door.said()


def test_a_peer_that_never_finishes_its_handshake_is_cut_off_and_counts_as_a_connection(tmp_path, authority, declared):
    tie = authority.peer(*authority.certificate("tie.example"))
    with Listening(tmp_path / "listen.log", tls=declared, frame_seconds=1.0, peer_connections=3) as door:
        silent = [HandWritten(door.port) for _ in range(3)]
        try:
            eventually(lambda: refused(door.port, tie), within=5)
            assert all(peer.answer() == b"" for peer in silent)
        finally:
            for peer in silent:
                peer.socket.close()
        eventually(lambda: not refused(door.port, tie), within=10)


def test_files_that_cannot_be_used_are_told_and_the_other_channel_goes_on(tmp_path, authority, declared):
    second = free_port()
    with Listening(tmp_path / "listen.log") as door:
        Channel.objects.create(
            code="siu", policy={"port": second, "place": 1, "tls": {**declared, "cert": "/nowhere.crt"}}
        )
        eventually(lambda: Alarm.objects.filter(code="feed-shut", subject="siu", cleared_at=None).exists(), within=40)
        assert "nowhere.crt" in Alarm.objects.get(code="feed-shut").sentence
        with HandWritten(door.port) as peer:
            assert msa(peer.ask(MESSAGE % b"ADT")) == ("AA", "ADT")
        Channel.objects.filter(code="siu").update(policy={"port": second, "place": 1, "tls": declared})
        eventually(lambda: not Alarm.objects.filter(code="feed-shut", cleared_at=None).exists(), within=40)
        with HandWritten(second, tls=authority.peer(*authority.certificate("tie.example"))) as peer:
            assert msa(peer.ask(MESSAGE % b"SIU")) == ("AA", "SIU")


def test_a_renewed_certificate_is_taken_without_a_restart_and_one_that_ends_soon_is_told(tmp_path, authority, declared):
    cert, key = authority.certificate("localhost", days=5)
    tie = authority.certificate("tie.example")
    with Listening(tmp_path / "listen.log", tls={**declared, "cert": str(cert), "key": str(key)}) as door:
        eventually(lambda: Alarm.objects.filter(code="certificate-ends", cleared_at=None).exists(), within=40)
        with HandWritten(door.port, tls=authority.peer(*tie)) as peer:
            assert msa(peer.ask(MESSAGE % b"OLD")) == ("AA", "OLD")
            authority.certificate("localhost", days=365)
            eventually(lambda: not Alarm.objects.filter(code="certificate-ends", cleared_at=None).exists(), within=40)
            assert msa(peer.ask(MESSAGE % b"STILL")) == ("AA", "STILL")
        with HandWritten(door.port, tls=authority.peer(*tie)) as peer:
            shown = peer.socket.getpeercert()
            assert ssl.cert_time_to_seconds(shown["notAfter"]) > (datetime.now(UTC) + timedelta(days=300)).timestamp()


def test_a_renewed_certificate_that_cannot_be_used_is_told_and_the_old_one_stays(tmp_path, authority, declared):
    tie = authority.certificate("tie.example")
    own = authority.folder / "localhost.crt"
    with Listening(tmp_path / "listen.log", tls={**declared, "names": []}) as door:
        good = own.read_bytes()
        own.write_bytes(b"half a certificate")
        eventually(lambda: "certificate-unusable" in standing(), within=40)
        sentence = Alarm.objects.get(code="certificate-unusable").sentence
        assert "goes on with the TLS files read before" in sentence
        assert "localhost.crt" in sentence
        assert "feed-shut" not in standing()
        with HandWritten(door.port, tls=authority.peer(*tie)) as peer:
            assert msa(peer.ask(MESSAGE % b"OLD")) == ("AA", "OLD"), "it is listened for"
        own.write_bytes(good)
        eventually(lambda: "certificate-unusable" not in standing(), within=40)


def standing():
    return set(Alarm.objects.filter(cleared_at=None).values_list("code", flat=True))


def test_until_when_a_certificate_is_good_is_what_openssl_says(authority):
    cert, _ = authority.certificate("x.example", days=11)
    until = tls.good_until(str(cert))
    assert until is not None
    assert timedelta(days=10, hours=23) < until - datetime.now(UTC) <= timedelta(days=11)
    assert tls.good_until(str(authority.certificate("y.example", ended=True)[0])) == datetime(2020, 2, 1, tzinfo=UTC)
    assert tls.good_until(str(authority.folder / "nowhere")) is None
    assert tls.good_until(str(authority.key)) is None
