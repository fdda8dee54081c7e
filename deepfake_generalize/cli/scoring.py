"""The `score` command: score many videos with one detector, and account for each of them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import DetectorName, Frames, Json, Weights
from deepfake_generalize.cli.failures import account_for
from deepfake_generalize.errors import InputError, VideoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from deepfake_generalize.data import FaceFinder
    from deepfake_generalize.models import Detector

SCORE_COLUMNS = ("video", "video_score", "coverage", "frame", "score", "status", "reason")
_LOW_COVERAGE = 0.5


@dataclass(frozen=True)
class ScoredVideo:
    """What became of one video.

    Attributes:
        path: The video.
        score: P(fake) in [0, 1], or None when no frame could be scored.
        coverage: The share of the sampled frames that have a score, in [0, 1].
        frames: One dictionary a sampled frame: frame, score (None without a face), status ...
        error: Why the video has no score, or None.
    """

    path: Path
    score: float | None
    coverage: float
    frames: list[dict[str, Any]]
    error: VideoError | None = None

    @property
    def status(self) -> str:
        """The word "ok", or the status of the error."""
        return self.error.status if self.error else "ok"

    @property
    def verdict(self) -> str:
        """The word "fake" at a score of one half or more, "real" below; "-" without a score."""
        if self.score is None:
            return "-"
        return "fake" if self.score >= 0.5 else "real"

    def to_dict(self) -> dict[str, Any]:
        """Return what `score --json` holds for this video."""
        return {
            "path": self.path,
            "status": self.status,
            "reason": self.error.message if self.error else None,
            "score": self.score,
            "verdict": self.verdict if self.error is None else None,
            "coverage": self.coverage,
            "frames": self.frames,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a frame for CSV files; a single one without a frame if it has none."""
        shared = {"status": self.status, "reason": self.error.message if self.error else ""}
        return [shared | frame for frame in self.frames or [{}]]


def score(
    videos: Annotated[list[Path], typer.Argument(help="Video files, or folders of them.")],
    detector: DetectorName = "mesonet-deepfakes",
    weights: Weights = None,
    frames: Frames = 10,
    out: Annotated[Path | None, typer.Option("--out", help="Write a CSV of all frames.")] = None,
    save_scores: Annotated[
        Path | None,
        typer.Option(help="Write a score file here, for `benchmark`: labels by real/ and fake/."),
    ] = None,
    json: Json = False,
) -> None:
    """Score videos: P(fake) of each video and of each sampled frame.

    JSON keys: detector, synthetic (trained on synthetic faces), videos (a list of: path, status,
    reason, score, verdict, coverage, and frames, a list with a dictionary a frame). Exits with 3
    when some videos could not be scored, with 2 when none could.
    """
    # All that can be refused at once comes before TensorFlow, which takes seconds to load.
    paths = find_video_files(videos)
    check_some_open(paths)
    arguments.check_out(out)
    labels = None if save_scores is None else labels_of(paths)
    arguments.require_detector(detector, weights, videos=True)
    loaded = arguments.load_detector(detector, weights)
    with console.progress("scoring", shown=not json) as advance:
        scored = score_all(loaded, paths, frames_per_video=frames, progress=advance)
    if json:
        console.write_json(
            {"detector": loaded.name, "synthetic": loaded.synthetic, "videos": scored}
        )
    else:
        show_scores(loaded.name, scored)
        note_low_coverage(scored)
    if loaded.synthetic:
        console.write_note(
            "This detector was trained on synthetic faces: it says nothing about real videos."
        )
    if out is not None:  # After the results are shown: a full disk must not lose them.
        write_scores(scored, out)
    if save_scores is not None and labels is not None:
        save_score_file(scored, labels, loaded, save_scores)
    errors = [video.error for video in scored if video.error is not None]
    if len(scored) == 1 and errors:
        raise errors[0]
    hint = "The result gives the reason for each."
    account_for(len(errors), len(scored), done="scored", hint=hint)


def find_video_files(given: Sequence[Path]) -> list[Path]:
    """Return the files named, and in place of a folder the video files anywhere inside it.

    A file is taken whatever it is called; in folders the suffix decides.
    """
    from deepfake_generalize.data.layouts import VIDEO_SUFFIXES, is_video_name

    if not any(path.exists() for path in given):
        # Some that exist beside some that do not are a result each; here there is nothing to do.
        raise InputError(
            f"expected videos or folders of videos, {given[0]} does not exist.",
            hint="Check the path.",
        )
    paths: list[Path] = []
    for path in given:
        if not path.is_dir():
            paths.append(path)
            continue
        inside = sorted(file for file in path.rglob("*") if is_video_name(file.name))
        if not inside:
            suffixes = ", ".join(sorted(VIDEO_SUFFIXES))
            raise InputError(
                f"expected videos in {path}, found none.",
                hint=f"Name the files themselves, or a folder with {suffixes} files.",
            )
        paths.extend(inside)
    return list(dict.fromkeys(paths))


def check_some_open(paths: Sequence[Path]) -> None:
    """Raise where not one of these is a video, before anything is loaded to score it."""
    from deepfake_generalize.data.video import probe

    errors = []
    for path in paths:
        try:
            probe(path)
        except VideoError as error:
            errors.append(error)
        else:
            return
    first = errors[0]
    if len(errors) == 1:
        raise first
    message = f"none of the {len(paths)} files can be read as a video; the first: {first.message}"
    raise InputError(message, hint=first.hint)


def labels_of(paths: Sequence[Path]) -> list[int]:
    """Return the label of each video by the folder it lies in: real is 0, fake (or df) is 1."""
    from deepfake_generalize.data.crops import LABEL_FOLDERS

    labels = []
    for path in paths:
        folders = (folder.name.lower() for folder in path.absolute().parents)
        label = next((LABEL_FOLDERS[name] for name in folders if name in LABEL_FOLDERS), None)
        if label is None:
            raise InputError(
                f"expected the videos of a score file in folders called real and fake, {path} lies "
                "in neither.",
                hint="Sort the videos into real/ and fake/, or leave --save-scores out.",
            )
        labels.append(label)
    return labels


def score_all(
    detector: Detector,
    paths: Sequence[Path],
    *,
    frames_per_video: int,
    progress: Callable[[int, int], None],
) -> list[ScoredVideo]:
    """Score videos with one face finder, opened once; one that fails is a result with its error.

    `progress` is called with (done, total).
    """
    from deepfake_generalize.data import MediaPipeFinder

    scored: list[ScoredVideo] = []
    with MediaPipeFinder() as finder:
        for path in paths:
            progress(len(scored), len(paths))
            scored.append(_score(detector, path, frames_per_video, finder))
    return scored


def _score(
    detector: Detector, path: Path, frames_per_video: int, finder: FaceFinder
) -> ScoredVideo:
    try:
        scored = detector.score_video(path, frames_per_video=frames_per_video, finder=finder)
    except VideoError as error:
        frames = console.plain(getattr(error, "frames", None))  # None: it could not be opened.
        return ScoredVideo(path, None, 0.0, frames or [], error)
    frames = console.plain(scored.frames)
    return ScoredVideo(path, float(scored.score), float(scored.coverage), frames)


def show_scores(name: str, scored: Sequence[ScoredVideo]) -> None:
    """Show one table of videos, then each video's frames, and why it has no score."""
    rows = []
    for video in scored:
        number, part = console.number(video.score), f"{video.coverage:.0%}"
        rows.append((video.path, number, video.verdict, part, video.status))
    columns = ("video", "score", "verdict", "frames scored", "status")
    console.write_table(f"P(fake) by {name}", columns, rows)
    for video in scored:
        if video.error is not None and len(scored) > 1:  # That of a single one ends the command.
            console.write_text(f"{video.path}: {video.error.message}")
        if video.error is not None and not video.frames:
            continue
        shown = ["frame", "score", "status", "reason"]
        if not any(frame.get("reason") for frame in video.frames):
            shown.remove("reason")
        frames = [{**frame, "score": console.number(frame["score"])} for frame in video.frames]
        cells = [[frame.get(column) for column in shown] for frame in frames]
        console.write_table(str(video.path), shown, cells)


def note_low_coverage(scored: Sequence[ScoredVideo]) -> None:
    """Say on stderr which scores rest on few of the sampled frames."""
    for video in scored:
        if video.error is None and video.coverage <= _LOW_COVERAGE:
            done = round(video.coverage * len(video.frames))
            console.write_note(
                f"note: {video.path}: only {done} of {len(video.frames)} sampled frames have a "
                "score, the table says why; more --frames give it a firmer base."
            )


def write_scores(scored: Iterable[ScoredVideo], out: Path) -> None:
    """Write a CSV with one row a frame; a video that could not be read has one without a frame."""
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, SCORE_COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for video in scored:
        own = {"video": video.path, "video_score": video.score, "coverage": video.coverage}
        writer.writerows(own | row for row in video.rows())
    arguments.write_out(out, table.getvalue())


def save_score_file(
    scored: Sequence[ScoredVideo], labels: Sequence[int], detector: Detector, folder: Path
) -> Path:
    """Write scores.csv and scores.json for `benchmark`, with the rows of `write_scores`."""
    import pandas as pd

    from deepfake_generalize.study import write_scores as write_score_file
    from deepfake_generalize.study.benchmarking import describe_detector, versions

    names = ("frame", "score", "status", "reason")
    rows = [
        {
            "label": label,
            "video": str(video.path.absolute()),
            "method": "fake" if label else "real",
            "score": None,
            **{name: value for name, value in row.items() if name in names},
        }
        for video, label in zip(scored, labels, strict=True)
        for row in video.rows()
    ]
    facts = {"detector": describe_detector(detector), "versions": versions(), "source": "videos"}
    return write_score_file(folder, "scores", pd.DataFrame(rows), facts)
