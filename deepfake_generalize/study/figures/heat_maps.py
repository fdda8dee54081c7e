"""Figure 2: where detectors look, dataset by dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.study.figures.drawing import SMALLEST, Bands, bands, own_style
from deepfake_generalize.validation import check_choice, check_images, check_unit, describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from deepfake_generalize.types import AnyArray

# All in inches: a picture, the step to the next one, the room between datasets, the line of
# titles, and the band of the colour scale.
_CELL, _STEP, _GAP, _HEAD, _SCALE = 0.82, 0.85, 0.1, 0.24, 0.34


def figure_2(
    photographs: Mapping[str, AnyArray],
    heatmaps: Mapping[str, Mapping[str, AnyArray]],
    *,
    scores: Mapping[str, Mapping[str, AnyArray]] | None = None,
    colours: Literal["inferno", "jet"] = "inferno",
    synthetic: bool = False,
) -> Figure:
    """Draw heat maps over faces: a row a face, a column a detector, the rows grouped by dataset.

    Source: "How Generalizable are Deepfake Detectors?", section IV-C, Figure 2.

    Args:
        photographs: Dataset's name -> (n, H, W, 3) RGB, uint8 or float in [0, 1]: the faces.
        heatmaps: Dataset's name -> detector's name -> (n, H, W) float in [0, 1], as
            `interpret.grad_cam` gives for those faces. Every dataset has the same detectors.
        scores: The same with (n,) P(fake), written below each map with the verdict: "fake" from
            0.5 on.
        colours: "inferno", of rising lightness and so readable by everybody and in grey; "jet", the
            paper's.
        synthetic: Mark the figure as drawn from synthetic faces.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: Nothing to draw, detectors that differ between datasets, or arrays of other
            shapes or ranges.

    Reproduction notes:
        Each map is stretched to its own largest value, as in the paper: colours compare places
        within a map, and not one map with another. Maps that are empty are said to be. In the
        paper red is high and blue is low ("jet"). Colours cover the photograph as far as there is
        something in the map; by its scripts they cover all of it alike.

    Examples:
        >>> import numpy as np
        >>> faces = np.zeros((1, 8, 8, 3), np.uint8)
        >>> maps = {"MesoNet1": np.ones((1, 8, 8)), "MesoNet2": np.zeros((1, 8, 8))}
        >>> figure = figure_2({"FS": faces}, {"FS": maps})
    """
    detectors = _checked(photographs, heatmaps, scores, colours)
    counts = {dataset: len(faces) for dataset, faces in photographs.items()}
    with own_style():
        page = _page(counts, len(detectors) + 1, synthetic=synthetic)
        page.write_titles(("face", *detectors))
        page.draw_colour_scale(colours)
        for dataset, faces in photographs.items():
            for face in range(len(faces)):
                page.cell(dataset, face, 0).imshow(faces[face])
                for column, detector in enumerate(detectors, start=1):
                    axes = page.cell(dataset, face, column)
                    score = None if scores is None else float(scores[dataset][detector][face])
                    axes.imshow(faces[face])
                    _draw_map(axes, heatmaps[dataset][detector][face], colours, score)
    return page.bands.figure


@dataclass(frozen=True)
class _Page:
    """Square cells of one size, placed in inches.

    Attributes:
        bands: The figure.
        left: Where the first column begins.
        tops: Where the first row of each dataset begins, from above.
        counts: How many rows each dataset has.
    """

    bands: Bands
    left: float
    tops: Mapping[str, float]
    counts: Mapping[str, int]

    def cell(self, dataset: str, face: int, column: int) -> Axes:
        """Return the axes of one picture, without ticks and frame."""
        left, top = self.left + _STEP * column, self.tops[dataset] + _STEP * face
        return self._axes(left, top, _CELL, _CELL)

    def write_titles(self, titles: Sequence[str]) -> None:
        """Write the columns' titles, and the datasets' names beside their rows."""
        for column, title in enumerate(titles):
            self._text(self.left + _STEP * column + _CELL / 2, _HEAD - 0.08, title, size=SMALLEST)
        for dataset, count in self.counts.items():
            middle = self.tops[dataset] + (_STEP * count - (_STEP - _CELL)) / 2
            how: Any = {"size": 7.5, "weight": "bold", "rotation": 90, "ha": "right"}
            self._text(self.left - 0.06, middle, dataset, **how)

    def draw_colour_scale(self, colours: str) -> None:
        """Draw what the colours mean below all rows."""
        width, height = self.bands.inches
        top = height - _SCALE + 0.13
        axes = self._axes(width / 2 - 0.6, top, 1.2, 0.12)
        axes.imshow([[i / 255 for i in range(256)]], cmap=colours, aspect="auto")
        self._text(width / 2 - 0.68, top + 0.06, "contributes least", size=SMALLEST, ha="right")
        self._text(width / 2 + 0.68, top + 0.06, "contributes most", size=SMALLEST, ha="left")

    def _axes(self, left: float, top: float, wide: float, high: float) -> Axes:
        width, height = self.bands.inches
        box = (left / width, 1 - (top + high) / height, wide / width, high / height)
        axes = self.bands.body.add_axes(box)
        axes.set_axis_off()
        return axes

    def _text(self, left: float, top: float, text: str, *, ha: str = "center", **how: Any) -> None:
        width, height = self.bands.inches
        self.bands.body.text(left / width, 1 - top / height, text, ha=ha, va="center", **how)


def _page(counts: Mapping[str, int], columns: int, *, synthetic: bool) -> _Page:
    tops, top = {}, _HEAD
    for dataset, count in counts.items():
        tops[dataset] = top
        top += _STEP * count + _GAP
    side = 0.2 + 0.14 * max(name.count("\n") + 1 for name in counts)
    width = max(_STEP * columns + side, 3.6)
    page = bands((width, top + _SCALE), legend_lines=0, synthetic=synthetic)
    return _Page(page, (width - _STEP * columns + side) / 2 - 0.03, tops, counts)


def _checked(
    photographs: Mapping[str, AnyArray],
    heatmaps: Mapping[str, Mapping[str, AnyArray]],
    scores: Mapping[str, Mapping[str, AnyArray]] | None,
    colours: str,
) -> list[str]:
    """Return the detectors' names, after all arrays fit together."""
    check_choice("colours", colours, ("inferno", "jet"))
    if not photographs or set(photographs) != set(heatmaps):
        raise InputError(
            "expected photographs and heatmaps of the same datasets, at least one, received "
            f"{', '.join(photographs) or 'none'} and {', '.join(heatmaps) or 'none'}."
        )
    detectors = list(next(iter(heatmaps.values())))
    for dataset, faces in photographs.items():
        check_images(faces, name=f"photographs[{dataset!r}]")
        if not len(faces) or not detectors or list(heatmaps[dataset]) != detectors:
            raise InputError(
                f"expected at least one face and the maps of the same detectors on every dataset, "
                f"received {len(faces)} faces and {', '.join(heatmaps[dataset]) or 'none'} on "
                f"{dataset}, {', '.join(detectors) or 'none'} on the first."
            )
        for detector, maps in heatmaps[dataset].items():
            what = f"heatmaps[{dataset!r}][{detector!r}] of shape {faces.shape[:3]}"
            hint = "They are those of interpret.grad_cam with relu=True for these faces."
            if np.shape(maps) != faces.shape[:3]:
                raise InputError(f"expected {what}, received {describe(maps)}.", hint=hint)
            check_unit(what, np.asarray(maps), hint=hint)
            if scores is not None:
                given = np.asarray(scores.get(dataset, {}).get(detector, ()), float)
                what = f"scores[{dataset!r}][{detector!r}]"
                if given.shape != (len(faces),):
                    raise InputError(
                        f"expected {what} of shape {(len(faces),)}, received {describe(given)}."
                    )
                check_unit(what, given, hint="A score is P(fake).")
    return detectors


def _draw_map(axes: Axes, heatmap: AnyArray, colours: str, score: float | None) -> None:
    seen = 0.85 * np.sqrt(np.asarray(heatmap, float))
    axes.imshow(heatmap, cmap=colours, vmin=0.0, vmax=1.0, alpha=seen)
    box = {"facecolor": "black", "alpha": 0.7, "linewidth": 0, "pad": 1.0}
    how: Any = {"transform": axes.transAxes, "size": SMALLEST, "color": "white", "bbox": box}
    if not heatmap.any():
        axes.text(0.5, 0.5, "empty", ha="center", va="center", **how)
    if score is not None:
        verdict = "fake" if score >= 0.5 else "real"
        axes.text(0.04, 0.05, f"{score:.2f} {verdict}", va="bottom", **how)
