"""The folder an extraction writes to: one extraction at a time, a folder and a record a video.

A video's folder holds its PNG files and `record.json`; both appear by one rename, so a folder that
exists is finished. Everything unfinished lies under `.partial`, which the next call clears away.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd

from deepfake_generalize._system.files import claim_folder, has_room, read_regular, write_whole
from deepfake_generalize.data.crops import (
    CROPS_FILE,
    FAILURES_FILE,
    read_crops,
    read_failures,
    write_crops,
    write_failures,
    write_landmarks,
)
from deepfake_generalize.data.faces import VideoCrops, mask_of
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


RECORD_FILE = "record.json"
_TAKEN = frozenset({CROPS_FILE, FAILURES_FILE, SETTINGS_FILE})
"""Names beside the folders of data sets, which no data set can have."""
_IMAGE = "frame_{:05d}.png"
_READ_BYTES = 1 << 22
_PASSING = frozenset(
    (errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE)
)
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]


class Record(NamedTuple):
    """What became of one video."""

    status: str
    """"ok" with at least one crop; else why there is none, as `reason` says in words."""
    reason: str
    frames: tuple[Mapping[str, Any], ...]
    """A dictionary a sampled frame, keys as `crop_video.FRAME_COLUMNS`; None for NA."""
    lasting: bool = True
    """Whether trying again would give the same; where not, the next call does."""


class Key(NamedTuple):
    """What a finished video's record must agree with to be used again."""

    settings: str
    """Checksum of the folder's settings."""
    frames: int
    """Frames asked for."""
    size_bytes: int | None
    """Size and time of modification of the video, None where it is missing; of its mask too."""
    modified_ns: int | None
    mask_bytes: int | None = None
    mask_ns: int | None = None
    within: str = ""
    """Frames that the others were taken from, such as "12-40"; empty for all."""


def key_of(path: str, settings: str, frames: int, within: str) -> Key:
    """Return the key of a video as it is on disk now."""
    return Key(settings, frames, *_size_and_time(path), *_size_and_time(mask_of(path)), within)


def _size_and_time(path: str | Path | None) -> tuple[int | None, int | None]:
    with contextlib.suppress(OSError, ValueError):  # A path with a NUL is a ValueError.
        if path is not None:
            found = Path(path).stat()
            return found.st_size, found.st_mtime_ns
    return None, None


def name_folders(videos: pd.DataFrame) -> list[str]:
    """Return each video's folder below the root: dataset/method/compression/stem-hash."""
    columns = [videos[name] for name in ("path", "dataset", "method", "compression")]
    rows = list(zip(*columns, strict=True))
    names = [_folder(*row, parts=3) for row in rows]
    often = Counter(names)
    return [
        name if often[name] == 1 else _folder(*row, parts=0)
        for name, row in zip(names, rows, strict=True)
    ]


def _folder(path: str, *columns: object, parts: int) -> str:
    place = [_slug(value) for value in columns]
    if place[0].lower() in _TAKEN:
        place[0] += "_"
    tail = Path(path).parts[-parts:]
    digest = hashlib.sha256(os.fsencode("\0".join([*place, *tail]))).hexdigest()[:8]
    return "/".join([*place, f"{_slug(Path(path).stem)}-{digest}"])


def _slug(value: object) -> str:
    text = "" if pd.isna(value) else str(value)  # type: ignore[call-overload]
    return re.sub(r"[^\w+.-]", "_", text, flags=re.ASCII).lstrip(".")[:80] or "-"


def refusal(path: str | Path | None) -> OSError | None:
    """Return why a file that is there cannot be read to its end, None where it can."""
    try:
        if path is not None and Path(path).is_file():
            with Path(path).open("rb") as file:
                while file.read(_READ_BYTES):
                    pass
    except OSError as error:
        return error
    return None


def is_passing(error: BaseException | None) -> bool:
    """Say whether an error, or what it came from, is the system's, and may not come again."""
    while error is not None:
        if getattr(error, "errno", None) in _PASSING:
            return True
        error = error.__cause__ or error.__context__
    return False


