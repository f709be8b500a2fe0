"""Processes stopped, continued and killed: one, a program of the supervisor with its children, or a whole run.

Knows process ids and supervisord's names. Every verb proves that it struck, by what the kernel says of the process.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from pasmirror import supervise
from tests.eventually import eventually

STRUCK_WITHIN = 10.0  # seconds, for the kernel to do what it was told
OURS = "PASMIRROR_VAR"


class NotStruck(ProcessLookupError):
    """There was nothing to strike; the text says what was looked for."""


def stop(pid: int) -> None:
    """SIGSTOP one process."""
    stop_all([psutil.Process(pid)])


def cont(pid: int) -> None:
    """SIGCONT one process."""
    cont_all([psutil.Process(pid)])


def kill(pid: int) -> None:
    """SIGKILL one process; done when it runs no more."""
    kill_all([psutil.Process(pid)])


def stop_all(processes: Collection[psutil.Process]) -> None:
    """SIGSTOP every one of them; those that end meanwhile do not count."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    _settle(processes, lambda one: one.status() == psutil.STATUS_STOPPED, "stopped")


def cont_all(processes: Collection[psutil.Process]) -> None:
    """SIGCONT every one of them that still lives."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    _settle(processes, lambda one: one.status() != psutil.STATUS_STOPPED, "running again")


def kill_all(processes: Collection[psutil.Process]) -> None:
    """SIGKILL every one of them; done when none runs, though a parent may not have noticed yet.

    The youngest first: a stopped process whose parent dies is hung up on and continued by the kernel, and gunicorn
    would start a new worker on that before its own turn came.
    """
    for process in sorted(processes, key=_born, reverse=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _settle(processes, lambda _: False, "dead")


def freeze(pid: int) -> list[int]:
    """Stop a process and all its children until `thaw`; gives their process ids."""
    return [one.pid for one in _stopped(lambda: family(pid))]


def thaw(pids: Collection[int]) -> None:
    """Let those go on that still live."""
    cont_all([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)])


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """One process and all its children are stopped meanwhile."""
    with _held(lambda: family(pid)):
        yield


@contextmanager
def frozen_program(name: str, var: Path) -> Iterator[None]:
    """A program of the supervisor and all its children are stopped meanwhile."""
    with frozen(program(name, var)):
        yield


@contextmanager
def frozen_run(var: Path, *, spare: Collection[int] = ()) -> Iterator[None]:
    """Every process of the run in `var` is stopped meanwhile, as a whole machine is when its hypervisor pauses it."""
    with _held(lambda: everyone(var, spare=spare)):
        yield


def kill_program(name: str, var: Path) -> int:
    """SIGKILL a program of the supervisor with all its children; gives the process id it had."""
    pid = program(name, var)
    kill_all(_stopped(lambda: family(pid)))
    return pid


def power_lost(var: Path, *, spare: Collection[int] = ()) -> int:
    """SIGKILL every process of the run in `var`, its database too; gives how many there were.

    All are stopped first, so that none sees another die and still writes something down. `spare` names process ids
    that are to outlive it (of simulators that belong to the run).
    """
    doomed = _stopped(lambda: everyone(var, spare=spare))
    if not doomed:
        raise NotStruck(f"no process runs in {var}")
    kill_all(doomed)
    return len(doomed)


def program(name: str, var: Path) -> int:
    """The process id of a program of the supervisor; NotStruck while it is not running."""
    pid = supervise.program_pid(name, var=var)
    if pid is None:
        raise NotStruck(f"{name} is not running")
    return pid


def family(pid: int) -> list[psutil.Process]:
    """A process and all its living descendants."""
    head = psutil.Process(pid)
    return [head, *(one for one in head.children(recursive=True) if _lives(one))]


def everyone(var: Path, *, spare: Collection[int] = ()) -> list[psutil.Process]:
    """Every living process of the run in `var`: by its environment, and the descendants of those.

    PostgreSQL and Valkey write over their environment; an orphaned PostgreSQL is found by the note of its postmaster.
    """
    left_alone = {os.getpid(), *spare}
    found: dict[int, psutil.Process] = {}
    others: list[tuple[psutil.Process, int]] = []
    noted = _noted_postmaster(var)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid in left_alone or not _lives(process):
                continue
            own = process.environ().get(OURS) == str(var)
            if own or (process.pid == noted and process.name().startswith("postgres")):
                found[process.pid] = process
            else:
                others.append((process, process.ppid()))
    while children := {one.pid: one for one, ppid in others if ppid in found and one.pid not in found}:
        found |= children
    return list(found.values())


def _noted_postmaster(var: Path) -> int | None:
    try:
        return int((var / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


@contextmanager
def _held(who: Callable[[], list[psutil.Process]]) -> Iterator[None]:
    stopped: list[psutil.Process] = []
    try:
        stopped = _stopped(who)
        if not stopped:
            raise NotStruck("there is nobody to stop")
        yield
    finally:
        cont_all(stopped or who())


def _stopped(who: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    """Stop everybody, and look again until nobody new has been started meanwhile."""
    stopped: dict[int, psutil.Process] = {}
    while fresh := [one for one in who() if one.pid not in stopped]:
        stop_all(fresh)
        stopped |= {one.pid: one for one in fresh}
    return list(stopped.values())


def _settle(processes: Collection[psutil.Process], has: Callable[[psutil.Process], bool], state: str) -> None:
    def missing() -> list[int]:
        return [one.pid for one in processes if _lives(one) and not _has(one, has)]

    eventually(lambda: not missing(), within=STRUCK_WITHIN, why=f"processes {missing()} are {state}")


def _born(process: psutil.Process) -> tuple[float, int]:
    try:
        return process.create_time(), process.pid
    except psutil.NoSuchProcess:
        return 0.0, process.pid


def _has(process: psutil.Process, has: Callable[[psutil.Process], bool]) -> bool:
    try:
        return has(process)
    except psutil.NoSuchProcess:
        return True


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
