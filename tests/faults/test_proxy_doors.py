"""The proxy's port: reset, refused, opened again, and nothing left of it at its end."""

import socket
import threading

import pytest

from tests.eventually import eventually
from tests.faults.proxy import HOST, Proxy
from tests.faults.proxy_peer import Peer, client, says
from tests.faults.test_proxy import peer, proxy  # noqa: F401

pytestmark = pytest.mark.timeout(60)


def test_reset_ends_every_connection_now_and_the_next_so_many(proxy: Proxy, peer: Peer) -> None:  # noqa: F811
    with client(proxy) as one, client(proxy) as other:
        assert says(one, b"a") + says(other, b"b") == b"did a\ndid b\n"
        proxy.reset(times=2)
        for sock in (one, other):
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
    eventually(lambda: peer.ends == ["reset", "reset"], within=5)
    for _ in range(2):
        with pytest.raises(ConnectionError), client(proxy) as sock:
            says(sock, b"c")
    with client(proxy) as sock:
        assert says(sock, b"d") == b"did d\n"
    assert proxy.fired() == {"reset": 4}
    assert b"c\n" not in peer.lines


def test_reset_alone_is_over_at_once(proxy: Proxy) -> None:  # noqa: F811
    proxy.reset()
    with client(proxy) as sock:
        assert says(sock, b"a") == b"did a\n"
    assert not proxy.fired()


@pytest.mark.parametrize("again", ["open_again", "heal"])
def test_refuse_leaves_what_is_connected_and_refuses_the_next(proxy: Proxy, again: str) -> None:  # noqa: F811
    with client(proxy) as sock:
        says(sock, b"a")
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, proxy.port), 10)
        assert says(sock, b"b") == b"did b\n"
        getattr(proxy, again)()
        with client(proxy) as new:
            assert says(new, b"c") == b"did c\n"
    assert proxy.fired() == {"refuse": 1}


def test_stop_frees_the_port_resets_whatever_is_connected_and_leaves_no_thread(peer: Peer) -> None:  # noqa: F811
    before = threading.active_count()
    made = Proxy(0, peer.server_address).start()
    made.delay(600, direction="down", times=1)
    with client(made) as late, client(made) as one:
        late.sendall(b"a\n")
        eventually(lambda: made.fired() == {"delay": 1}, within=5)
        assert says(one, b"b") == b"did b\n"
        made.stop()
        with pytest.raises(ConnectionResetError):
            one.recv(1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, made.port), 10)
    eventually(lambda: threading.active_count() <= before, within=5)
    made.start()
    with client(made) as sock:
        assert says(sock, b"c") == b"did c\n"
    made.stop()


def test_a_verb_armed_with_less_than_nothing_is_refused(proxy: Proxy) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="cannot strike -1 times"):
        proxy.delay(1, times=-1)
    with pytest.raises(ValueError, match="at least one byte"):
        proxy.slice(0)


def test_everything_healed_passes_as_before_whatever_was_armed(proxy: Proxy) -> None:  # noqa: F811
    proxy.delay(600)
    proxy.slice(1, 600)
    proxy.cut_after(0, direction="down")
    proxy.silence("up")
    proxy.reset(times=0)
    proxy.timeout()
    proxy.heal()
    with client(proxy) as sock:
        assert says(sock, b"a") == b"did a\n"
    assert not proxy.fired()
