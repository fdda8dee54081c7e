"""Places that refuse: a disk that is full, one that is read-only, a limit on the size of files."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Disk:
    """A file system of its own, which can be filled and emptied, or made read-only."""

    def __init__(self, folder: Path, mount: str) -> None:
        self.folder = folder
        self._mount = mount

    def fill(self, leave: int) -> None:
        """Take all the room but for some bytes."""
        with (self.folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        size = (self.folder / "filler").stat().st_size
        os.truncate(self.folder / "filler", max(size - leave, 0))

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / "filler").unlink()

    def forbid(self) -> None:
        """Let nobody write any more."""
        subprocess.run([self._mount, "-o", "remount,ro", str(self.folder)], check=True)

    def allow(self) -> None:
        """Let everybody write again."""
        subprocess.run([self._mount, "-o", "remount,rw", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of two megabytes, or skip by name where this user may not mount one."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = [mount or "", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if (
        not (mount and umount)
        or subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
    ):
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield Disk(folder, mount)
    finally:
        subprocess.run([umount, "--lazy", str(folder)], check=True)


@pytest.fixture
def largest_file() -> Callable[[int], contextlib.AbstractContextManager[None]]:
    """A function that keeps this process from writing larger files than so many bytes."""

    @contextlib.contextmanager
    def limited(n_bytes: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
