"""The figure of what helps draws the table's numbers, in one scale, and says who saw what."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.study import figure_what_helps

SETS = ("home_gained", "FS", "average_gained")


def table() -> pd.DataFrame:
    rows = []
    for kind, first in (("transfer", 20.0), ("paired", -1.0)):
        row: dict[str, object] = {"fine_tuning": kind, "families": 2}
        for number, name in enumerate((*SETS, "degradation")):
            ends = {f"{name}_low": first + number - 3.0, f"{name}_high": first + number + 5.0}
            row |= {name: first + number} | ends
        rows.append(row)
    return pd.DataFrame(rows)


def test_each_panel_draws_a_kind_set_by_set() -> None:
    figure = figure_what_helps(table(), synthetic=True)
    shapes = []
    for axes, title, first in zip(
        figure.axes, ("(a) transfer", "(b) paired"), (20, -1), strict=True
    ):
        assert axes.get_title(loc="left") == title
        (drawn,) = [of for of in axes.containers if len(of[0].get_xydata())]
        points, _, (bars,) = drawn
        np.testing.assert_allclose(points.get_xydata(), [[n, first + n] for n in range(3)])
        ends = [bar[:, 1] for bar in bars.get_segments()]
        np.testing.assert_allclose(ends, [[first + n - 3, first + n + 5] for n in range(3)])
        assert [label.get_text() for label in axes.get_xticklabels()] == ["home", "FS", "mean"]
        shapes.append((points.get_marker(), drawn.get_label()))
    assert shapes == [("s", "was shown images of other sets"), ("o", "saw the source alone")]
    one, other = (axes.get_ylim() for axes in figure.axes)
    assert one == other
    assert one[0] < -4 < 27 < one[1]
    (legend,) = [part.legends[0] for part in figure.subfigs if part.legends]
    assert len(legend.get_texts()) == 2


def test_where_there_are_no_intervals_points_stand_alone() -> None:
    found = table()
    found.loc[:, found.columns.str.endswith(("_low", "_high"))] = np.nan
    assert len(figure_what_helps(found, columns=1).axes) == 2


@pytest.mark.parametrize("found", [table().iloc[:0], table().drop(columns="home_gained")])
def test_another_table_is_refused(found: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="expected rows with fine_tuning"):
        figure_what_helps(found)
