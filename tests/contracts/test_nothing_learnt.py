"""Where nothing is learnt no score moves, whatever a network is made of."""

import keras
import numpy as np
import pytest
from keras import layers

from deepfake_generalize import augment, models
from deepfake_generalize.models.surgery import finalize

SIDE = 16
# So small a step that no float32 weight moves, and statistics that stay as they are.
RECIPE = models.Recipe(
    "still", epochs=1, batch_size=4, learning_rate=1e-12, norm_momentum=1 - 1e-12
)


def _head(x):
    x = layers.Dense(4, activation="tanh", name="middle")(x)
    return layers.Dense(1, activation="sigmoid", name="output")(x)


def _network(body):
    image = keras.Input((SIDE, SIDE, 3))
    return keras.Model(image, _head(body(image)))


def _pooled(x):
    return layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, padding="same")(x))


def _nested(body, side=SIDE):
    image = keras.Input((side, side, 3))
    return keras.Model(image, body(image))


def _normalised(x):
    scaled = layers.Normalization()
    scaled.adapt(np.random.default_rng(0).random((4, SIDE, SIDE, 3)) * 0.2 + 0.7)
    return scaled(x)


def _three_levels(x):
    return _nested(_nested(_nested(_normalised)))(x)


def _arithmetic(x):
    return keras.ops.abs(x * 2.0 - 0.5) + x


def _spectral(x):
    layer = layers.SpectralNormalization(layers.Conv2D(3, 3, padding="same"))
    outputs = layer(x)
    # As after a training: the kernel is normalised and the vector has come to rest.
    for _ in range(60):
        layer(np.zeros((1, SIDE, SIDE, 3), np.float32), training=True)
    return outputs


def _rows(x):
    return layers.Reshape((SIDE, -1))(x)


def _attention(x):
    rows = _rows(x)
    return layers.Reshape((SIDE, SIDE, 3))(layers.MultiHeadAttention(2, 4, dropout=0.1)(rows, rows))


def _recurrent(x):
    return layers.Reshape((SIDE, SIDE, 3))(
        layers.GRU(3 * SIDE, dropout=0.2, return_sequences=True)(_rows(x))
    )


def _shared(x):
    inner = layers.Conv2D(3, 3, padding="same")
    return _nested(inner)(inner(x)) + inner(x)


def _efficientnet():
    base = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg"
    )
    statistics = [0.5, 0.4, 0.3], [0.1, 0.2, 0.3], 1
    base.get_layer("normalization").set_weights(list(map(np.asarray, statistics)))
    finalize(base)
    image = keras.Input((32, 32, 3))
    return keras.Model(image, _head(base(layers.Rescaling(255.0)(image))))


def _study(name, side):
    return lambda: models.ARCHITECTURES[name]((side, side, 3))


PARTS = {
    "three levels": _three_levels,
    "arithmetic": _arithmetic,
    "spatial dropout": layers.SpatialDropout2D(0.5),
    "spectral normalization": _spectral,
    "attention": _attention,
    "recurrent": _recurrent,
    "shared": _shared,
}


def _all_at_once(x):
    for part in PARTS.values():
        x = part(x)
    return _pooled(x)


NETWORKS = {
    "all at once": lambda: _network(_all_at_once),
    **{
        name: lambda part=part: _network(lambda x: _pooled(part(x))) for name, part in PARTS.items()
    },
    "mesonet": _study("mesonet", 32),
    "mesoinception": _study("mesoinception", 32),
    "shallownet": _study("shallownet", 32),
    "xception": _study("xception", 72),
    "efficientnet_b0": _study("efficientnet_b0", 32),
    "efficientnet inside": _efficientnet,
}
SITES = {"mesonet": "paper", "mesoinception": "paper", "shallownet": "paper"}
SITES |= dict.fromkeys(("xception", "efficientnet_b0"), "average_pool")


def _marks(name):
    return pytest.mark.slow if name == "three levels" else pytest.mark.nightly


@pytest.mark.parametrize("name", [pytest.param(x, marks=_marks(x)) for x in NETWORKS])
def test_no_score_moves(name):
    keras.utils.set_random_seed(0)
    detector = models.Detector(NETWORKS[name]())
    images = np.random.default_rng(1).random((8, *detector.size, 3), np.float32)
    data = (images, np.arange(8) % 2)
    before = detector.scores(images)
    options = {"recipe": RECIPE, "progress": None}
    head = {"unfreeze": "output"} | options
    site = {"site": SITES.get(name, "middle")} | options
    trained = {
        "train": models.train(detector.model, data, data, **options),
        "merge": augment.merge(detector, data, data, **options),
        "transfer": augment.transfer(detector, data, data, **head),
        "uncached": augment.transfer(detector, data, data, cache=False, **head),
        "focus": augment.focus(detector, [0], data, data, **site),
    }
    moved = {kind: abs(child.scores(images) - before).max() for kind, child in trained.items()}
    assert max(moved.values()) <= 1e-5, moved
