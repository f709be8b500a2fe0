"""Those who speak at the same time share a commit, and nobody waits long for one who says nothing."""

import asyncio

import pytest

from messaging.mllp import gathering
from tests.doors.test_listener_faults import END, VT, apart, listening

LONG = 3600.0


class Talkers:
    """Two connections, each with a frame of its own."""

    def __init__(self, listener) -> None:
        self.listener = listener

    async def __aenter__(self):
        self.ends = [await asyncio.open_connection("127.0.0.1", self.listener.port) for _ in range(2)]
        return self

    async def __aexit__(self, *_):
        for _, writer in self.ends:
            writer.close()

    def say(self, who: int, body: bytes) -> None:
        self.ends[who][1].write(VT + body + END)

    async def heard(self, who: int) -> bytes:
        return (await self.ends[who][0].readuntil(END)).strip(VT + END)


def commits_of(talk):
    """Have a talk with a listener; gives what each of its commits was of."""
    commits: list[list[bytes]] = []

    def store(policy, frames):
        commits.append([frame.raw for frame in frames])
        return [frame.raw for frame in frames]

    async def talking(listener):
        async with Talkers(listener) as talkers:
            await talk(talkers)

    listening(store, talking)
    return commits


async def in_turn(talkers: Talkers) -> None:
    """One connection after the other, each alone."""
    for who in (0, 1):
        talkers.say(who, b"%d" % who)
        assert await talkers.heard(who) == b"%d" % who


def test_two_who_have_fallen_out_of_step_are_in_one_commit_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(talkers):
        await in_turn(talkers)
        monkeypatch.setattr(gathering, "PATIENCE", LONG)
        stored = talkers.listener.frames
        talkers.say(0, b"A")
        while not talkers.listener._waiting and talkers.listener.frames == stored:
            await asyncio.sleep(0)
        talkers.say(1, b"B")
        assert [await talkers.heard(0), await talkers.heard(1)] == [b"A", b"B"]

    *_, last = commits_of(talk)
    assert sorted(last) == [b"A", b"B"]


def test_one_who_speaks_alone_is_answered_though_the_other_says_nothing_more() -> None:
    async def talk(talkers):
        await in_turn(talkers)
        for number in range(3):
            talkers.say(0, b"A%d" % number)
            assert await talkers.heard(0) == b"A%d" % number

    assert commits_of(talk) == [[b"0"], [b"1"], [b"A0"], [b"A1"], [b"A2"]]


def test_one_alone_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PATIENCE", LONG)

    async def talk(talkers):
        for number in range(3):
            talkers.say(0, b"A%d" % number)
            assert await talkers.heard(0) == b"A%d" % number

    assert len(commits_of(talk)) == 3


def test_what_is_left_of_a_dropped_connection_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PATIENCE", LONG)

    async def run() -> None:
        waits = gathering.Gathering()
        waits.taken({1, 2, 3}, left=0)
        waits.came(1)
        waits.came(2)
        waits.dropped(left=1)
        await asyncio.wait_for(waits.due(), 10)
        waits.dropped(left=0)
        assert not waits._due.is_set()

    apart(run())
