"""Focus on some neurons: exact where nothing is trained, only their rows where something is."""

import keras
import numpy as np
import pytest

from deepfake_generalize.augment import focus
from deepfake_generalize.causal import average_causal_effect
from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector


@pytest.fixture
def hand_set():
    """Return a detector whose four neurons are the mean red, green and blue, and their sum."""

    def build(*, fake_index=1, bias=True, activation="sigmoid", columns=1):
        inputs = keras.Input((4, 4, 3))
        x = keras.layers.GlobalAveragePooling2D(name="pool")(inputs)
        x = keras.layers.Dense(4, name="neurons")(x)
        x = keras.layers.ReLU(name="relu")(x)
        x = keras.layers.Dropout(0.25, name="dropout")(x)
        x = keras.layers.Dense(2, use_bias=bias, name="mix")(x)
        x = keras.layers.Dense(columns, activation=activation, name="last")(x)
        model = keras.Model(inputs, x, name="hand")
        model.get_layer("neurons").set_weights(
            [np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], np.float32), np.zeros(4)]
        )
        rows = np.array([[1, -1], [2, 0], [0, 3], [-1, 1]], np.float32)
        model.get_layer("mix").set_weights([rows, np.array([0.5, -0.5])] if bias else [rows])
        last = np.array([[1.0], [-1.0]]) if columns == 1 else np.array([[1.0, 0], [0, 1.0]])
        model.get_layer("last").set_weights([last, np.zeros(columns)])
        return Detector(model, fake_index=fake_index, name="hand")

    return build


def colours(*values):
    return np.stack([np.full((4, 4, 3), value, np.float32) for value in values])


TRAIN = (colours([0.2, 0.4, 0.6], [0.4, 0.8, 0.2]), np.array([0, 1]))
PAPER = {"site": "neurons", "progress": None}


def test_silenced_neurons_are_held_at_their_mean_worked_out_by_hand(hand_set):
    detector = hand_set()
    quiet = focus(detector, [1], TRAIN, None, mode="silence", **PAPER)
    # Means .3, .6, .4 and 1.3; all but green are held there.
    kernel, bias = quiet.model.get_layer("mix").get_weights()
    np.testing.assert_allclose(kernel, [[0, 0], [2, 0], [0, 0], [0, 0]])
    np.testing.assert_allclose(bias, [0.5 + 0.3 - 1.3, -0.5 - 0.3 + 1.2 + 1.3], rtol=1e-6)
    score = quiet.scores(colours([0.9, 0.7, 0.1]))
    logit = (2 * 0.7 - 0.5) - 1.7
    np.testing.assert_allclose(score, 1 / (1 + np.exp(-logit)), rtol=1e-6)
    # Neither red nor blue is heard any more.
    np.testing.assert_array_equal(score, quiet.scores(colours([0.1, 0.7, 0.8])))


def test_silencing_one_neuron_is_the_causal_intervention(hand_set):
    """The causal effect of do(neuron = v) is the mean score with the neuron silenced at v."""
    detector = hand_set()
    images = np.random.default_rng(0).random((6, 4, 4, 3), np.float32)
    effects = average_causal_effect(
        detector, images, site="neurons", steps=3, grid="minmax", outcome="score"
    )
    for neuron in range(3):
        value = effects.values[neuron, 1]
        others = np.setdiff1d(np.arange(4), [neuron])
        mean_is_value = (colours([value] * 3), np.array([1]))
        quiet = focus(detector, others, mean_is_value, None, mode="silence", **PAPER)
        expected = effects.effects[neuron, 1]
        np.testing.assert_allclose(quiet.scores(images).mean(), expected, atol=1e-6)


