"""Robustness as degradation: one panel a perturbation, one point a level."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.study.figures.drawing import ACCENT, BLUE, draw_panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from deepfake_generalize.study.perturbed import Perturbed


def figure_robustness(found: Perturbed, *, synthetic: bool = False) -> Figure:
    """Draw the degradation of a detector by perturbation and level, with intervals.

    All panels have one scale. A dashed line is the mean over the levels, which is the degradation
    of the type.

    Args:
        found: What `study.robustness` returned.
        synthetic: Mark the figure as made from synthetic faces.

    Returns:
        A matplotlib figure, four panels in a row.

    Raises:
        InputError: The result of `shortcut_test`.

    Examples:
        >>> figure_robustness(study.robustness(detector, crops))  # doctest: +SKIP
        <Figure size 1120x510 with 7 Axes>
    """
    rows = found.frame
    if "swing" in rows:
        raise InputError("expected what robustness returned, received what shortcut_test did.")
    ends = rows[["degradation", "degradation_low", "degradation_high"]].to_numpy(float)
    room = 0.08 * max(np.nanmax(ends) - np.nanmin(ends), 1.0)
    limits = float(np.nanmin(ends) - room), float(np.nanmax(ends) + room)
    types = rows[rows["level"] != 0].groupby("perturbation", sort=False)
    clean = rows["accuracy"].iloc[0]
    return draw_panels(
        {str(name): functools.partial(_panel, rows=own, limits=limits) for name, own in types},
        columns=4,
        size=(2.0, 1.75),
        notes=f"{found.detector}. Perturbed were {found.applied_to}. Accuracy on them as they are: "
        f"{clean:.1f} %. Bars are intervals, paired with the clean pictures.",
        ylabel="degradation (% points)",
        synthetic=synthetic,
    )


def _panel(axes: Axes, rows: pd.DataFrame, limits: tuple[float, float]) -> None:
    levels = rows[rows["level"].notna()]
    lost = levels["degradation"].to_numpy(float)
    ends = [lost - levels["degradation_low"], levels["degradation_high"] - lost]
    bars = np.nan_to_num(np.array(ends, float)).clip(0.0)
    places = levels["level"].to_numpy(int)
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    axes.axhline(lost.mean(), color=ACCENT, linestyle="--", linewidth=1.0, label="mean over levels")
    style: Any = {"fmt": "o-", "color": BLUE, "markersize": 3.5, "linewidth": 1.0, "capsize": 2.0}
    axes.errorbar(places, lost, bars, label="level", **style)
    axes.set_xticks(places)
    axes.set_ylim(*limits)
