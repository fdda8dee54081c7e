"""The job that turns videos into face crops on disk: parallel, resumable, accounting for each.

Every worker opens its finder inside `with`: MediaPipe's objects survive neither forking nor the
garbage collector.
"""

from __future__ import annotations

import contextlib
import copy
import math
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from deepfake_generalize._system.files import absolute
from deepfake_generalize._system.processes import ending_with_parent
from deepfake_generalize.data import extraction_folder, faces, manifests
from deepfake_generalize.data.assets import face_assets, require
from deepfake_generalize.data.crops import CROP_COLUMNS, FAILURE_COLUMNS, VIDEO_COLUMNS
from deepfake_generalize.data.extraction_folder import Record, checksum, open_folder
from deepfake_generalize.data.layouts import fake_within
from deepfake_generalize.errors import InputError, VideoError
from deepfake_generalize.notebooks import card, html_table
from deepfake_generalize.validation import check_jobs

_STATUSES = frozenset({"ok", "no_face", "corrupt", "missing", "error", "no_frames"})
_SHOWN_DIGITS = 12
_OF_CROPS = frozenset({*CROP_COLUMNS, "settings"} - {*VIDEO_COLUMNS})
"""Columns that crops have and videos have not."""


@dataclass(frozen=True, repr=False)
class Extraction:
    """What `extract_faces` did.

    Attributes:
        crops: The crop manifest, paths absolute: the columns `CROP_COLUMNS`, `settings` (the first
            12 digits of the SHA-256 of the settings that the crop was made with), and what other
            columns the videos have, as texts; `score` and the like are called `own_score`.
        failures: A row a failed frame, or one a failed video (`frame` NA); `FAILURE_COLUMNS`.
        folder: Where the crops and both manifests lie.
        n_videos: Videos asked for.
        n_done: Of them, done by this call; the others were finished before.
        seconds: Wall-clock time of this call.
    """

    crops: pd.DataFrame
    failures: pd.DataFrame
    folder: Path
    n_videos: int
    n_done: int
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """Crops as "ok", and failures by their status; a failed video counts once."""
        failed = self.failures["status"].value_counts()
        return {"ok": len(self.crops), **{str(name): int(n) for name, n in failed.items()}}

    def __repr__(self) -> str:
        """Say how much came of how many videos, and where it is."""
        empty = self.failures["frame"].isna().sum()
        counts = ", ".join(f"{n} {name}" for name, n in self.counts.items())
        return (
            f"Extraction({self.n_videos} videos ({empty} without a crop), {counts}; "
            f"{self.n_done} videos done now in {self.seconds:.1f} s; {self.folder})"
        )

    def _repr_html_(self) -> str:
        """Show it in a notebook: what came of the videos, and why frames failed."""
        reasons = self.failures[["status", "reason"]].value_counts().head(10).reset_index()
        rows = [("ok", "", len(self.crops)), *reasons.itertuples(index=False, name=None)]
        title = f"Extraction of {self.n_videos} videos"
        table = html_table([("status", "reason", "crops or failures"), *rows], [False, False, True])
        return card(title, [table], [repr(self)])


