"""Figure 2: every map in its row and column."""

import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.study import figure_2

DATASETS = ("CELEB", "FS", "NT", "DF", "DFD")
DETECTORS = tuple(f"{name}{i}" for name in ("MesoInception", "EfficientNet") for i in (1, 2, 3))


def given(datasets=DATASETS, detectors=DETECTORS, faces=2):
    random = np.random.default_rng(0)
    photographs = {name: random.random((faces, 12, 12, 3)) for name in datasets}
    maps = {name: {each: random.random((faces, 12, 12)) for each in detectors} for name in datasets}
    return photographs, maps


@pytest.mark.parametrize(
    ("datasets", "detectors", "faces", "synthetic"),
    [
        (("Deepfakes\n(samples)", "FS"), DETECTORS[:3], 2, True),
        pytest.param(DATASETS, DETECTORS, 1, False, marks=pytest.mark.slow),
        pytest.param(("CELEB-M",), DETECTORS[:1], 1, True, marks=pytest.mark.nightly),
    ],
)
def test_nothing_is_cut_off(datasets, detectors, faces, synthetic, written):
    photographs, maps = given(datasets, detectors, faces)
    scores = {name: {each: np.full(faces, 0.25) for each in detectors} for name in datasets}
    texts = written(figure_2(photographs, maps, scores=scores, synthetic=synthetic))
    assert set(datasets) <= set(texts)
    assert set(detectors) <= set(texts)
    assert texts.count("0.25 real") == len(datasets) * len(detectors) * faces


def test_pictures_stand_in_rows_of_faces_and_columns_of_detectors():
    photographs, maps = given(("FS", "NT"), ("one", "two"))
    figure = figure_2(photographs, maps)
    pictures = [axes.images[-1] for axes in figure.axes if len(axes.images[-1].get_array()) > 1]
    expected = [
        picture
        for dataset in ("FS", "NT")
        for face in range(2)
        for picture in (
            photographs[dataset][face],
            maps[dataset]["one"][face],
            maps[dataset]["two"][face],
        )
    ]
    for shown, wanted in zip(pictures, expected, strict=True):
        np.testing.assert_array_equal(shown.get_array(), wanted)
        behind = shown.axes.images[0].get_array()
        assert any(np.array_equal(behind, face) for face in np.concatenate([*photographs.values()]))


def test_maps_are_not_stretched_again():
    photographs, maps = given(("FS",), ("one",), 1)
    maps["FS"]["one"] *= 0.5
    figure = figure_2(photographs, maps, colours="jet")
    shown = [axes.images[-1] for axes in figure.axes if axes.images[-1].get_array().ndim == 2]
    assert {each.get_clim() for each in shown if each.get_array().shape == (12, 12)} == {(0.0, 1.0)}
    assert {each.get_cmap().name for each in shown} == {"jet"}


def test_an_empty_map_is_said_to_be_empty(written):
    photographs, maps = given(("FS",), ("one", "two"), 1)
    maps["FS"]["two"][:] = 0
    assert written(figure_2(photographs, maps)).count("empty") == 1


def refused(photographs, maps, message, **options):
    with pytest.raises(InputError, match=message):
        figure_2(photographs, maps, **options)


def test_what_cannot_be_drawn_is_refused():
    photographs, maps = given(("FS", "NT"), ("one", "two"))
    refused({}, {}, "of the same datasets, at least one, received none and none")
    refused(photographs, {"FS": maps["FS"]}, "received FS, NT and FS")
    refused(photographs, maps, "colours to be one of inferno, jet, received 'grey'", colours="grey")
    refused(photographs, {**maps, "NT": {"one": maps["NT"]["one"]}}, "the same detectors on every")
    shifted = {**maps, "NT": {**maps["NT"], "two": maps["NT"]["two"] - 0.5}}
    refused(photographs, shifted, r"heatmaps\['NT'\]\['two'\] of shape \(2, 12, 12\) in \[0, 1\]")
    short = {**maps, "NT": {**maps["NT"], "two": maps["NT"]["two"][:1]}}
    refused(photographs, short, r"heatmaps\['NT'\]\['two'\] of shape \(2, 12, 12\)")
    maps["NT"]["two"][0, 0, 0] = np.nan
    refused(photographs, maps, "received values from nan to nan")


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([0.5, 1.5], "expected scores.* in .0, 1., received values from 0.5 to 1.5"),
        ([0.5, np.nan], "in .0, 1., received values from nan"),
        ([0.5], r"of shape \(2,\), received an array of shape \(1,\)"),
    ],
)
def test_scores_are_one_a_face_and_probabilities(scores, message):
    photographs, maps = given(("FS",), ("one",))
    refused(photographs, maps, message, scores={"FS": {"one": np.array(scores)}})
    refused(photographs, maps, "of shape", scores={})
