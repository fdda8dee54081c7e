"""The `split` command: crops of an extraction into sets to train, choose and test on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deepfake_generalize.cli import console
from deepfake_generalize.cli.arguments import Json, Seed
from deepfake_generalize.errors import DataMismatchError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deepfake_generalize.data import Splits

SPLITS_FILE = "splits.csv"


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
