"""Figure 3: how alike the heat maps of congenetic detectors are."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.study.figures.drawing import (
    ACCENT,
    BLUE,
    GREY,
    SMALLEST,
    YELLOW,
    draw_panels,
    mark_chance,
)
from deepfake_generalize.validation import check_choice, check_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEYS = ("architecture", "source", "dataset")
_BINS = {
    "dissimilar": ("dissimilar: below 0.7", ACCENT),
    "low": ("low similarity: 0.7 to below 0.9", YELLOW),
    "high": ("high similarity: 0.9 and above", BLUE),
}
_EMPTY = "empty"
_OPTIONAL = {_EMPTY: ("not compared: two or more maps empty", GREY)}
_MARKS = {
    "floor": ("maps of other faces (floor)", "-"),
    "ceiling": ("one detector, face and its JPEG (ceiling)", ":"),
}
_HEIGHT_OF_A_COUNT = 12.0
"""On the axis of percentages: a mark as close above a bar is below the bar's count."""
_RENDERS = {
    "jet": "coloured maps without the photograph, as the paper's text says",
    "raw": "the maps' own values",
    "study": "coloured maps over 70 % of the photograph, as the scripts did, which adds likeness",
}


def figure_3(
    bins: pd.DataFrame,
    *,
    render: Literal["jet", "raw", "study"],
    floor: pd.DataFrame | None = None,
    ceiling: pd.DataFrame | None = None,
    synthetic: bool = False,
    columns: int = 2,
) -> Figure:
    """Draw the histograms of heat-map similarity: a panel each architecture and source.

    Source: "How Generalizable are Deepfake Detectors?", section IV-C, Figure 3: five architectures
    trained on two sources, hence ten panels. Fewer are drawn where there are fewer.

    Args:
        bins: One row a dataset in a panel: architecture, source (what the detectors were trained
            on), dataset, and the counts of `interpret.similarity_bins`: dissimilar, low, high.
            Panels, and datasets in them, come in the order of the rows. An optional column empty
            counts faces that are in no bin, because their maps have nothing in them to compare;
            it is drawn where it is not zero throughout.
        render: What was compared, as in `interpret.congenetic_similarity`; said below the figure.
        floor: The same columns, for maps that have nothing to do with each other: those of other
            faces. Black lines on the bars show the shares they would have by chance.
        ceiling: The same columns, for maps that should agree: one detector's of a face and of the
            same picture coded again. Dotted lines show their shares.
        synthetic: Mark the figure as drawn from synthetic faces.
        columns: Panels in a row: 2 for a page, 1 for a column of one.

    Returns:
        A matplotlib figure. Bars are percentages of the faces; the counts stand on them.

    Raises:
        InputError: Missing columns, no rows, a dataset twice in a panel, a row without faces, a
            negative count, or another `render`.

    Examples:
        >>> import pandas as pd
        >>> row = {"architecture": "MesoNet", "source": "CELEB", "dataset": "FS"}
        >>> counts = pd.DataFrame([{**row, "dissimilar": 90, "low": 8, "high": 2}])
        >>> len(figure_3(counts, render="jet").axes)
        1
    """
    check_choice("render", render, _RENDERS)
    _check(bins, "bins")
    given = (("floor", floor), ("ceiling", ceiling))
    marks = {name: frame for name, frame in given if frame is not None}
    for name, frame in marks.items():
        _check(frame, name)
    bars = dict(_BINS)
    if _EMPTY in bins.columns and bins[_EMPTY].any():
        bars |= _OPTIONAL
    panels = {
        f"{architecture} trained on {source}": functools.partial(
            _panel, rows=rows, bars=bars, marks=marks
        )
        for (architecture, source), rows in bins.groupby(["architecture", "source"], sort=False)
    }
    said = f"Compared: {_RENDERS[render]}. On the bars: faces."
    if (bins["dataset"] == bins["source"]).any():
        said += " * the detectors' own test set."
    return draw_panels(
        panels,
        columns=columns,
        size=(4.05 if min(columns, len(panels)) > 1 else 3.7, 1.9),
        notes=said,
        ylabel="faces (%)",
        synthetic=synthetic,
    )


def _check(frame: pd.DataFrame, name: str) -> None:
    missing = [column for column in (*_KEYS, *_BINS) if column not in frame.columns]
    if missing:
        raise InputError(
            f"expected {name} with the columns {', '.join((*_KEYS, *_BINS))}, received it without "
            f"{', '.join(missing)}.",
            hint="The counts are those of interpret.similarity_bins.",
        )
    if not len(frame):
        raise InputError(f"expected rows in {name}, received none.")
    twice = frame[frame.duplicated(list(_KEYS))]
    if len(twice):
        row = " / ".join(str(twice.iloc[0][key]) for key in _KEYS)
        raise InputError(f"expected one row a dataset and panel in {name}, received {row} twice.")
    counts = [name for name in (*_BINS, *_OPTIONAL) if name in frame.columns]
    for column in counts:
        check_counts(f"the column {column} of {name}", frame[column].to_numpy())
    if (frame[counts].sum(axis=1) <= 0).any():
        raise InputError(f"expected at least one face in every row of {name}, received none.")


def _panel(
    axes: Axes,
    rows: pd.DataFrame,
    bars: Mapping[str, tuple[str, str]],
    marks: Mapping[str, pd.DataFrame],
) -> None:
    """Draw one group of detectors: three or four bars a dataset."""
    places = np.arange(len(rows)) * (len(bars) + 1.0)
    totals = rows[list(bars)].sum(axis=1).to_numpy()
    levels = {name: _shares_of(frame, rows) for name, frame in marks.items()}
    half = (len(bars) - 1) / 2
    for offset, (column, (label, colour)) in enumerate(bars.items()):
        at = places + offset - half
        counts = rows[column].to_numpy()
        shares = 100.0 * counts / totals
        axes.bar(at, shares, 0.92, color=colour, label=label)
        heights = shares.copy()
        for name, level in levels.items() if column in _BINS else ():
            title, dash = _MARKS[name]
            marked = level[column].to_numpy()
            mark_chance(axes, at, marked, 0.46, title if column == "high" else "", dash)
            close = (marked >= heights) & (marked < heights + _HEIGHT_OF_A_COUNT)
            heights[close] = marked[close]
        for place, height, count in zip(at, heights, counts, strict=True):
            axes.text(place, height + 2, f"{count:,}", ha="center", va="bottom", size=SMALLEST)
    source = str(rows["source"].iloc[0])
    names = [f"{name}*" if name == source else str(name) for name in rows["dataset"]]
    axes.set_xticks(places, names)
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, 116)
    axes.set_yticks([0, 50, 100])
    axes.set_xlim(-half - 1.0, places[-1] + half + 1.0)


def _shares_of(marks: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the shares to mark in percent, in the order of the rows; NaN where there are none."""
    found = rows[list(_KEYS)].merge(marks, on=list(_KEYS), how="left")[list(_BINS)]
    return 100.0 * found.div(found.sum(axis=1), axis=0)
