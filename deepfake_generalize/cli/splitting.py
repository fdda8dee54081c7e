"""The `split` command: crops of an extraction into sets to train, choose and test on."""

from __future__ import annotations

import enum
from pathlib import Path  # noqa: TC003  (typer reads the annotations at run time)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepfake_generalize.cli import console, show
from deepfake_generalize.cli.options import Json  # noqa: TC001  (typer reads it)
from deepfake_generalize.cli.session import quiet
from deepfake_generalize.errors import DataMismatchError, InputError

if TYPE_CHECKING:
    from deepfake_generalize.data import Splits

SPLITS_FILE = "splits.csv"
SETS = ("train", "val", "test")


class By(enum.StrEnum):
    """What the sets must not share."""

    IDENTITY = "identity"
    VIDEO = "video"
    OFFICIAL = "official"


def split(
    context: typer.Context,
    crops: Annotated[Path, typer.Argument(help="A folder of crops, or a pack.")],
    out: Annotated[Path, typer.Option("--out", help="The folder for the sets.")],
    train: Annotated[int, typer.Option(help="Images to learn from, half of them real.")],
    val: Annotated[int, typer.Option(help="Images to choose the best epoch on.")],
    test: Annotated[int, typer.Option(help="Images to measure on.")],
    by: Annotated[
        By, typer.Option(help="What the sets must not share; official: as the data set says.")
    ] = By.IDENTITY,
    seed: Annotated[int, typer.Option(min=0, help="Two runs with one seed are equal.")] = 0,
    json: Json = False,
) -> None:
    """Choose balanced train, val and test sets that share no video and, by default, no person.

    Copies no image: each set is a folder with a crops.csv that leads to the crops, for `train` and
    `benchmark`. splits.csv says where every crop went, or why it was dropped, under the hash of
    the choice. A size of 0 makes no set.

    JSON keys: folder, sha256, by, seed, sets (name: folder, images, videos), dropped (reason:
    images). Exits with 4 when the folder holds other splits.
    """
    with quiet(context):
        from deepfake_generalize import data
        from deepfake_generalize.data.splits import count_nameless

        splits = data.balanced_splits(
            data.read_crops(crops), train=train, val=val, test=test, by=by.value, seed=seed
        )
        check_folder(out, crops, splits)
        _write(splits, out)
    document: dict[str, Any] = {
        "folder": out,
        "sha256": splits.sha256,
        "by": by.value,
        "seed": seed,
        "sets": {
            name: {
                "folder": out / name,
                "images": len(getattr(splits, name)),
                "videos": getattr(splits, name)["video"].nunique(),
            }
            for name in SETS
            if len(getattr(splits, name))
        },
        "dropped": splits.dropped["reason"].value_counts().to_dict(),
    }
    if json:
        console.write_json(document)
    else:
        show.splits(document, count_nameless(splits))


def check_folder(out: Path, crops: Path, splits: Splits) -> None:
    """Raise where writing would replace crops, or sets that were chosen otherwise.

    Raises:
        InputError: It is the folder of the crops.
        DataMismatchError: It holds other splits.
    """
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


def _write(splits: Splits, out: Path) -> None:
    from deepfake_generalize.data.crops import write_crops

    for name in SETS:
        if len(part := getattr(splits, name)):
            write_crops(part, out / name)
    splits.save(out / SPLITS_FILE)
