"""The `train` command: a detector from two folders of crops."""

from __future__ import annotations

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
Whole = Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")]
Number = Annotated[float | None, typer.Option(help="Instead of the recipe's.")]
Size = Annotated[
    int | None, typer.Option(min=8, help="Side of the input in pixels; by default the crops'.")
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="A folder to continue from after an interruption.")
]
Patience = Annotated[
    int | None, typer.Option(min=1, help="Stop after so many epochs without improvement.")
]
Name = Annotated[
    str | None, typer.Option(help="What tables call it; by default the architecture's name.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file that --out names, if there is one.")
]


def train(
    architecture: Architecture,
    crops: Annotated[
        str,
        typer.Option("--train", help="A folder of crops to learn from, such as `split` makes."),
    ],
    val: Annotated[
        str,
        typer.Option(help="Crops of the same source to choose the best epoch on; no test set."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The detector's file, ending in .keras.")],
    recipe: Annotated[Literal["paper", "scripts"], typer.Option(help="Whose settings.")] = "paper",
    epochs: Whole = None,
    learning_rate: Number = None,
    batch_size: Whole = None,
    seed: Seed = 0,
    size: Size = None,
    checkpoint: Checkpoint = None,
    early_stopping: Patience = None,
    precision: Precision = "float32",
    name: Name = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Train a detector by the paper's recipe and save it with the record of its training.

    A folder of crops is an extraction's, or holds real/ and fake/ with images; a query behind it
    chooses rows, as in "crops[method=Deepfakes,split=train]". The weights are
    those of the best epoch on the validation crops, which must share no image and no video with
    the others. With --checkpoint, the same command goes on after a stop and ends in the same
    weights. A detector that is there already is not replaced but by --overwrite, or by the same
    command going on.

    JSON keys: detector, out, training (recipe, seed, selection, history, best_epoch, notes, data,
    versions ...). Exits with 4 when the checkpoint is of another training.
    """
    _check_out(out, checkpoint, overwrite=overwrite)
    from deepfake_generalize import data

    # Read before TensorFlow is loaded, which takes seconds.
    learn, choose = data.read_set(crops), data.read_set(val)
    from deepfake_generalize import models

    detector = models.train(
        architecture,
        learn,
        choose,
        recipe=_recipe(architecture, recipe),
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        seed=seed,
        input_shape=None if size is None else (size, size, 3),
        checkpoint=checkpoint,
        precision=precision,
        early_stopping=early_stopping,
        progress=None if json else "auto",
        name=name,
    )
    detector.save(out)
    if json:
        document = {"detector": detector.name, "out": out, "training": detector.training}
        console.write_json(document)
    else:
        _show(detector.name, out, detector.training)


def _check_out(out: Path, checkpoint: Path | None, *, overwrite: bool) -> None:
    """Refuse a file that must not or cannot be written, before hours of training."""
    if out.suffix != ".keras":
        raise InputError(
            f"expected --out to end in .keras, received {out}.",
            hint="A detector is one .keras file, as in --out detector.keras.",
        )
    goes_on = checkpoint and (checkpoint.is_file() or any(checkpoint.glob("*.npz")))
    if out.exists() and not overwrite and not goes_on:
        raise InputError(
            f"expected --out to name a new file, {out} is there already.",
            hint="Name another file, or pass --overwrite to replace it.",
        )
    arguments.check_out(out)


def _recipe(architecture: str, whose: str) -> Recipe:
    from deepfake_generalize.models import RECIPES
    from deepfake_generalize.validation import check_choice

    recipe = RECIPES[check_choice("--architecture", architecture, RECIPES)]
    return recipe.as_scripts if whose == "scripts" else recipe


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
        *(("note", note) for note in record["notes"]),
    ]
    console.write_table(f"trained {name}", ("what", "value"), rows)
