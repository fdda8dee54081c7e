"""What the figures share: style, panels, the mark of synthetic data, and files without a date."""

from __future__ import annotations

import math
import string
import textwrap
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake_generalize._system.files import replacing
from deepfake_generalize.errors import InputError
from deepfake_generalize.validation import check_whole, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from deepfake_generalize.types import AnyArray

SYNTHETIC_MARK = "SYNTHETIC FACES - says nothing about real deepfakes"
_MARKED = 3.0
"""Inches that the mark is wide."""
ACCENT = "#D55E00"
"""Vermilion of the palette of Okabe and Ito, which stays apart in all kinds of colour blindness."""
YELLOW = "#E69F00"
BLUE = "#0072B2"
GREY = "#BBBBBB"

SMALLEST = 6.8
"""Points of the smallest letters: nine pixels on a screen that shows the figure at its size."""
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
def own_style() -> Iterator[None]:
    """Draw with the library's own settings, whatever the reader's matplotlib is set to."""
    import matplotlib as mpl
    from matplotlib import style

    with style.context("default"), mpl.rc_context(_STYLE):
        yield


@dataclass(frozen=True)
class Bands:
    """A figure in three bands that cannot run into each other: mark, body, legend and notes.

    Attributes:
        figure: The whole.
        body: Where the panels go.
        foot: Where the legend goes, above the notes.
    """

    figure: Figure
    body: SubFigure
    foot: SubFigure

    @property
    def inches(self) -> tuple[float, float]:
        """Width and height of the body."""
        box, dpi = self.body.bbox, self.figure.dpi
        return box.width / dpi, box.height / dpi

    def panels(self, count: int, columns: int) -> list[Axes]:
        """Return axes, row by row; places without a panel stay empty.

        The room around them is given in inches. matplotlib's own layout solves for it, and solves
        it to other last digits each time: the same figure would not give the same file.
        """
        rows = math.ceil(count / columns)
        width, height = self.inches
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


def bands(
    size: tuple[float, float], *, notes: str = "", legend_lines: int, synthetic: bool
) -> Bands:
    """Return an empty figure with the mark of synthetic data if it is that, and notes.

    `size` is (width, height) of the body in inches. There is no title: a caption says it.
    """
    from deepfake_generalize.study.figures.shown import ShownFigure

    lines = textwrap.wrap(notes, max(20, int(size[0] / 0.06)))
    foot = 0.05 + (0.12 + 0.165 * legend_lines if legend_lines else 0) + 0.15 * len(lines)
    high = (0.32 if synthetic else 0.02, size[1], foot)
    figure = ShownFigure(figsize=(size[0], sum(high)))
    parts: Any = figure.subfigures(3, 1, height_ratios=high)
    head, body, foot_band = parts
    if synthetic:
        box = {"facecolor": "#FFF3D6", "edgecolor": YELLOW, "boxstyle": "round,pad=0.3"}
        head.text(0.5, 0.5, SYNTHETIC_MARK, ha="center", va="center", size=SMALLEST, bbox=box)
    said, how = "\n".join(lines), {"size": SMALLEST, "color": "0.25"}
    foot_band.text(0.5, 0.04 / foot, said, ha="center", va="bottom", **how)
    return Bands(figure, body, foot_band)


def draw_panels(
    panels: Mapping[str, Callable[[Axes], None]],
    *,
    columns: int,
    size: tuple[float, float],
    ylabel: str,
    synthetic: bool,
    notes: str = "",
) -> Figure:
    """Return a figure of panels, each with a letter and its title, and one legend for all.

    `panels` maps a title to what draws the panel; `size` is (width, height) of a panel in inches.
    The y label stands beside the first panel of each row.
    """
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.figure import Figure

    columns = min(check_whole("columns", columns, least=1), len(panels))
    body = (max(size[0] * columns, _MARKED), size[1] * math.ceil(len(panels) / columns))
    with own_style():
        # Drawn once aside: how many lines the legend takes follows from what is in it.
        aside = Axes(Figure(), (0.0, 0.0, 1.0, 1.0))
        next(iter(panels.values()))(aside)
        said = aside.get_legend_handles_labels()[1]
        in_a_row = max(1, int(body[0] / (0.062 * max(map(len, said), default=1) + 0.5)))
        lines = math.ceil(len(said) / in_a_row)
        page = bands(body, notes=notes, legend_lines=lines, synthetic=synthetic)
        grid = page.panels(len(panels), columns)
        for index, (name, draw) in enumerate(panels.items()):
            draw(grid[index])
            grid[index].set_title(lettered(index, name), loc="left")
            if index % columns == 0:
                grid[index].set_ylabel(ylabel)
        # Marks come after bars.
        entries = sorted(
            zip(*grid[0].get_legend_handles_labels(), strict=True),
            key=lambda entry: not isinstance(entry[0], BarContainer),
        )
        handles, labels = zip(*entries, strict=True)
        page.foot.legend(handles, labels, loc="upper center", ncols=math.ceil(len(labels) / lines))
    return page.figure


def mark_chance(
    axes: Axes, places: AnyArray, heights: AnyArray, half_width: float, label: str, dash: str = "-"
) -> None:
    """Mark on bars how high they would be, by chance for one: black lines on white ones."""
    axes.hlines(heights, places - 0.5, places + 0.5, color="white", linewidth=2.6)
    ends = (places - half_width, places + half_width)
    axes.hlines(heights, *ends, color="black", linewidth=1.2, linestyle=dash, label=label)


def lettered(index: int, text: str) -> str:
    """Return a panel's title with the paper's letter before it.

    Examples:
        >>> lettered(1, "MesoNet2"), lettered(27, "MesoNet28")
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
    return _save(figure, stem, "png"), save_svg(figure, stem)


def draw_and_save(draw: Callable[[], Figure], stem: Path) -> tuple[Path, Path]:
    """Save what `draw` gives, as `save_figure` does: for another process, to which no figure goes.

    Examples:
        >>> import tempfile
        >>> from matplotlib.figure import Figure
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in draw_and_save(Figure, Path(folder) / "figure_2")]
        ['figure_2.png', 'figure_2.svg']
    """
    return save_figure(draw(), stem)


def save_svg(figure: Figure, stem: Path) -> Path:
    """Write a figure as SVG alone, and return its path."""
    return _save(figure, stem, "svg")


def _save(figure: Figure, stem: Path, ending: str) -> Path:
    path = stem.with_name(f"{stem.name}.{ending}")
    metadata = {"Software": None} if ending == "png" else {"Date": None, "Creator": None}
    with own_style(), replacing(path) as partial:
        figure.savefig(partial, format=ending, dpi=200, metadata=metadata)
    return path