def test_upweighted_neurons_count_for_more_and_the_parent_stays(hand_set):
    detector = hand_set()
    before = [w.copy() for w in detector.model.get_weights()]
    louder = focus(detector, [0, 3], TRAIN, None, mode="upweight", factor=3.0, **PAPER)
    kernel, bias = louder.model.get_layer("mix").get_weights()
    np.testing.assert_allclose(kernel, [[3, -3], [2, 0], [0, 3], [-3, 3]])
    np.testing.assert_allclose(bias, [0.5, -0.5])
    for old, now in zip(before, detector.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    record = louder.training
    assert (record["kind"], record["mode"], record["factor"]) == ("focus", "upweight", 3.0)
    assert (record["neurons"], record["site"]) == ([0, 3], "neurons")
    assert record["recipe"] is None
    assert record["parent"]["name"] == "hand"
    assert louder.name == "hand-focus"


@pytest.mark.slow
@pytest.mark.parametrize("columns", [2, pytest.param(1, marks=pytest.mark.nightly)])
def test_freeze_trains_the_rows_of_the_neurons_and_nothing_else(hand_set, short, columns, tmp_path):
    """Fakes are green and reals are blue; the network given takes the one for the other."""
    activation = "sigmoid" if columns == 1 else "softmax"
    detector = hand_set(columns=columns, activation=activation, fake_index=columns - 1)
    images, labels = colours([0, 0, 0.8], [0, 0.8, 0]), np.array([0, 1])
    few = np.repeat(images, 32, axis=0), np.repeat(labels, 32)
    recipe = short("mesonet", epochs=8, batch_size=8, learning_rate=0.1)
    tuned = focus(detector, [1, 2], few, (images, labels), recipe=recipe, **PAPER)
    pairs = zip(tuned.model.layers, detector.model.layers, strict=True)
    for layer, old in pairs:
        if layer.name != "mix":
            for a, b in zip(layer.get_weights(), old.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
    kernel, bias = tuned.model.get_layer("mix").get_weights()
    old_kernel, old_bias = detector.model.get_layer("mix").get_weights()
    np.testing.assert_array_equal(bias, old_bias)
    np.testing.assert_array_equal(kernel[[0, 3]], old_kernel[[0, 3]])
    assert (kernel[[1, 2]] != old_kernel[[1, 2]]).all()
    assert tuned.training["best_epoch"] >= 1
    assert detector.scores(images)[0] > 0.5 > detector.scores(images)[1]
    assert tuned.scores(images)[0] < 0.5 < tuned.scores(images)[1]
    assert Detector.load(tuned.save(tmp_path / "f.keras")).training["mode"] == "freeze"


def test_the_rows_move_as_if_the_others_had_no_gradient(hand_set, dark_and_bright, short):
    """One step of Adam moves each weight by the rate, in the direction against its gradient."""
    detector = hand_set()
    images, labels = dark_and_bright(4, side=4)
    recipe = short("mesonet", epochs=1, batch_size=4, learning_rate=0.01)
    tuned = focus(detector, [0], (images, labels), (images, labels), recipe=recipe, **PAPER)
    moved = tuned.model.get_layer("mix").kernel - detector.model.get_layer("mix").kernel
    np.testing.assert_allclose(np.abs(moved[0]), 0.01, rtol=1e-3)
    np.testing.assert_array_equal(moved[1:], 0)


def test_silence_and_upweight_train_too_where_a_recipe_is_given(hand_set, dark_and_bright, short):
    few, check = dark_and_bright(32, side=4), dark_and_bright(8, side=4, seed=1)
    recipe = short("mesonet", epochs=1, batch_size=8)
    quiet = focus(hand_set(), [1], few, check, mode="silence", recipe=recipe, **PAPER)
    kernel, _ = quiet.model.get_layer("mix").get_weights()
    np.testing.assert_array_equal(kernel[[0, 2, 3]], 0)
    assert (kernel[1] != [2, 0]).all()
    assert quiet.training["recipe"]["name"] == "short"


def test_the_papers_site_of_the_three_networks(detector_of, random_images, short):
    for architecture, layer in (("mesonet", "dense1"), ("shallownet", "output")):
        detector = detector_of(architecture)
        louder = focus(detector, [5], random_images(4, 32), None, mode="upweight", progress=None)
        ratio = louder.model.get_layer(layer).kernel / detector.model.get_layer(layer).kernel
        wanted = np.ones(ratio.shape)
        wanted[5] = 2
        np.testing.assert_allclose(ratio, wanted)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"detector": "hand"}, r"expected a models.Detector, received str"),
        (
            {"mode": "boost"},
            "expected mode to be one of freeze, silence, upweight, received 'boost'",
        ),
        ({"factor": 0}, "expected factor to be a number above 0, received 0"),
        ({"factor": True}, "received True"),
        ({"neurons": []}, "indices, whole numbers of shape .k,., received an array of shape .0,."),
        ({"neurons": [True, False]}, "dtype bool"),
        ({"neurons": [[1]]}, r"received an array of shape \(1, 1\)"),
        ({"neurons": [1, 4]}, "each neuron once, as an index from 0 to 3, received 1, 4"),
        ({"neurons": [-1]}, "from 0 to 3, received -1"),
        ({"neurons": [1, 1]}, "each neuron once, as an index from 0 to .*, received 1, 1"),
        ({"site": "last"}, "several neurons before the network's output, received 'last'"),
        ({"site": "nowhere"}, "the name of a layer of 'hand', received 'nowhere'"),
        ({"mode": "freeze"}, "expected a Recipe, received NoneType"),
        ({"train": (colours([0, 0, 0])[:, :3], [0])}, r"examples of shape \(4, 4, 3\) in train"),
    ],
)
def test_wrong_arguments_are_refused(hand_set, change, text):
    right = {
        "detector": hand_set(),
        "neurons": [1],
        "train": TRAIN,
        "val": TRAIN,
        "mode": "upweight",
        **PAPER,
    }
    given = {**right, **change}
    positional = [given.pop(name) for name in ("detector", "neurons", "train", "val")]
    with pytest.raises(InputError, match=text):
        focus(*positional, **given)


def test_a_layer_without_bias_and_neurons_that_are_mixed_otherwise_are_refused(hand_set):
    with pytest.raises(InputError, match="a bias to move the silenced neurons into, 'mix' has"):
        focus(hand_set(bias=False), [1], TRAIN, None, mode="silence", **PAPER)
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Dense(4, name="neurons")(keras.layers.Flatten()(inputs))
    x = keras.layers.Dense(1, activation="sigmoid")(keras.layers.LayerNormalization()(x))
    with pytest.raises(InputError, match="a dense layer is the first to mix, received 'neurons'"):
        focus(Detector(keras.Model(inputs, x)), [1], TRAIN, None, mode="upweight", **PAPER)
