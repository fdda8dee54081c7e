"""Which layers are trained, and where a network is cut for it."""

import keras
import numpy as np
import pytest

from deepfake_generalize.augment.fine_tuning import choose_head, cut_before, trainable_copy
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import ARCHITECTURES, RECIPES
from deepfake_generalize.models.surgery import flat_layers

OURS = RECIPES["mesonet"]
HEADS = {
    "mesonet": ["dropout1", "dense1", "leaky_relu", "dropout2", "output"],
    "mesoinception": ["dropout1", "dense1", "leaky_relu", "dropout2", "output"],
    "shallownet": ["block3_dropout2", "flatten", "dense1", "norm", "dropout", "output"],
    "xception": [
        "block14_sepconv2",
        "block14_sepconv2_bn",
        "block14_sepconv2_act",
        "average_pool",
        "output",
    ],
    "efficientnet_b0": [
        "top_conv",
        "top_bn",
        "top_activation",
        "average_pool",
        "dropout",
        "output",
    ],
}


@pytest.mark.parametrize(
    "architecture",
    [
        "mesonet",
        "mesoinception",
        "shallownet",
        pytest.param("xception", marks=pytest.mark.slow),
        pytest.param("efficientnet_b0", marks=pytest.mark.nightly),
    ],
)
def test_the_papers_layers_of_each_architecture(architecture):
    side = 72 if architecture == "xception" else 32
    model = ARCHITECTURES[architecture]((side, side, 3))
    recipe = RECIPES[architecture].fine_tuning
    head = choose_head(model, "paper", recipe)
    assert [layer.name for layer in flat_layers(model)[head.first :]] == HEADS[architecture]
    assert head.trained == model.layers[-recipe.last_layers].name
    parts = cut_before(model, head)
    trained = [layer.name for layer in flat_layers(parts.tail)]
    assert [name for name in trained if name in HEADS[architecture]] == HEADS[architecture]
    assert len(trained) == len(HEADS[architecture]) + 1


def nested_network():
    base = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(2, 3, name="inner1"),
            keras.layers.Conv2D(2, 3, name="inner2"),
        ],
        name="base",
    )
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            base,
            keras.layers.Flatten(name="flat"),
            keras.layers.Dense(1, activation="sigmoid", name="last"),
        ]
    )


@pytest.mark.parametrize(
    ("unfreeze", "first"),
    [(1, "last"), (2, "flat"), ("last", "last"), ("inner2", "inner2"), ("flat", "flat")],
)
def test_layers_are_counted_as_the_network_lists_them_and_named_inside_nested_ones(unfreeze, first):
    model = nested_network()
    head = choose_head(model, unfreeze, OURS)
    assert head.trained == first
    worker = trainable_copy(model, first=head.first, noise=False)
    flags = {layer.name: layer.trainable for layer in flat_layers(worker)}
    names = [name for name in flags if name in ("inner1", "inner2", "flat", "last")]
    assert [name for name in names if flags[name]] == names[names.index(first) :]
    parts = cut_before(worker, head)
    x = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(parts.tail(parts.trunk(x)), model(x))
    assert [w.path for w in parts.tail.trainable_weights] == [
        w.path for w in worker.trainable_weights
    ]


@pytest.mark.parametrize(
    ("unfreeze", "text"),
    [
        ("paper", "says how many layers to train for unfreeze='paper', 'mesonet-paper' does not"),
        (0, "a number of layers from 1 to 11, received 0"),
        (12, "a number of layers from 1 to 11, received 12"),
        (True, "received True"),
        (2.0, "received 2.0"),
        ("conv9", "the name of a layer of 'tiny', received 'conv9'; it has input_layer.*, conv1"),
        (11, "expected layers with weights to freeze, unfreeze=11 trains all of 'tiny'"),
        ("conv1", "unfreeze='conv1' trains all of 'tiny'"),
    ],
)
def test_wrong_choices_are_refused(tiny_detector, unfreeze, text):
    with pytest.raises(InputError, match=text):
        choose_head(tiny_detector().model, unfreeze, OURS)


def test_a_head_without_weights_is_refused():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 8), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Activation("sigmoid", name="squash")])
    with pytest.raises(InputError, match="layers with weights to train, unfreeze=1 gives squash"):
        choose_head(model, 1, OURS)


def test_frozen_layers_compute_in_training_what_they_compute_in_inference(tiny_detector):
    model = tiny_detector().model
    head = choose_head(model, "dense", OURS)
    x = np.random.default_rng(0).random((64, 8, 8, 3), np.float32)
    quiet = trainable_copy(model, first=head.first, noise=False)
    pooled = keras.Model(quiet.inputs[0], quiet.get_layer("pool").output)
    np.testing.assert_array_equal(pooled(x, training=True), pooled(x, training=False))
    assert quiet.get_layer("dropout").rate == 0.2
    noisy = trainable_copy(model, first=head.first)
    pooled = keras.Model(noisy.inputs[0], noisy.get_layer("pool").output)
    assert not np.array_equal(pooled(x, training=True), pooled(x, training=False))


def test_a_cut_comes_before_the_skip_connection_that_ends_in_the_head(tiny_detector):
    model = tiny_detector().model
    parts = cut_before(model, choose_head(model, "conv3", OURS))
    assert parts.trunk.layers[-1].name == "norm"


def test_a_network_that_cannot_be_cut_says_so():
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    x = keras.layers.Flatten()(keras.layers.Conv2D(1, 3, name="conv")(inputs))
    x = keras.layers.Concatenate()([pooled, keras.layers.Dense(2, name="dense")(x)])
    model = keras.Model(inputs, keras.layers.Dense(1, name="last")(x), name="forked")
    with pytest.raises(
        InputError, match=r"cut before 'dense', in 'forked' there is no .* cache=Fa"
    ):
        cut_before(model, choose_head(model, "dense", OURS))
