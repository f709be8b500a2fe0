"""A small disk of its own at a folder, to be filled, emptied, and made read-only; for root alone.

Knows mounts. `SmallDisk` is memory and quick; `FailingDisk` is a real ext4 in a file, which the kernel itself makes
read-only at an error, whatever is open on it, as it does with a disk that dies.
"""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Self

from tests.faults.verbs import needs

BLOCK = 65_536  # bytes


class DiskBusy(Exception):
    """A file on it is open for writing; the text names the disk."""


class SmallDisk:
    """A tmpfs of so many megabytes, mounted at a folder that exists (what is in it is hidden meanwhile)."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        self.megabytes = megabytes
        self._ballast = path / ".ballast"

    def __enter__(self) -> Self:
        needs.root("A small disk")
        self._mount()
        return self

    def __exit__(self, *_: object) -> None:
        self._unmount()

    def fill(self, *, leave: int = 0) -> int:
        """Write until only `leave` bytes are free, and at most a block more; gives the bytes written."""
        written = 0
        with self._ballast.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while self.free_bytes() > leave:
                written += ballast.write(b"\0" * min(BLOCK, self.free_bytes() - leave))
        assert self.free_bytes() <= max(leave, BLOCK), f"{self.path} is not full"
        return written

    def free(self) -> None:
        """Take away what `fill` has written."""
        self._ballast.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """How many bytes can still be written."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def read_only(self) -> None:
        """Let nobody write; DiskBusy if a file is open for writing (then a FailingDisk is wanted)."""
        done = _mount("-o", "remount,ro", str(self.path), check=False)
        if done.returncode:
            raise DiskBusy(f"{self.path} cannot be made read-only while a file on it is open for writing")
        assert self.is_read_only()

    def writable(self) -> None:
        """Let everybody write again."""
        _mount("-o", "remount,rw", str(self.path))
        assert not self.is_read_only()

    def is_read_only(self) -> bool:
        """Whether the kernel refuses to write."""
        try:
            (self.path / ".trial").touch()
        except OSError:
            return True
        (self.path / ".trial").unlink()
        return False

    def _mount(self) -> None:
        _mount("-t", "tmpfs", "-o", f"size={self.megabytes}m,mode=0700", "tmpfs", str(self.path))

    def _unmount(self) -> None:
        """For certain: if somebody still uses it, it goes from the tree now and altogether when he ends."""
        if subprocess.run(["umount", str(self.path)], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "--lazy", str(self.path)], capture_output=True, check=True)
        assert not self.path.is_mount()


class FailingDisk(SmallDisk):
    """An ext4 of so many megabytes in the file `image`; an error makes it read-only at once, open files and all."""

    def __init__(self, path: Path, megabytes: int, *, image: Path) -> None:
        super().__init__(path, megabytes)
        self.image = image

    def __enter__(self) -> Self:
        needs.root("A failing disk")
        needs.command("mkfs.ext4", package="e2fsprogs")
        with self.image.open("wb") as image:
            image.truncate(self.megabytes * 1024 * 1024)
        _run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,root_owner=0:0", str(self.image))
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.image.unlink(missing_ok=True)

    def read_only(self) -> None:
        """Let the kernel find an error on it: from now on every write fails, to open files too."""
        lines = Path("/proc/self/mounts").read_text().splitlines()
        device = next(line.split()[0] for line in lines if line.split()[1] == str(self.path.resolve()))
        Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error").write_text("1")
        assert self.is_read_only()

    def writable(self) -> None:
        """Repair it as an administrator would: unmount, check, mount. DiskBusy while anybody uses it."""
        if subprocess.run(["umount", str(self.path)], capture_output=True, check=False).returncode:
            raise DiskBusy(f"{self.path} cannot be repaired while anybody uses it")
        checked = subprocess.run(["fsck.ext4", "-y", str(self.image)], capture_output=True, check=False)
        assert checked.returncode < 4, "the disk could not be repaired"
        self._mount()
        assert not self.is_read_only()

    def _mount(self) -> None:
        _mount("-o", "loop,errors=remount-ro", str(self.image), str(self.path))


def small_disk(path: Path, megabytes: int) -> SmallDisk:
    """A tmpfs at `path`, as a context manager."""
    return SmallDisk(path, megabytes)


def _mount(*words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return _run("mount", *words, check=check)


def _run(*words: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, capture_output=True, check=check)
