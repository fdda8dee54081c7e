"""Figure 5: on how many datasets the same neurons contribute."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.study.figures.drawing import ACCENT, SMALLEST, draw_panels, mark_chance
from deepfake_generalize.validation import check_counts, check_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from deepfake_generalize.causal import Overlap

_FEW, _MANY = (0.86, 0.91, 0.96), (0.18, 0.38, 0.62)
_WIDTH = 0.9


def figure_5(
    overlaps: Mapping[str, Mapping[int, Overlap]], *, synthetic: bool = False, columns: int = 3
) -> Figure:
    """Draw how many of the top neurons contribute on exactly 1, 2, ... datasets.

    Source: "How Generalizable are Deepfake Detectors?", section IV-D, Figure 5: one panel a
    detector. Ours are the black lines, the count expected if every dataset's top were drawn at
    random, and beside the last bar of a group the same count of each control network. Only what
    rises above both says that neurons carry over because of what was learnt. The bars set the
    scale; marks beyond it stand at the upper edge.

    Args:
        overlaps: Detector's name -> k, how many neurons are in the top -> `causal.overlap` of it,
            with controls or without.
        synthetic: Mark the figure as drawn from synthetic faces.
        columns: Panels in a row: 3 for a page, 1 for a column of one.

    Returns:
        A matplotlib figure. Below the bars stand their heights: how many neurons count as
        contributing on each dataset.

    Raises:
        InputError: Nothing to draw, overlaps over unequal numbers of datasets, or counts outside 0
            to their layer's neurons.

    Examples:
        >>> from deepfake_generalize.causal import overlap
        >>> tops = {name: np.random.default_rng(i).random(64) for i, name in enumerate("abcde")}
        >>> figure = figure_5({"MesoNet1": {k: overlap(tops, k) for k in (4, 8)}})
        >>> len(figure.axes)
        1
    """
    datasets = _datasets(overlaps)
    return draw_panels(
        {
            name: functools.partial(_panel, by_k=by_k, datasets=datasets)
            for name, by_k in overlaps.items()
        },
        columns=columns,
        size=(2.7 if min(columns, len(overlaps)) > 1 else 3.7, 2.45),
        ylabel="neurons",
        synthetic=synthetic,
    )


def _datasets(overlaps: Mapping[str, Mapping[int, Overlap]]) -> int:
    """Return over how many datasets all overlaps were counted."""
    if not overlaps or not all(overlaps.values()):
        raise InputError("expected at least one detector with an overlap, received none.")
    lengths = {len(found.counts) for by_k in overlaps.values() for found in by_k.values()}
    if len(lengths) != 1:
        raise InputError(
            f"expected overlaps over equally many datasets, received {sorted(lengths)}."
        )
    for detector, by_k in overlaps.items():
        for k, found in by_k.items():
            check_whole("the number of top neurons", k, least=1, most=found.neurons)
            for values in (found.counts, found.expected, *found.controls.values()):
                what = f"the overlaps of the top {k} of {detector}"
                check_counts(what, values, most=found.neurons)
    return lengths.pop()


def _panel(axes: Axes, by_k: Mapping[int, Overlap], datasets: int) -> None:
    """Draw one detector's bars, their counts, and what chance and controls would give."""
    kinds = list(dict.fromkeys(kind for found in by_k.values() for kind in found.controls))
    groups = np.arange(len(by_k)) * (datasets + 1.0 + 0.5 * len(kinds))
    beyond: list[float] = []
    top = max(1.0, *(float(found.counts.max()) for found in by_k.values()))
    for index in range(datasets):
        counts = np.array([found.counts[index] for found in by_k.values()])
        chance = np.array([found.expected[index] for found in by_k.values()])
        places, last = groups + index, index + 1 == datasets
        label = f"all {datasets} datasets" if last else f"exactly {index + 1}"
        axes.bar(places, counts, _WIDTH, color=_colour(index, datasets), label=label)
        shown = chance <= 1.03 * top
        mark_chance(axes, places[shown], chance[shown], 0.45, "expected by chance" if last else "")
        beyond += places[~shown].tolist()
        for place, count in zip(places, counts, strict=True):
            axes.text(
                place, -0.02 * top, f"{count}", rotation=90, va="top", ha="center", size=SMALLEST
            )
    for number, kind in enumerate(kinds):
        networks = [found.controls.get(kind, np.empty((0, 1))) for found in by_k.values()]
        heights = np.concatenate([counts[:, -1] for counts in networks])
        places = np.repeat(groups + datasets - 0.2 + 0.5 * number, list(map(len, networks)))
        shown = heights <= 1.03 * top
        drawn = axes.plot(places[shown], heights[shown], "osDv"[number % 4] + "k", label=kind)
        drawn[0].set(markersize=3.5, markerfacecolor="none", markeredgewidth=0.7)
        beyond += places[~shown].tolist()
    axes.plot(beyond, np.full(len(beyond), 1.08 * top), "k^", markersize=2.5)
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= 1.1 * top])
    axes.set_ylim(-0.17 * top, 1.12 * top)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.spines["bottom"].set_visible(False)
    labels = [_top_label(k, found.neurons) for k, found in by_k.items()]
    axes.set_xticks(groups + (datasets - 1) / 2, labels)
    axes.tick_params(axis="x", length=0, pad=1)
    axes.set_xlim(-0.8, groups[-1] + datasets - 0.2 + 0.5 * len(kinds))


def _colour(index: int, datasets: int) -> object:
    """Return ever darker blues, and vermilion for the neurons that contribute everywhere."""
    if index + 1 == datasets:
        return ACCENT
    share = index / max(1, datasets - 2)
    return tuple(a + share * (b - a) for a, b in zip(_FEW, _MANY, strict=True))


def _top_label(k: int, neurons: int) -> str:
    r"""Write a k as the paper does, where it is a simple fraction.

    Examples:
        >>> _top_label(64, 1024), _top_label(100, 1024)
        ('top 64\n(1/16)', 'top 100\n(10 %)')
    """
    share = f"1/{neurons // k}" if neurons % k == 0 else f"{100 * k / neurons:.0f} %"
    return f"top {k}\n({share})"
