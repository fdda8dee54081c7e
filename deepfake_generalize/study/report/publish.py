"""Tables, figures and the report of a run folder, made from its records and score files alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from deepfake_generalize._system.files import open_arrays, write_whole
from deepfake_generalize._system.processes import ending_with_parent
from deepfake_generalize.errors import InputError
from deepfake_generalize.models.detectors import UNREADABLE
from deepfake_generalize.study import figures
from deepfake_generalize.study.experiment import HEAT_MAPS
from deepfake_generalize.study.paper_tables import THRESHOLD_CAPTION, captions, why_empty
from deepfake_generalize.study.protocol import UNSEEN_SETS
from deepfake_generalize.study.render import METRIC_TITLES, render
from deepfake_generalize.study.report.curves import draw_curves
from deepfake_generalize.study.report.intervals import apart
from deepfake_generalize.study.report.sections import (
    BETWEEN,
    SHOWN_OF_A_HASH,
    SYNTHETIC,
    curves_svg,
    report_page,
    seeds_of,
)
from deepfake_generalize.study.report.what_helps import HELPS_CAPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from deepfake_generalize.causal import Overlap
    from deepfake_generalize.study.experiment import DetectorFamily
    from deepfake_generalize.study.report.results import RunResults
    from deepfake_generalize.types import AnyArray


def publish_results(results: RunResults, *, n_jobs: int = 1) -> Path:
    """Write tables/, figures/ and report.html into a finished study's folder; return the report."""
    folder = results.folder / "figures"
    folder.mkdir(exist_ok=True)
    # A third of the time goes into these, which need nothing of what is worked out meanwhile.
    with_faces = Parallel(n_jobs=n_jobs, backend="loky", return_as="generator")(
        delayed(ending_with_parent(figures.draw_and_save))(draw, folder / name)
        for name, draw in _with_faces(results)
    )
    _write_tables(results)
    pictures = _write_figures(results, folder)
    # Of photographs, PNG is the smaller.
    pictures |= {png.stem: png for png, _ in with_faces}
    drawn = draw_curves(results)
    for name, of in drawn.items():
        _write_text(folder / f"curves_{name}.svg", curves_svg(of))
    target = results.folder / "report.html"
    _write_text(target, report_page(results, pictures, drawn))
    return target


def _write_tables(results: RunResults) -> None:
    folder = results.folder / "tables"
    folder.mkdir(exist_ok=True)
    known_by = f"Seed {seeds_of(results.config)}; splits {results.splits_sha256[:SHOWN_OF_A_HASH]}."
    shown = {}
    for number, caption in captions(results.protocol).items():
        shown[f"table_{number.lower()}"] = (results.table(number), caption)
        shown[f"table_{number.lower()}_intervals"] = (results.with_intervals(number), caption)
    shown["thresholds"] = (results.thresholds, THRESHOLD_CAPTION)
    metric = results.protocol.metric
    for unit in results.protocol.units:
        if (metric, unit) != ("accuracy", "frame"):
            said = f"Table V in {METRIC_TITLES[metric]} (%), by {unit}."
            shown[f"table_v_{metric}_{unit}"] = (results.with_intervals("V", metric, unit), said)
    if len(results.what_helps):
        shown["what_helps"] = (results.what_helps, HELPS_CAPTION)
    if len(results.trainings) > 1:
        shown["table_trainings"] = (results.between_trainings, BETWEEN)
    for name, (table, caption) in shown.items():
        number = name.split("_")[1].upper() if name.startswith("table_vi") else ""
        empty = why_empty(number, results.protocol) if number else ""
        said = f"{caption} {known_by} {SYNTHETIC if results.synthetic else ''}"
        numbers, ends = apart(table)
        if ends and "interval" not in caption.lower():
            said = f"{said} In brackets: 95 % intervals."
        _write_text(folder / f"{name}.csv", render(table, "csv"))
        for suffix, form in (("md", "markdown"), ("tex", "latex")):
            text = render(numbers, form, intervals=ends, empty=empty, caption=said)
            _write_text(folder / f"{name}.{suffix}", text)


def _with_faces(results: RunResults) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Yield the name of each Figure 2, and what draws it."""
    scores = {record["key"]: record.get("scores") for record in results.of("maps")}
    for family in results.drawn:
        shown = read_maps(results.folder / HEAT_MAPS / f"{family.name}.npz", family.unseen)
        how: dict[str, Any] = {"scores": scores[family.name], "synthetic": results.synthetic}
        yield f"figure_2_{family.name}", partial(figures.figure_2, *shown, **how)


def _write_figures(results: RunResults, folder: Path) -> dict[str, Path]:
    """Write the other figures and return name -> SVG."""
    shown = {}
    for name, figure in _figures(results):
        if name.endswith("_narrow"):
            shown[name] = figures.save_svg(figure, folder / name)
        else:
            shown[name] = figures.save_figure(figure, folder / name)[1]
    return shown


def _figures(results: RunResults) -> Iterator[tuple[str, Figure]]:
    synthetic = results.synthetic
    bins = {name: _bins(results, name) for name in ("own", "floor", "ceiling")}
    overlaps = {family.name: _overlaps(results, family) for family in results.explained}
    for suffix, wide in (("", True), ("_narrow", False)):
        if len(bins["own"]):
            yield (
                f"figure_3{suffix}",
                figures.figure_3(
                    bins["own"],
                    render="study" if results.config.follows == "scripts" else "jet",
                    floor=bins["floor"],
                    ceiling=bins["ceiling"],
                    synthetic=synthetic,
                    columns=2 if wide else 1,
                ),
            )
        columns = 3 if wide else 1
        if len(results.what_helps):
            drawn = figures.figure_what_helps(
                results.what_helps, synthetic=synthetic, columns=columns
            )
            yield f"what_helps{suffix}", drawn
        for name, of in overlaps.items():
            yield (
                f"figure_5_{name}{suffix}",
                figures.figure_5(of, synthetic=synthetic, columns=columns),
            )


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


def _overlaps(results: RunResults, family: DetectorFamily) -> dict[str, dict[int, Overlap]]:
    fractions = results.config.analysis.top_fractions
    return {
        name: {found.k: found for found in results.overlaps(name, fractions)}
        for name in family.names.values()
        if name in results.contributions
    }


def _write_text(path: Path, text: str) -> None:
    write_whole(path, (text.rstrip("\n") + "\n").encode())
