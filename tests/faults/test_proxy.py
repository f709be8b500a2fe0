"""The TCP proxy does what its verbs say, to real sockets; each test asks how often the fault struck."""

import http.client
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.faults.proxy import HOST, Proxy
from tests.faults.proxy_faults import Fault, Faults
from tests.faults.proxy_peer import Peer, client, exactly, hears, is_refused, is_silent, says
from tests.product import free_ports


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as made:
        yield made
        made.shutdown()


@pytest.fixture
def proxy(peer: Peer) -> Iterator[Proxy]:
    with Proxy(0, peer.server_address, seed=3) as made:
        yield made


def test_without_a_fault_every_byte_and_both_ends_pass(proxy: Proxy, peer: Peer) -> None:
    big = b"x" * 3_000_000
    with client(proxy) as one, client(proxy) as other:
        assert says(one, b"a") == b"did a\n"
        assert says(other, big) == b"did " + big + b"\n"
        assert proxy.connections() == 2
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b""
    eventually(lambda: peer.ends == ["eof", "eof"], within=5)
    eventually(lambda: proxy.connections() == 0, within=5)
    assert not proxy.fired()


def test_fifty_connections_at_once(proxy: Proxy, peer: Peer) -> None:
    socks = [socket.create_connection((HOST, proxy.port), 10) for _ in range(50)]
    for number, sock in enumerate(socks):
        sock.sendall(b"%d\n" % number)
    assert [hears(sock) for sock in socks] == [b"did %d\n" % number for number in range(50)]
    for sock in socks:
        sock.close()
    eventually(lambda: len(peer.ends) == 50, within=10)


def test_where_nobody_is_behind_the_client_is_reset_at_once_and_counted() -> None:
    with Proxy(0, (HOST, free_ports())) as proxy:
        with pytest.raises(ConnectionResetError), client(proxy) as sock:
            sock.recv(1)
        assert proxy.fired() == {"upstream_refused": 1}


def test_a_unix_socket_behind(tmp_path: Path) -> None:
    path = tmp_path / "behind.sock"
    with socket.socket(socket.AF_UNIX) as door, Proxy(0, path) as proxy:
        door.bind(str(path))
        door.listen()
        with client(proxy) as sock:
            sock.sendall(b"hello\n")
            behind, _ = door.accept()
            with behind:
                assert behind.recv(6) == b"hello\n"


def test_delay_holds_each_turn_in_its_direction_so_often_as_armed(proxy: Proxy) -> None:
    proxy.delay(0.3, direction="down", times=2)
    with client(proxy) as sock:
        took = []
        for _ in range(3):
            began = time.monotonic()
            says(sock, b"a")
            took.append(time.monotonic() - began)
    assert min(took[:2]) >= 0.3
    assert proxy.fired() == {"delay": 2}


def test_a_long_answer_is_one_turn_and_delayed_once(proxy: Proxy) -> None:
    proxy.delay(0.1, direction="down")
    with client(proxy) as sock:
        assert len(says(sock, b"x" * 1_000_000)) == 1_000_005
        assert proxy.fired() == {"delay": 1}
        says(sock, b"a")
    assert proxy.fired() == {"delay": 2}


def test_jitter_is_the_seeds(peer: Peer) -> None:
    fault = Fault("delay", "up", None, seconds=0.06, jitter=0.05)
    once, again, other = ([faults.late(fault) for _ in range(6)] for faults in (Faults(5), Faults(5), Faults(6)))
    assert once == again != other
    assert 0.01 <= min(once) < max(once) <= 0.11
    with Proxy(0, peer.server_address, seed=5) as proxy, client(proxy) as sock:
        proxy.delay(0.06, jitter=0.05, direction="up")
        for seconds in once:
            began = time.monotonic()
            says(sock, b"a")
            assert time.monotonic() - began >= seconds
        assert proxy.fired() == {"delay": 6}


def test_healing_wakes_what_is_delayed(proxy: Proxy) -> None:
    proxy.delay(600, direction="up")
    with client(proxy) as sock:
        sock.sendall(b"a\n")
        eventually(lambda: proxy.fired()["delay"], within=5)
        proxy.heal()
        assert hears(sock) == b"did a\n"


def test_slice_sends_everything_in_pieces(proxy: Proxy) -> None:
    proxy.slice(2, 0.05, direction="down", times=1)
    with client(proxy) as sock:
        sock.sendall(b"abcd\n")
        pieces = []
        while sum(map(len, pieces)) < len(b"did abcd\n"):
            pieces.append(sock.recv(4096))
        assert b"".join(pieces) == b"did abcd\n"
        assert len(pieces) >= 4
        assert says(sock, b"e") == b"did e\n"
    assert proxy.fired() == {"slice": 1}


