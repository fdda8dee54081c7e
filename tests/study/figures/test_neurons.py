"""Figure 5: the bars are the counts, and the marks what chance would give."""

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from deepfake_generalize import causal
from deepfake_generalize.causal import overlap
from deepfake_generalize.errors import InputError
from deepfake_generalize.study import figure_5


def Overlap(counts, expected, controls=None, neurons=20):  # noqa: N802 - what is counted, and nothing else
    return causal.Overlap(counts, expected, k=1, neurons=neurons, controls=controls or {})


NAMES = [f"{name}{i}" for name in ("MesoNet", "MesoInception", "ShallowNet") for i in range(1, 7)]


def overlaps(names, ks=(64, 128, 256, 512)):
    random = np.random.default_rng(0)
    found = {}
    for name in names:
        shared = random.random(1024)
        tops = {data: shared + 0.3 * random.random(1024) for data in "abcde"}
        found[name] = {k: overlap(tops, k) for k in ks}
    return found


@pytest.mark.parametrize(
    ("names", "synthetic", "columns"),
    [
        (NAMES[:2], True, 1),
        pytest.param(NAMES, False, 3, marks=pytest.mark.slow),
        pytest.param(NAMES[:1], True, 3, marks=pytest.mark.nightly),
    ],
)
def test_nothing_is_cut_off(names, synthetic, columns, written):
    figure = figure_5(overlaps(names), synthetic=synthetic, columns=columns)
    texts = written(figure)
    assert "top 64\n(1/16)" in texts
    assert f"({'abcdefghijklmnopqr'[len(names) - 1]}) {names[-1]}" in texts


def test_bars_and_marks_are_counts_and_chance(written):
    given = {"MesoNet1": {2: Overlap(np.array([3, 1, 4]), np.array([1.5, 2.5, 0.25]))}}
    figure = figure_5(given)
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [3, 1, 4]
    black = [
        each
        for each in axes.findobj(LineCollection)
        if each.get_edgecolor()[0][:3].tolist() == [0, 0, 0]
    ]
    assert [each.get_segments()[0][0][1] for each in black] == [1.5, 2.5, 0.25]
    texts = written(figure)
    assert {"3", "1", "4", "top 2\n(1/10)", "exactly 1", "all 3 datasets"} <= set(texts)


def points(figure):
    (axes,) = figure.axes
    return {
        line.get_label(): line.get_xydata().tolist()
        for line in axes.get_lines()
        if len(line.get_xydata()) and line.get_marker() not in {"None", ""}
    }


def test_controls_stand_beside_the_bar_of_all_datasets(written):
    controls = {"untrained": np.array([[3, 2, 1], [2, 1, 3]]), "new head": np.array([[0, 0, 2]])}
    given = {"a": {2: Overlap(np.array([3, 1, 4]), np.array([1.5, 2.5, 0.25]), controls)}}
    figure = figure_5(given)
    found = points(figure)
    assert [y for _, y in found["untrained"]] == [1, 3]
    assert [y for _, y in found["new head"]] == [2]
    last_bar = figure.axes[0].patches[-1]
    for label in ("untrained", "new head"):
        assert all(x > last_bar.get_x() + last_bar.get_width() for x, _ in found[label])
    texts = written(figure)
    assert {"untrained", "new head"} <= set(texts)


def test_the_bars_set_the_scale_and_marks_beyond_it_are_arrows():
    controls = {"untrained": np.array([[0, 0, 19]])}
    given = {"a": {2: Overlap(np.array([3, 1, 4]), np.array([18.0, 2.5, 0.25]), controls)}}
    figure = figure_5(given)
    (axes,) = figure.axes
    assert axes.get_ylim()[1] < 5
    (arrows,) = [line for line in axes.get_lines() if line.get_marker() == "^"]
    first, last = axes.patches[0], axes.patches[-1]
    assert arrows.get_xdata()[0] == first.get_x() + first.get_width() / 2
    assert arrows.get_xdata()[1] > last.get_x() + last.get_width()
    assert arrows.get_ydata() == pytest.approx([4 * 1.08] * 2)


def test_numbers_stand_below_the_bars_where_no_mark_is():
    figure = figure_5(overlaps(NAMES[:1]))
    (axes,) = figure.axes
    numbers = [text for text in axes.texts if text.get_text().isdigit()]
    assert len(numbers) == 20
    assert all(text.get_position()[1] < 0 for text in numbers)
    assert all(text.get_verticalalignment() == "top" for text in numbers)


def test_an_odd_share_is_a_percentage(written):
    given = {"a": {7: Overlap(np.array([1, 3]), np.array([1.0, 2.0]))}}
    assert "top 7\n(35 %)" in written(figure_5(given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "at least one detector with an overlap"),
        ({"a": {}}, "at least one detector with an overlap"),
        (
            {"a": {2: Overlap(np.zeros(2), np.zeros(2)), 3: Overlap(np.zeros(3), np.zeros(3))}},
            r"equally many datasets, received \[2, 3\]",
        ),
        (
            {"a": {2000: Overlap(np.zeros(2), np.zeros(2))}},
            "a whole number from 1 to 20, received 2000",
        ),
        ({"a": {2: Overlap(np.array([2000, 0]), np.zeros(2))}}, "of a from 0 to 20, received 2000"),
        ({"a": {2: Overlap(np.array([1, -1]), np.zeros(2))}}, "from 0 to 20, received -1"),
        ({"a": {2: Overlap(np.ones(2), np.full(2, np.nan))}}, "from 0 to 20, received nan"),
        ({"a": {0: Overlap(np.zeros(2), np.zeros(2))}}, "a whole number from 1 to 20, received 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        figure_5(given)
