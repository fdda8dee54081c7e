"""Where a detector stands among the published thirty, as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from deepfake_generalize.errors import InputError
from deepfake_generalize.study.facts import POOR_POINTS
from deepfake_generalize.study.figures.drawing import (
    ACCENT,
    BLUE,
    SYNTHETIC_MARK,
    YELLOW,
    own_style,
)
from deepfake_generalize.study.published import RANK_CAVEAT, published, published_degradations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from deepfake_generalize.study.benchmarking import Benchmark

_COLOURS = {"CELEB": BLUE, "F2F": YELLOW}
_MARKERS = {"none": ("o", "no fine-tuning"), "transfer": ("s", "transfer"), "merge": ("^", "merge")}


def figure_rank(benchmark: Benchmark, *, synthetic: bool = False) -> Figure:
    """Draw the degradation of a detector among those of the paper's thirty.

    One line a detector, the one that loses least on top. What it was trained on is told by colour,
    how it was fine-tuned by shape, so that neither needs the other; the detector itself is a
    diamond with the interval of its degradation, if it has one.

    Args:
        benchmark: What `study.benchmark` returned for the paper's four unseen sets.
        synthetic: Mark the figure as made from synthetic faces.

    Returns:
        A matplotlib figure, 6.4 by about 7 inches.

    Raises:
        InputError: The detector has no rank: it was measured on other sets, or has little to lose.

    Reproduction notes:
        Not in the paper. The published thirty are drawn without intervals: their scores are not
        public.

    Examples:
        >>> from deepfake_generalize.study import benchmark
        >>> scores = pd.DataFrame({"label": [1, 0] * 20, "score": [0.9, 0.2] * 20})
        >>> flat = scores.assign(score=0.9)
        >>> unseen = dict.fromkeys(("FS", "NT", "DF", "DFD"), flat)
        >>> figure = figure_rank(benchmark("mine", original=scores, unseen=unseen))
        >>> figure.axes[0].get_xlabel()
        'degradation (percentage points)'
    """
    if benchmark.rank is None:
        raise InputError(
            f"expected a detector with a rank, received one without: {benchmark.rank_reason}.",
            hint="A place among the published needs the paper's FS, NT, DF and DFD, and an "
            "original accuracy above theirs.",
        )
    rows = _rows(benchmark)
    with own_style():
        from deepfake_generalize.study.figures.shown import ShownFigure

        figure = ShownFigure(figsize=(6.4, 0.9 + 0.195 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, rows, benchmark)
        _label(axes, rows)
        title = f"{_short(benchmark.detector, 60)}: rank {benchmark.rank} of 31"
        figure.suptitle(f"{title}\n{RANK_CAVEAT}", x=0.01, ha="left", fontsize=9.5)
        if synthetic:
            axes.set_title(SYNTHETIC_MARK, fontsize=7.5, color=ACCENT, loc="left")
    return figure


def _rows(benchmark: Benchmark) -> pd.DataFrame:
    """Return the thirty and the detector (`own`), the least degradation first."""
    rows = published("V")[["detector"]].assign(degradation=published_degradations(), own=False)
    facts = published("IV")[["detector", "training_dataset", "fine_tuning"]]
    lost = float(benchmark.row["degradation"].item())
    own = pd.DataFrame([{"detector": benchmark.detector, "degradation": lost, "own": True}])
    # A tie gets the better rank, so this detector comes before its equals.
    joined = pd.concat([own, rows.merge(facts, on="detector")], ignore_index=True)
    joined["degradation"] = joined["degradation"].round(6)
    return joined.sort_values("degradation", kind="stable", ignore_index=True)


def _draw(axes: Axes, rows: pd.DataFrame, benchmark: Benchmark) -> None:
    axes.axvline(POOR_POINTS, color="0.6", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes.hlines(range(len(rows)), 0, rows["degradation"], color="0.88", linewidth=0.8, zorder=0)
    points: Any = {"linestyle": "none", "markeredgecolor": "black"}
    for source, colour in _COLOURS.items():
        for tuning, (marker, words) in _MARKERS.items():
            chosen = rows[(rows["training_dataset"] == source) & (rows["fine_tuning"] == tuning)]
            how: Any = {"marker": marker, "markersize": 5, "markeredgewidth": 0.4, "color": colour}
            label = f"trained on {source}, {words}"
            axes.plot(chosen["degradation"], chosen.index, label=label, **points, **how)
    place = int(rows.index[rows["own"]][0])
    label = _short(benchmark.detector, 28)
    interval = benchmark.intervals.get("degradation")
    if interval is not None:
        axes.hlines(place, interval.low, interval.high, color=ACCENT, linewidth=2.2, zorder=3)
        label += f", {benchmark.provenance['resampling']['level']:.0%} interval"
    how = {"marker": "D", "markersize": 6.5, "markeredgewidth": 0.5, "color": ACCENT, "zorder": 4}
    axes.plot(rows.loc[[place], "degradation"], [place], label=label, **points, **how)


def _label(axes: Axes, rows: pd.DataFrame) -> None:
    places = rows["degradation"].rank(method="min").astype(int)
    pairs = zip(rows["detector"], places, strict=True)
    axes.set_yticks(range(len(rows)), [f"{_short(name, 28)}  {place:>2}" for name, place in pairs])
    axes.tick_params(axis="y", length=0)
    for label, own in zip(axes.get_yticklabels(), rows["own"], strict=True):
        if own:
            label.set_color(ACCENT)
            label.set_fontweight("bold")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    if rows["degradation"].min() >= 0.0:
        axes.set_xlim(left=0.0)
    axes.set_xlabel("degradation (percentage points)")
    words: Any = {"fontsize": 6.5, "color": "0.35", "va": "center"}
    text, place = f"Tables VI and VII: more than {POOR_POINTS:g}", (POOR_POINTS, 0)
    axes.annotate(text, place, xytext=(3, 0), textcoords="offset points", **words)
    box: Any = {"frameon": True, "framealpha": 1.0, "edgecolor": "white", "fontsize": 6.5}
    axes.legend(loc="lower left", bbox_to_anchor=(0.02, 0.02), **box)


def _short(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 3]}..."
