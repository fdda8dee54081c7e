"""Networks of every making are copied as they are, or refused in a sentence."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector
from deepfake_generalize.models.detectors.detector import weights_sha256
from deepfake_generalize.models.surgery import copy_network, every_layer, remake

SIDE = 16


class Twice(layers.Layer):
    """A layer of somebody's own, which nobody registered."""

    def call(self, x):
        return x * 2.0


def mixed(x):
    """An activation that mixes neurons, under a name of Keras's."""
    return x * 0.5 + 1.0


mixed.__name__ = "relu"


def _head(x):
    return layers.Dense(1, activation="sigmoid", name="out")(layers.Dense(4, name="middle")(x))


def _network(body, *, head=_head):
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3))
    return keras.Model(image, head(body(image)))


def _pooled(x):
    return layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(x))


def _normalised():
    image = keras.Input((SIDE, SIDE, 3))
    scaled = layers.Normalization(mean=None)
    scaled.adapt(np.random.default_rng(0).random((4, SIDE, SIDE, 3)) * 0.2 + 0.7)
    return keras.Model(image, _pooled(scaled(image)))


def _three_levels(x):
    outer = keras.Sequential([keras.Input((SIDE, SIDE, 3)), _normalised()])
    image = keras.Input((SIDE, SIDE, 3))
    return keras.Model(image, outer(image))(x)


def _shared(x):
    inner = layers.Conv2D(3, 3, padding="same")
    image = keras.Input((SIDE, SIDE, 3))
    nested = keras.Model(image, inner(image))
    return _pooled(nested(inner(x)) + inner(x))


def _sequence(x):
    return layers.GRU(4, dropout=0.2)(layers.Reshape((SIDE, -1))(x))


def _attention(x):
    rows = layers.Reshape((SIDE, -1))(x)
    return layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 4)(rows, rows))


KINDS = {
    "normalization inside": lambda x: layers.Identity()(_normalised()(x)),
    "three levels": _three_levels,
    "lambda": lambda x: _pooled(layers.Lambda(lambda t: tf.square(t) * 2 - 1)(x)),
    "lambda of operations": lambda x: _pooled(layers.Lambda(lambda t: t * 2 - 1)(x)),
    "layer of one's own, nested": lambda x: _pooled(
        keras.Sequential([keras.Input((SIDE, SIDE, 3)), Twice()])(x)
    ),
    "arithmetic": lambda x: _pooled(keras.ops.abs(x * 2.0 - 0.5) + x),
    "spatial dropout": lambda x: _pooled(layers.SpatialDropout2D(0.5)(x)),
    "spectral normalization": lambda x: layers.GlobalAveragePooling2D()(
        layers.SpectralNormalization(layers.Conv2D(4, 3))(x)
    ),
    "attention": _attention,
    "recurrent": _sequence,
    "shared across depths": _shared,
    "activation of one's own": lambda x: layers.Dense(4, activation=mixed)(_pooled(x)),
    "activation of TensorFlow": lambda x: layers.Dense(4, activation=tf.nn.softmax)(_pooled(x)),
    "always dropping": lambda x: layers.Dropout(0.5)(_pooled(x), training=True),
}


# One of each way to lie in a network; the others are more of these.
BY_DAY = (
    *("three levels", "lambda", "layer of one's own, nested", "arithmetic", "shared across depths"),
    *("activation of one's own", "always dropping"),
)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(each, marks=() if each in BY_DAY else pytest.mark.nightly) for each in KINDS],
)
def test_a_copy_gives_what_its_original_gives(kind):
    model = _network(KINDS[kind])
    clone = copy_network(model)
    owned = {id(variable) for variable in clone.variables}
    assert not owned & {id(variable) for variable in model.variables}
    assert len(clone.weights) == len(model.weights)
    if kind != "always dropping":
        images = np.random.default_rng(1).random((3, SIDE, SIDE, 3), np.float32)
        np.testing.assert_array_equal(clone(images), model(images))


def test_what_was_made_frozen_can_be_made_to_learn_at_every_depth():
    inner = layers.SpectralNormalization(layers.Conv2D(4, 3, trainable=False), trainable=False)
    model = _network(lambda x: layers.GlobalAveragePooling2D()(inner(x)))
    clone = copy_network(model, lambda layer: remake(layer, trainable=True))
    assert all(layer.trainable for layer in every_layer(clone))
    assert {layer.trainable for layer in every_layer(model)} == {True, False}


def test_losses_and_metrics_are_not_copied():
    for model in (_network(_pooled), keras.Sequential([_network(_pooled)])):
        model.build((None, SIDE, SIDE, 3))
        model.compile(loss=lambda y, z: (y - z) ** 2)
        assert not copy_network(model).compiled


def test_a_copy_that_computes_something_else_is_refused():
    class Shifted(layers.Layer):
        def __init__(self, by=0.0, **options):
            super().__init__(**options)
            self.by = by

        def call(self, x):
            return x + self.by

        def get_config(self):
            return layers.Layer.get_config(layers.Layer(name=self.name))

    model = _network(lambda x: Shifted(0.5)(_pooled(x)))
    with pytest.raises(InputError, match=r"a copy of 'functional.*' to give .* differ.*get_config"):
        copy_network(model)


def test_a_layer_that_cannot_be_made_again_is_refused():
    class Odd(layers.Layer):
        def __init__(self, table):
            super().__init__()
            self.table = table

        def call(self, x):
            return x

    model = _network(lambda x: Odd({object()})(_pooled(x)))
    with pytest.raises(InputError, match="layers can be made again, a copy of 'functional"):
        copy_network(model)


@pytest.mark.parametrize(
    "kind",
    [
        "layer of one's own, nested",
        *(
            pytest.param(each, marks=pytest.mark.nightly)
            for each in ("lambda of operations", "activation of TensorFlow")
        ),
    ],
)
def test_what_only_the_program_knows_is_saved_and_loaded_by_it(kind, tmp_path):
    detector = Detector(_network(KINDS[kind]))
    again = Detector.load(detector.save(tmp_path / "x.keras"))
    images = np.random.default_rng(1).random((3, SIDE, SIDE, 3), np.float32)
    np.testing.assert_allclose(again.scores(images), detector.scores(images), atol=1e-6)
    assert weights_sha256(again.model) == weights_sha256(detector.model)
    assert not any(isinstance(layer, layers.Lambda) for layer in every_layer(again.model))


def test_where_its_layers_are_not_defined_a_file_says_which_it_needs(tmp_path, monkeypatch):
    saved = Detector(_network(KINDS["layer of one's own, nested"])).save(tmp_path / "x.keras")
    monkeypatch.delattr(sys.modules[__name__], "Twice")
    with pytest.raises(InputError, match="cannot build") as caught:
        Detector.load(saved)
    assert f"Import or define what it needs first: Twice of {__name__}." in caught.value.hint


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    class Local(layers.Layer):
        def call(self, x):
            return x * 2.0

    for body, words in (
        (lambda x: Local()(_pooled(x)), "x.keras is not written: .*Register layers"),
        (
            KINDS["lambda"],
            r"x.keras is not written: it carries code \(a Lambda layer\)",
        ),
    ):  # fmt: skip
        detector = Detector(_network(body))
        with pytest.raises(InputError, match=words):
            detector.save(tmp_path / "x.keras")
        assert not list(tmp_path.iterdir())
    with keras.saving.custom_object_scope({"Local": Local}):
        saved = Detector(_network(lambda x: Local()(_pooled(x)))).save(tmp_path / "x.keras")
        assert Detector.load(saved).name