@pytest.mark.parametrize("n_bytes", [0, 3, 5])
def test_cut_after_lets_exactly_so_many_bytes_down_and_resets_both_sides(
    proxy: Proxy, peer: Peer, n_bytes: int
) -> None:
    proxy.cut_after(n_bytes, direction="down", times=1)
    with client(proxy) as sock:
        sock.sendall(b"a\n")
        got = exactly(sock, n_bytes)
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
        assert got == b"did a\n"[:n_bytes]
    assert peer.lines == [b"a\n"]
    eventually(lambda: peer.ends == ["reset"], within=5)
    with client(proxy) as sock:
        assert says(sock, b"b") == b"did b\n"
    assert proxy.fired() == {"cut_after": 1}


def test_cut_after_so_many_megabytes_and_all_of_them_arrive(proxy: Proxy) -> None:
    proxy.cut_after(2_000_000, direction="down", times=1)
    with client(proxy) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        sock.sendall(b"x" * 3_000_000 + b"\n")
        assert exactly(sock, 2_000_000).startswith(b"did xxx")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert proxy.fired() == {"cut_after": 1}


def test_who_writes_on_to_a_server_that_has_gone_is_told() -> None:
    with socket.create_server((HOST, 0)) as door, Proxy(0, door.getsockname()) as proxy, client(proxy) as sock:
        behind, _ = door.accept()
        behind.close()
        assert sock.recv(1) == b""
        eventually(lambda: is_refused(sock, b"a\n"), within=10)
    assert not proxy.fired()


def test_cut_after_up_tears_what_the_client_says(proxy: Proxy, peer: Peer) -> None:
    proxy.cut_after(4, direction="up", times=1, how="close")
    with client(proxy) as sock:
        assert says(sock, b"a") == b"did a\n"
        sock.sendall(b"bcdefgh\n")
        assert sock.recv(1) == b""
    eventually(lambda: peer.ends == ["eof"], within=5)
    assert peer.lines == [b"a\n", b"bc"]
    assert proxy.fired() == {"cut_after": 1}


def test_a_web_reply_is_lost_after_the_work_is_done() -> None:
    done: list[bytes] = []

    class Work(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            done.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"saved")

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer((HOST, 0), Work) as web, Proxy(0, (HOST, web.server_port)) as proxy:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        proxy.cut_after(0, direction="down", times=1)
        body = b"family=" + b"Z" * 200_000
        for expected in (ConnectionResetError, None):
            connection = http.client.HTTPConnection(HOST, proxy.port, timeout=10)
            connection.request("POST", "/", body)
            if expected:
                with pytest.raises(expected):
                    connection.getresponse()
            else:
                assert connection.getresponse().read() == b"saved"
            connection.close()
        assert done == [body, body]
        assert proxy.fired() == {"cut_after": 1}
        web.shutdown()


def test_silence_down_swallows_answers_and_the_end_and_healing_resets(proxy: Proxy, peer: Peer) -> None:
    with client(proxy) as sock, client(proxy) as other:
        assert says(sock, b"a") == b"did a\n"
        proxy.silence("down", times=1)
        sock.sendall(b"b\n")
        assert is_silent(sock)
        assert says(other, b"c") == b"did c\n"
        assert peer.lines == [b"a\n", b"b\n", b"c\n"]
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
        assert says(other, b"d") == b"did d\n"
    assert proxy.fired() == {"silence": 1}


def test_silence_up_and_the_server_hears_nothing_while_its_own_words_pass(proxy: Proxy, peer: Peer) -> None:
    proxy.silence("up")
    with client(proxy) as sock:
        sock.sendall(b"a\n")
        eventually(lambda: proxy.fired() == {"silence": 1}, within=5)
        assert is_silent(sock)
    assert peer.lines == []
    assert peer.ends == []
    proxy.heal()
    eventually(lambda: peer.ends == ["reset"], within=5)


def test_timeout_accepts_and_says_nothing_on_old_and_new_connections(proxy: Proxy, peer: Peer) -> None:
    with client(proxy) as old:
        assert says(old, b"a") == b"did a\n"
        proxy.timeout()
        old.sendall(b"b\n")
        with client(proxy) as new:
            new.sendall(b"c\n")
            assert is_silent(new)
            assert is_silent(old)
            assert peer.lines == [b"a\n"]
            proxy.heal()
            for sock in (old, new):
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
    assert proxy.fired() == {"timeout": 2}
    with client(proxy) as sock:
        assert says(sock, b"d") == b"did d\n"


def test_half_open_the_server_loses_the_connection_and_the_client_is_not_told(proxy: Proxy, peer: Peer) -> None:
    with client(proxy) as sock:
        assert says(sock, b"a") == b"did a\n"
        proxy.half_open(times=1)
        eventually(lambda: peer.ends == ["eof"], within=5)
        sock.sendall(b"b\n")
        assert is_silent(sock)
        with client(proxy) as new:
            assert says(new, b"c") == b"did c\n"
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert peer.lines == [b"a\n", b"c\n"]
    assert proxy.fired() == {"half_open": 1}
