"""The folder an extraction writes to: one extraction at a time, one setting for all of it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from deepfake_generalize._system.files import claim_folder, has_room, read_regular, write_whole
from deepfake_generalize.data.crops import CROPS_FILE, FAILURES_FILE
from deepfake_generalize.errors import DataMismatchError, InputError, PartialError

SETTINGS_FILE = "settings.json"
_SCRATCH = ".partial"
_LOCK = ".lock"
_FORMAT = 1
_ATTEMPTS = 40
_PAUSE_SECONDS = 0.05
_REFUSALS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM)
)
"""What the system says of a place that cannot be written; other errors have other causes."""


def checksum(facts: Mapping[str, object]) -> str:
    """Return the SHA-256 of what JSON can hold, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@contextlib.contextmanager
def open_folder(root: Path, settings: Mapping[str, object]) -> Iterator[Path]:
    """Make or take over a folder of crops, alone, and yield a scratch folder inside it."""
    scratch = root / _SCRATCH
    with claim_folder(root, _LOCK, work="extraction"), _failing_in_words(root):
        _agree_on_settings(root, settings)
        for file in (root / CROPS_FILE, root / FAILURES_FILE):
            if file.exists() and not file.is_file():
                raise InputError(
                    f"expected a manifest at {file}, or nothing, received what is no regular file.",
                    hint="Move it away, or choose another out_dir.",
                )
        _clear(scratch)
        scratch.mkdir(exist_ok=True)
        try:
            # A folder of its own: workers that outlive a killed job for a moment lose theirs.
            yield Path(tempfile.mkdtemp(dir=scratch))
        finally:
            _clear(scratch)


@contextlib.contextmanager
def _failing_in_words(root: Path) -> Iterator[None]:
    try:
        yield
    except BrokenExecutor as error:
        raise PartialError(
            f"expected every process of the extraction into {root} to end by itself, one was "
            "killed.",
            hint="Too little memory is the usual cause: use fewer jobs. Run it again: finished "
            "videos are kept.",
        ) from error
    except OSError as error:
        if error.errno == errno.ENOENT and not (root / _SCRATCH).exists():
            raise InputError(
                f"expected {root} to stay while crops are written to it, it was removed, or "
                f"{_SCRATCH} in it.",
                hint="Run it again: finished videos that are still there are kept.",
            ) from error
        if error.errno not in _REFUSALS:
            raise
        raise InputError(
            f"expected to write crops to {root}, the system refused: {error.strerror}.",
            hint=f"{_remedy(error, root)}, and run it again: finished videos are kept.",
        ) from error


def _remedy(error: OSError, root: Path) -> str:
    if error.errno == errno.ENOSPC:
        with contextlib.suppress(OSError):
            if has_room(root):
                return (
                    "This disk has room, that of temporary files has none: make some there "
                    f"({tempfile.gettempdir()}, /dev/shm), or use one job"
                )
    return "Make room on the disk, or mend the permissions"


def _clear(scratch: Path) -> None:
    """Remove the scratch folder, into which a worker that outlives its job may still be writing."""
    if scratch.is_symlink():  # It leads to somebody else's files.
        scratch.unlink()
    # Renamed first: the worker could put a video's folder in place of which a part is removed.
    gone = scratch.with_name(f"{scratch.name}.old")
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(OSError):  # Nothing is there, or something of the last one.
            scratch.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        if not (scratch.exists() or gone.exists()):
            return
        # The worker's next file has no folder to go to, and ends it.
        time.sleep(_PAUSE_SECONDS)


def _agree_on_settings(root: Path, settings: Mapping[str, object]) -> None:
    file = root / SETTINGS_FILE
    wanted = {"format": _FORMAT, **settings}
    if not file.exists():
        write_whole(file, (json.dumps(wanted, indent=2, sort_keys=True) + "\n").encode())
        return
    there = read_json(file)
    differing = [
        f"{name}: {there.get(name)!r} there, {wanted.get(name)!r} asked for"
        for name in sorted({*there, *wanted})
        if there.get(name) != wanted.get(name)
    ]
    if differing:
        raise DataMismatchError(
            f"expected {root} to hold crops of the same settings, received others "
            f"({'; '.join(differing)}).",
            hint="Choose another out_dir, or delete that one.",
        )


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object that an extraction wrote; DataMismatchError for anything else."""
    content, received = None, "no JSON object"
    try:
        content = json.loads(read_regular(file))
    except (OSError, ValueError, RecursionError) as error:
        received = getattr(error, "strerror", None) or str(error)
    if not isinstance(content, dict):
        raise DataMismatchError(
            f"expected {file} as extract_faces writes it, received: {received}.",
            hint="Choose another out_dir, or delete that one.",
        )
    return content
