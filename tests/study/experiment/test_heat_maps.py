"""What is compared in Figure 3: maps of the same face, of other faces, of the face coded again."""

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from deepfake_generalize.interpret import colorize
from deepfake_generalize.study.experiment import heat_maps


@pytest.fixture
def looks(monkeypatch):
    """Three detectors whose maps are the picture's channels, red, green and blue."""

    def maps(detectors, images):
        return [images[..., channel].astype(np.float32) / 255 for channel in detectors.values()]

    monkeypatch.setattr(heat_maps, "_maps", maps)
    return {"A": 0, "B": 1, "C": 2}


def pictures(count, seed=0, *, grey=True):
    random = np.random.default_rng(seed)
    cells = random.integers(0, 256, (count, 6, 6, 1 if grey else 3), dtype=np.uint8)
    cells = np.broadcast_to(cells, (count, 6, 6, 3))
    return np.stack([cv2.resize(np.ascontiguousarray(own), (24, 24)) for own in cells])


def test_the_floor_is_of_other_videos_and_the_ceiling_of_the_same_face(looks):
    faces = np.repeat(pictures(8), 3, axis=0)
    videos = [name for name in "abcdefgh" for _ in range(3)]
    order = np.random.default_rng(1).permutation(24)
    found = heat_maps.compare_maps(looks, faces[order], [videos[index] for index in order])
    assert found["videos"] == [videos[index] for index in order]
    compared = found["compared"]
    for measure in ("ssim", "rank_correlation", "top_overlap"):
        assert compared["own"][measure] == [1.0] * 24  # grey: the channels are one map
        assert max(compared["floor"][measure]) < 0.8
        assert min(compared["ceiling"][measure]) > 0.8
    assert compared["floor"]["bins"] == {"dissimilar": 24, "low": 0, "high": 0, "empty": 0}


def test_the_ceiling_is_each_detectors_agreement_with_itself_on_a_jpeg(looks):
    faces = pictures(2, grey=False)
    found = heat_maps.compare_maps(looks, faces, ["a", "b"])["compared"]["ceiling"]
    for index, face in enumerate(faces):
        _, content = cv2.imencode(".jpg", face[..., ::-1].copy(), [cv2.IMWRITE_JPEG_QUALITY, 90])
        copy = cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]
        pairs = [(face[..., c] / 255, copy[..., c] / 255) for c in range(3)]
        alike = [
            structural_similarity(colorize(a[None])[0], colorize(b[None])[0], channel_axis=-1)
            for a, b in pairs
        ]
        ranks = [spearmanr(a.ravel(), b.ravel())[0] for a, b in pairs]
        assert found["ssim"][index] == pytest.approx(np.mean(alike), abs=1e-5)
        assert found["rank_correlation"][index] == pytest.approx(np.mean(ranks), abs=1e-5)


def test_too_few_faces_have_no_floor(looks):
    found = heat_maps.compare_maps(looks, pictures(2), ["a", "b"])["compared"]
    assert found["floor"]["ssim"] == found["floor"]["top_overlap"] == [None, None]
    assert found["floor"]["bins"]["empty"] == 2
    assert found["own"]["ssim"] == [1.0, 1.0]


def test_a_fake_with_two_empty_maps_is_in_no_bin(looks):
    faces = pictures(4, grey=False)
    faces[0, ..., 0] = 0
    faces[1, ..., :2] = 0
    found = heat_maps.compare_maps(looks, faces, list("abcd"))
    assert found["empty_maps"] == {"A": 2, "B": 1, "C": 0}
    own = found["compared"]["own"]
    assert [value is None for value in own["ssim"]] == [False, True, False, False]
    assert own["bins"]["empty"] == 1
    assert own["rank_correlation"][0] == pytest.approx(
        spearmanr(faces[0, ..., 1].ravel(), faces[0, ..., 2].ravel())[0], abs=1e-6
    )
    assert None not in found["compared"]["ceiling"]["ssim"]


def test_parts_make_no_difference_to_the_maps_of_one_face(looks, monkeypatch):
    faces = pictures(7, grey=False)
    whole = heat_maps.compare_maps(looks, faces, list("abcdefg"))["compared"]
    monkeypatch.setattr(heat_maps, "_AT_ONCE", 4)
    parts = heat_maps.compare_maps(looks, faces, list("abcdefg"))["compared"]
    assert parts["own"] == whole["own"]
    assert parts["ceiling"] == whole["ceiling"]
    assert None not in parts["floor"]["ssim"]


def test_twins_are_compared_detector_by_detector(looks):
    faces = pictures(2, grey=False)
    turned = {"A": 1, "B": 2, "C": 0}
    found = heat_maps.compare_maps(looks, faces, ["a", "b"], twins=turned)["compared"]["twin"]
    for index, face in enumerate(faces):
        pairs = [(face[..., c].ravel(), face[..., turned[n]].ravel()) for n, c in looks.items()]
        ranks = [spearmanr(*pair)[0] for pair in pairs]
        assert found["rank_correlation"][index] == pytest.approx(np.mean(ranks), abs=1e-5)
    same = heat_maps.compare_maps(looks, faces, ["a", "b"], twins=looks)["compared"]["twin"]
    assert same["ssim"] == [1.0, 1.0]
    assert "twin" not in heat_maps.compare_maps(looks, faces, ["a", "b"])["compared"]
