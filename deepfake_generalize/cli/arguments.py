"""From what was typed to what the library takes: detectors, sets of crops, score files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from deepfake_generalize.models import Detector


def load_detector(name: str, weights: Path | None) -> Detector:
    """Load a saved detector where `name` is a file, else a public one.

    Raises:
        InputError: Neither a file nor a public detector has this name.
        MissingAssetError: The public weights cannot be had.
    """
    from deepfake_generalize import models

    if Path(name).suffix == ".keras" or Path(name).exists():
        return models.Detector.load(Path(name))
    return models.load_pretrained(name, path=weights)


def read_sets(given: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Read NAME=FOLDER options; see `read_set`.

    Raises:
        InputError: The form is another, or a name comes twice.
    """
    named: dict[str, Path] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise InputError(
                f"expected NAME=FOLDER, received {text!r}.",
                hint="Name the set and where its crops are, as in --unseen DFD=crops/dfd.",
            )
        if name in named:
            raise InputError(
                f"the set {name} is given twice.", hint="Give every set a name of its own."
            )
        named[name] = Path(folder)
    return {name: read_set(path) for name, path in named.items()}


def read_set(path: Path) -> pd.DataFrame:
    """Read what a set is measured on: a CSV of scores, or a folder of crops to be scored.

    Raises:
        InputError: Neither, or nothing is in it.
    """
    if path.suffix.lower() == ".csv" and path.is_file():
        import pandas as pd

        try:
            table = pd.read_csv(path)
        except ValueError as error:
            raise InputError(
                f"expected a CSV of scores at {path}: {error}.",
                hint="Give it the columns label (1 = fake) and score, and a row an image.",
            ) from error
        # In a manifest of crops the column `score` is the face finder's; it has boxes, too.
        if "box" not in table.columns:
            return table
    from deepfake_generalize import data

    return data.read_crops(path)
