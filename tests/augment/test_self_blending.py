"""Self-blending: pairs from reals alone, against OpenCV called plainly; the same whoever asks."""

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import ConvexHull

from deepfake_generalize.augment import self_blend
from deepfake_generalize.augment import self_blending as blending
from deepfake_generalize.data import read_crops, read_failures, read_image
from deepfake_generalize.data.crops import write_landmarks
from deepfake_generalize.errors import InputError

SIDE = 96
RNG = np.random.default_rng(0)


def smooth(rng):
    return cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (SIDE, SIDE))


def face(count, rng=RNG):
    """Return points in a disc in the middle of a crop: no face, but hulls as large as one's."""
    angle, radius = rng.uniform(0, 2 * np.pi, count), SIDE * rng.uniform(0.2, 0.4, count)
    return SIDE / 2 + np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, np.newaxis]


@pytest.fixture
def reals(tmp_path):
    """Four real crops of two videos with 68 points beside them."""
    rng = np.random.default_rng(1)
    names = [f"{number}.png" for number in range(4)]
    for name in names:
        cv2.imwrite(str(tmp_path / name), smooth(rng))
    write_landmarks(tmp_path, {name: face(68, rng) for name in names})
    return pd.DataFrame(
        {
            "path": [str(tmp_path / name) for name in names],
            "video": [str(tmp_path / f"{number // 2}.mp4") for number in range(4)],
            "frame": [0, 1, 0, 1],
            "label": 0,
            "method": "real",
            "target_identity": ["a", "a", "b", "b"],
            "source_identity": "z",
            "note": "kept",
        }
    )


def test_a_blend_is_what_opencv_gives_called_plainly():
    image, source = smooth(RNG), smooth(RNG)
    mask = blending.region_mask(face(68), "hull", (SIDE, SIDE))
    fake, weight = blending.blend(
        image, mask, source, size=(200, 240), kernels=(9, 15), sigma=11, ratio=0.75
    )

    large = cv2.resize(mask.astype(np.float32), (240, 200))
    core = cv2.erode((large > 0.999999).astype(np.float32), np.ones((9, 9)))
    soft = cv2.GaussianBlur(core, (15, 15), 11)
    expected = cv2.resize(soft / soft.max(), (SIDE, SIDE))[..., np.newaxis] * 0.75
    np.testing.assert_allclose(weight, expected[..., 0], atol=1e-6)
    mixed = expected * source.astype(float) + (1 - expected) * image
    np.testing.assert_allclose(fake, mixed, atol=0.51)
    assert weight.max() == 0.75
    np.testing.assert_array_equal(fake[weight == 0], image[weight == 0])

    nothing, _ = blending.blend(
        image, mask, source, size=(200, 240), kernels=(9, 15), sigma=11, ratio=0.0
    )
    np.testing.assert_array_equal(nothing, image)


@pytest.mark.parametrize("count", [68, 81])
def test_the_hull_holds_what_lies_in_the_convex_hull(count):
    points = face(count)
    mask = blending.region_mask(points, "hull", (SIDE, SIDE))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    normals = ConvexHull(points).equations
    beyond = np.max(
        normals[:, :2] @ np.stack([columns.ravel(), rows.ravel()]) + normals[:, 2:], axis=0
    ).reshape(SIDE, SIDE)
    assert mask[beyond < -1].all()
    assert not mask[beyond > 1].any()


def test_a_changed_copy_has_the_levels_of_its_draw():
    grey = np.full((8, 8, 3), 100, np.uint8)
    drawn = blending.draw(np.random.default_rng(0))._replace(
        rgb=(10.0, 10.0, 10.0), hsv=(0.0, 0.0, 0.0), brightness=0.1, contrast=-0.1, shrink=4
    )
    # (100 + 10) * 0.9 + 0.1 * 255, cut; no hue, so the way through HSV changes nothing.
    assert np.unique(blending._changed(grey, drawn)).tolist() == [124]
    sharp = drawn._replace(shrink=0, sharpen=(0.5, 0.6))
    # The kernel of a plain picture adds up to 1 + 0.5 * (0.6 - 1).
    assert np.unique(blending._changed(grey, sharp)).tolist() == [round(124 * 0.8)]


