"""What the figures share: fonts, panels, the mark of synthetic data, and files without a date."""

from __future__ import annotations

import math
import string
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake_generalize._system.atomic_files import replacing
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

SYNTHETIC_MARK = "SYNTHETIC FACES - says nothing about real deepfakes"
ACCENT = "#D55E00"
"""Vermilion of the palette of Okabe and Ito, which stays apart in all kinds of colour blindness."""
YELLOW = "#E69F00"
BLUE = "#0072B2"
GREY = "#BBBBBB"

# Inches beside, below and above a panel: for tick labels and the y label, and for its title.
_LEFT, _BETWEEN, _RIGHT, _BOTTOM, _TOP = 0.62, 0.46, 0.14, 0.26, 0.27

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "deepfake_generalize",
    "svg.fonttype": "path",
}


@contextmanager
def drawn_alike() -> Iterator[None]:
    """Draw with the library's own settings, whatever the reader's matplotlib is set to."""
    import matplotlib as mpl
    from matplotlib import style

    with style.context("default"), mpl.rc_context(_STYLE):
        yield


@dataclass(frozen=True)
class Sheet:
    """A figure in three bands that cannot run into each other: title, body, notes.

    Attributes:
        figure: The whole.
        body: Where the panels go.
        foot: Where the legend goes, above the notes.
        legend: Lines of it.
    """

    figure: Figure
    body: SubFigure
    foot: SubFigure
    legend: int

    def panels(self, count: int, columns: int) -> list[Axes]:
        """Return axes, row by row; places without a panel stay empty.

        The room around them is given in inches. matplotlib's own layout solves for it, and solves
        it to other last digits each time: the same figure would not give the same file.
        """
        rows = math.ceil(count / columns)
        dpi, box = self.figure.dpi, self.body.bbox
        width, height = box.width / dpi, box.height / dpi
        wide = (width - _LEFT - _RIGHT - (columns - 1) * _BETWEEN) / columns
        high = (height - _TOP - _BOTTOM - (rows - 1) * (_TOP + _BOTTOM)) / rows
        grid = self.body.add_gridspec(
            rows,
            columns,
            left=_LEFT / width,
            right=1 - _RIGHT / width,
            bottom=_BOTTOM / height,
            top=1 - _TOP / height,
            wspace=_BETWEEN / wide,
            hspace=(_TOP + _BOTTOM) / high,
        )
        return [self.body.add_subplot(grid[divmod(index, columns)]) for index in range(count)]

    def explain(self, axes: Axes) -> None:
        """Put one panel's legend above the notes, marks after bars."""
        from matplotlib.collections import LineCollection

        entries = sorted(
            zip(*axes.get_legend_handles_labels(), strict=True),
            key=lambda entry: isinstance(entry[0], LineCollection),
        )
        handles, labels = zip(*entries, strict=True)
        columns = math.ceil(len(labels) / self.legend)
        self.foot.legend(handles, labels, loc="upper center", ncols=columns)


def sheet(
    size: tuple[float, float], title: str, notes: str, *, legend: int, synthetic: bool
) -> Sheet:
    """Return an empty figure with its title, the mark of synthetic data if it is that, and notes.

    Args:
        size: (width, height) of the body in inches; the figure is at least 6.4 wide.
        title: One line.
        notes: Broken into lines as the width asks.
        legend: Lines of legend to keep room for.
        synthetic: Whether to write the mark.
    """
    from matplotlib.figure import Figure

    width = max(size[0], 6.4)
    needed = math.ceil(len(notes) * 0.06 / width)
    lines = textwrap.wrap(notes, len(notes) // needed + 10)
    bands = (0.56 if synthetic else 0.34, size[1], 0.12 + 0.19 * legend + 0.14 * len(lines))
    figure = Figure(figsize=(width, sum(bands)))
    bodies: Any = figure.subfigures(3, 1, height_ratios=bands)
    head, body, foot = bodies
    head.text(0.5, 1 - 0.19 / bands[0], title, ha="center", va="center", size=10, weight="bold")
    if synthetic:
        box = {"facecolor": "#FFF3D6", "edgecolor": YELLOW, "boxstyle": "round,pad=0.3"}
        head.text(0.5, 0.17 / bands[0], SYNTHETIC_MARK, ha="center", va="center", size=8, bbox=box)
    foot.text(
        0.5, 0.06 / bands[2], "\n".join(lines), ha="center", va="bottom", size=7, color="0.25"
    )
    return Sheet(figure, body, foot, legend)


def letter(index: int, text: str) -> str:
    """Return a panel's title with the paper's letter before it.

    Examples:
        >>> letter(1, "MesoNet2"), letter(27, "MesoNet28")
        ('(b) MesoNet2', '(ab) MesoNet28')
    """
    letters = string.ascii_lowercase
    first = letters[index // 26 - 1] if index >= 26 else ""
    return f"({first}{letters[index % 26]}) {text}"


def save_figure(figure: Figure, stem: str | Path) -> tuple[Path, Path]:
    """Write a figure as PNG and as SVG. The same figure gives the same bytes, whenever it is drawn.

    Args:
        figure: Such as `figure_5` returns.
        stem: The path without an ending, in a folder that exists. What is there is replaced.

    Returns:
        The two paths, `stem.png` (200 dots an inch) and `stem.svg` (letters as outlines, so that it
        looks the same everywhere).

    Raises:
        InputError: There is no such folder.

    Examples:
        >>> import tempfile
        >>> from matplotlib.figure import Figure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in save_figure(Figure(), Path(folder) / "figure_5")]
        ['figure_5.png', 'figure_5.svg']
    """
    stem = Path(stem)
    if not stem.parent.is_dir():
        raise InputError(
            f"expected a path in a folder that exists, received {describe(str(stem))}.",
            hint="Make the folder first.",
        )
    written = []
    for ending, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        path = stem.with_name(f"{stem.name}.{ending}")
        with drawn_alike(), replacing(path) as partial:
            figure.savefig(partial, format=ending, dpi=200, metadata=metadata)
        written.append(path)
    return written[0], written[1]
