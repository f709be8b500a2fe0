"""Each fault of the nemesis as a block: it strikes on entering, heals on leaving, and can say how often it struck.

Knows which verb does what to whom; when is the schedule's affair. Entered and left on one thread, the main one, since
simulators are tethered to the thread that starts them.
"""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psutil
import psycopg
import redis

from pasmirror import embedded
from pasmirror.lib.crash import Point
from tests.eventually import eventually
from tests.faults.drill import Drill
from tests.faults.nemesis_schedule import PROCESSES, RECEIVERS, WIRE, Planned
from tests.faults.proxy import MllpProxy, Proxy
from tests.faults.verbs import database, signals
from tests.faults.verbs.signals import NotStruck

Fired = Callable[[], int]
"""How often the fault has struck so far."""
Block = AbstractContextManager[Fired]
PROXIED = ("web", "feed", "pas", "health", *RECEIVERS)
"""What a drill must have proxies before, for every fault to be possible."""
BACK_WITHIN = 60.0  # seconds, for a database that crashed
FLAPS = (1.0, 6.0)  # seconds up, or down


def block(drill: Drill, planned: Planned) -> Block:
    """The fault itself, not yet struck; entering raises NotStruck where there is nothing to strike just now."""
    subject, verb = planned.subject, planned.verb
    if planned.variant in _OF:
        return _OF[planned.variant](drill, planned)
    if subject in ("feed", *RECEIVERS):
        return _receiver_killed(drill, subject) if verb == "killed" else _disturbed(drill, subject, verb)
    if subject == "point":
        return _struck_at(drill, planned)
    if subject not in (*PROCESSES, "valkey") or verb not in ("killed", "frozen"):
        raise KeyError(f"no such fault: {planned.variant}")
    return _program_killed(drill, subject) if verb == "killed" else _program_frozen(drill, subject)


def _once() -> int:
    return 1


def _alive(drill: Drill, name: str) -> None:
    if not drill.outside.alive(name):
        raise NotStruck(f"{name} is dead already")


# The PAS


@contextmanager
def _pas_killed(drill: Drill, _: Planned) -> Iterator[Fired]:
    _alive(drill, "pas")
    drill.kill_pas()
    try:
        yield _once
    finally:
        drill.start_pas()


@contextmanager
def _pas_frozen(drill: Drill, _: Planned) -> Iterator[Fired]:
    with signals.frozen(drill.outside.pid("pas")):
        yield _once


@contextmanager
def _pas_flapping(drill: Drill, planned: Planned) -> Iterator[Fired]:
    chance = random.Random(f"{drill.seed} {planned.number} flaps")
    over = threading.Event()
    downs: list[float] = []

    def flap() -> None:
        while not over.is_set():
            down = chance.uniform(*FLAPS)
            with signals.frozen(drill.outside.pid("pas")):
                downs.append(down)
                over.wait(down)
            over.wait(chance.uniform(*FLAPS))

    beside = threading.Thread(target=flap, daemon=True)
    beside.start()
    try:
        yield lambda: len(downs)
    finally:
        over.set()
        beside.join(30)
        assert not beside.is_alive(), "the PAS flaps on"


def _pas_slow(drill: Drill, _: Planned) -> Block:
    # Late, and yet within what the monitor waits for an answer that is only slow.
    return _at_the_pas(drill, "delay", lambda door: door.delay(0.7, jitter=0.4, direction="down"))


def _pas_cut_off(drill: Drill, _: Planned) -> Block:
    return _at_the_pas(drill, "timeout", lambda door: door.timeout())


@contextmanager
def _at_the_pas(drill: Drill, verb: str, strike: Callable[[Proxy], None]) -> Iterator[Fired]:
    doors = [drill.proxy[name] for name in ("pas", "health")]

    def fired() -> int:
        return sum(door.fired()[verb] for door in doors)

    before = fired()
    for door in doors:
        strike(door)
    try:
        yield lambda: fired() - before
    finally:
        for door in doors:
            door.heal()


@contextmanager
def _pas_erring(drill: Drill, _: Planned) -> Iterator[Fired]:
    def fired() -> int:
        counts: dict[str, int] = drill.pas.do("fired")  # type: ignore[assignment]
        return counts.get("refuse_all", 0)

    before = fired()
    drill.pas.do("refuse_all")
    try:
        yield lambda: fired() - before
    finally:
        drill.pas.do("heal", name="refuse_all")


# Connections


@contextmanager
def _disturbed(drill: Drill, name: str, verb: str) -> Iterator[Fired]:
    door = drill.proxy[name]
    assert isinstance(door, MllpProxy)
    counted = {"cut": "cut_after"}.get(verb, verb)
    before = door.fired()[counted]
    _WIRE[verb](door)
    try:
        yield lambda: door.fired()[counted] - before
    finally:
        door.heal()


