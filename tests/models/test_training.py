"""Training: the best epoch and not the last, the same again after a kill, and nothing leaks."""

import dataclasses
import json
import random
import signal
import subprocess
import sys
import time
import warnings

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deepfake_generalize import __version__, data
from deepfake_generalize.errors import DataMismatchError, InputError
from deepfake_generalize.models import ARCHITECTURES, RECIPES, Detector, Recipe, mesonet, train
from deepfake_generalize.models import training as module
from deepfake_generalize.models.construction import copy
from deepfake_generalize.models.training import fit

SHORT = Recipe("short", epochs=4, batch_size=8, learning_rate=0.01, loss="mse")


def small(input_shape, classes=1):
    """Return a network that has what training must mind: statistics, dropout, a convolution."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.2)(x)
    activation = "sigmoid" if classes == 1 else "softmax"
    x = keras.layers.Dense(classes, activation=activation, name="output")(x)
    return keras.Model(inputs, x, name="small")


def _striped(count, seed, side=16):
    """Noise; what is fake has bright rows."""
    images = np.random.default_rng(seed).integers(0, 200, (count, side, side, 3), np.uint8)
    labels = np.arange(count) % 2
    images[labels == 1, ::4] = 255
    return images, labels


TRAIN, VAL = _striped(40, 0), _striped(16, 1)


def _train(**options):
    chosen = {"train": TRAIN, "val": VAL, "recipe": SHORT, "progress": None} | options
    architecture = chosen.pop("architecture", small)
    return train(architecture, chosen.pop("train"), chosen.pop("val"), **chosen)


def _same(one, other):
    weights = zip(one.model.get_weights(), other.model.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in weights)


@pytest.fixture(scope="module")
def trained():
    return _train(seed=3)


def _write_crops(folder, images, labels, video):
    rows = []
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / f"{video}_{index:03d}.png"
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows.append({"path": str(path), "video": f"/v/{video}{index // 4}.mp4", "frame": index % 4})
        rows[-1]["label"] = label
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    return _write_crops(folder, *TRAIN, "a"), _write_crops(folder, *VAL, "b")


def test_the_seed_decides(trained):
    assert _same(trained, _train(seed=3))
    assert not _same(trained, _train(seed=4))


def test_global_random_states_and_settings_are_left_alone():
    def draw():
        return [random.random(), np.random.rand(), float(tf.random.uniform(()))]  # noqa: NPY002

    def seeded():
        random.seed(5)
        np.random.seed(5)  # noqa: NPY002
        tf.random.set_seed(5)

    seeded()
    expected = draw()
    seeded()
    _train(precision="bfloat16")
    assert draw() == expected
    assert keras.config.dtype_policy().name == "float32"


def test_the_best_epoch_is_kept_and_not_the_last():
    # What is learnt is wrong on validation data of the opposite labels: it gets worse.
    images, labels = VAL
    recipe = dataclasses.replace(SHORT, epochs=20, norm_momentum=0.5)
    opposite = (images, 1 - labels)
    detector = _train(val=opposite, recipe=recipe)
    accuracies = detector.training["history"]["val_accuracy"]
    best = detector.training["best_epoch"]
    assert len(accuracies) == 20
    assert accuracies[-1] < max(accuracies)
    assert best == int(np.argmax(accuracies)) + 1
    scores = detector.scores(images)
    assert np.mean((scores > 0.5) != labels) == pytest.approx(accuracies[best - 1])
    loss = np.mean((scores - (1 - labels)) ** 2)
    assert loss == pytest.approx(detector.training["history"]["val_loss"][best - 1], abs=1e-5)


def test_the_earliest_of_equals_wins():
    # One image of each class that are alike: always one right and one wrong.
    image = np.full((2, 16, 16, 3), 99, np.uint8)
    detector = _train(val=(image, np.array([0, 1])))
    assert set(detector.training["history"]["val_accuracy"]) == {0.5}
    assert detector.training["best_epoch"] == 1


def test_the_record_says_how(trained, tmp_path):
    record = trained.training
    assert record["recipe"] == SHORT.values()
    assert record["sources"] == SHORT.sources
    assert (record["seed"], record["architecture"], record["parent"]) == (3, "small", None)
    assert "val_accuracy" in record["selection"]
    assert "validation" in record["selection"]
    assert set(record["history"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert {len(values) for values in record["history"].values()} == {4}
    assert record["versions"]["deepfake_generalize"] == __version__
    assert record["versions"]["keras"] == keras.__version__
    assert record["data"]["train"]["images"] == 40
    assert record["data"]["val"] | {"sha256": ""} == {"images": 16, "fakes": 8, "sha256": ""}
    assert record["data"]["train"]["sha256"] != record["data"]["val"]["sha256"]
    assert record["ended"] == "complete"
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    again = Detector.load(trained.save(tmp_path / "d.keras"))
    assert again.training == record
    np.testing.assert_array_equal(again.scores(VAL[0]), trained.scores(VAL[0]))
    assert repr(again) == repr(trained)


def test_no_optimizer_stays_with_the_network(trained):
    assert not trained.model.compiled
    assert getattr(trained.model, "optimizer", None) is None


class _Kill(BaseException):
    """What ends a run in the middle."""


class _KillAfter:
    """A reporter that ends the run after an epoch, or in the middle of the next."""

    hears_batches = True

    def __init__(self, epochs, batches=0):
        self.epochs, self.batches = epochs, batches

    def begin(self, **_):
        pass

    def batch(self, _fraction):
        if self.epochs == 0:
            self.batches -= 1
            if self.batches <= 0:
                raise _Kill

    def epoch(self, *_, **__):
        self.epochs -= 1
        if self.epochs == 0 and self.batches == 0:
            raise _Kill

    def end(self, _reason):
        pass


@pytest.mark.parametrize(("epochs", "batches"), [(1, 0), (2, 3), (3, 1)])
def test_a_run_that_was_killed_goes_on(trained, tmp_path, monkeypatch, epochs, batches):
    with monkeypatch.context() as patch:
        patch.setattr(module, "make_reporter", lambda _: _KillAfter(epochs, batches))
        with pytest.raises(_Kill):
            _train(seed=3, checkpoint=tmp_path)
    stored = np.load(tmp_path / "training.npz")
    assert json.loads(stored["facts"].tobytes())["state"]["epochs"] == epochs
    detector = _train(seed=3, checkpoint=tmp_path)
    assert _same(detector, trained)
    assert detector.training["history"] == trained.training["history"]
    assert detector.training["best_epoch"] == trained.training["best_epoch"]
    # Once more: there is nothing left to do.
    again = _train(seed=3, checkpoint=tmp_path)
    assert again.training["seconds"] == detector.training["seconds"]
    assert _same(again, trained)
    assert [path.name for path in tmp_path.iterdir()] == ["training.npz"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, r"seed \(0 there, 1 here\)"),
        ({"recipe": dataclasses.replace(SHORT, epochs=9)}, r"recipe.epochs \(4 there, 9 here\)"),
        ({"val": _striped(16, 9)}, r"; it is of another: val \(|of another: val \("),
        ({"early_stopping": 2}, "early_stopping"),
        ({"precision": "bfloat16"}, "network"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, change, words):
    file = tmp_path / "mine.npz"
    _train(checkpoint=file)
    before = file.read_bytes()
    with pytest.raises(DataMismatchError, match=words) as caught:
        _train(checkpoint=file, **change)
    assert "another checkpoint" in caught.value.hint
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"text"])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    (tmp_path / "training.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"expected a checkpoint at .*training\.npz"):
        _train(checkpoint=tmp_path)


SCRIPT = """
import dataclasses, sys
import numpy as np
from deepfake_generalize.models import RECIPES, train