def test_source_and_mask_move_by_their_draw():
    source = np.zeros((SIDE, SIDE, 3), np.uint8)
    source[40:56, 30:50] = 255
    drawn = blending.draw(np.random.default_rng(0))._replace(
        move=(0.03, -0.015), scale=(1.05, 0.95)
    )
    moved, _ = blending._moved(source, source[..., 0] // 255, drawn)
    rows, columns = np.nonzero(moved[..., 0] > 127)
    middle = (SIDE - 1) / 2
    assert columns.mean() == pytest.approx(middle + 1.05 * (39.5 - middle) + 0.03 * SIDE, abs=0.5)
    assert rows.mean() == pytest.approx(middle + 0.95 * (47.5 - middle) - 0.015 * SIDE, abs=0.5)


def test_the_mask_is_deformed_by_a_smooth_field():
    square = np.zeros((SIDE, SIDE), np.uint8)
    square[40:56, 30:50] = 1
    drawn = blending.draw(np.random.default_rng(0))._replace(move=(0.0, 0.0), scale=(1.0, 1.0))
    _, mask = blending._moved(np.zeros((SIDE, SIDE, 3), np.uint8), square, drawn)
    noise = np.random.default_rng(drawn.elastic).uniform(-1, 1, (SIDE, SIDE, 2))
    x, y = (50 * gaussian_filter(noise[..., axis], 7) for axis in (0, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    expected = map_coordinates(square, (rows + y, columns + x), order=0)
    assert (mask != square).sum() > 20
    assert (mask != expected).sum() <= 3  # Where a place lies between two pixels.


def test_pairs_of_reals_are_written_and_differ_only_where_they_are_blended(reals, tmp_path):
    before = reals.copy(deep=True)
    pairs = self_blend(reals, tmp_path / "out", n_blends=2, seed=3)
    pd.testing.assert_frame_equal(reals, before)
    pd.testing.assert_frame_equal(read_crops(tmp_path / "out"), pairs)
    assert pairs["label"].tolist() == [0, 1] * 8
    assert pairs["method"].tolist() == ["real", "SBI"] * 8
    assert pairs["target_identity"].tolist() == ["a"] * 8 + ["b"] * 8
    assert pairs["video"].tolist() == reals["video"].repeat(4).tolist()
    assert pairs["source_identity"].isna().tolist() == [False, True] * 8
    assert set(pairs["note"]) == {"kept"}
    images = [read_image(path) for path in pairs["path"]]
    unchanged = []
    for number, (real, fake) in enumerate(zip(images[::2], images[1::2], strict=True)):
        crop = read_image(reals["path"][number // 2])
        drawn = blending._draws(crop, 3, 2)[number % 2]
        points = np.load(tmp_path / "landmarks.npz")["points"][number // 2]
        weight = blending.self_blended(crop, points, drawn).mask
        np.testing.assert_array_equal(real[weight == 0], fake[weight == 0])
        assert (real != fake).any()
        assert (real == crop).all() == drawn.changes_source
        unchanged.append(drawn.changes_source)
    assert len(set(unchanged)) == 2


def test_the_same_seed_gives_the_same_pairs_in_any_order(reals, tmp_path):
    def made(rows, folder, seed):
        pairs = self_blend(rows, tmp_path / folder, seed=seed)
        return {(crop, label): read_image(path) for crop, label, path in zip(
            rows["path"].repeat(2), pairs["label"], pairs["path"], strict=True
        )}  # fmt: skip

    first, again = made(reals, "a", 0), made(reals[::-1], "b", 0)
    other = made(reals[:1], "c", 1)
    assert first.keys() == again.keys()
    for key, image in first.items():
        np.testing.assert_array_equal(image, again[key])
    key = (reals["path"][0], 1)
    assert (other[key] != first[key]).any()


@pytest.mark.parametrize(("count", "name"), [(68, "SBI"), (81, "SBI"), (468, "self-blend")])
def test_sbi_is_made_of_68_or_81_points_alone(reals, tmp_path, count, name):
    points = np.stack([face(count) for _ in range(4)])
    points[1] = np.nan
    points[2] += 10 * SIDE
    pairs = self_blend(reals, tmp_path / "out", landmarks=points)
    assert set(pairs["method"]) == {"real", name}
    assert len(pairs) == 4
    failures = read_failures(tmp_path / "out")
    assert failures["path"].tolist() == reals["path"][1:3].tolist()
    assert failures["reason"].str.contains("expected landmarks").all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crops": lambda rows: rows.assign(label=[0, 1, 0, 0])}, "alone .label 0., received 1"),
        ({"landmarks": np.zeros((4, 5, 2))}, r"68, 81 or 468 points, .*\(4, 5, 2\)"),
        (
            {"landmarks": np.zeros((3, 68, 2))},
            r"\(4, K, 2\) of 68, 81 or 468 points, .*\(3, 68, 2\)",
        ),
        ({"landmarks": np.full((4, 68, 2), np.nan)}, "at least one crop"),
        ({"landmarks": np.full((4, 68, 2), np.inf)}, "at least one crop"),
        ({"landmarks": np.full((4, 68, 2), "1")}, "68, 81 or 468 points, .* dtype <U1"),
        ({"n_blends": 0}, "n_blends"),
        ({"out_dir": "."}, "new or empty folder"),
    ],
)
def test_what_makes_no_pairs_is_refused(reals, tmp_path, change, message):
    choices = {"out_dir": "out"} | change
    rows = choices.pop("crops", lambda rows: rows)(reals)
    with pytest.raises(InputError, match=message):
        self_blend(rows, tmp_path / choices.pop("out_dir"), **choices)
    assert not (tmp_path / "out").exists()
