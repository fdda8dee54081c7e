"""Files of figures: the same bytes each time, and nothing half-written."""

import time

import matplotlib as mpl
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.study.figures import save_figure
from deepfake_generalize.study.figures.drawing import SYNTHETIC_MARK, draw_panels, lettered


def page(*, synthetic=False):
    def draw(axes):
        axes.bar([0, 1], [2, 3], label="bars")
        axes.set_xticks([0, 1])
        axes.set_yticks([0, 3])

    return draw_panels(
        {"Panel": draw},
        columns=1,
        size=(2.0, 2.0),
        notes="A note. " * 12,
        ylabel="bars",
        synthetic=synthetic,
    )


def test_the_same_figure_gives_the_same_bytes(tmp_path, monkeypatch):
    first = [path.read_bytes() for path in save_figure(page(), tmp_path / "a")]
    monkeypatch.setattr(time, "time", lambda: 2e9)
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": None}):
        second = [path.read_bytes() for path in save_figure(page(), tmp_path / "b")]
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg", "b.png", "b.svg"]
    assert b"<dc:date>" not in first[1]


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="a path in a folder that exists"):
        save_figure(page(), tmp_path / "nowhere" / "a")


def test_synthetic_faces_are_said_to_be_synthetic(written):
    assert SYNTHETIC_MARK in written(page(synthetic=True))
    assert SYNTHETIC_MARK not in written(page())


def test_the_check_of_the_texts_can_fail(written):
    figure = page()
    figure.text(0.5, 0.99, "over the edge", va="bottom")
    with pytest.raises(AssertionError, match="cut off: over the edge"):
        written(figure)
    figure = page()
    figure.text(0.5, 0.92, "on the title", ha="center", va="center")
    with pytest.raises(AssertionError, match="one over the other"):
        written(figure)


def test_panels_are_lettered_as_in_the_paper():
    assert [lettered(i, "x") for i in (0, 17, 25, 26)] == ["(a) x", "(r) x", "(z) x", "(aa) x"]
