"""What helps: one panel a kind of detector, one point a set."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake_generalize.errors import InputError
from deepfake_generalize.study.figures.drawing import ACCENT, BLUE, draw_panels
from deepfake_generalize.study.protocol import ZERO_SHOT

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WORDS = {"home_gained": "home", "average_gained": "mean"}
_ENDS = ("low", "high")
_SAW = (("o", BLUE, "saw the source alone"), ("s", ACCENT, "was shown images of other sets"))


def figure_what_helps(found: pd.DataFrame, *, synthetic: bool = False, columns: int = 3) -> Figure:
    """Draw what each kind of detector gains over the originals, set by set, with intervals.

    A panel a kind, all in one scale: round blue points for kinds that saw the source alone, square
    vermilion ones for those that were shown images of other sets.

    Args:
        found: A row a kind and a column a set, in percentage points, as `tables/what_helps.csv` of
            a study holds them, with `_low` and `_high`.
        synthetic: Mark the figure as drawn from synthetic faces.
        columns: Panels in a row: 3 for a page, 1 for a column of one.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: No rows, or columns are missing.

    Examples:
        >>> import pandas as pd
        >>> names = [f"{of}{end}" for of in ("home_gained", "FS", "average_gained")
        ...          for end in ("", "_low", "_high")]
        >>> kind = pd.DataFrame([{"fine_tuning": "paired"} | dict.fromkeys(names, 1.0)])
        >>> [len(figure_what_helps(kind).axes), kind["FS"][0].item()]
        [1, 1.0]
    """
    sets = [name.removesuffix("_low") for name in map(str, found) if name.endswith("_low")]
    sets = [name for name in sets if name != "degradation"]
    if not len(found) or not {"fine_tuning", *_WORDS} <= {*found} or len(sets) < 3:
        raise InputError(
            "expected rows with fine_tuning, home_gained, sets and average_gained, received "
            f"{len(found)} with {', '.join(map(str, found)) or 'nothing'}.",
            hint="Pass tables/what_helps.csv of a study.",
        )
    ends = found[[f"{name}{end}" for name in sets for end in ("", "_low", "_high")]]
    lowest, highest = np.nanmin(ends.to_numpy(float)), np.nanmax(ends.to_numpy(float))
    room = 0.06 * max(highest - lowest, 1.0)
    limits = float(min(lowest, 0.0) - room), float(max(highest, 0.0) + room)
    return draw_panels(
        {
            str(kind): functools.partial(_panel, kind=str(kind), row=row, sets=sets, limits=limits)
            for kind, row in found.set_index("fine_tuning").iterrows()
        },
        columns=columns,
        size=(2.7 if columns > 1 else 3.7, 1.75),
        notes="Above zero a kind is better than the originals of its network and source. Home: the "
        "source's own test set; mean: of the unseen sets. Bars are 95 % intervals.",
        ylabel="gain (% points)",
        synthetic=synthetic,
    )


def _panel(
    axes: Axes, kind: str, row: pd.Series[Any], sets: list[str], limits: tuple[float, float]
) -> None:
    for number, (marker, colour, label) in enumerate(_SAW):
        style: Any = {"fmt": marker, "color": colour, "markersize": 4.0, "label": label}
        own = sets if number == (kind not in ZERO_SHOT) else []
        places = [place for place, name in enumerate(sets) if name in own]
        gained = row[own].to_numpy(float)
        low, high = (row[[f"{name}_{end}" for name in own]].to_numpy(float) for end in _ENDS)
        bars = np.nan_to_num(np.array([gained - low, high - gained])).clip(0.0)
        axes.errorbar(places, gained, bars, elinewidth=1.0, capsize=2.0, **style)
    axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    for place in (0.5, len(sets) - 1.5):  # The sets themselves stand between home and the mean.
        axes.axvline(place, color="0.85", linewidth=0.8, zorder=0)
    axes.set_xticks(range(len(sets)), [_WORDS.get(name, name) for name in sets])
    axes.set_xlim(-0.5, len(sets) - 0.5)
    axes.set_ylim(*limits)
