"""Figure 3: the bars are the shares of the bins."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.study import figure_3

ARCHITECTURES = ("MesoNet", "MesoInception", "ShallowNet", "XceptionNet", "EfficientNet")


def frame(architectures=ARCHITECTURES, sources=("CELEB", "F2F"), faces=1000):
    random = np.random.default_rng(0)
    rows = []
    for architecture in architectures:
        for source in sources:
            for dataset in (source, "FS", "NT", "DF", "DFD"):
                bins = random.multinomial(faces, [0.8, 0.15, 0.05])
                row = {"architecture": architecture, "source": source, "dataset": dataset}
                rows.append(row | dict(zip(("dissimilar", "low", "high"), bins, strict=True)))
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("bins", "render", "synthetic", "columns"),
    [
        (frame(ARCHITECTURES[1:2]), "raw", True, 1),
        pytest.param(frame(), "study", False, 2, marks=pytest.mark.slow),
        *(
            pytest.param(frame(ARCHITECTURES[:1], ("CELEB",)), *each, marks=pytest.mark.nightly)
            for each in (("study", True, 2), ("jet", False, 1))
        ),
    ],
)
def test_nothing_is_cut_off(bins, render, synthetic, columns, written):
    figure = figure_3(
        bins, render=render, floor=bins, ceiling=bins, synthetic=synthetic, columns=columns
    )
    texts = written(figure)
    groups = bins[["architecture", "source"]].drop_duplicates()
    assert len(figure.axes) == len(groups)
    first = groups.iloc[0]
    assert f"(a) {first.architecture} trained on {first.source}" in texts
    assert any("Compared: " in text for text in texts)


def test_the_bars_are_percentages_in_the_order_of_the_rows(written):
    rows = pd.DataFrame(
        {
            "architecture": "MesoNet",
            "source": "CELEB",
            "dataset": ["CELEB", "FS"],
            "dissimilar": [1, 30],
            "low": [2, 10],
            "high": [1, 0],
        }
    )
    figure = figure_3(rows, render="jet")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [25, 75, 50, 25, 25, 0]
    texts = written(figure)
    assert [text for text in texts if text in ("CELEB*", "FS")] == ["CELEB*", "FS"]
    assert "30" in texts


def marks_of(axes):
    """Line style to the marks of each bin: their places to their heights."""
    found = {}
    for each in axes.collections[1::2]:  # the black lines; each lies on a white one
        places = {float(p[:, 0].mean()): float(p[0, 1]) for p in each.get_segments() if len(p)}
        found.setdefault(each.get_linestyle()[0][1] is None, []).append(places)
    return found


def test_floor_and_ceiling_are_matched_by_name_and_may_be_missing():
    bins = frame(ARCHITECTURES[:1], ("CELEB",))
    floor = bins.iloc[[3, 1]].assign(dissimilar=1, low=3, high=0)
    ceiling = bins.iloc[[0]].assign(dissimilar=0, low=1, high=1)
    (axes,) = figure_3(bins, render="raw", floor=floor, ceiling=ceiling).axes
    # Left of the datasets' places 0, 4, 8, ...: the bars of what is dissimilar.
    solid, dotted = marks_of(axes)[True], marks_of(axes)[False]
    assert solid == [{3.0: 25.0, 11.0: 25.0}, {4.0: 75.0, 12.0: 75.0}, {5.0: 0.0, 13.0: 0.0}]
    assert dotted == [{-1.0: 0.0}, {0.0: 50.0}, {1.0: 50.0}]
    (axes,) = figure_3(bins, render="raw", floor=floor).axes
    assert list(marks_of(axes)) == [True]
    none = bins.assign(dissimilar=0, low=0, high=0, empty=2)  # too few faces for a floor
    (axes,) = figure_3(bins, render="raw", floor=none).axes
    assert all(np.isnan(list(marks.values())).all() for marks in marks_of(axes)[True])
    assert "nan" not in "".join(text.get_text() for text in axes.texts)


def test_a_count_stands_above_a_mark_that_is_close_to_its_bar():
    bins = frame(ARCHITECTURES[:1], ("CELEB",)).iloc[[0]].assign(dissimilar=90, low=10, high=0)
    floor = bins.assign(dissimilar=97, low=3)
    (axes,) = figure_3(bins, render="jet", floor=floor).axes
    assert [text.get_position()[1] for text in axes.texts] == [99.0, 12.0, 2.0]


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        (frame().drop(columns="low"), "received it without low"),
        (frame().iloc[:0], "expected rows in bins, received none"),
        (pd.concat([frame(), frame().iloc[:1]]), "received MesoNet / CELEB / CELEB twice"),
        (frame(faces=0), "at least one face in every row"),
        (frame().assign(low=-1), "the column low of bins from 0, received -1"),
        (frame().assign(low=np.nan), "the column low of bins from 0, received nan"),
        (frame().assign(low=np.inf), "the column low of bins from 0, received inf"),
        (frame().assign(low="3"), "the column low of bins from 0, received '3'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(bins, message):
    with pytest.raises(InputError, match=message):
        figure_3(bins, render="jet")


def test_another_render_is_refused():
    with pytest.raises(InputError, match="render to be one of jet, raw, study, received 'blended'"):
        figure_3(frame(), render="blended")


def test_faces_without_maps_to_compare_have_a_bar_of_their_own(written):
    rows = frame(ARCHITECTURES[:1], ("CELEB",)).head(1).assign(dissimilar=3, low=0, high=0, empty=1)
    figure = figure_3(rows, render="jet")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [75, 0, 0, 25]
    assert "not compared: two or more maps empty" in written(figure)
    assert figure_3(rows.assign(dissimilar=0), render="jet").axes[0].patches[3].get_height() == 100


def test_where_all_can_be_compared_nothing_is_said_of_empty_maps(written):
    rows = frame(ARCHITECTURES[:1], ("CELEB",)).assign(empty=0)
    texts = written(figure_3(rows, render="jet"))
    assert not [text for text in texts if "empty" in text]