folder, out = sys.argv[1:]
arrays = np.load(folder + "/arrays.npz")
recipe = dataclasses.replace(RECIPES["mesonet"], name="short", epochs=12, batch_size=4)
detector = train("mesonet", (arrays["x"], arrays["y"]), (arrays["u"], arrays["v"]), recipe=recipe,
                 checkpoint=folder + "/" + out, progress=None)
np.savez(folder + "/" + out + "/final.npz", *detector.model.get_weights())
"""


@pytest.mark.slow
def test_sigkill_at_any_moment_loses_no_epoch(tmp_path):
    np.savez(tmp_path / "arrays.npz", x=TRAIN[0], y=TRAIN[1], u=VAL[0], v=VAL[1])

    def start(out):
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), out])

    assert start("whole").wait(300) == 0
    rng = random.Random(time.time_ns())
    kills, finished, file = 0, -1, tmp_path / "killed" / "training.npz"
    while kills < 3:
        process = start("killed")
        while process.poll() is None and _epochs(file) <= finished:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            break
        kills += 1
        assert _epochs(file) > finished
        finished = _epochs(file)
    assert kills
    assert start("killed").wait(300) == 0
    whole, killed = (np.load(tmp_path / out / "final.npz") for out in ("whole", "killed"))
    for name in whole.files:
        np.testing.assert_array_equal(killed[name], whole[name])


def _epochs(file):
    if not file.exists():
        return 0
    with np.load(file) as stored:
        return json.loads(stored["facts"].tobytes())["state"]["epochs"]


MIRRORED = """
import dataclasses, sys
import numpy as np
import tensorflow as tf
from deepfake_generalize.models import RECIPES, Detector, train

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
arrays = np.load(sys.argv[1] + "/arrays.npz")
recipe = dataclasses.replace(RECIPES["mesonet"], name="short", epochs=6, batch_size=8, loss="bce",
                             norm_momentum=0.5)
