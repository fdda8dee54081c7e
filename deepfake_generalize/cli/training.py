"""The `train` command: a detector from two folders of crops."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import Json, Seed
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from deepfake_generalize.models import Recipe

Architecture = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="The study's are mesonet, mesoinception, shallownet, xception and efficientnet_b0.",
    ),
]
Precision = Annotated[
    Literal["float32", "bfloat16"], typer.Option(help="bfloat16 is quicker on CPUs that have it.")
]


def train(
    architecture: Architecture,
    crops: Annotated[
        Path,
        typer.Option("--train", help="A folder of crops to learn from, such as `split` makes."),
    ],
    val: Annotated[
        Path,
        typer.Option(help="Crops of the same source to choose the best epoch on; no test set."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The detector's file, ending in .keras.")],
    recipe: Annotated[Literal["paper", "scripts"], typer.Option(help="Whose settings.")] = "paper",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: Seed = 0,
    size: Annotated[
        int | None, typer.Option(min=8, help="Side of the input in pixels; by default the crops'.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A folder to continue from after an interruption.")
    ] = None,
    early_stopping: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many epochs without improvement.")
    ] = None,
    precision: Precision = "float32",
    json: Json = False,
) -> None:
    """Train a detector by the paper's recipe and save it with the record of its training.

    A folder of crops is an extraction's, or holds real/ and fake/ with images. The weights are
    those of the best epoch on the validation crops, which must share no image and no video with
    the others. With --checkpoint, the same command goes on after a stop and ends in the same
    weights.

    JSON keys: detector, out, training (recipe, seed, selection, history, best_epoch, data,
    versions ...). Exits with 4 when the checkpoint is of another training.
    """
    if out.suffix != ".keras":  # Said before hours of training, not after them.
        raise InputError(
            f"expected --out to end in .keras, received {out}.",
            hint="A detector is one .keras file, as in --out detector.keras.",
        )
    arguments.check_out(out)
    from deepfake_generalize import data

    # Read before TensorFlow is loaded, which takes seconds.
    learn, choose = data.read_crops(crops), data.read_crops(val)
    from deepfake_generalize import models

    detector = models.train(
        architecture,
        learn,
        choose,
        recipe=_recipe(architecture, recipe, epochs=epochs, batch_size=batch_size),
        seed=seed,
        input_shape=None if size is None else (size, size, 3),
        checkpoint=checkpoint,
        precision=precision,
        early_stopping=early_stopping,
        progress=None if json else "auto",
    )
    detector.save(out)
    if json:
        document = {"detector": detector.name, "out": out, "training": detector.training}
        console.write_json(document)
    else:
        _show(detector.name, out, detector.training)


def _recipe(architecture: str, whose: str, **asked: int | None) -> Recipe:
    """Return the study's recipe with what the user changed, named for it."""
    from deepfake_generalize.models import RECIPES
    from deepfake_generalize.validation import check_choice

    recipe = RECIPES[check_choice("--architecture", architecture, RECIPES)]
    if whose == "scripts":
        recipe = recipe.as_scripts
    changed: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    if changed:
        parts = (f"{key} {value}" for key, value in changed.items())
        changed["name"] = ", ".join((recipe.name, *parts)).replace("batch_size", "batch size")
    return dataclasses.replace(recipe, **changed)


def _show(name: str, out: Path, record: Any) -> None:
    best, history = record["best_epoch"], record["history"]
    rows = [
        ("file", out),
        ("recipe", record["recipe"]["name"]),
        ("seed", record["seed"]),
        ("images", f"{record['data']['train']['images']} + {record['data']['val']['images']}"),
        ("epochs", f"{len(history['loss'])} ({record['ended']})"),
        ("best epoch", best),
        ("its validation accuracy", console.number(history["val_accuracy"][best - 1])),
        ("chosen by", record["selection"]),
    ]
    console.write_table(f"trained {name}", ("what", "value"), rows)
