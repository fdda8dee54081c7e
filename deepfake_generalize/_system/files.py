"""Files: where they may lie, locked, written whole or not at all, read where they have an end."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import secrets
import shutil
import stat
import tempfile
import time
import warnings
import zipfile
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from deepfake_generalize.errors import DataMismatchError, InputError

if TYPE_CHECKING:
    from deepfake_generalize.types import AnyArray

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

_MEMORY = Path("/dev/shm")  # noqa: S108 - nothing is written here by name
_ROOM_BYTES = 100_000_000
_ROOM_FILES = 100


def absolute(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path without "..", links not followed: the user knows data by them."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links


def possible(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path, or raise `OSError` where no file can have it.

    Names and paths may be too long, hold a NUL byte, or characters that no bytes stand for.
    """
    place = absolute(path)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        try:
            place.lstat()
        except ValueError as error:
            raise OSError(errno.EINVAL, "no file can have this name", str(place)) from error
    return place


def exists(path: Path) -> bool:
    """Whether something is there; `Path.exists` raises where a name is too long."""
    return os.path.exists(path)  # noqa: PTH110


def has_room(folder: Path) -> bool:
    """Whether the disk of a folder takes 100 MB more, and where the system says, 100 files."""
    files = os.statvfs(folder).f_favail if hasattr(os, "statvfs") else _ROOM_FILES + 1
    return shutil.disk_usage(folder).free > _ROOM_BYTES and files > _ROOM_FILES


def find_temporary_folder(out: Path | None = None) -> None:
    """Where no folder takes temporary files, let them go into memory, or beside a result.

    TensorFlow and MediaPipe do not begin without one. Processes begun from now on use it too. Where
    there is none, nothing happens: whoever needs one will say so.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        for folder in (_MEMORY, *(() if out is None else (out, *out.absolute().parents))):
            if folder.is_dir() and os.access(folder, os.W_OK):
                os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
                return


ON_WINDOWS = fcntl is None
"""Where the kernel knows no `flock`, and neither removes nor replaces a file that is open."""
_POLL_SECONDS = 0.1
_BEYOND = 0x7FFF_FFFE
"""The byte that is locked on Windows, where others can neither read nor write what is locked."""
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP))
"""What file systems say that grant no locks, such as some of clusters."""


def lock(handle: int, *, wait: bool = False) -> bool:
    """Lock an open file until it is closed; BlockingIOError where another process has it.

    Returns whether there is a lock now: False where the file system grants none.
    """
    try:
        if ON_WINDOWS:
            _lock_on_windows(handle, wait)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _lock_on_windows(handle: int, wait: bool) -> Any:
    windows = importlib.import_module("msvcrt")
    os.lseek(handle, _BEYOND, os.SEEK_SET)
    while True:
        try:
            return windows.locking(handle, windows.LK_NBLCK, 1)
        except PermissionError as error:
            if not wait:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        time.sleep(_POLL_SECONDS)


def remove_unless_locked(file: Path) -> None:
    """Remove a file, unless a process has it locked (on Windows: open), or it cannot be removed."""
    opening = contextlib.nullcontext if ON_WINDOWS else partial(file.open, "rb")
    with contextlib.suppress(OSError), opening() as opened:
        # Without locks nothing tells whether it is being written.
        if opened is None or lock(opened.fileno()):
            file.unlink()


@contextlib.contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """Be the only process inside this block for `file`, which is made for it and removed after it.

    BlockingIOError where another process is inside, other OSErrors where it cannot be made. Where
    the file system grants no locks, a warning says so, and the block is entered.
    """
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            is_locked = lock(handle)
        except OSError:
            os.close(handle)
            raise
        if is_locked is False:
            warnings.warn(
                f"the file system of {str(file.parent)!r} grants no locks: see that no other "
                "process writes there",
                stacklevel=4,
            )
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(file.stat(), os.fstat(handle)):
                break
        # Whoever had it before removed the file in between: that lock guards nothing.
        os.close(handle)
    try:
        yield
    finally:
        if not ON_WINDOWS:
            file.unlink(missing_ok=True)
        os.close(handle)
        if ON_WINDOWS:
            remove_unless_locked(file)


@contextlib.contextmanager
def claim_folder(folder: Path, lock_name: str, *, work: str) -> Iterator[None]:
    """Be the only process that does this kind of work in a folder, made where it is missing.

    DataMismatchError where another does, InputError where the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock_file(folder / lock_name))
        except BlockingIOError:
            raise DataMismatchError(
                f"expected a folder in which no {work} is running, received {str(folder)!r}, in "
                "which one is.",
                hint="Wait for it, or choose another folder.",
            ) from None
        except OSError as error:
            raise InputError(
                f"expected a folder that can be written, received {str(folder)!r}: "
                f"{error.strerror or error}.",
                hint="Choose another folder, or mend its permissions.",
            ) from error
        yield


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


MAX_BYTES = 1 << 32
# One only Unix has, the other only Windows.
_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
MAX_TEXT_BYTES = 10_000_000
"""Of JSON in a file: the description of EfficientNet has a quarter of a million."""


def may_unpack_to(packed: int) -> int:
    """Return to how many bytes a file of so many may unpack."""
    return max(20 * packed, 100_000_000)


def open_regular(file: str | Path, *, most: int = MAX_BYTES) -> io.BufferedReader:
    """Open a file that is to be read whole, or raise `OSError` where that has no end.

    Pipes and devices are refused without waiting for them, and so are files of more than `most`
    bytes.
    """
    try:
        handle = os.open(file, _READING)
    except ValueError as error:  # A NUL byte, or what no bytes stand for.
        raise OSError(errno.EINVAL, "no file can have this name", str(file)) from error
    opened = os.fdopen(handle, "rb")
    found = os.fstat(handle)
    if stat.S_ISREG(found.st_mode) and found.st_size <= most:
        return opened
    opened.close()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(None, "Is a directory", str(file))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(None, "it is no regular file", str(file))
    raise OSError(None, f"it has {found.st_size} bytes, more than {most}", str(file))


def read_regular(file: str | Path, *, most: int = MAX_BYTES) -> bytes:
    """Return what a file holds that `open_regular` opens."""
    with open_regular(file, most=most) as opened:
        return opened.read()


def check_unpacked(archive: zipfile.ZipFile, packed: int, texts: Collection[str] = ()) -> None:
    """Raise `ValueError` where a zip file of `packed` bytes declares to unpack to far more.

    `zipfile` reads no more of a member than is declared. Those in `texts` are parsed whole.
    """
    most = may_unpack_to(packed)
    if (unpacked := sum(member.file_size for member in archive.infolist())) > most:
        raise ValueError(f"it may unpack to at most {most:,} bytes, it declares {unpacked:,}")
    for member in archive.infolist():
        if member.filename in texts and member.file_size > MAX_TEXT_BYTES:
            raise ValueError(
                f"it may hold at most {MAX_TEXT_BYTES:,} bytes of description, {member.filename} "
                f"in it declares {member.file_size:,}"
            )


@contextlib.contextmanager
def open_arrays(file: Path, texts: Collection[str] = ()) -> Iterator[Any]:
    """Open what `np.savez` wrote, without pickle, and only where `check_unpacked` passes."""
    import numpy as np  # The command line starts without it.

    # Of any size: training writes checkpoints of any network.
    with open_regular(file, most=1 << 62) as raw:
        with zipfile.ZipFile(raw) as archive:
            check_unpacked(archive, os.fstat(raw.fileno()).st_size, texts)
        raw.seek(0)
        with np.load(raw, allow_pickle=False) as arrays:
            yield arrays
