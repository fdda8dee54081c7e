"""What several commands take: their common options, detectors, named sets and files to write."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepfake_generalize._system.atomic_files import write_result
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deepfake_generalize.types import Scorer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Equal seeds, equal results, on one machine.")
]
Frames = Annotated[int, typer.Option("--frames", min=1, help="Frames sampled from each video.")]
DetectorName = Annotated[
    str,
    typer.Option(
        "--detector",
        help="A public detector's name, a saved .keras file, an .onnx file, file.py:name or "
        "package.module:name; [size=256,logits=true] behind it sets what it does not say.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="The public detector's weights file, instead of a download."),
]


def require_detector(name: str, weights: Path | None, *, videos: bool) -> None:
    """Look for a detector and for all the model files that scoring takes; load nothing.

    `videos` says whether faces must be found first.
    """
    from deepfake_generalize.data.assets import DETECTORS, face_assets, find_detector, require

    find_detector(name, weights)
    faces = face_assets("landmarks", finds=True) if videos else []
    require(dict.fromkeys(faces) | ({name: weights} if name in DETECTORS else {}))


def load_scorer(name: str, weights: Path | None, sets: Mapping[str, Path]) -> Scorer | str:
    """Load a detector for these sets; where all are CSV files of scores its name is enough."""
    for set_name, path in sets.items():
        if not path.exists():
            raise InputError(
                f"expected a folder of crops or a CSV of scores for the set {set_name}, "
                f"{path} does not exist.",
                hint="Check the path; `extract` makes a folder of crops from videos.",
            )
    from deepfake_generalize.data import read_crops
    from deepfake_generalize.data.assets import find_detector
    from deepfake_generalize.study.scores import is_score_table

    crops = [path for path in sets.values() if not is_score_table(path)]
    if not crops:
        return name
    find_detector(name, weights)
    for path in crops:  # What is no folder of crops is refused before TensorFlow is loaded.
        read_crops(path)
    require_detector(name, weights, videos=False)
    from deepfake_generalize import models

    return models.load_detector(name, weights)


def check_out(out: Path | None, *, option: str = "--out") -> None:
    """Try whether a file can be written here, before work is spent on what goes into it.

    Makes the folder; what is in the file already stays.
    """
    if out is None:
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            out.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise InputError(
            f"expected a file that can be written as {option}, received {out}: "
            f"{error.strerror or error}.",
            hint="Name a file in a folder that you may write to.",
        ) from error


def write_out(out: Path, text: str) -> None:
    """Write a command's result into the file that the user named; what is there stays until then.

    Names of files that are no UTF-8 are written as the system has them.
    """
    try:
        write_result(out, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise InputError(
            f"expected to write {out}, the system refused: {error.strerror or error}.",
            hint="Make room on the disk, or name another file, and run it again.",
        ) from error


def named_sets(given: Sequence[str]) -> dict[str, Path]:
    """Read options of the form NAME=FOLDER or NAME=SCORES.csv.

    Examples:
        >>> named_sets(["DFD=crops/dfd"])
        {'DFD': PosixPath('crops/dfd')}
    """
    named: dict[str, Path] = {}
    for text in given:
        name, _, folder = text.partition("=")
        if not (name and folder):
            raise InputError(
                f"expected NAME=FOLDER or NAME=SCORES.csv, received {text!r}.",
                hint="Name the set and where it is, as in --unseen DFD=crops/dfd.",
            )
        if name in named:
            raise InputError(
                f"the set {name} is given twice.", hint="Give every set a name of its own."
            )
        named[name] = Path(folder)
    return named
