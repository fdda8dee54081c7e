"""Tables, figures and the report of a run folder, made from its records and score files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from deepfake_generalize._system.atomic_files import write_whole
from deepfake_generalize._system.bounded_files import open_arrays
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import UNREADABLE
from deepfake_generalize.study import figures
from deepfake_generalize.study.experiment import HEAT_MAPS
from deepfake_generalize.study.protocol import UNSEEN_SETS
from deepfake_generalize.study.report.sections import (
    BETWEEN,
    SHOWN_OF_A_HASH,
    SYNTHETIC,
    report_page,
    seeds_of,
)
from deepfake_generalize.study.report.what_helps import HELPS_CAPTION, what_helps
from deepfake_generalize.study.tables import THRESHOLD_CAPTION, captions, render, why_empty

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from deepfake_generalize.causal import Overlap
    from deepfake_generalize.study.experiment import DetectorFamily
    from deepfake_generalize.study.report.results import RunResults
    from deepfake_generalize.types import AnyArray


def publish_results(results: RunResults) -> Path:
    """Write tables/, figures/ and report.html into a finished study's folder; return the report."""
    _write_tables(results)
    pictures = _write_figures(results)
    target = results.folder / "report.html"
    _write_text(target, report_page(results, pictures))
    return target


def _write_tables(results: RunResults) -> None:
    folder = results.folder / "tables"
    folder.mkdir(exist_ok=True)
    known_by = f"Seed {seeds_of(results.config)}; splits {results.splits_sha256[:SHOWN_OF_A_HASH]}."
    shown = {
        f"table_{number.lower()}": (results.table(number), caption)
        for number, caption in captions(results.protocol).items()
    }
    shown["thresholds"] = (results.thresholds, THRESHOLD_CAPTION)
    if results.side_by_side is not None:
        shown["table_units"] = (results.side_by_side, results.units_caption)
    helped = what_helps(results.families, results.trainings)
    if len(helped):
        shown["what_helps"] = (helped, HELPS_CAPTION)
    if len(results.trainings) > 1:
        shown["table_trainings"] = (results.between_trainings, BETWEEN)
    empty = {
        f"table_{number.lower()}": why_empty(number, results.protocol) for number in ("VI", "VII")
    }
    for name, (table, caption) in shown.items():
        said = f"{caption} {known_by} {SYNTHETIC if results.synthetic else ''}"
        for suffix, form in (("csv", "csv"), ("md", "markdown"), ("tex", "latex")):
            text = render(table, form, empty=empty.get(name, ""), caption=said)
            _write_text(folder / f"{name}.{suffix}", text)


def _write_figures(results: RunResults) -> dict[str, Path]:
    """Write the figures and return name -> SVG, or PNG where a figure holds photographs."""
    folder = results.folder / "figures"
    folder.mkdir(exist_ok=True)
    shown = {}
    for name, figure in _figures(results):
        png, svg = figures.save_figure(figure, folder / name)
        shown[name] = png if name.startswith("figure_2") else svg
    return shown


def _figures(results: RunResults) -> Iterator[tuple[str, Figure]]:
    synthetic = results.synthetic
    for name, families in results.drawn.items():
        yield f"figure_2_{name}", _figure_2(results, families)
    bins = {name: _bins(results, name) for name in ("own", "floor", "ceiling")}
    if len(bins["own"]):
        yield (
            "figure_3",
            figures.figure_3(
                bins.pop("own"),
                **bins,
                render="study" if results.config.follows == "scripts" else "jet",
                synthetic=synthetic,
            ),
        )
    for name, families in results.explained.items():
        yield (
            f"figure_5_{name}",
            figures.figure_5(_overlaps(results, families), synthetic=synthetic),
        )


def _figure_2(results: RunResults, families: Sequence[DetectorFamily]) -> Figure:
    photographs: dict[str, AnyArray] = {}
    maps: dict[str, dict[str, AnyArray]] = {}
    for family in families:
        faces, shown = read_maps(results.folder / HEAT_MAPS / f"{family.name}.npz", family.unseen)
        photographs |= faces
        for key, of_set in shown.items():
            maps.setdefault(key, {}).update(of_set)
    return figures.figure_2(photographs, maps, synthetic=results.synthetic)


def read_maps(
    file: Path, unseen: Sequence[str] = UNSEEN_SETS
) -> tuple[dict[str, AnyArray], dict[str, dict[str, AnyArray]]]:
    """Read the faces and heat maps of Figure 2 that a study keeps.

    Returns:
        Set to its images, and set to detector to maps, float32.
    """
    photographs: dict[str, AnyArray] = {}
    maps: dict[str, dict[str, AnyArray]] = {key: {} for key in unseen}
    try:
        with open_arrays(file) as arrays:
            for name in arrays.files:
                key, _, what = name.partition("/")
                if key not in maps:
                    raise ValueError(f"{name!r} in it is not of a set of Figure 2")
                if what == "images":
                    photographs[key] = arrays[name]
                else:
                    maps[key][what] = arrays[name].astype(np.float32)
    except UNREADABLE as error:
        raise InputError(
            f"expected the heat maps of Figure 2 in {str(file)!r}, cannot read them: {error}",
            hint="Remove the records of kind maps from records/ of the run folder, and run the "
            "study again.",
        ) from error
    return photographs, maps


def _bins(results: RunResults, compared: str) -> pd.DataFrame:
    rows = [
        {
            "architecture": family.title,
            "source": record["source"],
            "dataset": record["set"],
            **record["compared"][compared]["bins"],
        }
        for family in results.families
        for record in results.of("similarity")
        if record["key"].split("/")[0] == family.name
    ]
    return pd.DataFrame(rows)


def _overlaps(
    results: RunResults, families: Sequence[DetectorFamily]
) -> dict[str, dict[int, Overlap]]:
    fractions = results.config.analysis.top_fractions
    return {
        name: {found.k: found for found in results.overlaps(name, fractions)}
        for family in families
        for name in family.names.values()
        if name in results.contributions
    }


def _write_text(path: Path, text: str) -> None:
    write_whole(path, (text.rstrip("\n") + "\n").encode())
