"""Cutting a network at a layer."""

import keras
import numpy as np
import pytest
from keras import layers

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, mesoinception, mesonet
from deepfake_generalize.models.surgery import cut, last_convolution

IMAGES = np.random.default_rng(0).random((3, 32, 32, 3), np.float32)


def residual() -> keras.Model:
    inputs = keras.Input((32, 32, 3), name="image")
    stem = layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    branch = layers.Conv2D(4, 3, padding="same", name="branch")(stem)
    joined = layers.Add(name="join")([stem, branch])
    pooled = layers.GlobalAveragePooling2D(name="pool")(joined)
    return keras.Model(inputs, layers.Dense(1, name="out")(pooled), name="residual")


def nested() -> keras.Model:
    inputs = keras.Input((32, 32, 3), name="outer_image")
    inner = residual()
    backbone = keras.Model(inner.input, inner.get_layer("join").output, name="backbone")
    head = keras.Sequential(
        [layers.Flatten(name="flat"), layers.Dense(5, name="hidden")], name="head"
    )
    outputs = layers.Dense(1, activation="sigmoid", name="last")(head(backbone(inputs)))
    return keras.Model(inputs, outputs, name="nested")


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(4, 3, name="conv"),
            layers.Flatten(name="flat"),
            layers.Dense(1, name="out"),
        ]
    )


def holds(model: keras.Model, layer: str, *, before: bool) -> None:
    parts = cut(model, layer, before=before)
    whole = model(IMAGES, training=False).numpy()
    np.testing.assert_array_equal(parts.tail(parts.trunk(IMAGES)).numpy(), whole)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("build", [mesonet, pytest.param(sequential, marks=pytest.mark.nightly)])
def test_the_two_parts_make_the_whole_at_every_layer_of_a_chain(build, before):
    model = mesonet((32, 32, 3)) if build is mesonet else build()
    for layer in model.layers:
        holds(model, layer.name, before=before)


@pytest.mark.parametrize(("layer", "before"), [("block1_join", False), ("norm2", True)])
def test_a_network_with_branches_is_cut_where_they_have_joined(layer, before):
    holds(mesoinception((32, 32, 3)), layer, before=before)


def test_layers_are_cut_at_their_output_or_their_input():
    model = mesonet((32, 32, 3))
    assert cut(model, "conv4").trunk.output_shape == (None, 4, 4, 16)
    assert [layer.name for layer in cut(model, "dense1", before=True).tail.layers][1:] == [
        "dense1",
        "leaky_relu",
        "dropout2",
        "output",
    ]


def test_the_parts_share_the_layers():
    model = mesonet((32, 32, 3))
    tail = cut(model, "flatten").tail
    assert tail.get_layer("output") is model.get_layer("output")


@pytest.mark.parametrize("layer", ["backbone", "join", "stem", "flat", "hidden", "head"])
def test_nested_models_are_opened(layer):
    holds(nested(), layer, before=False)


def test_the_model_is_left_as_it_was(tmp_path):
    model = nested()
    before = model(IMAGES).numpy()
    cut(model, "hidden")
    reloaded = Detector.load(Detector(model).save(tmp_path / "model.keras"))
    np.testing.assert_array_equal(reloaded.model(IMAGES).numpy(), before)
    assert [layer.name for layer in model.layers] == ["outer_image", "backbone", "head", "last"]


def test_a_skip_connection_across_the_cut_is_refused_by_name():
    with pytest.raises(InputError, match="past it runs stem -> join"):
        cut(residual(), "branch")
    with pytest.raises(InputError, match="past it runs stem -> join"):
        cut(nested(), "branch")


def test_a_layer_joining_branches_has_no_one_input():
    with pytest.raises(InputError, match="one input, received 'join' with 2"):
        cut(residual(), "join", before=True)


def test_an_unknown_layer_is_refused_with_the_names_there_are():
    with pytest.raises(InputError, match=r"received 'dense9'; it has image, conv1, .*, output"):
        cut(mesonet((32, 32, 3)), "dense9")


def test_a_layer_used_twice_is_refused():
    inputs = keras.Input((4,))
    dense = layers.Dense(4, name="twice")
    model = keras.Model(inputs, dense(dense(inputs)))
    with pytest.raises(InputError, match="'twice', used 2 times"):
        cut(model, "twice")


def test_a_subclassed_model_is_refused():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(InputError, match="received Own"):
        cut(Own(), "x")


def test_the_last_convolution_is_found_inside_nested_models():
    assert last_convolution(mesonet((32, 32, 3))) == "conv4"
    assert last_convolution(nested()) == "branch"


def test_a_network_without_convolution_has_no_last_one():
    with pytest.raises(InputError, match="expected a network with a convolution"):
        last_convolution(keras.Sequential([keras.Input((4,)), layers.Dense(1)]))