both = [train("mesonet", (arrays["x"], arrays["y"]), (arrays["u"], arrays["v"]), recipe=recipe,
              strategy=strategy, progress=None) for _ in range(2)]
record = both[0].training
assert record["replicas"] == 2
assert not tf.distribute.has_strategy()
best = record["history"]["val_accuracy"][record["best_epoch"] - 1]
scores = both[0].scores(arrays["u"])
assert np.mean((scores > 0.5) == arrays["v"]) == best, (best, scores)
assert best == 1.0, record["history"]
assert all(np.array_equal(a, b) for a, b in
           zip(both[0].model.get_weights(), both[1].model.get_weights()))
saved = Detector.load(both[0].save(sys.argv[1] + "/d.keras"))
assert np.array_equal(saved.scores(arrays["u"]), scores)
"""


@pytest.mark.slow
def test_two_devices_share_a_batch(tmp_path):
    x, y = _striped(160, 0)
    np.savez(tmp_path / "arrays.npz", x=x, y=y, u=VAL[0], v=VAL[1])
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_crops_arrays_and_datasets_are_one(crops, trained):
    of_crops = _train(train=crops[0], val=crops[1], seed=3)
    assert _same(of_crops, trained)
    assert of_crops.training["history"] == trained.training["history"]
    assert of_crops.training["data"]["train"]["fakes"] == 20
    sets = [data.to_dataset(part, batch_size=8) for part in crops]
    of_sets = _train(train=sets[0], val=sets[1], seed=3)
    assert of_sets.training["data"]["train"] == {"images": None, "fakes": None, "sha256": None}
    assert of_sets.training["history"]["val_accuracy"]


def test_a_detector_knows_that_it_was_trained_on_drawn_faces(crops, trained, tmp_path):
    one = dataclasses.replace(SHORT, epochs=1)
    filmed = _train(train=crops[0], val=crops[1], recipe=one)
    assert (trained.synthetic, filmed.synthetic, Detector(filmed.model).synthetic) == (False,) * 3
    drawn = _train(train=crops[0].assign(synthetic="true"), val=crops[1], recipe=one)
    assert drawn.synthetic
    assert Detector.load(drawn.save(tmp_path / "drawn.keras")).synthetic
    child = Detector(drawn.model, training={"data": {}, "parent": drawn.training})
    assert child.synthetic


def test_the_hash_of_crops_does_not_move_with_their_folder(crops, tmp_path):
    moved = _write_crops(tmp_path, *TRAIN, "a")
    one = dataclasses.replace(SHORT, epochs=1)
    there = _train(train=crops[0], val=crops[1], recipe=one).training["data"]
    assert _train(train=moved, val=crops[1], recipe=one).training["data"] == there
    fewer = _train(train=crops[0].iloc[2:], val=crops[1], recipe=one).training["data"]
    assert fewer["train"]["sha256"] != there["train"]["sha256"]
    assert fewer["val"] == there["val"]


def test_crops_are_resized_to_the_network(crops):
    one = dataclasses.replace(SHORT, epochs=1)
    detector = _train(train=crops[0], val=crops[1], recipe=one, input_shape=(24, 20, 3))
    assert detector.size == (24, 20)
    assert detector.training["input_shape"] == [24, 20, 3]


@pytest.mark.parametrize(
    ("column", "words"),
    [("path", r"share no image, both hold '.*a_000.png' and 1 more"), ("video", "share no video")],
)
def test_what_is_trained_on_cannot_be_validated_on(crops, column, words):
    leaking = crops[1].copy()
    leaking.loc[:1, column] = crops[0][column].to_numpy()[:2]
    with pytest.raises(InputError, match=words) as caught:
        _train(train=crops[0], val=leaking)
    assert "balanced_splits" in caught.value.hint


def test_unknown_videos_are_not_the_same_video(crops):
    loose = [part.assign(video=pd.NA) for part in crops]
    one = dataclasses.replace(SHORT, epochs=1)
    assert _train(train=loose[0], val=loose[1], recipe=one).training["best_epoch"] == 1


def test_early_stopping_by_choice():
    recipe = dataclasses.replace(SHORT, epochs=30, norm_momentum=0.5, loss="bce")
    image = np.full((2, 16, 16, 3), 99, np.uint8)
    stuck = _train(val=(image, np.array([0, 1])), recipe=recipe, early_stopping=2)
    assert len(stuck.training["history"]["loss"]) == 3
    assert (stuck.training["ended"], stuck.training["best_epoch"]) == ("stopped early", 1)
    perfect = _train(recipe=recipe, early_stopping=30)
    assert perfect.training["ended"] == "perfect"
    accuracies = perfect.training["history"]["val_accuracy"]
    assert accuracies.index(1.0) == len(accuracies) - 1 == perfect.training["best_epoch"] - 1


def test_a_plateau_begins_again_with_other_numbers(tmp_path):
    recipe = dataclasses.replace(
        SHORT, epochs=3, restart_below=1.0, restart_after=2, max_restarts=2
    )
    # Labels that say nothing cannot be learnt in two epochs.
    noise = (TRAIN[0], np.random.default_rng(0).permutation(TRAIN[1]))
    whole = _train(train=noise, recipe=recipe)
    restarts = whole.training["restarts"]
    assert [len(one["accuracy"]) for one in restarts] == [2, 2]
    assert restarts[0]["seed"] == 0
    assert restarts[0]["seed"] != restarts[1]["seed"]
    assert restarts[0]["accuracy"] != restarts[1]["accuracy"]
    assert (whole.training["ended"], whole.training["seed"]) == ("complete", 0)
    for _ in range(2):
        assert _same(_train(train=noise, recipe=recipe, checkpoint=tmp_path), whole)


def test_bfloat16_is_for_the_arithmetic_of_training_alone():
    detector = _train(precision="bfloat16")
    assert {layer.dtype_policy.name for layer in detector.model.layers} == {"float32"}
    assert detector.training["precision"] == "bfloat16"
    assert not _same(detector, _train())
    worker = copy(detector.model, precision="bfloat16")
    policies = [layer.dtype_policy.name for layer in worker.layers[1:]]
    assert set(policies[:-1]) == {"mixed_bfloat16"}
    assert policies[-1] == "float32"
    assert {variable.dtype for variable in worker.trainable_variables} == {"float32"}


def test_softmax_columns_are_trained_towards_the_fake_one():
    recipe = dataclasses.replace(SHORT, classes=2, loss="bce", epochs=20, norm_momentum=0.5)
    detector = _train(recipe=recipe, early_stopping=20)
    assert detector.model.output_shape == (None, 2)
    scores = detector.scores(VAL[0])
    assert np.mean((scores > 0.5) == VAL[1]) == max(detector.training["history"]["val_accuracy"])
    assert scores[VAL[1] == 1].mean() > scores[VAL[1] == 0].mean() + 0.1


def test_a_model_of_ones_own_is_copied_and_keeps_its_weights():
    model = small((16, 16, 3))
    before = [array.copy() for array in model.get_weights()]
    still = dataclasses.replace(SHORT, epochs=1, learning_rate=1e-12)
    detector = _train(architecture=model, recipe=still)
    for old, kept, new in zip(
        before, model.get_weights(), detector.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(old, kept)
        assert new.shape == old.shape
    np.testing.assert_allclose(detector.model.get_weights()[0], before[0], atol=1e-6)
    assert not model.compiled


def test_a_network_of_ones_own_needs_a_recipe():
    with pytest.raises(InputError, match="expected a Recipe for small, received NoneType") as it:
        _train(recipe=None)
    assert "RECIPES" in it.value.hint


def test_names_and_builders_of_the_five_will_do():
    once = dataclasses.replace(RECIPES["mesonet"], epochs=1, name="once")
    named = _train(architecture="mesonet", recipe=once)
    built = _train(architecture=ARCHITECTURES["mesonet"], recipe=once, name="mine")
    assert _same(named, built)
    assert named.training == built.training | {"seconds": named.training["seconds"]}
    assert (named.name, built.name) == ("mesonet", "mine")


def test_the_papers_recipe_is_the_default(monkeypatch):
    seen = []

    def stop(model, train, val, plan, precision, strategy):
        seen.append(plan.recipe)
        raise _Kill

    monkeypatch.setattr(module, "fit_copy", stop)
    with pytest.raises(_Kill):
        _train(architecture="mesonet", recipe=None)
    assert seen == [RECIPES["mesonet"]]


def _tail():
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(1, activation="sigmoid")], name="tail"
    )


@pytest.mark.parametrize("fake_index", [0, 1])
def test_fit_takes_features_and_the_networks_own_polarity(fake_index):
    rng = np.random.default_rng(0)
    labels = np.arange(64) % 2
    features = rng.normal(0, 1, (64, 6)).astype(np.float32)
    features[:, 0] += 6 * labels - 3
    model = _tail()
    recipe = Recipe("tail", epochs=15, learning_rate=0.05, batch_size=8)
    fitted = fit(
        model,
        (features[:48], labels[:48]),
        (features[48:], labels[48:]),
        recipe,
        fake_index=fake_index,
        progress=None,
    )
    output = model(features).numpy()[:, 0]
    fakes = output if fake_index == 1 else 1 - output
    assert np.mean((fakes > 0.5) == labels) > 0.9
    assert fitted.history["val_accuracy"][fitted.best_epoch - 1] > 0.9
    assert fitted.data["train"]["images"] == 48
    assert not model.compiled


def test_fit_leaves_what_is_frozen():
    model = small((16, 16, 3))
    for layer in model.layers[:-1]:
        layer.trainable = False
    before = {v.path: v.numpy() for v in model.weights}
    recipe = dataclasses.replace(SHORT, epochs=1, norm_momentum=0.3, dropout=0.7)
    fit(model, TRAIN, VAL, recipe, progress=None)
    changed = {v.path.split("/")[0] for v in model.weights if (v.numpy() != before[v.path]).any()}
    assert changed == {"output"}
    assert {one.momentum for one in model.layers if hasattr(one, "momentum")} == {0.99}
    assert {one.rate for one in model.layers if hasattr(one, "rate")} == {0.2}


@pytest.mark.parametrize(("setting", "value"), [("norm_momentum", 0.5), ("dropout", 0.0)])
def test_what_a_recipe_changes_in_the_layers_takes_effect(setting, value):
    plain = _train(recipe=dataclasses.replace(SHORT, epochs=1))
    changed = _train(recipe=dataclasses.replace(SHORT, epochs=1, **{setting: value}))
    assert not _same(plain, changed)


def test_the_last_smaller_batch_is_left_out_by_choice(crops):
    counts = []

    class Counting(keras.layers.Layer):
        def call(self, inputs, training=False):
            if training:
                tf.py_function(lambda n: counts.append(int(n)), [tf.shape(inputs)[0]], [])
            return inputs

    def build(input_shape):
        inputs = keras.Input(input_shape)
        x = keras.layers.GlobalAveragePooling2D()(Counting()(inputs))
        return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))

    for source in (TRAIN, crops[0]):
        for drop_last, expected in ((False, [16, 16, 8]), (True, [16, 16])):
            counts.clear()
            recipe = Recipe("count", epochs=1, batch_size=16, drop_last=drop_last)
            _train(architecture=build, train=source, val=VAL, recipe=recipe)
            assert counts == expected


def test_divergence_is_an_error():
    recipe = dataclasses.replace(SHORT, learning_rate=1e38)
    with pytest.raises(InputError, match="after epoch 1, received NaN") as caught:
        _train(recipe=recipe)
    assert "learning_rate" in caught.value.hint


FLAT = (np.zeros((4, 5), np.float32), np.zeros(4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "resnet"}, "expected an architecture, received 'resnet'"),
        ({"architecture": 3}, "expected an architecture's name, a builder or a Keras model"),
        ({"architecture": lambda shape: shape}, "expected a Keras model from the builder"),
        ({"recipe": "paper"}, "expected a Recipe for small, received str"),
        ({"train": "folder"}, "expected train to be images, received str"),
        ({"train": (TRAIN[0], TRAIN[1][:3])}, r"one label an image, shape \(40,\)"),
        ({"train": (TRAIN[0], TRAIN[1] + 1)}, r"labels 0 \(real\) and 1 \(fake\) in train"),
        ({"train": (TRAIN[0] * 2.0, TRAIN[1])}, r"float train\[0\] in \[0, 1\]"),
        ({"train": (TRAIN[0][:0], TRAIN[1][:0])}, "expected images in train, received none"),
        ({"val": FLAT}, r"expected val\[0\] of shape \(N, H, W, 3\)"),
        ({"val": _striped(4, 0, 24)}, r"shape \(16, 16, 3\) in val for small"),
        ({"val": pd.DataFrame({"label": [0]})}, "missing: path"),
        ({"val": tf.data.Dataset.range(3)}, "expected val as batches of"),
        ({"seed": -1}, "expected seed to be a whole number from 0, received -1"),
        ({"seed": 1.5}, "seed"),
        ({"early_stopping": 0}, "early_stopping"),
        ({"precision": "float16"}, "float32, bfloat16, received 'float16'"),
        ({"strategy": "mirrored"}, "expected a tf.distribute strategy, received str"),
        ({"input_shape": (16, 16)}, r"input_shape as \(height, width, 3\)"),
        ({"architecture": "mesonet", "input_shape": (4, 4, 3)}, "sides of at least 8 for MesoNet"),
        ({"progress": "loud"}, "expected progress to be"),
        ({"architecture": mesonet((16, 16, 3), classes=3)}, r"two softmax columns"),
        ({"architecture": mesonet((16, 16, 3)), "input_shape": (24, 24, 3)}, "no input_shape"),
    ],
)
def test_other_arguments_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        _train(**change)


def test_nothing_is_said_where_silence_was_asked_for(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _train(recipe=dataclasses.replace(SHORT, epochs=1))
    assert capsys.readouterr() == ("", "")
