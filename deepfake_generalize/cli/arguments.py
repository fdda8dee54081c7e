"""What several commands take: their common options, detectors, named sets and files to write."""

from __future__ import annotations

import inspect
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepfake_generalize._system.exception_notes import telling
from deepfake_generalize._system.files import write_result
from deepfake_generalize.cli import console
from deepfake_generalize.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from deepfake_generalize.types import Scorer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Equal seeds, equal results, on one machine.")
]
Resamples = Annotated[
    int, typer.Option(min=1, help="How often videos are sampled again for the intervals.")
]
Frames = Annotated[int, typer.Option("--frames", min=1, help="Frames sampled from each video.")]
_DETECTOR = (
    "A public detector's name, a saved .keras file, an .onnx file, file.py:name or "
    "package.module:name; [size=256,logits=true] behind it sets what it does not say"
)
DetectorName = Annotated[str, typer.Option("--detector", help=f"{_DETECTOR}.")]
Detectors = Annotated[
    list[str], typer.Option("--detector", help=f"{_DETECTOR}. Several are compared.")
]
Weights = Annotated[
    Path | None,
    typer.Option("--weights", help="The public detector's weights file, instead of a download."),
]


def takes(*options: Callable[..., None]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that ends in `**options` the arguments of these functions as its own."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        found = [inspect.signature(of, eval_str=True).parameters for of in (command, *options)]
        own = [one for part in found for one in part.values() if one.kind is not one.VAR_KEYWORD]
        own.sort(key=lambda one: one.default is not one.empty)  # What is required comes first.
        command.__annotations__ = {one.name: one.annotation for one in own} | {"return": None}
        command.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
        return command

    return add


def require_detector(name: str, weights: Path | None, *, videos: bool) -> None:
    """Look for a detector and all model files that scoring (of `videos`) takes; load nothing."""
    from deepfake_generalize.data.assets import DETECTORS, face_assets, find_detector, require

    find_detector(name, weights)
    faces = face_assets("landmarks", finds=True) if videos else []
    require(dict.fromkeys(faces) | ({name: weights} if name in DETECTORS else {}))


def load_scorer(name: str, weights: Path | None, sets: Mapping[str, str]) -> Scorer | str:
    """Load a detector for these sets; where all are CSV files of scores its name is enough."""
    from deepfake_generalize.data.manifests import split_query

    places = {set_name: split_query(place)[0] for set_name, place in sets.items()}
    for set_name, path in places.items():
        if not path.exists():
            raise InputError(
                f"expected a folder of crops or a CSV of scores for the set {set_name}, "
                f"{path} does not exist.",
                hint="`extract` makes a folder of crops from videos (docs: videos-to-table).",
            )
    from deepfake_generalize import data
    from deepfake_generalize.data.assets import find_detector
    from deepfake_generalize.study.scores import is_score_table

    crops = [of for set_name, of in sets.items() if not is_score_table(places[set_name])]
    if not crops:
        return name
    find_detector(name, weights)
    for place in crops:  # What is no folder of crops is refused before TensorFlow is loaded.
        data.read_set(place)
    require_detector(name, weights, videos=False)
    from deepfake_generalize import models

    return models.load_detector(name, weights)


def read_set(place: str | Path) -> pd.DataFrame:
    """Read crops from wherever they are, and note what a query chose of them."""
    from deepfake_generalize import data

    crops = data.read_set(place)
    if "selected" in crops.attrs:
        console.write_note(f"note: {crops.attrs['selected']}")
    return crops


def check_out(out: Path | None, *, option: str = "--out") -> None:
    """Make the folder of a file and try whether it can be written, before work is spent on it."""
    if out is None:
        return
    expected = f"expected a file that can be written as {option}, received {out}"
    with telling(expected, hint="Name a file in a folder that you may write to."):
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            out.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=out.parent).close()


def write_out(out: Path, content: str | bytes) -> None:
    """Write a command's result into the file that was named; what is there stays until then."""
    hint = "Make room on the disk, or name another file, and run it again."
    with telling(f"expected to write {out}, the system refused", hint=hint):
        if isinstance(content, str):
            content = content.encode("utf-8", "surrogateescape")
        write_result(out, content)


def named_sets(
    given: Sequence[str],
    *,
    what: str = "NAME=FOLDER or NAME=SCORES.csv",
    example: str = "DFD=crops/dfd",
) -> dict[str, str]:
    """Read options of the form NAME=FOLDER or NAME=SCORES.csv, either maybe with a query."""
    named: dict[str, str] = {}
    for text in given:
        name, _, place = text.partition("=")
        without_name = "[" in name and place.endswith("]") and "[" not in place
        if not (name and place) or without_name:
            raise InputError(
                f"expected {what}, received {text!r}.",
                hint=f"Say its name and where it is, as in {example}.",
            )
        if name in named:
            hint = "Give every set a name of its own."
            raise InputError(f"the set {name} is given twice.", hint=hint)
        named[name] = place
    return named
