"""Every perturbation against a recomputation in plain NumPy, SciPy, OpenCV, Pillow or PyAV."""

import zlib

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data as pictures

from deepfake_generalize.data import PERTURBATIONS
from deepfake_generalize.data.perturbations import DEEPER_FORENSICS
from deepfake_generalize.errors import InputError

PICTURE = np.ascontiguousarray(pictures.astronaut()[:121, 100:275])
LEVELS = [
    (name, level) for name, of in PERTURBATIONS.items() for level in range(1, 1 + len(of.values))
]
RANDOM = ("blocks", "colour_noise", "gend_noise")


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(PICTURE.tobytes())])


def saturation(factor):
    grey = PICTURE @ [0.299, 0.587, 0.114]
    return grey[..., None] + factor * (PICTURE - grey[..., None])


def blocks(number):
    rng, out = generator(), PICTURE.copy()
    for _ in range(number):
        left, top = rng.integers(175 - 8), rng.integers(121 - 8)
        out[top : top + 8, left : left + 8] = 128
    return out


def colour_noise(variance):
    """Add noise to the codes of BT.601: 219 steps of luma, 224 of chroma, of 255 a full scale."""
    drawn = generator().standard_normal(PICTURE.shape, np.float32)
    ycc = cv2.cvtColor((PICTURE / 255).astype(np.float32), cv2.COLOR_RGB2YCrCb)[..., [0, 2, 1]]
    codes = ycc * np.array([219, 224, 224]) + 16
    codes = (codes + 255 * np.sqrt(variance) * drawn - 16) / np.array([219, 224, 224])
    return cv2.cvtColor(codes[..., [0, 2, 1]].astype(np.float32), cv2.COLOR_YCrCb2RGB) * 255


