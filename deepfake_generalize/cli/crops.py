"""The commands that make crops and sets of them: `extract` and `split`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deepfake_generalize.cli import console
from deepfake_generalize.cli.arguments import Frames, Json, Seed
from deepfake_generalize.cli.failures import account_for
from deepfake_generalize.errors import DataMismatchError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from deepfake_generalize.data import Extraction, Splits

_PROBLEMS_SHOWN = 10
SPLITS_FILE = "splits.csv"


def extract(
    root: Annotated[Path, typer.Argument(help="A data set as downloaded, or real/ and fake/.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the crops.")],
    layout: Annotated[str, typer.Option(help="How ROOT is laid out.")] = "auto",
    frames: Frames = 10,
    size: Annotated[int, typer.Option(min=16, help="Side of a crop in pixels.")] = 256,
    margin: Annotated[float, typer.Option(help="Side of a crop in face widths.")] = 1.3,
    jobs: Annotated[int, typer.Option(help="Processes; -1 for one per processor.")] = 1,
    aligner: Annotated[
        Literal["landmarks", "short-range", "finder"], typer.Option(help="What finds the eyes.")
    ] = "landmarks",
    finder: Annotated[
        Literal["mediapipe", "cascade"], typer.Option(help="What finds faces.")
    ] = "mediapipe",
    redo: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help="Do finished videos again in which a frame ended so, as in no_face or error; "
            "may be repeated.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Find videos and write aligned face crops; safe to stop and run again.

    Writes crops.csv and failures.csv beside the crops. JSON keys: folder, layout, recognised_by
    (what in the folder made this the layout), videos, videos_failed, crops, failures (status:
    count), problems (what was missing or could not be placed: path, status, reason). Exits with 3
    when some videos gave no crop, with 2 when none gave one.
    """
    from deepfake_generalize import data

    with warnings.catch_warnings():
        # What it warns of, the summary lists.
        warnings.simplefilter("ignore", data.LayoutWarning)
        videos = data.find_videos(root, layout=layout)
    with console.progress("extracting", shown=not json) as advance:
        done = data.extract_faces(
            videos,
            out,
            frames_per_video=frames,
            size=size,
            margin=margin,
            finder=data.CascadeFinder() if finder == "cascade" else None,
            aligner=aligner,
            n_jobs=jobs,
            redo=tuple(redo or ()),
            progress=advance,
        )
    summary = {"folder": out} | summarise(videos, done)
    if json:
        console.write_json(summary)
    else:
        show_summary(summary)
        show_failures(done.failures, out)
    hint = f"{out / 'failures.csv'} gives the reason for each."
    account_for(summary["videos_failed"], len(videos), done="cropped", hint=hint)


def summarise(videos: pd.DataFrame, done: Extraction) -> dict[str, Any]:
    """Return what came of the videos of a manifest, as `extract --json` tells it."""
    cropped = set(done.crops["video"])
    return {
        "layout": videos.attrs["layout"],
        "recognised_by": videos.attrs["recognised_by"],
        "videos": len(videos),
        "videos_failed": sum(path not in cropped for path in videos["path"]),
        "crops": len(done.crops),
        "failures": done.failures["status"].value_counts().to_dict(),
        "problems": videos.attrs["problems"],
    }


def show_summary(summary: Mapping[str, Any]) -> None:
    """Show what came of the videos, from the document of `extract --json`."""
    rows = [
        ("videos", summary["videos"]),
        ("videos without a crop", summary["videos_failed"]),
        ("crops", summary["crops"]),
        *((f"failures: {status}", count) for status, count in summary["failures"].items()),
    ]
    console.write_table(f"crops in {summary['folder']}", ("what", "count"), rows)
    console.write_text(f"layout {summary['layout']}: {summary['recognised_by']}")
    problems = summary["problems"]
    if problems:
        columns = ("path", "status", "reason")
        shown = [[problem[column] for column in columns] for problem in problems[:_PROBLEMS_SHOWN]]
        console.write_table(f"not among the videos: {len(problems)}", columns, shown)
        if more := len(problems) - len(shown):
            console.write_text(f"and {more} more; --json lists all")


