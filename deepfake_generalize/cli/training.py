"""The `train` command: a detector from two folders of crops."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path  # noqa: TC003  (typer reads the annotations at run time)
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepfake_generalize.cli import arguments, console, show
from deepfake_generalize.cli.options import Json  # noqa: TC001  (typer reads it)
from deepfake_generalize.cli.session import quiet
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from deepfake_generalize.models import Recipe


class Architecture(enum.StrEnum):
    """The study's five networks."""

    MESONET = "mesonet"
    MESOINCEPTION = "mesoinception"
    SHALLOWNET = "shallownet"
    XCEPTION = "xception"
    EFFICIENTNET_B0 = "efficientnet_b0"


class RecipeName(enum.StrEnum):
    """Whose settings a training follows."""

    PAPER = "paper"
    SCRIPTS = "scripts"


class Precision(enum.StrEnum):
    """What the arithmetic of a training is done in."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def train(  # noqa: PLR0913  (the options are the arguments)
    context: typer.Context,
    architecture: Annotated[
        Architecture,
        # The words stand in the text, as a narrow column would tear them apart.
        typer.Option(
            metavar="NAME",
            help="mesonet, mesoinception, shallownet, xception or efficientnet_b0.",
        ),
    ],
    crops: Annotated[
        Path,
        typer.Option("--train", help="A folder of crops to learn from, such as `split` makes."),
    ],
    val: Annotated[
        Path,
        typer.Option(help="Crops of the same source to choose the best epoch on; no test set."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The detector's file, ending in .keras.")],
    recipe: Annotated[RecipeName, typer.Option(help="Whose settings.")] = RecipeName.PAPER,
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Two runs with one seed are equal.")] = 0,
    size: Annotated[
        int | None, typer.Option(min=8, help="Side of the input in pixels; the crops' own.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A folder to go on from after a stop.")
    ] = None,
    early_stopping: Annotated[
        int | None, typer.Option(min=1, help="Epochs without a better one before it ends.")
    ] = None,
    precision: Annotated[
        Precision, typer.Option(help="bfloat16 is quicker on CPUs that have it.")
    ] = Precision.FLOAT32,
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
    with quiet(context):
        check_detector_path(out)
        arguments.check_out(out)
        from deepfake_generalize import data

        # Read before TensorFlow is loaded, which takes seconds.
        learn, choose = data.read_crops(crops), data.read_crops(val)
        from deepfake_generalize import models

        chosen = choose_recipe(
            architecture,
            scripts=recipe is RecipeName.SCRIPTS,
            epochs=epochs,
            batch_size=batch_size,
        )
        detector = models.train(
            architecture.value,
            learn,
            choose,
            recipe=chosen,
            seed=seed,
            input_shape=None if size is None else (size, size, 3),
            checkpoint=checkpoint,
            precision=precision.value,
            early_stopping=early_stopping,
            progress=None if json else "auto",
        )
        detector.save(out)
    document = {"detector": detector.name, "out": out, "training": detector.training}
    if json:
        console.write_json(document)
    else:
        show.training(document)


def check_detector_path(out: Path) -> None:
    """Raise before hours of training if the detector could not be written where it should go.

    Raises:
        InputError: The path ends otherwise than in .keras.
    """
    if out.suffix != ".keras":
        raise InputError(
            f"expected --out to end in .keras, received {out}.",
            hint="A detector is one .keras file, as in --out detector.keras.",
        )


def choose_recipe(
    architecture: Architecture, *, scripts: bool, epochs: int | None, batch_size: int | None
) -> Recipe:
    """Return the study's recipe with what the user changed, named for it.

    Args:
        architecture: The network.
        scripts: The scripts' variant instead of the paper's.
        epochs: Instead of the recipe's.
        batch_size: Instead of the recipe's.
    """
    from deepfake_generalize.models import RECIPES

    recipe = RECIPES[architecture.value]
    if scripts:
        recipe = recipe.as_scripts
    asked = {"epochs": epochs, "batch_size": batch_size}
    changed: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    if changed:
        parts = (f"{key} {value}" for key, value in changed.items())
        changed["name"] = ", ".join((recipe.name, *parts)).replace("batch_size", "batch size")
    return dataclasses.replace(recipe, **changed)
