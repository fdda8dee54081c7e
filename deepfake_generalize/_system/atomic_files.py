"""Files that appear whole or not at all, whatever happens to the process that writes them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deepfake_generalize.types import AnyArray


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield an empty file beside `target` that takes its place when the block ends well.

    When the block raises, the file is removed and `target` stays as it was. What a killed process
    left behind is removed by the next one that writes the same target; what a living process is
    writing is left alone.

    Args:
        target: The file to be; its folder exists.

    Yields:
        The path to write to.
    """
    _remove_abandoned(target)
    handle, temporary = _make_locked(target)
    try:
        yield temporary
        # A temporary file is private to its maker; the result is for whoever may enter its folder.
        temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def write_whole(target: Path, content: bytes) -> None:
    """Write a file as `replacing` does.

    Args:
        target: The file; its folder exists.
        content: What it will hold.
    """
    with replacing(target) as temporary:
        temporary.write_bytes(content)


def write_arrays(
    out: IO[bytes], arrays: Mapping[str, AnyArray], compression: int = zipfile.ZIP_STORED
) -> None:
    """Write what `np.savez` writes, and close it where the disk is full.

    NumPy 1 leaves its zip file open then, which complains on stderr when it is collected.

    Args:
        out: Open for writing; stays open.
        arrays: Name -> array.
        compression: As for `zipfile.ZipFile`.
    """
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _make_locked(target: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        _lock(handle)
        # Between its making and its locking another process may have taken it for abandoned.
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)


def _remove_abandoned(target: Path) -> None:
    for path in target.parent.iterdir():
        if not (path.name.startswith(f".{target.name}.") and path.name.endswith(".tmp")):
            continue
        with contextlib.suppress(OSError), path.open("rb") as file:
            # The kernel lets go of a lock when its process dies, however it dies.
            if _lock(file.fileno()):
                path.unlink()


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