def show_failures(failures: pd.DataFrame, out: Path) -> None:
    """Show why videos gave no crop, or fewer than they should, the worst first."""
    if failures.empty:
        return
    rows = []
    for path, of_video in failures.groupby("path", sort=False):
        whole = bool(of_video["frame"].isna().any())
        statuses = ", ".join(of_video["status"].unique())
        reasons = of_video["reason"].dropna().unique()
        left = len(reasons) - 1
        more = f" (and {left} more reason{'s' * (left > 1)})" if left else ""
        frames = "all" if whole else str(len(of_video))
        rows.append((not whole, -len(of_video), [path, frames, statuses, reasons[0] + more]))
    rows.sort(key=lambda row: row[:2])
    shown = [row[-1] for row in rows[:_PROBLEMS_SHOWN]]
    columns = ("video", "frames without a crop", "status", "reason")
    console.write_table(f"videos with failures: {len(rows)}", columns, shown)
    more = f"and {len(rows) - len(shown)} more; " if len(rows) > len(shown) else ""
    console.write_text(f"{more}{out / 'failures.csv'} gives the reason for each frame or video")


def split(
    crops: Annotated[Path, typer.Argument(help="A folder, a table or a pack of crops.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the sets.")],
    train: Annotated[int, typer.Option(help="Images to learn from, half of them real.")],
    val: Annotated[int, typer.Option(help="Images to choose the best epoch on.")],
    test: Annotated[int, typer.Option(help="Images to measure on.")],
    by: Annotated[
        Literal["identity", "video", "official"],
        typer.Option(help="What the sets must not share; official: as the data set says."),
    ] = "identity",
    video_pattern: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="What names the video of an image in a folder without crops.csv: folder, number "
            "(017_0042.jpg is of the video 017), or a regular expression with a group.",
        ),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Choose balanced train, val and test sets that share no video and, by default, no person.

    Copies no image: each set is a folder with a crops.csv that leads to the crops, for `train` and
    `benchmark`. splits.csv says where every crop went, or why it was dropped, under the hash of
    the choice. A size of 0 makes no set.

    JSON keys: folder, sha256, by, seed, sets (name: folder, images, videos), dropped (reason:
    images), remarks (what is not known of the videos). Exits with 4 when the folder holds other
    splits.
    """
    from deepfake_generalize import data
    from deepfake_generalize.data.crops import write_crops
    from deepfake_generalize.data.splits import remarks

    read = data.read_crops(crops, video_pattern=video_pattern)
    splits = data.balanced_splits(read, train=train, val=val, test=test, by=by, seed=seed)
    check_folder(out, crops, splits)
    parts = {"train": splits.train, "val": splits.val, "test": splits.test}
    sets = {}
    for name, part in parts.items():
        if len(part):
            write_crops(part, out / name)
            videos = part["video"].nunique()
            sets[name] = {"folder": out / name, "images": len(part), "videos": videos}
    splits.save(out / SPLITS_FILE)
    document: dict[str, Any] = {
        "folder": out,
        "sha256": splits.sha256,
        "by": by,
        "seed": seed,
        "sets": sets,
        "dropped": splits.dropped["reason"].value_counts().to_dict(),
        "remarks": remarks(splits),
    }
    if json:
        console.write_json(document)
    else:
        _show(document)


def check_folder(out: Path, crops: Path, splits: Splits) -> None:
    """Raise where writing would replace crops, or sets that were chosen otherwise."""
    from deepfake_generalize.data import Splits

    if out.resolve() == crops.resolve():
        raise InputError(
            f"expected --out to be another folder than that of the crops, received {out}.",
            hint="Name a new folder, as in --out splits.",
        )
    if (out / SPLITS_FILE).exists() and Splits.load(out / SPLITS_FILE).sha256 != splits.sha256:
        raise DataMismatchError(
            f"expected a new folder or one with these splits, {out} holds others.",
            hint="Name another --out, or delete that one.",
        )


def _show(document: Mapping[str, Any]) -> None:
    rows = [
        (name, part["images"], part["videos"], part["folder"])
        for name, part in document["sets"].items()
    ]
    columns = ("set", "images", "videos", "folder")
    console.write_table(f"sets by {document['by']}, half of each real", columns, rows)
    for reason, count in document["dropped"].items():
        console.write_text(f"dropped: {count} image{'s' * (count > 1)}, {reason}")
    for remark in document["remarks"]:
        console.write_text(remark)
    console.write_text(f"sha256: {document['sha256']}")
