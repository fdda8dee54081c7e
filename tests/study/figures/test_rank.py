"""The figure of a detector among the published: what is drawn, and that nothing is cut off."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.study import benchmark, figure_rank, published

UNSEEN = ["FS", "NT", "DF", "DFD"]


def scores_with(percent: float) -> pd.DataFrame:
    right = round(percent * 20)
    label = np.tile([1, 0], 1000)
    return pd.DataFrame(
        {"label": label, "score": np.where(np.arange(2000) < right, label, 1 - label) * 0.8 + 0.1}
    )


@pytest.fixture
def make():
    def result(original: float, unseen: float, *, name: str = "mine", n_resamples: int = 50):
        return benchmark(
            name,
            original=scores_with(original),
            unseen={each: scores_with(unseen) for each in UNSEEN},
            resampling=Resampling(n_resamples=n_resamples) if n_resamples else None,
            polarity="fake-high",
        )

    return result


def texts(figure) -> list[str]:
    (axes,) = figure.axes
    return [label.get_text() for label in axes.get_yticklabels()]


def test_every_detector_has_a_line_in_the_order_of_the_ranks(make) -> None:
    result = make(92.4, 50.0)
    names = texts(figure_rank(result))
    assert [name.split()[-1] for name in names] == [str(rank) for rank in range(1, 32)]
    assert names[24].startswith("mine")
    others = [name.split()[0] for name in names if not name.startswith("mine")]
    assert others == published("V")["detector"].tolist()


def test_a_tie_shares_the_better_rank_and_stands_before_its_equal(make) -> None:
    names = texts(figure_rank(make(92.35, 50.0)))
    assert [name.split() for name in names[23:25]] == [["mine", "24"], ["MesoNet1", "24"]]


@pytest.mark.parametrize(
    ("original", "unseen", "name"),
    [
        (100.0, 30.0, "a detector with a very long name indeed, longer than its column is wide"),
        *(
            pytest.param(*each, marks=pytest.mark.nightly)
            for each in ((92.4, 50.0, "mine"), (75.0, 90.0, "better abroad"))
        ),
    ],
)
def test_no_text_is_cut_off_or_under_another(make, original, unseen, name) -> None:
    figure = figure_rank(make(original, unseen, name=name), synthetic=True)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    (axes,) = figure.axes
    page = figure.bbox
    low, high = axes.get_xlim()
    ticks = [each for each in axes.get_xticklabels() if low <= each.get_position()[0] <= high]
    shown = [*axes.get_yticklabels(), *ticks, axes.xaxis.label, *figure.texts]
    boxes = [each.get_window_extent(renderer) for each in shown if each.get_text()]
    for box in boxes:
        assert page.x0 - 0.5 <= box.x0 <= box.x1 <= page.x1 + 0.5
        assert page.y0 - 0.5 <= box.y0 <= box.y1 <= page.y1 + 0.5
    lines = boxes[: len(axes.get_yticklabels())]
    assert not any(a.overlaps(b) for a, b in zip(lines, lines[2:], strict=False))
    assert any("SYNTHETIC" in axes.get_title(loc) for loc in ("left", "center"))


def test_the_interval_is_drawn_where_there_is_one(make) -> None:
    result = make(92.4, 50.0)
    (axes,) = figure_rank(result).axes
    interval = result.intervals["degradation"]
    segments = [tuple(each[:, 0]) for lines in axes.collections for each in lines.get_segments()]
    assert (interval.low, interval.high) in segments
    assert any("95% interval" in text.get_text() for text in axes.get_legend().get_texts())
    (bare,) = figure_rank(make(92.4, 50.0, n_resamples=0)).axes
    assert not any("interval" in text.get_text() for text in bare.get_legend().get_texts())


def test_without_a_rank_there_is_no_place_among_them() -> None:
    table = scores_with(75)
    result = benchmark("x", original=table, unseen={"A": table}, resampling=None)
    with pytest.raises(InputError, match="received one without: ranks do not compare"):
        figure_rank(result)
