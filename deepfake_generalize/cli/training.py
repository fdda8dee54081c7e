"""The commands that end in a new detector: `train`, `transfer`, `merge` and `focus`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deepfake_generalize.cli import arguments, console
from deepfake_generalize.cli.arguments import DetectorName, Json, Seed, Weights
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from deepfake_generalize.models import Detector, Recipe

Architecture = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="The study's are mesonet, mesoinception, shallownet, xception and efficientnet_b0.",
    ),
]
Whole = Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")]
Rate = Annotated[float | None, typer.Option(help="Instead of the recipe's.")]
Neurons = Annotated[
    str, typer.Option(help="As in 3,17,42; or what `causal` wrote, for the universal ones.")
]


def _sets_and_settings(
    crops: Annotated[
        list[str],
        typer.Option("--train", help="Crops to learn from; several sets are put together."),
    ],
    val: Annotated[
        str, typer.Option(help="Crops of the same source to choose the best epoch on; no test set.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The detector's file, ending in .keras.")],
    epochs: Whole = None,
    learning_rate: Rate = None,
    batch_size: Whole = None,
    dropout: Rate = None,
    weight_decay: Rate = None,
    pairing: Annotated[
        bool | None,
        typer.Option(help="Put each fake into a batch with the real clip it was made from."),
    ] = None,
    seed: Seed = 0,
    name: Annotated[
        str | None, typer.Option(help="What tables call it; by default after what it comes from.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace the file that --out names, if there is one."),
    ] = False,
    json: Json = False,
) -> None:
    """Stand for the options of every command here."""


def _long_training(
    checkpoint: Annotated[
        Path | None, typer.Option(help="A folder to continue from after an interruption.")
    ] = None,
    early_stopping: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many epochs without improvement.")
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(help="bfloat16 is quicker on CPUs that have it."),
    ] = "float32",
    augmentation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Change the training images: deepfakebench, selimsef, or mine.py:function.",
        ),
    ] = None,
) -> None:
    """Stand for the options of what takes long."""


def _parent(
    detector: DetectorName,
    weights: Weights = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Whose settings, of a network that is none of the study's."
        ),
    ] = None,
) -> None:
    """Stand for the options of fine-tuning."""


@arguments.takes(_sets_and_settings, _long_training)
def train(
    architecture: Architecture,
    recipe: Annotated[Literal["paper", "scripts"], typer.Option(help="Whose settings.")] = "paper",
    size: Annotated[
        int | None, typer.Option(min=8, help="Side of the input in pixels; by default the crops'.")
    ] = None,
    **options: Any,
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

    def make(*crops: Any, **given: Any) -> Detector:
        from deepfake_generalize import models

        shape = None if size is None else (size, size, 3)
        chosen = _recipe("--architecture", architecture)
        chosen = chosen.as_scripts if recipe == "scripts" else chosen
        return models.train(architecture, *crops, recipe=chosen, input_shape=shape, **given)

    _save(make, **options)


@arguments.takes(_parent, _sets_and_settings, _long_training)
def transfer(
    unfreeze: Annotated[
        str,
        typer.Option(help="What learns: paper, so many of the last layers, or from this one on."),
    ] = "paper",
    **options: Any,
) -> None:
    """Fine-tune the last layers of a detector on few crops of forgeries that are new to it.

    The paper's few are 2,000 of the original set and 2,000 of the unseen ones: name both with
    --train. The detector stays as it is; the new one's record says what it came from.

    JSON keys: as of train.
    """
    layers = int(unfreeze) if unfreeze.isdecimal() else unfreeze
    # Layers that see an image once cannot see it changed.
    cache = options["augmentation"] is None
    _fine_tune("transfer", unfreeze=layers, cache=cache, **options)


@arguments.takes(_parent, _sets_and_settings, _long_training)
def merge(**options: Any) -> None:
    """Fine-tune all layers of a detector on few crops of forgeries that are new to it.

    Crops, record and JSON keys are as of transfer.
    """
    _fine_tune("merge", **options)


@arguments.takes(_parent, _sets_and_settings)
def focus(
    neurons: Neurons,
    mode: Annotated[
        Literal["freeze", "silence", "upweight"],
        typer.Option(
            help="freeze trains their weights alone, silence holds all others at their means, "
            "upweight multiplies their weights."
        ),
    ] = "freeze",
    factor: Annotated[float, typer.Option(help="By how much upweight multiplies.")] = 2.0,
    site: Annotated[str, typer.Option(help="Where the neurons are, as of causal.")] = "paper",
    **options: Any,
) -> None:
    """Let a detector decide by some of its neurons, such as those that contribute everywhere.

    Crops, record and JSON keys are as of transfer. Without a value instead of the recipe's,
    silence and upweight train nothing.
    """
    chosen = _neurons(neurons)
    _fine_tune("focus", chosen, mode=mode, factor=factor, site=site, **options)


def _neurons(given: str) -> list[int]:
    try:
        if not Path(given).is_file():
            return [int(number) for number in given.split(",")]
        import pandas as pd

        table = pd.read_csv(given, usecols=["neuron", "universal"])
        universal = sorted({int(number) for number in table["neuron"][table["universal"]]})
    except (ValueError, KeyError) as error:
        raise InputError(
            f"expected numbers of neurons or a table that `causal` wrote, received {given!r}.",
            hint="As in --neurons 3,17,42 or --neurons effects.csv.",
        ) from error
    if not universal:
        raise InputError(
            f"expected neurons in the top of every set, {given} has none.",
            hint="Run `causal` with a larger --top, or name neurons: --neurons 3,17,42.",
        )
    return universal


def _fine_tune(
    kind: str, *first: Any, detector: str, weights: Path | None, recipe: str | None, **options: Any
) -> None:
    arguments.require_detector(detector, weights, videos=False)

    def make(*crops: Any, **given: Any) -> Detector:
        from deepfake_generalize import augment, models

        parent = models.load_detector(detector, weights)
        settings = None if recipe is None else _recipe("--recipe", recipe).fine_tuning
        made: Detector = getattr(augment, kind)(parent, *first, *crops, recipe=settings, **given)
        return made

    _save(make, **options)


def _save(
    make: Callable[..., Detector],
    *,
    crops: list[str],
    val: str,
    out: Path,
    overwrite: bool,
    json: bool,
    **given: Any,
) -> None:
    """Make a detector from two sets of crops, save it, and say what became of it."""
    _check_out(out, given.get("checkpoint"), overwrite=overwrite)
    import pandas as pd

    # Read before TensorFlow is loaded, which takes seconds.
    parts, choose = [arguments.read_set(place) for place in crops], arguments.read_set(val)
    learn = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)
    detector = make(learn, choose, progress=None if json else "auto", **given)
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


def _recipe(option: str, name: str) -> Recipe:
    from deepfake_generalize.models import RECIPES
    from deepfake_generalize.validation import check_choice

    return RECIPES[check_choice(option, name, RECIPES)]


def _show(name: str, out: Path, record: Any) -> None:
    rows = [("file", out), ("seed", record["seed"])]
    if record["recipe"] is not None:
        best, history = record["best_epoch"], record["history"]
        rows += [
            ("recipe", record["recipe"]["name"]),
            ("images", " + ".join(str(of["images"]) for of in record["data"].values())),
            ("epochs", f"{len(history['loss'])} ({record['ended']})"),
            ("best epoch", best),
            ("its validation accuracy", console.number(history["val_accuracy"][best - 1])),
            ("chosen by", record["selection"]),
            *(("note", note) for note in record["notes"]),
        ]
    parent = record.get("parent")
    rows += [("made from", f"{parent['name']}, by {record['kind']}")] if parent else []
    console.write_table(f"trained {name}", ("what", "value"), rows)
