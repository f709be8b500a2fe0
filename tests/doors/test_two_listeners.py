"""Two listening processes on one channel, on one port or on two: numbers without a gap, nothing lost, nothing twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from messaging.models import Channel, Inbound, MessageKey
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.feed_door import HandWritten, Listening, msa

pytestmark = [pytest.mark.usefixtures("committed"), pytest.mark.timeout(180)]
EACH = 60


def message(control_id):
    return (
        f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||ADT^A28^ADT_A05|{control_id}|P|2.4\r"
        f"PID|1||P{control_id}^^^RXX^MR||SMITH\r"
    ).encode()


def talk(port, name, count=EACH):
    with HandWritten(port, timeout=60) as peer:
        for number in range(count):
            assert msa(peer.ask(message(f"{name}{number}"))) == ("AA", f"{name}{number}")
            assert msa(peer.ask(message(f"SHARED{number}"))) == ("AA", f"SHARED{number}")


@pytest.mark.parametrize("shared", [True, False], ids=["one port", "two ports"])
def test_two_processes_number_one_channel_without_gaps_and_lose_nothing(tmp_path, shared):
    words = ["--share"] if shared else []
    first = Listening(tmp_path / "one.log", *words, port_from_environment=not shared, peer_connections=20)
    second = Listening(tmp_path / "two.log", *words, beside=first)
    with first, second, ThreadPoolExecutor(8) as pool:
        ports = [first.port, second.port]
        names = "ABCDEFGH"
        talks = [pool.submit(talk, ports[place % 2], name) for place, name in enumerate(names)]
        for each in talks:
            each.result(120)
        assert (first.end(), second.end()) == (0, 0)
        frames = [int(log.said().split('"frames": ')[-1].split(",")[0].strip(' }\n"')) for log in (first, second)]
    got = list(Inbound.objects.order_by("number").values_list("control_id", flat=True))
    assert len(got) == EACH * (len(names) + 1), "each once, and the shared ones once for all"
    assert list(Inbound.objects.order_by("number").values_list("number", flat=True)) == list(range(1, len(got) + 1))
    assert Channel.objects.get().last == len(got)
    for name in names:
        assert [each for each in got if each[0] == name] == [f"{name}{number}" for number in range(EACH)]
    assert MessageKey.objects.get(control_id="SHARED0").repeats == len(names) - 1
    assert sum(frames) == 2 * EACH * len(names)
    assert all(frames) or shared, "both took a part (on one port the kernel decides)"


def test_one_of_two_on_a_port_may_go_and_the_other_takes_its_peers(tmp_path):
    first = Listening(tmp_path / "one.log", "--share")
    second = Listening(tmp_path / "two.log", "--share", beside=first)
    with first, second:
        ended = threading.Event()
        done = []

        def keep_sending():
            number = 0
            while not ended.is_set():
                try:
                    with HandWritten(first.port) as peer:
                        if msa(peer.ask(message(f"K{number}"))) == ("AA", f"K{number}"):
                            done.append(f"K{number}")
                            number += 1
                except OSError:
                    continue  # it was with the one that goes: sent again

        sending = threading.Thread(target=keep_sending)
        sending.start()
        try:
            eventually(lambda: len(done) > 10, within=30)
            assert first.end() == 0
            went = len(done)
            eventually(lambda: len(done) > went + 10, within=30)
        finally:
            ended.set()
            sending.join(30)
    got = list(Inbound.objects.order_by("number").values_list("control_id", flat=True))
    assert got[: len(done)] == done
    assert len(got) - len(done) <= 1, "one may have been stored as its connection ended"
