"""MLLP over TLS to a receiver: who it must be, who we say we are, and that nothing leaves before that is settled."""

import ssl

import pytest

from messaging.mllp.sender import Accepted, NoAnswer
from messaging.mllp.tls import ClientTls
from tests.authority import Authority, fingerprint
from tests.factories.scripted import body, heard, says, yes


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca")


def server(authority, pair, *, asks=False):
    """The context of a receiver that shows `pair`; with `asks` it hears only whom the authority vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.ca)
    return context


def declared(authority, **more):
    return ClientTls(ca=str(authority.ca), name="path.example", **more)


def counted(got):
    def talk(sock):
        heard(sock)
        got.append(1)
        sock.sendall(yes("1"))
        sock.recv(1)

    return talk


def test_a_receiver_that_is_who_it_should_be_is_spoken_to_on_one_connection(peers, authority):
    context = server(authority, authority.certificate("path.example"))
    scripted, peer = peers(says(yes("1"), yes("2"), yes("3")), tls=context, secured=declared(authority))
    assert [type(peer.send(body(n), n)) for n in "123"] == [Accepted] * 3
    assert scripted.connections == 1


@pytest.mark.parametrize("wrong", ["name", "ended", "authority", "pinned", "plain", "files"])
def test_to_any_other_not_one_byte_of_the_message_leaves(peers, authority, tmp_path, wrong):
    got = []
    pair, secured = authority.certificate("path.example"), declared(authority)
    if wrong == "name":
        pair = authority.certificate("other.example")
    elif wrong == "ended":
        pair = authority.certificate("path.example", ended=True)
    elif wrong == "authority":
        pair = Authority(tmp_path / "stranger", "Somebody else").certificate("path.example")
    elif wrong == "pinned":
        secured = declared(authority, fingerprints=("0" * 64,))
    elif wrong == "files":
        secured = ClientTls(ca=str(tmp_path / "nowhere.crt"), name="path.example")
    context = None if wrong == "plain" else server(authority, pair)
    _, peer = peers(counted(got), counted(got), tls=context, secured=secured, timeout=2.0)
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, NoAnswer)
    assert (ended.phase, ended.may_have_left) == ("tls", False)
    assert ended.detail
    assert got == []


def test_a_pinned_certificate_is_taken(peers, authority):
    pair = authority.certificate("path.example")
    pins = ("0" * 64, fingerprint(pair[0]))
    _, peer = peers(says(yes("1")), tls=server(authority, pair), secured=declared(authority, fingerprints=pins))
    assert isinstance(peer.send(body("1"), "1"), Accepted)


@pytest.mark.parametrize("shown", [True, False])
def test_a_receiver_that_asks_who_we_are_is_shown_our_certificate(peers, authority, shown):
    got = []
    ours = dict(zip(("cert", "key"), map(str, authority.certificate("mirror.example")), strict=True)) if shown else {}
    context = server(authority, authority.certificate("path.example"), asks=True)
    _, peer = peers(counted(got), tls=context, secured=declared(authority, **ours), timeout=2.0)
    ended = peer.send(body("1"), "1")
    assert isinstance(ended, Accepted if shown else NoAnswer)
    assert got == [1] * shown


def test_a_renewed_certificate_of_ours_is_shown_from_the_next_connection_on(peers, authority):
    """The first is good for nothing at this receiver; the file is replaced; nothing is restarted."""
    cert, key = (str(path) for path in authority.certificate("mirror.example", ended=True))
    context = server(authority, authority.certificate("path.example"), asks=True)
    secured = declared(authority, cert=cert, key=key)
    _, peer = peers(says(yes("1")), says(yes("1")), tls=context, secured=secured, timeout=2.0)
    assert isinstance(peer.send(body("1"), "1"), NoAnswer)
    renewed = authority.certificate("mirror.example")
    for name, path in zip((cert, key), renewed, strict=True):
        with open(name, "wb") as file:
            file.write(path.read_bytes())
    assert isinstance(peer.send(body("1"), "1"), Accepted)