def record_of(crops: VideoCrops) -> Record:
    """Return the record of a video that could be read."""
    frames = crops.frames.astype(object).where(crops.frames.notna(), None).to_dict("records")
    rows = tuple({str(name): value for name, value in frame.items()} for frame in frames)
    if len(crops.images):
        return Record("ok", "", rows)
    counts = Counter(str(row["status"]) for row in rows)
    if set(counts) == {"no_face"}:
        reason = f"no face found in any of the {len(rows)} sampled frames"
    else:
        told = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        reason = f"no crop from any of the {len(rows)} sampled frames: {told}. {crops.note}"
    status = counts.most_common(1)[0][0]
    # Of a whole video "missing" says that there is no file; this one is there, its frames are not.
    return Record("corrupt" if status == "missing" else status, reason.strip(), rows)


def commit_video(
    scratch: Path, folder: Path, record: Record, key: Key, crops: VideoCrops | None
) -> None:
    """Make a video's folder appear, whole: an image for each frame that is "ok", and landmarks."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    content = {"key": key._asdict(), **record._asdict()}
    content["sha256"] = checksum(content)
    good = [int(row["frame"]) for row in record.frames if row["status"] == "ok"]
    with _beside(scratch, folder) as place:
        # A folder inside: the temporary one is private, who may see this one is for the umask.
        made = Path(tempfile.mkdtemp(dir=place)) / "new"
        made.mkdir()
        names = [_IMAGE.format(frame) for frame in good]
        for name, image in zip(names, () if crops is None else crops.images, strict=True):
            # Written by Python: OpenCV's writer crashes on paths it cannot decode.
            _, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), _PNG)
            (made / name).write_bytes(np.asarray(png).tobytes())
        if crops is not None and crops.landmarks is not None:
            meshes = zip(names, crops.landmarks, strict=True)
            write_landmarks(made, {name: mesh for name, mesh in meshes if not np.isnan(mesh).any()})
        (made / RECORD_FILE).write_text(json.dumps(content) + "\n")
        while True:
            if folder.exists():
                folder.rename(Path(tempfile.mkdtemp(dir=place)) / "old")
            try:
                made.rename(folder)
            except OSError as error:
                # A worker that outlived a killed job may have made it appear just now.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                return


@contextlib.contextmanager
def _beside(scratch: Path, folder: Path) -> Iterator[Path]:
    """Yield the scratch folder, or one on the disk of `folder` where that is another one."""
    if scratch.stat().st_dev == folder.parent.stat().st_dev:
        yield scratch
        return
    # So named, what a killed job left there is removed when the video is done again.
    place = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def read_record(folder: Path, key: Key) -> Record | None:
    """Return the whole record of a finished video, gone or not; None where it must be done."""
    try:
        content = read_json(folder / RECORD_FILE)
        if content.pop("sha256") != checksum(content):
            return None
        there = Key(**content.pop("key"))
        record = Record(**content)
    except (DataMismatchError, KeyError, TypeError, RecursionError):
        return None
    if key.size_bytes is None:
        key = there._replace(settings=key.settings, frames=key.frames, within=key.within)
    return record if record.lasting and there == key else None


def crop_rows(folder: Path, record: Record) -> Iterator[dict[str, object]]:
    """Yield the manifest's fields of each crop of a video, without the video's own."""
    for row in record.frames:
        if row["status"] == "ok":
            fields = {name: row[name] for name in ("frame", "box", "score", "aligner", "flag")}
            yield {"path": str(folder / _IMAGE.format(row["frame"])), **fields}


def failure_rows(video: str, record: Record) -> Iterator[dict[str, object]]:
    """Yield a row for the whole video where it gave no crop, else one a failed frame."""
    if record.status != "ok":
        yield {"path": video, "frame": None, "status": record.status, "reason": record.reason}
        return
    for row in record.frames:
        if row["status"] != "ok":
            yield {"path": video, **{name: row[name] for name in ("frame", "status", "reason")}}


def write_manifests(
    root: Path, crops: pd.DataFrame, failures: pd.DataFrame, videos: Sequence[str]
) -> None:
    """Write both manifests; rows about other videos than these stay in them."""
    if (root / CROPS_FILE).exists():
        crops = _keep_others(read_crops(root), crops, videos)
    if (root / FAILURES_FILE).exists():
        failures = _keep_others(read_failures(root), failures, videos)
    write_crops(crops, root)
    write_failures(failures, root)


def _keep_others(old: pd.DataFrame, new: pd.DataFrame, videos: Sequence[str]) -> pd.DataFrame:
    """Return `new` behind those rows of `old` that are about other videos and other files."""
    column = "video" if "video" in old.columns else "path"
    kept = old[~old[column].isin(list(videos)) & ~old["path"].isin(new["path"])]
    return pd.concat([kept, new], ignore_index=True) if len(kept) else new
