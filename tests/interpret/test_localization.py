"""The share of a map in a region, by counting."""

import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.interpret import localization


@pytest.mark.parametrize("as_levels", [False, True])
def test_shares_are_those_of_a_count(as_levels):
    random = np.random.default_rng(0)
    maps = random.random((4, 9, 11))
    masks = random.random((4, 9, 11)) < 0.3
    found = localization(
        maps.astype(np.float32), masks.astype(np.uint8) * 255 if as_levels else masks
    )
    assert list(found.columns) == ["mass", "region", "ratio", "hit"]
    for heatmap, mask, row in zip(maps, masks, found.to_dict("records"), strict=True):
        places = [(y, x) for y in range(9) for x in range(11)]
        total = sum(heatmap[place] for place in places)
        within = sum(heatmap[place] for place in places if mask[place])
        region = sum(bool(mask[place]) for place in places) / 99
        assert row["mass"] == pytest.approx(within / total, rel=1e-6)
        assert row["region"] == pytest.approx(region)
        assert row["ratio"] == pytest.approx(within / total / region, rel=1e-6)
        assert row["hit"] == float(mask[max(places, key=lambda place: heatmap[place])])


def test_a_map_that_knows_nothing_has_the_regions_share():
    masks = np.zeros((1, 10, 10), bool)
    masks[0, :4, :5] = True
    (row,) = localization(np.full((1, 10, 10), 0.3), masks).to_dict("records")
    assert row == pytest.approx({"mass": 0.2, "region": 0.2, "ratio": 1.0, "hit": 0.2})


def test_empty_maps_and_masks_are_told_and_left_out():
    maps, masks = np.ones((4, 8, 8)), np.ones((4, 8, 8), bool)
    maps[0], masks[1] = 0, False
    maps[2], masks[2] = 0, False
    with pytest.warns(RuntimeWarning, match="3 of 4 rows are NaN: 2 maps and 2 masks are empty"):
        found = localization(maps, masks)
    assert found.iloc[:3].isna().all(axis=None)
    assert found.iloc[3].to_list() == [1.0, 1.0, 1.0, 1.0]
    assert localization(maps[:0], masks[:0]).empty


@pytest.mark.parametrize(
    "masks",
    [
        np.zeros((1, 8, 9), bool),
        np.zeros((1, 8, 8)),
        np.full((1, 8, 8), 64, np.uint8),
        np.ones((1, 8, 8), np.uint8),
        None,
    ],
)
def test_masks_that_do_not_fit_are_refused(masks):
    with pytest.raises(InputError, match=r"expected masks of shape \(1, 8, 8\), bool or uint8 of"):
        localization(np.ones((1, 8, 8)), masks)