def extract_faces(  # noqa: PLR0913 - each is a choice of its own, all but two have a default
    videos: pd.DataFrame,
    out_dir: str | os.PathLike[str],
    *,
    frames_per_video: int | Mapping[str, int] = 10,
    size: int = 256,
    margin: float = 1.3,
    finder: faces.FaceFinder | None = None,
    aligner: str = "landmarks",
    n_jobs: int | None = None,
    redo: Collection[str] = (),
    progress: bool | Callable[[int, int], None] = False,
) -> Extraction:
    """Cut the subject's face out of evenly spaced frames of every video, and write PNG crops.

    A fake that is fake for moments (its `fake_frames`, such as "12-40;70-95") is sampled within
    these, so that every crop of it is fake; one that has none of these frames is a failure.

    Safe to kill and to call again: finished videos are not done again unless their file or their
    mask changed. The result does not depend on `n_jobs`, on the backend or on how often the job was
    killed. The subject of a video is the face that overlaps its mask, where FaceForensics++ or DFD
    has a mask video for it; else the person with the largest sum of area times score.

    Args:
        videos: The video manifest of `find_videos` (columns `VIDEO_COLUMNS`), at least one row.
            Only `path` is needed; crops of videos without a label have none.
        out_dir: Made if missing. Crops go to `<dataset>/<method>/<compression or ->/<video>/`, the
            manifests to `crops.csv` and `failures.csv`, the points of the aligner "landmarks" to
            `landmarks.npz` beside a video's crops (`read_landmarks`). Rows that an earlier call
            wrote there for other videos stay.
        frames_per_video: A number, or {"real": 20, "fake": 10}, the larger without a label.
        size: Side of a crop in pixels.
        margin: Side of a crop in sides of the face's box.
        finder: What finds faces, a copy in each worker. None: `MediaPipeFinder()`.
        aligner: Who finds the eyes: "landmarks", "short-range" or "finder".
        n_jobs: Processes; -1 for one a processor. None: one, or what `joblib.parallel_config`
            around the call says: `parallel_config(backend="dask")` spreads it over a cluster whose
            machines see the same files. A number other than 1 means all of them there.
        redo: Statuses (`no_face`, `corrupt`, `missing`, `error`, `no_frames`, `ok`): finished
            videos with such a frame, or that ended so as a whole, are done again.
        progress: True for a bar on standard error, or a function called with (done, total) videos.

    Returns:
        The crops, the failures and where they are.

    Raises:
        InputError: A manifest without rows or columns, an argument out of range, a folder that
            cannot be written.
        DataMismatchError: The folder holds crops made with other settings, or another extraction
            is writing to it now.
        MissingAssetError: A model file cannot be had.

    Examples:
        >>> import tempfile
        >>> import pandas as pd
        >>> from deepfake_generalize.data import CascadeFinder
        >>> gone = dict.fromkeys(VIDEO_COLUMNS, "x") | {"path": "gone.mp4", "label": 1}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     done = extract_faces(
        ...         pd.DataFrame([gone]), folder, finder=CascadeFinder(), aligner="finder"
        ...     )
        >>> done.counts
        {'ok': 0, 'missing': 1}

    Reproduction notes:
        The paper takes ten frames a video, aligns faces and crops them to 256x256 (section III-C).
    """
    start = time.perf_counter()
    settings = faces.crop_settings(size, margin)
    rows = _check_videos(videos)
    counts = _frame_counts(frames_per_video)
    check_jobs(n_jobs)
    _check_redo(redo)
    faces.check_finder(finder, opens=True)
    # Missing models are one error here, not one in every worker.
    require(dict.fromkeys(face_assets(aligner, finds=finder is None)))
    finder = faces.MediaPipeFinder() if finder is None else finder
    root = absolute(out_dir)
    described = {"frames_per_video": counts, **settings._asdict()}
    described |= {"finder": finder.name, "aligner": aligner}
    folders = extraction_folder.name_folders(rows)
    wanted = {0: counts["real"], 1: counts["fake"]}
    frames = [wanted.get(label, max(counts.values())) for label in rows["label"]]
    within = map(fake_within, rows.to_dict("records"))
    tasks = [Task(*task) for task in zip(rows["path"], folders, frames, within, strict=True)]
    with open_folder(root, described) as scratch, _reporting(progress) as report:
        job = Job(root, scratch, checksum(described), settings, finder, aligner)
        done = {task: record for task in tasks if (record := finished(job, task, redo)) is not None}
        left = [task for task in tasks if task not in done]
        report(len(done), len(tasks))
        for new in run(job, left, n_jobs):
            done |= new
            report(len(done), len(tasks))
        crops, failures = _tables(job, rows, [(task, done[task]) for task in tasks])
        extraction_folder.write_manifests(root, crops, failures, rows["path"].tolist())
    seconds = time.perf_counter() - start
    return Extraction(crops, failures, root, len(rows), len(left), seconds)


def _check_videos(videos: pd.DataFrame) -> pd.DataFrame:
    manifests.require_columns(videos, ("path",), what="videos", hint="Use data.find_videos(root).")
    if videos.empty:
        raise InputError(
            "expected at least one video, received a manifest without rows.",
            hint="Check what find_videos returned.",
        )
    rows = manifests.with_columns(videos, VIDEO_COLUMNS).reset_index(drop=True).copy()
    manifests.check_labels(
        rows["label"], what="videos", hint="Use data.find_videos(root).", unknown=True
    )
    rows["path"] = [str(absolute(path)) for path in rows["path"]]
    manifests.check_once(rows["path"], what="videos", hint="Drop the duplicates.")
    return rows


def _check_redo(redo: object) -> None:
    if isinstance(redo, str) or not isinstance(redo, Collection) or not set(redo) <= _STATUSES:
        raise InputError(
            f"expected redo to be a collection of statuses ({', '.join(sorted(_STATUSES))}), "
            f"received {redo!r}.",
            hint='Pass ("no_face",), or leave it out.',
        )


