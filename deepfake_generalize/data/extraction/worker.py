"""What the workers of an extraction do: videos in, finished folders out.

Every worker opens its finder inside `with`: MediaPipe's objects survive neither forking nor the
garbage collector.
"""

from __future__ import annotations

import contextlib
import copy
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from deepfake_generalize._system.processes import ending_with_parent
from deepfake_generalize.data.extraction import video_record
from deepfake_generalize.data.extraction.video_record import Record
from deepfake_generalize.data.faces import (
    Aligner,
    CropSettings,
    FaceFinder,
    crop_opened,
    mask_of,
    open_tools,
)
from deepfake_generalize.errors import VideoError

# Opening the finder costs a tenth of a video's work, so a worker takes several at once; a job of
# few videos is still spread evenly.
_MAX_CHUNK = 16
_CHUNKS_PER_WORKER = 4
_OURS = "DEEPFAKE_GENERALIZE_"
"""What the names of our environment variables begin with; they say where models lie."""


class Job(NamedTuple):
    """All that a worker needs of an extraction; it crosses process borders."""

    root: Path
    scratch: Path
    """Where unfinished files go, on the same file system."""
    checksum: str
    """Of the folder's settings."""
    settings: CropSettings
    finder: FaceFinder
    """Workers open copies."""
    aligner: str


class Task(NamedTuple):
    """One video to do: its path, its folder below the root, frames asked for and within which."""

    path: str
    folder: str
    frames: int
    within: str = ""


def run(job: Job, tasks: Sequence[Task], n_jobs: int | None) -> Iterator[dict[Task, Record]]:
    """Do the tasks, and yield their records in any order as they come."""
    import joblib

    workers = joblib.effective_n_jobs(n_jobs)
    if not tasks:
        return
    if workers == 1:
        with _worker_tools(job) as tools:
            for task in tasks:
                yield {task: _do(job, task, *tools)}
        return
    chunk = min(_MAX_CHUNK, math.ceil(len(tasks) / (workers * _CHUNKS_PER_WORKER)))
    chunks = [tasks[at : at + chunk] for at in range(0, len(tasks), chunk)]
    parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    places = {name: value for name, value in os.environ.items() if name.startswith(_OURS)}
    work = joblib.delayed(ending_with_parent(_do_all))
    yield from parallel(work(job, part, places) for part in chunks)


@contextlib.contextmanager
def _worker_tools(job: Job) -> Iterator[tuple[FaceFinder, Aligner]]:
    # A copy, as pickling would make it: the caller's own finder is neither shared nor closed.
    with copy.copy(job.finder) as finder, open_tools(finder, job.aligner) as tools:
        yield tools


def _do_all(job: Job, tasks: Sequence[Task], places: Mapping[str, str]) -> dict[Task, Record]:
    # A worker that was there before knows the environment of its own beginning; one on another
    # machine keeps what only it can see.
    os.environ.update({name: value for name, value in places.items() if Path(value).exists()})
    with _worker_tools(job) as tools:
        return {task: _do(job, task, *tools) for task in tasks}


def _do(job: Job, task: Task, finder: FaceFinder, aligner: Aligner) -> Record:
    # Before reading: a file that changes meanwhile is then done again.
    key = video_record.key_of(task.path, job.checksum, task.frames, task.within)
    crops = None
    try:
        tools = (job.settings, finder, aligner)
        crops = crop_opened(task.path, task.frames, *tools, within=task.within)
        record = video_record.record_of(crops)
    except VideoError as error:
        lasting = key.size_bytes is not None and not video_record.is_passing(error)
        record = Record(error.status, str(error), (), lasting=lasting)
    except Exception as error:  # One odd video must not end a job of thousands.
        record = Record("error", f"{type(error).__name__}: {error}", (), lasting=False)
    failed = record.status in ("error", "corrupt", "no_frames") or any(
        frame["status"] in ("corrupt", "missing") for frame in record.frames
    )
    files = [task.path] if failed else []
    if any("mask_unreadable" in str(frame.get("flag")) for frame in record.frames):
        files.append(str(mask_of(task.path)))
    if any(video_record.refusal(file) is not None for file in files):  # It may be mended.
        record = record._replace(lasting=False)
    if record.lasting or (crops is not None and len(crops.images)):
        video_record.commit_video(job.scratch, job.root / task.folder, record, key, crops)
    return record


def finished(job: Job, task: Task, redo: Collection[str] = ()) -> Record | None:
    """Return the record of a video that needs no work; None where it does, as `redo` may say."""
    key = video_record.key_of(task.path, job.checksum, task.frames, task.within)
    record = video_record.read_record(job.root / task.folder, key)
    if record is None or key.size_bytes is None:
        return record
    ended = {record.status, *(str(frame["status"]) for frame in record.frames)}
    return None if ended & set(redo) else record
