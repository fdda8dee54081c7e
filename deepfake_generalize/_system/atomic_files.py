"""Files that appear whole or not at all, whatever happens to the process that writes them."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from deepfake_generalize._system.file_locks import lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deepfake_generalize.types import AnyArray


@contextlib.contextmanager
def replacing(target: Path, *, suffix: str = ".tmp", durable: bool = False) -> Iterator[Path]:
    """Yield an empty file beside `target` that takes its place when the block ends well.

    When the block raises, the file is removed and `target` stays as it was. What a killed process
    left behind is removed by the next one that writes the same target; what a living process is
    writing is left alone.

    Args:
        target: The file to be; its folder exists.
        suffix: What the yielded name ends in, for writers that go by it.
        durable: Whether the content is on the disk before it takes the place, so that a machine
            that loses its power keeps the old file or the new one too.
    """
    remove_abandoned(target, suffix=suffix)
    handle, temporary = _make_locked(target, suffix)
    try:
        yield temporary
        # A temporary file is private to its maker; the result is for whoever may enter its folder.
        temporary.chmod(0o644)
        if durable:
            os.fsync(handle)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):  # A disk that became read-only refuses this too.
            temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)


def write_whole(target: Path, content: bytes) -> None:
    """Write a file as `replacing` does; its folder exists."""
    with replacing(target) as temporary:
        temporary.write_bytes(content)


def remove_abandoned(target: Path, *, suffix: str = ".tmp") -> None:
    """Remove what processes that were killed in `replacing` left beside `target`."""
    start = f".{target.name}."
    # Names alone and no paths: where thousands of files are written into one folder, each looks.
    with os.scandir(target.parent) as entries:
        left = [e.name for e in entries if e.name.startswith(start) and e.name.endswith(suffix)]
    for name in left:
        with contextlib.suppress(OSError), (target.parent / name).open("rb") as file:
            lock(file.fileno())
            (target.parent / name).unlink()


def write_arrays(
    out: IO[bytes], arrays: Mapping[str, AnyArray], compression: int = zipfile.ZIP_STORED
) -> None:
    """Write what `np.savez` writes, and close it where the disk is full; `out` stays open.

    NumPy 1 leaves its zip file open then, which complains on stderr when it is collected.
    """
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _make_locked(target: Path, suffix: str) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=suffix)
        with contextlib.suppress(OSError):
            lock(handle)
        # Between its making and its locking another process may have taken it for abandoned.
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)
