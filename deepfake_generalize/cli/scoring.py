"""The `score` command: score many videos and pictures, and account for each of them."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import DetectorName, Frames, Json, Weights
from deepfake_generalize.cli.failures import account_for
from deepfake_generalize.errors import InputError, VideoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from deepfake_generalize.data import FaceFinder
    from deepfake_generalize.types import Scorer

SCORE_COLUMNS = ("video", "video_score", "coverage", "frame", "score", "status", "reason")
_LOW_COVERAGE = 0.5


@dataclass(frozen=True)
class ScoredVideo:
    """What became of one video."""

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


class Source(NamedTuple):
    """A video, a picture, or the `crops` (rows of a manifest) of one of them, scored as one."""

    path: Path
    crops: pd.DataFrame | None = None
    label: int | None = None


def score(
    videos: Annotated[
        list[Path],
        typer.Argument(help="Videos, pictures, folders of them, or crops that `extract` wrote."),
    ],
    detector: DetectorName = "mesonet-deepfakes",
    weights: Weights = None,
    frames: Frames = 10,
    crops: Annotated[
        bool, typer.Option("--crops", help="Pictures are cut to the face already.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write a CSV of all frames.")] = None,
    save_scores: Annotated[
        Path | None,
        typer.Option(help="Write a score file here, for `benchmark`: labels by real/ and fake/."),
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Count verdicts and failures; list no frames.")
    ] = False,
    json: Json = False,
) -> None:
    """Score videos and pictures: P(fake) of each, and of each sampled frame.

    A picture is a video of one frame: the face is found and cut out, unless --crops says that it
    is cut already. Crops that `extract` wrote, packs and tables of crops are scored as they are,
    with labels or without.

    JSON keys: detector, synthetic (trained on synthetic faces), summary (videos, fake, real, failed
    by status, mean_score, frames, frames_scored), videos (a list of: path, status, reason, score,
    verdict, coverage, and frames, a list with a dictionary a frame). Exits with 3 when some videos
    could not be scored, with 2 when none could.
    """
    # All that can be refused at once comes before TensorFlow, which takes seconds to load.
    sources = find_sources(videos, crops=crops, labelled=save_scores is not None)
    check_some_open(sources)
    arguments.check_out(out)
    finds = any(source.crops is None for source in sources)
    arguments.require_detector(detector, weights, videos=finds)
    from deepfake_generalize import models

    loaded = models.load_detector(detector, weights)
    synthetic = bool(getattr(loaded, "synthetic", False))
    with console.progress("scoring", shown=not json) as advance:
        scored = score_all(loaded, sources, frames_per_video=frames, progress=advance)
    counts = summarise(scored)
    if json:
        document = {"detector": loaded.name, "synthetic": synthetic, "summary": counts}
        console.write_json(document | ({} if summary else {"videos": scored}))
    else:
        show_scores(loaded.name, scored, counts if summary else None)
        note_low_coverage(scored)
    if synthetic:
        console.write_note(
            "This detector was trained on synthetic faces: it says nothing about real videos."
        )
    if out is not None:  # After the results are shown: a full disk must not lose them.
        write_scores(scored, out)
    if save_scores is not None:
        save_score_file(scored, sources, loaded, save_scores)
    errors = [video.error for video in scored if video.error is not None]
    if len(scored) == 1 and errors:
        raise errors[0]
    hint = "The result gives the reason for each."
    account_for(len(errors), len(scored), done="scored", hint=hint)


def find_sources(
    given: Sequence[Path], *, crops: bool = False, labelled: bool = False
) -> list[Source]:
    """Return what is to be scored: the files named, and what `walk_files` finds in folders."""
    import pandas as pd

    from deepfake_generalize.data.crops import CROPS_FILE, is_pack
    from deepfake_generalize.data.manifests import split_query

    if not any(split_query(path)[0].exists() for path in given):
        # Some that exist beside some that do not are a result each; here there is nothing to do.
        raise InputError(
            f"expected videos or folders of videos, {given[0]} does not exist.",
            hint="Check the path.",
        )
    found: dict[tuple[Path, bool], Source] = {}
    for path in given:
        place, query = split_query(path)
        table = place.suffix.lower() == ".csv" or is_pack(place) or (place / CROPS_FILE).is_file()
        if table or query is not None:
            inside = _in_table(path)
        else:
            files = {path: _label(path, path) if labelled else None}
            if path.is_dir():
                files = _in_folder(path, crops, labelled)
            inside = []
            for file, label in files.items():
                cut = pd.DataFrame({"path": [str(file)], "frame": 0}) if crops else None
                inside.append(Source(file, cut, label))
        for source in inside:
            found.setdefault((source.path, source.crops is None), source)
    for source in found.values():
        if labelled and source.label is None:
            raise InputError(
                "expected the videos of a score file in folders called real and fake, or with a "
                f"label in their table, {source.path} has neither.",
                hint="Sort the videos into real/ and fake/, or leave --save-scores out.",
            )
    return list(found.values())


def _in_table(path: Path) -> list[Source]:
    """Return a source a video of a table: its crops, or the video itself where it lists videos."""
    from deepfake_generalize.data.layouts import is_video_name

    rows, sources = arguments.read_set(path), []
    listed = rows["path"].map(is_video_name).astype(bool)
    for video, part in rows.groupby(rows["path"].where(listed, rows["video"]), sort=False):
        labels = set(part["label"])
        label = labels.pop() if labels in ({0}, {1}) else None
        cut = None if is_video_name(part["path"].iloc[0]) else part
        sources.append(Source(Path(str(video)), cut, label))
    return sources


def _in_folder(root: Path, crops: bool, labelled: bool) -> dict[Path, int | None]:
    """Return the files to be scored in a folder with their labels, and note which others it has."""
    from deepfake_generalize.data.layouts import left_out, walk_files

    what = "pictures" if crops else "videos or pictures"
    taken: list[Path] = []
    unread: dict[str, str] = {}
    for parts, kind in walk_files(root, still=crops):
        path = root.joinpath(*parts)
        if kind == "picture" or (kind == "video" and not crops):
            taken.append(path)
        else:
            unread[str(path)] = f"it is none of the {what} that are read"
    labels = {str(path): _label(path, root) if labelled else None for path in taken}
    unread |= {problem.path: problem.reason for problem in left_out(labels)}
    if unread:
        first, reason = min(unread.items())
        told = f"{len(unread)} files, such as {first}: {reason}"
        console.write_note(f"note: {root}: not scored: {told}")
    files = {path: labels[str(path)] for path in taken if str(path) not in unread}
    if not files:
        raise InputError(
            f"expected {what} in {root}, found none.",
            hint="Name the files themselves, or a folder with .mp4, .mov, .jpg, .png and the like.",
        )
    return files


def _label(path: Path, root: Path) -> int | None:
    """Return what the folders around a file say: those under a root, else the nearest above."""
    from deepfake_generalize.data.layouts import IMAGE_LABEL_FOLDERS

    above = path.absolute().parents
    folders = [folder for folder in above if folder.name.lower() in IMAGE_LABEL_FOLDERS]
    inside = [folder for folder in folders if folder.is_relative_to(root.absolute())]
    said = [IMAGE_LABEL_FOLDERS[folder.name.lower()] for folder in inside or folders[:1]]
    if len(set(said)) > 1:
        raise InputError(
            f"expected the folders of {path} to give it one label, it is in real and in fake.",
            hint="Move it, or leave --save-scores out.",
        )
    return said[0] if said else None


def check_some_open(sources: Sequence[Source]) -> None:
    """Raise where not one of these can be opened, before anything is loaded to score it."""
    from deepfake_generalize.data import read_image
    from deepfake_generalize.data.layouts import looks_like
    from deepfake_generalize.data.video import probe

    errors = []
    for path, crops, _ in sources:
        try:
            if crops is None and looks_like(path, still=True) != "picture":
                probe(path)
            else:
                read_image(path if crops is None else crops["path"].iloc[0])
        except InputError as error:
            errors.append(error)
        else:
            return
    first = errors[0]
    if len(errors) == 1:
        raise first
    message = f"none of the {len(errors)} files can be scored; the first: {first.message}"
    raise InputError(message, hint=first.hint)


def score_all(
    detector: Scorer,
    sources: Sequence[Source],
    *,
    frames_per_video: int,
    progress: Callable[[int, int], None],
) -> list[ScoredVideo]:
    """Score sources with one face finder; one that fails is a result with its error."""
    from deepfake_generalize.data import MediaPipeFinder

    scored: list[ScoredVideo] = []
    finds = any(source.crops is None for source in sources)
    with MediaPipeFinder() if finds else contextlib.nullcontext() as finder:
        for path, crops, _ in sources:
            progress(len(scored), len(sources))
            cut = None if crops is None else _score_crops(detector, path, crops)
            scored.append(cut or _score(detector, path, frames_per_video, finder))
    return scored


def _score(
    detector: Scorer, path: Path, frames_per_video: int, finder: FaceFinder | None
) -> ScoredVideo:
    from deepfake_generalize.models.detectors import ScoresVideos

    score_video = getattr(type(detector), "score_video", ScoresVideos.score_video)
    try:
        scored = score_video(detector, path, frames_per_video=frames_per_video, finder=finder)
    except VideoError as error:
        frames = console.plain(getattr(error, "frames", None))  # None: it could not be opened.
        return ScoredVideo(path, None, 0.0, frames or [], error)
    frames = console.plain(scored.frames)
    return ScoredVideo(path, float(scored.score), float(scored.coverage), frames)


def _score_crops(detector: Scorer, path: Path, crops: pd.DataFrame) -> ScoredVideo:
    from deepfake_generalize.data import read_image
    from deepfake_generalize.models.detectors import face_scores

    images, frames = [], []
    if getattr(detector, "frames", None) is not None:
        crops = crops.sort_values("frame")
    for place, frame in zip(crops["path"], crops["frame"], strict=True):
        row = {"frame": console.plain(frame), "score": None, "status": "ok", "reason": ""}
        try:
            images.append(read_image(place))
        except InputError as error:
            row |= {"status": "error", "reason": error.message}
        frames.append(row | {"path": place})
    if not images:
        reason = frames[0]["reason"]
        return ScoredVideo(path, None, 0.0, frames, VideoError(reason, hint="Cut it out again."))
    try:
        scores = face_scores(detector, images, path.name, frames).tolist()
    except VideoError as error:
        return ScoredVideo(path, None, 0.0, frames, error)
    for row, found in zip((row for row in frames if row["status"] == "ok"), scores, strict=True):
        row["score"] = found
    return ScoredVideo(path, sum(scores) / len(scores), len(scores) / len(frames), frames)


def summarise(scored: Sequence[ScoredVideo]) -> dict[str, Any]:
    """Count verdicts, failures and frames; the mean is over the videos that have a score."""
    verdicts = Counter(video.verdict for video in scored)
    scores = [video.score for video in scored if video.score is not None]
    frames = [frame.get("score") is not None for video in scored for frame in video.frames]
    return {
        "videos": len(scored),
        "fake": verdicts["fake"],
        "real": verdicts["real"],
        "failed": Counter(video.status for video in scored if video.score is None),
        "mean_score": sum(scores) / len(scores) if scores else None,
        "frames": len(frames),
        "frames_scored": sum(frames),
    }


def show_scores(
    name: str, scored: Sequence[ScoredVideo], summary: dict[str, Any] | None = None
) -> None:
    """Show a table of videos, why one has no score, and each video's frames or the summary."""
    rows = []
    for video in scored:
        number, part = console.number(video.score), f"{video.coverage:.0%}"
        rows.append((video.path, number, video.verdict, part, video.status))
    columns = ("video", "score", "verdict", "frames scored", "status")
    console.write_table(f"P(fake) by {name}", columns, rows)
    for video in scored:
        if video.error is not None and len(scored) > 1:  # That of a single one ends the command.
            console.write_text(f"{video.path}: {video.error.message}")
        if summary or not video.frames:
            continue
        told = any(frame.get("reason") for frame in video.frames)
        shown = ["frame", "score", "status", *["reason"] * told]
        frames = [{**frame, "score": console.number(frame["score"])} for frame in video.frames]
        cells = [[frame.get(column) for column in shown] for frame in frames]
        console.write_table(str(video.path), shown, cells)
    if summary:
        failed = ", ".join(f"{count} {status}" for status, count in summary["failed"].items())
        mean = console.number(summary["mean_score"])
        console.write_text(
            "{videos} videos: {fake} fake, {real} real, ".format_map(summary)
            + f"{failed or 'none'} without a score\nmean score {mean}, "
            + "{frames_scored} of {frames} frames scored".format_map(summary)
        )


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
    import pandas as pd

    rows = [
        {"video": video.path, "video_score": video.score, "coverage": video.coverage, **row}
        for video in scored
        for row in video.rows()
    ]
    table = pd.DataFrame(rows, columns=list(SCORE_COLUMNS), dtype=object)
    arguments.write_out(out, table.to_csv(index=False))


def save_score_file(
    scored: Sequence[ScoredVideo], sources: Sequence[Source], detector: Scorer, folder: Path
) -> Path:
    """Write scores.csv and scores.json for `benchmark`, with the rows of `write_scores`."""
    import pandas as pd

    from deepfake_generalize.study import write_scores as write_score_file
    from deepfake_generalize.study.benchmarking import describe_detector, versions

    names = ("frame", "score", "status", "reason", "path")
    rows = [
        {
            "label": source.label,
            "video": str(video.path.absolute()),
            "method": "fake" if source.label else "real",
            "score": None,
            **{name: value for name, value in row.items() if name in names},
        }
        for video, source in zip(scored, sources, strict=True)
        for row in video.rows()
    ]
    facts = {"detector": describe_detector(detector), "versions": versions(), "source": "videos"}
    return write_score_file(folder, "scores", pd.DataFrame(rows), facts)