def _frame_counts(frames_per_video: int | Mapping[str, int]) -> dict[str, int]:
    if not isinstance(frames_per_video, Mapping):
        return dict.fromkeys(("real", "fake"), faces.check_frame_count(frames_per_video))
    if set(frames_per_video) != {"real", "fake"}:
        raise InputError(
            'expected frames_per_video as a number or with the keys "real" and "fake", '
            f"received the keys {sorted(map(str, frames_per_video))}.",
            hint='Pass 10, or {"real": 20, "fake": 10}.',
        )
    return {name: faces.check_frame_count(frames_per_video[name]) for name in ("real", "fake")}


def _tables(
    job: Job, rows: pd.DataFrame, done: Sequence[tuple[Task, Record]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    crops: list[dict[str, object]] = []
    failures: list[dict[str, object]] = []
    names = {name: f"own_{name}" if name in _OF_CROPS else str(name) for name in rows.columns}
    own = rows.rename(columns=names).drop(columns="path")
    for fields, (task, record) in zip(own.to_dict("records"), done, strict=True):
        about = {str(name): value for name, value in fields.items()}
        about |= {"video": task.path, "settings": job.checksum[:_SHOWN_DIGITS]}
        cut = extraction_folder.crop_rows(job.root / task.folder, record)
        crops += [about | row for row in cut]
        failures += extraction_folder.failure_rows(task.path, record)
    columns = [*CROP_COLUMNS, "settings", *(c for c in own.columns if c not in VIDEO_COLUMNS)]
    return (
        manifests.restore_types(pd.DataFrame(crops, columns=columns), columns),
        manifests.restore_types(
            pd.DataFrame(failures, columns=[*FAILURE_COLUMNS]), FAILURE_COLUMNS
        ),
    )


@contextlib.contextmanager
def _reporting(
    progress: bool | Callable[[int, int], None],
) -> Iterator[Callable[[int, int], None]]:
    if progress is not True:
        yield progress or (lambda *_: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("extracting faces", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("", total=None)
        yield lambda done, total: bar.update(shown, completed=done, total=total)


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
    settings: faces.CropSettings
    finder: faces.FaceFinder
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
def _worker_tools(job: Job) -> Iterator[tuple[faces.FaceFinder, faces.Aligner]]:
    # A copy, as pickling would make it: the caller's own finder is neither shared nor closed.
    with copy.copy(job.finder) as finder, faces.open_tools(finder, job.aligner) as tools:
        yield tools


def _do_all(job: Job, tasks: Sequence[Task], places: Mapping[str, str]) -> dict[Task, Record]:
    # A worker that was there before knows the environment of its own beginning; one on another
    # machine keeps what only it can see.
    os.environ.update({name: value for name, value in places.items() if Path(value).exists()})
    with _worker_tools(job) as tools:
        return {task: _do(job, task, *tools) for task in tasks}


def _do(job: Job, task: Task, finder: faces.FaceFinder, aligner: faces.Aligner) -> Record:
    # Before reading: a file that changes meanwhile is then done again.
    key = extraction_folder.key_of(task.path, job.checksum, task.frames, task.within)
    crops = None
    try:
        tools = (job.settings, finder, aligner)
        crops = faces.crop_opened(task.path, task.frames, *tools, within=task.within)
        record = extraction_folder.record_of(crops)
    except VideoError as error:
        lasting = key.size_bytes is not None and not extraction_folder.is_passing(error)
        record = Record(error.status, str(error), (), lasting=lasting)
    except Exception as error:  # One odd video must not end a job of thousands.
        record = Record("error", f"{type(error).__name__}: {error}", (), lasting=False)
    failed = record.status in ("error", "corrupt", "no_frames") or any(
        frame["status"] in ("corrupt", "missing") for frame in record.frames
    )
    files = [task.path] if failed else []
    if any("mask_unreadable" in str(frame.get("flag")) for frame in record.frames):
        files.append(str(faces.mask_of(task.path)))
    if any(extraction_folder.refusal(file) is not None for file in files):  # It may be mended.
        record = record._replace(lasting=False)
    if record.lasting or (crops is not None and len(crops.images)):
        extraction_folder.commit_video(job.scratch, job.root / task.folder, record, key, crops)
    return record


def finished(job: Job, task: Task, redo: Collection[str] = ()) -> Record | None:
    """Return the record of a video that needs no work; None where it does, as `redo` may say."""
    key = extraction_folder.key_of(task.path, job.checksum, task.frames, task.within)
    record = extraction_folder.read_record(job.root / task.folder, key)
    if record is None or key.size_bytes is None:
        return record
    ended = {record.status, *(str(frame["status"]) for frame in record.frames)}
    return None if ended & set(redo) else record
