"""The figure of robustness draws what was measured, in one scale."""

import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.study import Perturbed, figure_robustness


def measured(**more) -> Perturbed:
    rows = [{"perturbation": "none", "level": 0, "accuracy": 90.0, "degradation": 0.0}]
    for name, lost in (("blur", [5.0, 25.0]), ("contrast", [-2.0, 0.0])):
        rows += [
            {"perturbation": name, "level": level, "degradation": value, **more}
            for level, value in enumerate(lost, 1)
        ]
        rows.append({"perturbation": name, "level": None, "degradation": np.mean(lost)})
    frame = pd.DataFrame(rows).astype({"level": "Int64"})
    frame["degradation_low"], frame["degradation_high"] = (
        frame["degradation"] - 3.0, frame["degradation"] + 4.0,
    )  # fmt: skip
    return Perturbed("mine", "crops, after they were cut out", frame, frame, ())


def test_each_panel_draws_a_type_with_its_mean_and_intervals() -> None:
    figure = figure_robustness(measured(), synthetic=True)
    blur, contrast = figure.axes
    assert blur.get_title(loc="left") == "(a) blur"
    (container,) = blur.containers
    points, _, (bars,) = container
    np.testing.assert_allclose(points.get_xydata(), [[1, 5], [2, 25]])
    np.testing.assert_allclose([bar[:, 1] for bar in bars.get_segments()], [[2, 9], [22, 29]])
    means = [line.get_ydata()[0] for line in blur.lines if line.get_linestyle() == "--"]
    assert means == [15.0]
    assert blur.get_ylim() == contrast.get_ylim()
    low, high = blur.get_ylim()
    assert low < -5 < 29 < high
    texts = [text.get_text() for part in figure.subfigs for text in part.texts]
    said = " ".join(" ".join(texts).split())
    assert "crops, after they were cut out" in said
    assert "as they are: 90.0 %" in said
    assert "SYNTHETIC FACES" in said


def test_without_intervals_there_are_points_alone() -> None:
    found = measured()
    found.frame[["degradation_low", "degradation_high"]] = np.nan
    assert len(figure_robustness(found).axes) == 2


def test_the_result_of_the_shortcut_test_is_refused() -> None:
    with pytest.raises(InputError, match="what robustness returned"):
        figure_robustness(measured(swing=1.0))