def blur(kernel):
    side, sigma = kernel
    return gaussian_filter(
        PICTURE.astype(float), (sigma, sigma, 0), mode="mirror", radius=(side // 2, side // 2, 0)
    )


def pixelation(factor):
    small = cv2.resize(PICTURE, (175 // factor, 121 // factor), interpolation=cv2.INTER_LINEAR)
    return cv2.resize(small, (175, 121), interpolation=cv2.INTER_LINEAR)


def jpeg(quality):
    import io

    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


def noise(sigma):
    return PICTURE + 255 * sigma * generator().standard_normal(PICTURE.shape, np.float32)


def resized(rule):
    def resize(side):
        size = (int(side * 175 / 121), side)
        return np.asarray(Image.fromarray(PICTURE).resize(size, Image.Resampling[rule]))

    return resize


ORACLES = {
    "saturation": saturation,
    "contrast": lambda factor: PICTURE * factor,
    "blocks": blocks,
    "colour_noise": colour_noise,
    "blur": blur,
    "pixelation": pixelation,
    "gend_jpeg": jpeg,
    "gend_blur": blur,
    "gend_noise": noise,
    **{
        f"gend_resize_{rule.lower()}": resized(rule)
        for rule in ("NEAREST", "LANCZOS", "BILINEAR", "BICUBIC", "BOX", "HAMMING")
    },
}


@pytest.mark.parametrize(("name", "level"), [pair for pair in LEVELS if pair[0] != "h264"])
def test_a_picture_comes_out_as_recomputed(name: str, level: int) -> None:
    perturbation = PERTURBATIONS[name]
    expected = ORACLES[name](perturbation.values[level - 1]).clip(0, 255)
    found = perturbation(PICTURE, level)
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    # A level for rounding; OpenCV blurs in fixed point, and its weights are rounded too.
    assert np.abs(found - expected).max() <= (2.0 if "blur" in name else 1.0)


@pytest.mark.parametrize("crf", [30, 40])
def test_video_compression_is_that_of_a_video_of_one_frame(tmp_path, write_video, crf: int) -> None:
    even = cv2.copyMakeBorder(PICTURE, 0, 1, 0, 1, cv2.BORDER_REPLICATE)
    path = write_video(tmp_path / "a.mp4", [even], options={"crf": str(crf), "threads": "1"})
    with av.open(str(path)) as container:
        (frame,) = container.decode(video=0)
    expected = frame.to_ndarray(format="rgb24")[:121, :175]
    found = PERTURBATIONS["h264"](PICTURE, {30: 1, 40: 5}[crf])
    np.testing.assert_array_equal(found, expected)


def test_levels_are_those_that_were_published() -> None:
    # DeeperForensics-1.0: perturbation/distortions.py; GenD: exp/wacv_rebuttal_aug_robustness.py.
    published = {
        "saturation": (0.4, 0.3, 0.2, 0.1, 0.0),
        "contrast": (0.85, 0.725, 0.6, 0.475, 0.35),
        "blocks": (16, 32, 48, 64, 80),
        "colour_noise": (0.001, 0.002, 0.005, 0.01, 0.05),
        "blur": tuple((k, k / 6) for k in (7, 9, 13, 17, 21)),
        "pixelation": (2, 3, 4, 5, 6),
        "h264": (30, 32, 35, 38, 40),
        "gend_jpeg": (100, 80, 60, 40, 20, 10),
        "gend_blur": ((5, 0.5), (7, 1.0), (11, 1.5), (13, 2.0), (19, 3.0)),
        "gend_noise": (0.01, 0.03, 0.05, 0.1, 0.2),
    }
    found = {name: of.values for name, of in PERTURBATIONS.items() if "resize" not in name}
    assert found == published
    assert list(published)[:7] == list(DEEPER_FORENSICS)
    resizes = [of for name, of in PERTURBATIONS.items() if "resize" in name]
    assert [of.values for of in resizes] == [(224, 112, 64)] * 6
    assert not any(of.keeps_size for of in resizes)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_picture_comes_out_the_same_whatever_stands_beside_it(name: str) -> None:
    does, other = PERTURBATIONS[name], np.ascontiguousarray(PICTURE[::-1])
    before = PICTURE.copy()
    both = does(np.stack([other, PICTURE]), 2, seed=3)
    np.testing.assert_array_equal(PICTURE, before)
    np.testing.assert_array_equal(both[1], does(PICTURE, 2, seed=3))
    np.testing.assert_array_equal(both[0], does(PICTURE[::-1], 2, seed=3))
    changes = not np.array_equal(both[1], does(PICTURE, 2, seed=4))
    assert changes == (name in RANDOM)


def test_several_levels_at_once_are_those_one_by_one_and_draw_once(monkeypatch) -> None:
    two = np.stack([PICTURE, PICTURE[::-1]])
    alone = {name: [PERTURBATIONS[name](two, level, seed=3) for level in (4, 1)] for name in RANDOM}
    draws = []
    monkeypatch.setattr(zlib, "crc32", lambda data, real=zlib.crc32: draws.append(0) or real(data))
    for name, expected in alone.items():
        draws.clear()
        np.testing.assert_array_equal(PERTURBATIONS[name].at_levels(two, (4, 1), seed=3), expected)
        assert len(draws) == (4 if name == "blocks" else 2)
    PERTURBATIONS["blur"](PICTURE, 1)
    assert len(draws) == 2


def test_more_blocks_on_larger_pictures_and_the_smallest_pictures() -> None:
    large = np.zeros((512, 600, 3), np.uint8)
    covered = (PERTURBATIONS["blocks"](large, 1)[..., 0] == 128).sum()
    assert 16 * 64 < covered <= 2 * 16 * 64
    for name, level in LEVELS:
        assert PERTURBATIONS[name](np.zeros((2, 3, 3), np.uint8), level).ndim == 3


@pytest.mark.parametrize(
    ("picture", "level", "seed", "message"),
    [
        (PICTURE / 255, 1, 0, "expected pictures of dtype uint8"),
        (PICTURE[..., 0], 1, 0, "of shape"),
        (PICTURE[:0], 1, 0, "of shape"),
        (PICTURE, 6, 0, "expected the level of blur to be a whole number from 1 to 5, received 6"),
        (PICTURE, 0, 0, "received 0"),
        (PICTURE, 1, -1, "expected seed"),
    ],
)
def test_what_cannot_be_perturbed_is_refused(picture, level, seed, message) -> None:
    with pytest.raises(InputError, match=message):
        PERTURBATIONS["blur"](picture, level, seed=seed)
