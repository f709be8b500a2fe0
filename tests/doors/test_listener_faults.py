"""What goes wrong at the feed's door ends one connection, or the process; never the feed while the process beats on."""

import asyncio
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from django.db import connection

from messaging.hl7.habits import FeedPolicy
from messaging.mllp.doors import DoorFailed, Doors
from messaging.mllp.listener import Listener
from messaging.models import Channel, Inbound
from pasmirror.lib.models import ProcessBeat
from tests.committed import committed  # noqa: F401
from tests.eventually import eventually
from tests.feed_door import END, ROOT, VT, HandWritten, Listening, database_url, free_port, msa

T = TypeVar("T")
LIMIT = 4096


def message(control_id):
    return f"MSH|^~\\&|DEMOPAS|RXX|ROUTE||20260301120000||ADT^A28|{control_id}|P|2.4\rPID|1||P1^^^RXX^MR\r".encode()


def hang_up_hard(peer):
    """Close so that whatever is still said to us meets a reset."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()


def beaten_at():
    return ProcessBeat.objects.get(name="listen").at


@pytest.fixture
def door(tmp_path, committed):  # noqa: F811
    with Listening(tmp_path / "listen.log", frame_limit=LIMIT) as listening:
        yield listening


@pytest.mark.timeout(180)
def test_a_peer_that_hangs_up_on_its_refusal_ends_its_own_connection_only(door):
    """A frame beyond the limit is refused, and the peer has gone before it could be told."""
    for number in range(8):
        peer = HandWritten(door.port)
        peer.write(VT + message(f"LONG{number}") + b"x" * 3 * LIMIT)
        if number % 2:
            hang_up_hard(peer)
        else:
            peer.socket.close()
        with HandWritten(door.port, timeout=20) as other:
            assert msa(other.ask(message(f"GOOD{number}"))) == ("AA", f"GOOD{number}")
    assert Inbound.objects.filter(outcome="stored").count() == 8
    assert door.end() == 0


@pytest.mark.timeout(180)
def test_a_process_whose_connections_to_the_database_were_ended_goes_on_beating_and_looking(door):
    eventually(lambda: ProcessBeat.objects.filter(name="listen").exists(), within=30)
    for number in range(2):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE application_name = 'pasmirror-listen'"
            )
            assert cursor.fetchone()[0] > 0, "the fault fired"
        eventually(lambda seen=number: door.said().count("listen.database_away") > seen, within=30)
        was = beaten_at()
        eventually(lambda since=was: beaten_at() > since, within=30, why="it beats no more")
    Channel.objects.update(policy={"port": door.port, "processing_id": "T"})
    eventually(lambda: "listen.policy_changed" in door.said(), within=30)


@pytest.mark.timeout(180)
def test_a_port_that_is_changed_more_often_than_there_are_connections_costs_none_of_them(door):
    """This process may have four to the database; each port's own is given back with the port."""
    for number in range(5):
        port = free_port()
        Channel.objects.update(policy={"port": port})
        eventually(lambda wanted=port: f'"port": {wanted}' in door.said(), within=30)
        with HandWritten(port) as peer:
            assert msa(peer.ask(message(f"M{number}"))) == ("AA", f"M{number}")


@pytest.mark.usefixtures("committed")
def test_a_listener_that_stands_still_ends_the_process_with_its_reason():
    """So that the supervisor starts it anew, instead of a feed that is silent while the process beats."""

    async def run():
        doors = Doors()
        running = asyncio.create_task(doors.run())
        while not doors.open and not running.done():
            await asyncio.sleep(0.01)
        doors.open["pas"].listener.failed.set_result(ValueError("something of a patient"))
        await asyncio.wait_for(running, 20)

    Channel.objects.create(code="pas", policy={"port": free_port()})
    with pytest.raises(DoorFailed, match=r"The feed pas stood still: ValueError\."):
        apart(run())


def apart(work: Coroutine[None, None, T]) -> T:
    """Run on a thread of its own: this one may have an event loop already, which a browser's test has begun."""
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(asyncio.run, work).result()


async def told_to(listener: Listener, *bodies: bytes) -> bytes:
    """Send frames in one packet on a connection of their own, and no more; all that is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    try:
        writer.write(b"".join(VT + body + END for body in bodies))
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


def listening(store, talk: Callable[[Listener], Awaitable[T]]) -> T:
    """Have a listener in this process with a store of the test's own, for a talk; what the talk gives."""

    async def run() -> T:
        listener = Listener(FeedPolicy(frame_limit=LIMIT), store, host="127.0.0.1", port=0)
        await listener.start()
        try:
            return await asyncio.wait_for(talk(listener), 20)
        finally:
            await listener.stop()

    return apart(run())


def test_a_task_that_ends_by_a_fault_is_told_so_that_the_process_can_end():
    """A store that gives fewer answers than it got frames is a fault of the program: it may not just stand still."""

    async def talk(listener):
        asking = asyncio.create_task(told_to(listener, b"ONE"))
        fault = await listener.failed
        await listener.stop()
        return fault, await asking

    fault, answer = listening(lambda policy, frames: [], talk)
    assert (type(fault), answer) == (ValueError, b"")


def test_what_came_behind_a_frame_that_was_not_stored_is_not_stored_before_it():
    """Six hundred frames in one packet are more than one commit takes: the second commit may not overtake the first."""
    commits: list[list[bytes]] = []

    def store(policy, frames):
        commits.append([frame.raw for frame in frames])
        return [None if len(commits) == 1 else frame.raw for frame in frames]

    async def talk(listener):
        assert await told_to(listener, *frames) == b"", "nothing is acknowledged"
        return await told_to(listener, *frames)

    frames = [b"N%d" % number for number in range(600)]
    answers = listening(store, talk)
    assert [raw for commit in commits[1:] for raw in commit] == frames, "sent again, and stored once, in their order"
    assert answers == b"".join(VT + raw + END for raw in frames)


@pytest.mark.usefixtures("committed")
@pytest.mark.timeout(120)
def test_a_port_in_use_is_said_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        Channel.objects.create(code="pas", policy={"port": taken.getsockname()[1]})
        done = subprocess.run(
            [sys.executable, "manage.py", "listen"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url()},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert "The feed's port cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr
