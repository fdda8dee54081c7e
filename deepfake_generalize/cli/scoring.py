"""Score many videos with one detector, and account for each of them: the `score` command's work."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from deepfake_generalize.cli.console import plain
from deepfake_generalize.errors import InputError, VideoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from deepfake_generalize.data.faces import FaceFinder
    from deepfake_generalize.models import Detector

SCORE_COLUMNS = ("video", "video_score", "coverage", "frame", "score", "status", "reason")

_OF_A_FRAME = frozenset({"frame", "score", "status", "reason"})

FrameRecord: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class ScoredVideo:
    """What became of one video.

    Attributes:
        path: The video.
        score: P(fake) in [0, 1], or None when no frame could be scored.
        coverage: The share of the sampled frames that have a score, in [0, 1].
        frames: One dictionary a sampled frame: frame, score (NaN without a face), status ...
        error: Why the video has no score, or None.
    """

    path: Path
    score: float | None
    coverage: float
    frames: tuple[FrameRecord, ...]
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

    def record(self) -> dict[str, Any]:
        """Return what `score --json` holds for this video."""
        return {
            "path": self.path,
            "status": self.status,
            "reason": self.error.message if self.error else None,
            "score": self.score,
            "verdict": self.verdict if self.error is None else None,
            "coverage": self.coverage,
            "frames": list(self.frames),
        }


def find_video_files(given: Sequence[Path]) -> list[Path]:
    """Return the files named, and in place of a folder the video files anywhere inside it.

    Args:
        given: Files and folders. A file is taken whatever it is called; in folders the suffix
            decides.

    Raises:
        InputError: Nothing named exists, or a folder holds no video.
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
    """Raise where not one of these is a video, before anything is loaded to score it.

    Raises:
        VideoError: The only one is none.
        InputError: None of several is one.
    """
    from deepfake_generalize.data.video import probe

    errors = []
    for path in paths:
        try:
            probe(path)
        except VideoError as error:
            errors.append(error)
        else:
            return
    if len(errors) == 1:
        raise errors[0]
    raise InputError(
        f"none of the {len(paths)} files can be read as a video; the first: {errors[0].message}",
        hint=errors[0].hint,
    )


def score_all(
    detector: Detector,
    paths: Sequence[Path],
    *,
    frames_per_video: int,
    progress: Callable[[int, int], None],
) -> list[ScoredVideo]:
    """Score videos with one face finder, opened once.

    Args:
        detector: Scores the faces.
        paths: The videos.
        frames_per_video: Frames sampled from each.
        progress: Called with (done, total).

    Returns:
        One result a video, in order; one that cannot be scored is a result with its error.

    Raises:
        MissingAssetError: A model file cannot be had.
    """
    from deepfake_generalize.data.faces import MediaPipeFinder

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
        return ScoredVideo(path, None, 0.0, _records(getattr(error, "frames", None)), error)
    return ScoredVideo(path, float(scored.score), float(scored.coverage), _records(scored.frames))


def _records(frames: pd.DataFrame | None) -> tuple[FrameRecord, ...]:
    """Return a dictionary a frame; nothing for a video that could not even be opened."""
    if frames is None:
        return ()
    rows = frames.to_dict(orient="records")
    return tuple({str(key): value for key, value in row.items()} for row in rows)


def write_scores(scored: Iterable[ScoredVideo], out: Path) -> None:
    """Write a CSV with one row a frame; a video that could not be read has one without a frame."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, SCORE_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for video in scored:
            shared = {
                "video": video.path,
                "video_score": video.score,
                "coverage": video.coverage,
                "status": video.status,
                "reason": video.error.message if video.error else "",
            }
            writer.writerows(plain({**shared, **frame}) for frame in video.frames or ({},))


def labels_of(paths: Sequence[Path]) -> list[int]:
    """Return the label of each video by the folder it lies in: real is 0, fake (or df) is 1.

    Raises:
        InputError: A video lies in neither.
    """
    from deepfake_generalize.data.crops import LABEL_FOLDERS

    labels = []
    for path in paths:
        found = [
            LABEL_FOLDERS[folder.name.lower()]
            for folder in path.absolute().parents
            if folder.name.lower() in LABEL_FOLDERS
        ]
        if not found:
            raise InputError(
                f"expected the videos of a score file in folders called real and fake, {path} lies "
                "in neither.",
                hint="Sort the videos into real/ and fake/, or leave --save-scores out.",
            )
        labels.append(found[0])
    return labels


def save_score_file(
    scored: Sequence[ScoredVideo], labels: Sequence[int], detector: Detector, folder: Path
) -> Path:
    """Write scores.csv and scores.json, one row a frame, for `benchmark`.

    A video that could not be read has one row without a frame.
    """
    import pandas as pd

    from deepfake_generalize.study.benchmarking import describe_detector, versions
    from deepfake_generalize.study.scores import write_scores as write_score_file

    rows = [
        {
            "label": label,
            "video": str(video.path.absolute()),
            "method": "fake" if label else "real",
            "score": None,
            "status": video.status,
            "reason": video.error.message if video.error else "",
            **{name: value for name, value in plain(frame).items() if name in _OF_A_FRAME},
        }
        for video, label in zip(scored, labels, strict=True)
        for frame in video.frames or ({},)
    ]
    facts = {"detector": describe_detector(detector), "versions": versions(), "source": "videos"}
    return write_score_file(folder, "scores", pd.DataFrame(rows), facts)
