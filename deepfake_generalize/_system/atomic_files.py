"""Files that appear whole or not at all, whatever happens to the process that writes them."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import zipfile
from typing import IO, TYPE_CHECKING

from deepfake_generalize._system.file_locks import ON_WINDOWS, lock, remove_unless_locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from deepfake_generalize.types import AnyArray


@contextlib.contextmanager
def replacing(target: Path, *, suffix: str = ".tmp", durable: bool = False) -> Iterator[Path]:
    """Yield an empty file beside `target` that takes its place when the block ends well.

    When the block raises, the file is removed and `target`, whose folder exists, stays as it was.
    What a killed process left behind is removed by the next one that writes the same target; what a
    living process is writing is left alone. Who may read it stays as it was, and is for the umask
    to say where it is new. The yielded name ends in `suffix`. With `durable` the content is on the
    disk before it takes the place, so that a loss of power leaves the old file or the new one too.
    """
    remove_abandoned(target, suffix=suffix)
    handle, temporary = _make_locked(target, suffix)
    opened = contextlib.ExitStack()
    opened.callback(os.close, handle)
    try:
        yield temporary
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(target.stat().st_mode)
            if mode != stat.S_IMODE(temporary.stat().st_mode):
                temporary.chmod(mode)
        if durable:
            os.fsync(handle)
        if ON_WINDOWS:
            opened.close()
        temporary.replace(target)
    except BaseException:
        opened.close()
        with contextlib.suppress(OSError):  # A disk that became read-only refuses this too.
            temporary.unlink(missing_ok=True)
        raise
    finally:
        opened.close()


def write_whole(target: Path, content: bytes) -> None:
    """Write a file as `replacing` does; its folder exists."""
    with replacing(target) as temporary:
        temporary.write_bytes(content)


def write_result(target: Path, content: bytes) -> None:
    """Write a file that a user named, whole or not at all; a link keeps leading where it leads.

    What is no file (a pipe, a terminal), and a file in a folder that takes no other, is written to
    as it is.
    """
    if target.is_relative_to("/dev") or (target.exists() and not target.is_file()):
        target.write_bytes(content)
        return
    place = target.resolve()
    try:
        write_whole(place, content)
    except PermissionError:
        place.write_bytes(content)


def remove_abandoned(target: Path, *, suffix: str = ".tmp") -> None:
    """Remove what processes that were killed in `replacing` left beside `target`."""
    start = f".{target.name}."
    # Names alone and no paths: where thousands of files are written into one folder, each looks.
    with os.scandir(target.parent) as entries:
        left = [e.name for e in entries if e.name.startswith(start) and e.name.endswith(suffix)]
    for name in left:
        remove_unless_locked(target.parent / name)


def write_arrays(
    out: IO[bytes], arrays: Mapping[str, AnyArray], compression: int = zipfile.ZIP_STORED
) -> None:
    """Write what `np.savez` writes, and close it where the disk is full; `out` stays open.

    NumPy 1 leaves its zip file open then, which complains on stderr when it is collected.
    """
    import numpy as np  # The command line writes files without it.

    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _make_locked(target: Path, suffix: str) -> tuple[int, Path]:
    while True:
        place = target.with_name(f".{target.name}.{secrets.token_hex(4)}{suffix}")
        # Not `tempfile`: its files are for nobody else, and what the umask is cannot be asked.
        try:
            handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue
        if not ON_WINDOWS:  # There others could not write what is locked; open is enough.
            with contextlib.suppress(OSError):
                lock(handle)
        # Between its making and its locking another process may have taken it for abandoned.
        if place.exists():
            return handle, place
        os.close(handle)
