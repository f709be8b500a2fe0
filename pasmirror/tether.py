"""Ties a program to the process that started it, so that none outlives its owner; knows no program by name.

Run as a script, with the standard library only, so that it starts in milliseconds:

    tether.py SIGNAL OWNER [--as-uid UID] -- command …

It asks the kernel for SIGNAL when the owner dies, makes sure that the owner has not died already, and becomes the
command. OWNER is a process id, a file that holds one, or the word `parent`. The kernel's wish is bound to the *thread*
that forked, so start tethered programs from the main thread only.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000


def command(argv: list[str], *, on_death: signal.Signals, as_uid: int | None = None) -> list[str]:
    """The command line that runs `argv` tethered to the process that calls this."""
    namespace = [] if as_uid is None else ["--as-uid", str(as_uid)]
    return [*prefix(on_death=on_death, owner=str(os.getpid())), *namespace, "--", *argv]


def prefix(*, on_death: signal.Signals, owner: str) -> list[str]:
    """The words before `--`, for whoever writes the command line into a file."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), on_death.name, owner]


def owner_id(owner: str) -> int:
    """The process id that OWNER stands for."""
    if owner == "parent":
        return os.getppid()
    return int(owner if owner.isdigit() else Path(owner).read_text())


def enter_namespace(uid: int) -> None:
    """Become `uid` in a user namespace of our own: still the same user to everyone outside it.

    Raises OSError where the kernel refuses.
    """
    outside_uid, outside_gid = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "user namespaces are refused here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outside_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{uid} {outside_gid} 1")


def main(args: list[str]) -> None:
    """Tie this process to its owner and become the command."""
    split = args.index("--")
    (on_death, owner, *namespace), argv = args[:split], args[split + 1 :]
    expected = owner_id(owner)
    if namespace:
        enter_namespace(int(namespace[1]))  # first: a change of credentials clears the wish
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.Signals[on_death].value)
    if os.getppid() != expected:
        sys.exit("the owner is gone already")
    os.execvp(argv[0], argv)  # noqa: S606  (the command is our own)


if __name__ == "__main__":
    main(sys.argv[1:])
