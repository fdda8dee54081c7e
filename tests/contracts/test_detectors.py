"""What everything that scores images must do, whatever is inside."""

import cv2
import keras
import numpy as np
import pandas as pd
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import ARCHITECTURES, Detector, as_detector
from deepfake_generalize.types import Scorer

SIZE = 40
# The networks that cannot take 40 pixels, or grow large with them.
SIZES = {"shallownet": 20, "xception": 71}
# Slow to build, so in one form only, the study's two softmax columns, and by night.
DEEP = {"xception", "efficientnet_b0"}
# Sums run in another order for another batch size, and forty float32 layers add that up.
ROUNDING = 1e-5


def _network(architecture: str, classes: int, fake_index: int) -> Detector:
    size = SIZES.get(architecture, SIZE)
    model = ARCHITECTURES[architecture]((size, size, 3), classes=classes)
    # Drawn here and not by the builder: scores differ well, and global random state is left alone.
    rng = np.random.default_rng(7)
    for variable in model.trainable_weights:
        if "kernel" in variable.path:
            depthwise = "dwconv" in variable.path or "depthwise" in variable.path
            fan_in = np.prod(variable.shape[: 2 if depthwise else -1])
            variable.assign(rng.normal(0, np.sqrt(2 / fan_in), variable.shape))
    # Statistics as after training: without them a deep network answers .5 to everything.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(rng.random((8, size, size, 3), np.float32), training=True)
    return Detector(model, fake_index=fake_index)


def _torch(**options) -> Scorer:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    nn = torch.nn
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2)
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, options.pop("classes", 1)))
    return as_detector(network, name="torch", size=SIZE, logits=True, **options)


def _mean(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).mean(axis=1)


SCORERS = {
    f"{name}-{classes}-fake{index}": (lambda n=name, c=classes, i=index: _network(n, c, i))
    for name in ARCHITECTURES
    for classes, index in ([(2, 0)] if name in DEEP else [(1, 0), (1, 1), (2, 0)])
} | {
    "function": lambda: as_detector(_mean, name="mean", size=SIZE),
    "function-first-uint8-real": lambda: as_detector(
        lambda x: _mean(x / 255.0)[:, None],
        name="mean",
        size=SIZE,
        returns="real",
        channels="first",
        scale="uint8",
    ),
    "torch": _torch,
    "torch-softmax-real": lambda: _torch(classes=2, column=0, returns="real"),
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=pytest.mark.nightly if name.split("-")[0] in DEEP else ())
        for name in SCORERS
    ],
)
def scorer(request):
    return SCORERS[request.param]()


@pytest.fixture
def images(scorer):
    height, width = scorer.size
    rng = np.random.default_rng(0)
    levels = np.linspace(40, 200, 5)[:, None, None, None]
    return (levels + rng.normal(0, 25, (5, height, width, 3))).clip(0, 255).astype(np.uint8)


def test_satisfies_the_protocol(scorer):
    assert isinstance(scorer, Scorer)
    assert scorer.name
    assert scorer.name in repr(scorer)


def test_gives_one_probability_an_image_and_tells_images_apart(scorer, images):
    scores = scorer.scores(images)
    assert scores.dtype in (np.float32, np.float64)
    assert scores.shape == (5,)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert np.ptp(scores) > 1e-4


def test_no_images_give_no_scores(scorer):
    for empty in (np.zeros((0, SIZE, SIZE, 3), np.uint8), []):
        assert scorer.scores(empty).shape == (0,)
        assert scorer.scores(empty).dtype == np.float32


def test_batches_change_nothing(scorer, images):
    whole = scorer.scores(images)
    for batch_size in (1, 2, 5):
        np.testing.assert_allclose(
            scorer.scores(images, batch_size=batch_size), whole, atol=ROUNDING
        )


def test_float_images_score_as_their_bytes(scorer, images):
    for dtype in (np.float32, np.float64):
        floats = (images / 255).astype(dtype)
        np.testing.assert_allclose(scorer.scores(floats), scorer.scores(images), atol=ROUNDING)


def test_unequal_sizes_score_as_each_alone(scorer):
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in [(50, 33), (20, 70), (99, 40)]]
    alone = np.concatenate([scorer.scores(image[None]) for image in images])
    np.testing.assert_allclose(scorer.scores(images), alone, atol=ROUNDING)


def test_paths_and_crops_score_as_their_pictures(scorer, images, tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        assert cv2.imwrite(str(path), image[..., ::-1])
    crops = pd.DataFrame({"path": list(map(str, paths)), "label": pd.NA})
    for given in (paths, crops, crops["path"], crops["path"].to_numpy(), tuple(crops["path"])):
        np.testing.assert_array_equal(scorer.scores(given), scorer.scores(images))
    with pytest.raises(InputError, match="missing: path"):
        scorer.scores(crops[["label"]])
    with pytest.raises(InputError, match=r"gone\.png"):
        scorer.scores([*paths, tmp_path / "gone.png"])


def test_images_are_left_as_they_were(scorer, images):
    before = images.copy()
    images.setflags(write=False)
    scorer.scores(images)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((SIZE, SIZE, 3), np.uint8), "shape .N, H, W, 3."),
        (np.zeros((1, SIZE, SIZE, 1), np.uint8), "shape .N, H, W, 3."),
        (np.zeros((1, SIZE, SIZE, 3), np.int32), "dtype uint8 or float"),
        (np.full((1, SIZE, SIZE, 3), 255.0), r"in \[0, 1\]"),
        (np.full((1, SIZE, SIZE, 3), np.nan, np.float32), "NaN"),
        ([np.zeros((SIZE, SIZE), np.uint8)], r"images\[0\]"),
        ("face.png", r"images\[0\]|sequence"),
        (None, "NoneType"),
    ],
)
def test_other_images_are_refused(scorer, bad, words):
    with pytest.raises(InputError, match=words):
        scorer.scores(bad)


def test_other_batch_sizes_are_refused(scorer, images):
    with pytest.raises(InputError, match="batch_size"):
        scorer.scores(images, batch_size=0)
