"""Causal effects: against brute force, by hand, and in blocks."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from deepfake_generalize.causal import average_causal_effect, effect, top_neurons
from deepfake_generalize.causal.effect import summed_scores
from deepfake_generalize.errors import InputError
from deepfake_generalize.metrics import Resampling
from deepfake_generalize.metrics.resampling import resample_counts
from deepfake_generalize.models import Detector, load_pretrained, mesoinception, mesonet, shallownet
from deepfake_generalize.models.surgery import cut

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
LABELS = [1, 0, 0, 1, 1]


def by_hand_detector(fake_index: int = 1) -> Detector:
    """Return sigmoid(relu(a0 + 2 a1 - 1) - a0): two neurons at `site`, two units behind them."""
    inputs = keras.Input((4, 4, 3))
    site = layers.Dense(2, name="site")(layers.GlobalAveragePooling2D()(inputs))
    hidden = layers.Dense(2, name="hidden", activation="relu")(site)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="out")(hidden))
    model.get_layer("hidden").set_weights([np.array([[1.0, 1], [2, 0]]), np.array([-1.0, 0])])
    model.get_layer("out").set_weights([np.array([[1.0], [-1]]), np.zeros(1)])
    return Detector(model, fake_index=fake_index)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


ACTIVATIONS = np.array([[0.0, 1.0], [2.0, 0.0]])


def test_the_score_by_hand():
    found = average_causal_effect(
        by_hand_detector(),
        activations=ACTIVATIONS,
        site="site",
        steps=2,
        grid="minmax",
        outcome="score",
    )
    np.testing.assert_array_equal(found.values, [[0, 2], [0, 1]])
    # a0 := 0 gives logits 1 and 0; a0 := 2 gives 3 - 2 and 1 - 2; a1 := 0 gives 0 and 1 - 2;
    # a1 := 1 gives 1 and 3 - 2.
    logits = np.array([[[1, 0], [1, -1]], [[0, -1], [1, 1]]])
    np.testing.assert_allclose(found.effects, sigmoid(logits).mean(axis=2), atol=1e-6)
    expected = np.abs(np.diff(sigmoid(logits).mean(axis=2), axis=1))[:, 0]
    np.testing.assert_allclose(found.contribution, expected, atol=1e-6)


def test_the_true_class_by_hand_follows_labels_and_polarity():
    for fake_index, signs in [(1, [1, -1]), (0, [-1, 1])]:
        found = average_causal_effect(
            by_hand_detector(fake_index),
            activations=ACTIVATIONS,
            labels=[1, 0],
            site="site",
            steps=2,
            grid="minmax",
        )
        logits = np.array([[[1, 0], [1, -1]], [[0, -1], [1, 1]]]) * signs
        np.testing.assert_allclose(found.effects, sigmoid(logits).mean(axis=2), atol=1e-6)


def test_the_studys_grid_reaches_down_to_1_and_up_to_0():
    activations = np.array([[2.0, -3.0], [4.0, -1.0]])
    found = average_causal_effect(
        by_hand_detector(), activations=activations, site="site", outcome="score"
    )
    np.testing.assert_allclose(found.values, [[1, 2, 3, 4], [-3, -2, -1, 0]])


@pytest.mark.parametrize("fake_index", [0, 1])
@pytest.mark.parametrize("build", [mesonet, pytest.param(mesoinception, marks=pytest.mark.nightly)])
def test_the_papers_site_equals_brute_force(build, fake_index, randomised, by_force):
    detector = Detector(randomised(build((64, 64, 3))), fake_index=fake_index)
    activations = cut(detector.model, "flatten").trunk(IMAGES / np.float32(255)).numpy()
    found = average_causal_effect(detector, IMAGES, labels=LABELS)
    expected = by_force(detector, "flatten", activations, found.values, LABELS)
    assert found.effects.shape == (64, 4)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(found.effects, expected, atol=1e-6, rtol=0)


def test_the_outputs_of_a_wide_first_dense_layer_are_the_papers_site(randomised, by_force):
    inputs = keras.Input((8, 8, 3))
    wide = layers.Dense(256, activation="relu", name="wide")(layers.Flatten()(inputs))
    outputs = layers.Dense(2, activation="softmax", name="out")(layers.Dropout(0.5)(wide))
    detector = Detector(randomised(keras.Model(inputs, outputs)), fake_index=0)
    activations = np.random.default_rng(1).normal(size=(4, 256)).astype(np.float32)
    found = average_causal_effect(detector, activations=activations, outcome="score")
    expected = by_force(detector, "wide", activations, found.values)
    np.testing.assert_allclose(found.effects, expected, atol=1e-6, rtol=0)


def test_shallownets_wide_layer_equals_brute_force(randomised, by_force):
    detector = Detector(randomised(shallownet((20, 20, 3))))
    images = IMAGES[:, :20, :20]
    activations = cut(detector.model, "dense1").trunk(images / np.float32(255)).numpy()
    found = average_causal_effect(detector, images, labels=LABELS)
    assert found.effects.shape == (1024, 4)
    some = np.random.default_rng(5).choice(1024, 24, replace=False)
    expected = by_force(detector, "dense1", activations, found.values[some], LABELS, neurons=some)
    assert np.ptp(expected, axis=1).max() > 1e-4
    np.testing.assert_allclose(found.effects[some], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("site", ["leaky_relu", pytest.param("dense1", marks=pytest.mark.nightly)])
def test_any_layer_of_neurons_is_a_site(site, randomised, by_force):
    model = randomised(mesonet((64, 64, 3)))
    detector = Detector(model)
    activations = cut(model, site).trunk(IMAGES / np.float32(255)).numpy()
    found = average_causal_effect(detector, IMAGES, outcome="score", site=site, grid="minmax")
    np.testing.assert_allclose(found.values[:, 0], activations.min(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.values[:, -1], activations.max(axis=0), rtol=1e-6)
    expected = by_force(detector, site, activations, found.values)
    np.testing.assert_allclose(found.effects, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "outcome", ["true_class", pytest.param("score", marks=pytest.mark.nightly)]
)
def test_resamples_are_the_effects_on_the_images_drawn(outcome, randomised):
    detector = Detector(randomised(mesonet((64, 64, 3))))
    groups, resampling = ["a", "a", "b", "c", "c"], Resampling(n_resamples=3, seed=4)
    given = {"outcome": outcome, "labels": LABELS}
    found = average_causal_effect(detector, IMAGES, **given, resampling=resampling, groups=groups)
    plain = average_causal_effect(detector, IMAGES, **given)
    np.testing.assert_allclose(found.effects, plain.effects, atol=1e-12)
    assert plain.resampled is None
    activations = cut(detector.model, "flatten").trunk(IMAGES / np.float32(255)).numpy()
    site, labels = detector.open_site("paper"), np.array(LABELS)
    assert found.resampled.shape == (3, 64)
    counts = resample_counts(groups, 5, resampling)
    for row, times in zip(found.resampled, counts.T, strict=True):
        drawn = np.repeat(np.arange(5), times.astype(int))
        signs = np.where(labels[drawn] == 1, 1.0, -1.0) if outcome == "true_class" else 1.0
        weights = np.broadcast_to(signs, len(drawn))[:, None]
        sums = summed_scores(site, activations[drawn], plain.values, weights)[..., 0]
        np.testing.assert_allclose(row, np.ptp(sums, axis=1) / len(drawn), atol=1e-7)


def test_many_activations_go_to_disk_and_change_nothing(randomised, monkeypatch):
    detector = Detector(randomised(mesonet((64, 64, 3))))
    in_memory = average_causal_effect(detector, IMAGES, labels=LABELS)
    monkeypatch.setattr(effect, "BUDGET", 4 * 5 * 64 - 1)
    made = []
    monkeypatch.setattr(
        np, "memmap", lambda *a, real=np.memmap, **k: made.append(real(*a, **k)) or made[-1]
    )
    on_disk = average_causal_effect(detector, IMAGES, labels=LABELS)
    assert [each.shape for each in made] == [(5, 64)]
    np.testing.assert_array_equal(on_disk.effects, in_memory.effects)
    monkeypatch.setattr(effect, "BUDGET", 4 * 5 * 64)
    average_causal_effect(detector, IMAGES, labels=LABELS)
    assert len(made) == 1


def test_a_network_that_learns_on_is_opened_with_the_weights_of_then(randomised):
    detector = Detector(randomised(mesonet((32, 32, 3))))
    images = IMAGES[:, :32, :32]
    before = average_causal_effect(detector, images, labels=LABELS, steps=2)
    rng = np.random.default_rng(1)
    weights = [w + rng.normal(0, 0.1, w.shape) * (w.ndim > 1) for w in detector.model.get_weights()]
    detector.model.set_weights(weights)
    after = average_causal_effect(detector, images, labels=LABELS, steps=2)
    fresh = average_causal_effect(Detector(detector.model), images, labels=LABELS, steps=2)
    np.testing.assert_array_equal(after.effects, fresh.effects)
    assert not np.allclose(after.effects, before.effects)


def test_dropout_before_the_site_is_off(randomised):
    inputs = keras.Input((4, 4, 3))
    pooled = layers.GlobalAveragePooling2D()(layers.Dropout(0.9)(inputs))
    site = layers.Dense(4, name="site")
    verdict = layers.Dense(1, activation="sigmoid")(site(pooled))
    detector = Detector(randomised(keras.Model(inputs, verdict)))
    images = np.random.default_rng(6).random((5, 4, 4, 3), np.float32)
    found = average_causal_effect(detector, images, site="site", grid="minmax", outcome="score")
    expected = images.mean(axis=(1, 2)) @ site.kernel.numpy() + site.bias.numpy()
    np.testing.assert_allclose(found.values[:, 0], expected.min(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.values[:, -1], expected.max(axis=0), atol=1e-6)


@pytest.mark.slow
def test_many_calls_do_not_make_tensorflow_complain_of_tracing(randomised, caplog):
    detector = Detector(randomised(mesonet((32, 32, 3))))
    for _ in range(7):
        average_causal_effect(detector, IMAGES[:, :32, :32], labels=LABELS)
    assert "retracing" not in caplog.text


def test_a_generator_of_images_is_refused(randomised):
    with pytest.raises(InputError, match="images as an array"):
        average_causal_effect(
            Detector(mesonet((64, 64, 3))), (each for each in IMAGES), labels=LABELS
        )


def test_images_and_their_activations_give_the_same(randomised):
    detector = Detector(randomised(mesonet((64, 64, 3))))
    many = np.concatenate([IMAGES] * 8)
    activations = cut(detector.model, "flatten").trunk(many / np.float32(255)).numpy()
    streamed = average_causal_effect(detector, list(many), labels=LABELS * 8)
    at_once = average_causal_effect(detector, activations=activations, labels=LABELS * 8)
    np.testing.assert_allclose(streamed.effects, at_once.effects, atol=1e-6)


BETWEEN = {
    "nothing": lambda x: x,
    "relu": layers.ReLU(),
    "batch_norm": layers.BatchNormalization(),
    "tanh_and_dropout": lambda x: layers.Dropout(0.5)(layers.Activation("tanh")(x)),
    "softmax": layers.Softmax(),
    "layer_norm": layers.LayerNormalization(),
    "side_by_side": lambda x: layers.Add()([layers.Dense(3)(x), layers.Dense(3)(x)]),
}


@settings(max_examples=12)
@given(
    between=st.sampled_from(sorted(BETWEEN)),
    neurons=st.integers(2, 5),
    width=st.integers(1, 4),
    classes=st.sampled_from([1, 3]),
    seed=st.integers(0, 2**16),
)
def test_any_tail_equals_brute_force(between, neurons, width, classes, seed, randomised, by_force):
    inputs = keras.Input((4, 4, 3))
    site = layers.Dense(neurons, name="site")(layers.GlobalAveragePooling2D()(inputs))
    step = BETWEEN[between]
    if isinstance(step, layers.Layer):
        step = type(step)()
    hidden = layers.Dense(width, activation="relu", use_bias=seed % 2 == 0)(step(site))
    activation = "sigmoid" if classes == 1 else "softmax"
    outputs = layers.Dense(classes, activation=activation)(layers.LayerNormalization()(hidden))
    detector = Detector(randomised(keras.Model(inputs, outputs), seed), fake_index=seed % 2)
    rng = np.random.default_rng(seed)
    activations = rng.normal(size=(3, neurons)).astype(np.float32)
    labels = rng.integers(0, 2, 3)
    found = average_causal_effect(detector, activations=activations, labels=labels, site="site")
    expected = by_force(detector, "site", activations, found.values, labels)
    np.testing.assert_allclose(found.effects, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("site", ["paper", "out"])
def test_one_neuron_is_refused_with_the_papers_reason(site):
    inputs = keras.Input((4, 4, 3))
    pooled = layers.GlobalAveragePooling2D(name="pool")(inputs)
    detector = Detector(
        keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="out")(pooled))
    )
    with pytest.raises(InputError, match=r"threats to validity.*XceptionNet and EfficientNet"):
        average_causal_effect(detector, IMAGES, labels=LABELS, site=site)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either images or activations"),
        ({"activations": ACTIVATIONS, "images": IMAGES}, "either images or activations"),
        ({"activations": ACTIVATIONS}, "expected labels for outcome='true_class'"),
        ({"activations": ACTIVATIONS, "labels": [1, 2]}, r"0 \(real\) or 1 \(fake\)"),
        ({"activations": ACTIVATIONS, "labels": [1]}, r"of shape \(2,\)"),
        ({"activations": ACTIVATIONS[:, :1], "labels": [1, 0]}, r"of shape \(N, 2\)"),
        ({"activations": ACTIVATIONS[:0], "labels": []}, "at least one image"),
        ({"activations": ACTIVATIONS * np.nan, "labels": [1, 0]}, "received NaN"),
        ({"activations": ACTIVATIONS, "groups": ["a", "b"]}, "received groups alone"),
        ({"activations": ACTIVATIONS, "steps": 1}, "from 2, received 1"),
        ({"activations": ACTIVATIONS, "grid": "fine"}, "one of study, minmax, received 'fine'"),
        (
            {"activations": ACTIVATIONS, "outcome": "loss"},
            "one of true_class, score, received 'loss'",
        ),
        ({"activations": ACTIVATIONS, "site": "nowhere"}, "received 'nowhere'; it has"),
        ({"activations": ACTIVATIONS, "site": ["out"]}, r"received \['out'\]; it has"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        average_causal_effect(by_hand_detector(), **{"site": "site", **arguments})


def test_something_else_than_a_detector_is_refused():
    with pytest.raises(InputError, match=r"expected a models\.Detector, received Functional"):
        average_causal_effect(mesonet((64, 64, 3)), IMAGES)


def test_a_public_detector_equals_brute_force(shared_data, sample_crops):
    weights = shared_data("mesonet/weights/Meso4_DF.h5")
    detector = load_pretrained("mesonet-deepfakes", path=weights)
    activations = cut(detector.model, "flatten").trunk(sample_crops / np.float32(255)).numpy()
    found = average_causal_effect(detector, sample_crops, labels=[1, 1, 0, 0])
    some = top_neurons(found, 8)
    assert len(found.contribution) == 1024
    assert (found.contribution[some] > 0).all()
    tail = cut(detector.model, "flatten").tail
    for neuron in some:
        for step, value in enumerate(found.values[neuron]):
            forced = activations.copy()
            forced[:, neuron] = value
            real = tail(forced).numpy()[:, 0]
            expected = np.mean([1 - real[0], 1 - real[1], real[2], real[3]])
            assert found.effects[neuron, step] == pytest.approx(expected, abs=1e-6)


def softened(x):
    return keras.ops.softmax(x)


@pytest.mark.parametrize("how", ["activation", "operation"])
def test_neurons_that_are_mixed_on_their_way_are_set_one_at_a_time(how, by_force, monkeypatch):
    keras.utils.set_random_seed(8)
    inputs = keras.Input((4, 4, 3))
    site = layers.Dense(5, name="site")(layers.GlobalAveragePooling2D()(inputs))
    monkeypatch.setattr(softened, "__name__", "relu")
    mixed = layers.Activation(softened)(site) if how == "activation" else softened(site)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(4 * mixed))
    detector = Detector(model)
    activations = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    found = average_causal_effect(
        detector, activations=activations, site="site", steps=3, outcome="score"
    )
    expected = by_force(detector, "site", activations, found.values)
    np.testing.assert_allclose(found.effects, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.full((2, 2), 1e39), r"float32 can hold, up to 3\.4e\+38, received values from 1e\+39"),
        (np.full((2, 2), -1e39), "float32 can hold"),
        (np.array([[0.0, 3e38], [0.0, -3e38]]), "expected finite scores with the neurons set"),
        (np.ma.masked_less(ACTIVATIONS, 0.5), "activations without gaps, received 2 of 4 masked"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_activations_that_float32_cannot_hold_or_that_are_masked_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        average_causal_effect(
            by_hand_detector(), activations=given, site="site", grid="minmax", outcome="score"
        )


def test_masked_labels_are_refused():
    with pytest.raises(InputError, match="labels without gaps"):
        average_causal_effect(
            by_hand_detector(),
            activations=ACTIVATIONS,
            site="site",
            labels=np.ma.array([0, 1], mask=[0, 1]),
        )


@pytest.mark.parametrize("block", [1, 100, 4096])
def test_blocks_of_any_size_give_the_same_sums(block, randomised):
    site = Detector(randomised(mesonet((64, 64, 3)))).open_site("paper")
    rng = np.random.default_rng(1)
    activations, values = rng.random((7, 64), np.float32), rng.random((64, 3))
    weights = rng.choice([-1.0, 1.0, 2.0], (7, 3))

    at_once = summed_scores(site, activations, values, weights, block=10**9)
    in_blocks = summed_scores(site, activations, values, weights, block=block)
    np.testing.assert_allclose(in_blocks, at_once, atol=1e-6)


def test_the_parts_of_a_site_make_the_network(randomised):
    detector = Detector(randomised(mesonet((64, 64, 3))))
    site = detector.open_site("paper")
    images = np.random.default_rng(2).random((2, 64, 64, 3), np.float32)
    mixed = site.before(next(site.activations(images, 2))) @ site.kernel + site.bias
    still = np.zeros((1, 1, 2), np.float32)
    scores = site.sums(mixed, still, site.kernel[:1], np.eye(2))[0, 0]
    np.testing.assert_allclose(scores, detector.scores(images), atol=1e-6)


def test_a_layer_of_maps_is_no_site():
    with pytest.raises(InputError, match=r"received 'pool4' with \(None, 2, 2, 16\)"):
        Detector(mesonet((64, 64, 3))).open_site("pool4")