_WIRE: dict[str, Callable[[MllpProxy], None]] = {
    "delay": lambda door: door.delay(0.6, jitter=0.5),
    "cut": lambda door: door.cut_after(60, direction="up", times=4),
    "lose_ack": lambda door: door.lose_ack(times=3),
    "delay_ack": lambda door: door.delay_ack(3.0, times=2),  # a destination waits 2 s
    "reset": lambda door: door.reset(times=4),
    "half_open": lambda door: door.half_open(),
    "slice": lambda door: door.slice(9, 0.002),
    "silence": lambda door: door.silence("down"),
    "timeout": lambda door: door.timeout(),
    "refuse": lambda door: door.refuse(),
}
assert set(_WIRE) == set(WIRE)


@contextmanager
def _reply_lost(drill: Drill, _: Planned) -> Iterator[Fired]:
    door = drill.proxy["web"]
    before = door.fired()["cut_after"]
    door.cut_after(0, direction="down", times=4)
    try:
        yield lambda: door.fired()["cut_after"] - before
    finally:
        door.heal()


@contextmanager
def _receiver_killed(drill: Drill, name: str) -> Iterator[Fired]:
    _alive(drill, name)
    drill.outside.kill(name)
    try:
        yield _once
    finally:
        drill.outside.start(name)


# Our own processes


@contextmanager
def _program_killed(drill: Drill, name: str) -> Iterator[Fired]:
    signals.kill_program(name, drill.var)
    yield _once


@contextmanager
def _program_frozen(drill: Drill, name: str) -> Iterator[Fired]:
    with signals.frozen_program(name, drill.var):
        yield _once


@contextmanager
def _web_worker_killed(drill: Drill, planned: Planned) -> Iterator[Fired]:
    workers = sorted(one.pid for one in psutil.Process(signals.program("web", drill.var)).children())
    if not workers:
        raise NotStruck("the web has no worker just now")
    signals.kill(workers[planned.number % len(workers)])
    yield _once


@contextmanager
def _struck_at(drill: Drill, planned: Planned) -> Iterator[Fired]:
    name, way = planned.verb.split(" ")
    point = Point(name)
    before = len(drill.strikes.fallen(point))
    drill.strikes.lay(point, way, nth=1 + planned.number % 3)
    try:
        yield lambda: len(drill.strikes.fallen(point)) - before
    finally:
        drill.strikes.lift()
        for pid in drill.strikes.fallen(point)[before:]:
            eventually(lambda pid=pid: _is_struck(pid), within=5, why=f"{point} has struck")  # type: ignore[misc]
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _is_struck(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    return True


# What they stand on


@contextmanager
def _database_crashed(drill: Drill, _: Planned) -> Iterator[Fired]:
    database.crash(drill.var, back_within=None)
    try:
        yield _once
    finally:
        eventually(lambda: _answers(drill), within=BACK_WITHIN, every=0.2, why="the database is back")


def _answers(drill: Drill) -> bool:
    try:
        return drill.ask("SELECT 1") == [(1,)]
    except psycopg.Error:
        return False


@contextmanager
def _database_frozen(drill: Drill, _: Planned) -> Iterator[Fired]:
    with database.frozen(drill.var):
        yield _once


@contextmanager
def _connections_taken(drill: Drill, _: Planned) -> Iterator[Fired]:
    with contextlib.ExitStack() as stack:
        try:
            taken = stack.enter_context(database.exhausted(drill.var))
        except (AssertionError, psycopg.Error) as fault:
            raise NotStruck(f"connections could not be taken: {type(fault).__name__}") from fault
        yield lambda: taken


@contextmanager
def _broker_flushed(drill: Drill, _: Planned) -> Iterator[Fired]:
    where = str(embedded.socket_folder(drill.var) / "valkey.sock")
    try:
        with redis.Redis(unix_socket_path=where, socket_timeout=5) as asked:
            asked.flushall()
    except redis.RedisError as fault:
        raise NotStruck(f"the broker does not answer: {type(fault).__name__}") from fault
    yield _once


_OF: dict[str, Callable[[Drill, Planned], Block]] = {
    "pas killed": _pas_killed,
    "pas frozen": _pas_frozen,
    "pas slow": _pas_slow,
    "pas flapping": _pas_flapping,
    "pas erring": _pas_erring,
    "pas cut off": _pas_cut_off,
    "web worker killed": _web_worker_killed,
    "database crashed": _database_crashed,
    "database frozen": _database_frozen,
    "database full": _connections_taken,
    "valkey flushed": _broker_flushed,
    "reply lost": _reply_lost,
}
