"""Polarity, memory, and the one file that holds a detector."""

import json
import pickle
import re
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, as_detector, mesonet
from deepfake_generalize.models.detectors import archive
from deepfake_generalize.models.surgery import check_alike

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)


def test_one_unit_is_the_probability_of_class_1(constant_network):
    model = constant_network([0.2])
    np.testing.assert_allclose(Detector(model).scores(IMAGES), 0.2, atol=1e-6)
    np.testing.assert_allclose(Detector(model, fake_index=0).scores(IMAGES), 0.8, atol=1e-6)


def test_softmax_takes_the_fake_column(constant_network):
    model = constant_network([0.5, 0.2, 0.3])
    for index, expected in enumerate([0.5, 0.2, 0.3]):
        scores = Detector(model, fake_index=index).scores(IMAGES)
        np.testing.assert_allclose(scores, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ([1.5], "1.5"),
        ([-0.5], "-0.5"),
        ([np.nan], "NaN"),
        ([0.5, 0.9], "sum to 1 .* 1.4"),
        ([3.0, -2.0], "-2 to 3"),
        ([np.nan, 0.5], "NaN"),
    ],
)
def test_outputs_that_are_no_probabilities(constant_network, outputs, words):
    with pytest.raises(InputError, match=words):
        Detector(constant_network(outputs)).scores(IMAGES)


@pytest.mark.parametrize(("units", "index"), [(1, 2), (1, -1), (2, 2), (1, True), (1, "fake")])
def test_classes_that_do_not_exist(constant_network, units, index):
    with pytest.raises(InputError, match="fake_index"):
        Detector(constant_network([1.0 / units] * units), fake_index=index)


def test_models_that_do_not_fit():
    with pytest.raises(InputError, match="Keras model, received str"):
        Detector("model.keras")
    free = keras.Sequential([keras.Input((None, None, 3)), keras.layers.GlobalMaxPooling2D()])
    with pytest.raises(InputError, match="fixed size"):
        Detector(free)
    grey = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    with pytest.raises(InputError, match=r"\(None, H, W, 3\)"):
        Detector(grey)
    maps = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(1, 1)])
    with pytest.raises(InputError, match="one sigmoid unit"):
        Detector(maps)
    with pytest.raises(InputError, match="fixed size"):
        Detector(keras.Sequential([keras.layers.Dense(1)]))


def test_the_model_is_untouched_and_runs_for_inference():
    model = mesonet((16, 16, 3))
    before = [np.copy(w) for w in model.get_weights()]
    detector = Detector(model)
    first = detector.scores(IMAGES)
    np.testing.assert_array_equal(detector.scores(IMAGES), first)  # dropout would differ
    assert detector.model is model
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.get_layer("output").bias.assign([5.0])
    assert (detector.scores(IMAGES) > first).all()  # the graph follows the weights


def test_one_graph_serves_every_batch():
    detector = Detector(mesonet((16, 16, 3)))
    for count in (1, 2, 3):
        detector.scores(IMAGES[:count])
    assert detector._forward.experimental_get_tracing_count() == 1


def test_batches_bound_what_the_network_sees():
    seen = []
    scorer = as_detector(lambda x: seen.append(len(x)) or np.zeros(len(x)), name="count", size=16)
    scorer.scores(np.zeros((70, 16, 16, 3), np.uint8))
    assert seen == [32, 32, 6]


@pytest.fixture
def saved(tmp_path):
    training = {"recipe": "paper", "epochs": 3, "seed": 0}
    detector = Detector(mesonet((16, 16, 3)), fake_index=0, name="mine", training=training)
    return detector, detector.save(tmp_path / "mine.keras")


def test_a_saved_detector_comes_back(saved):
    detector, path = saved
    loaded = Detector.load(path)
    np.testing.assert_array_equal(loaded.scores(IMAGES), detector.scores(IMAGES))
    assert repr(loaded) == repr(detector)
    assert (loaded.fake_index, loaded.name) == (0, "mine")
    assert loaded.training == {"recipe": "paper", "epochs": 3, "seed": 0}
    assert [layer.name for layer in loaded.model.layers] == [
        layer.name for layer in detector.model.layers
    ]


def test_a_detector_crosses_process_borders(saved):
    detector, _ = saved
    detector.scores(IMAGES)
    came = pickle.loads(pickle.dumps(detector))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(came.scores(IMAGES), detector.scores(IMAGES))
    assert repr(came) == repr(detector)
    assert came.training == detector.training


def test_keras_opens_the_file_too(saved):
    detector, path = saved
    model = keras.saving.load_model(path)
    np.testing.assert_array_equal(
        model(IMAGES / 255.0).numpy(), detector.model(IMAGES / 255.0).numpy()
    )


def test_saving_replaces_at_once_and_leaves_nothing_else(saved, monkeypatch):
    detector, path = saved
    detector.save(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["mine.keras"]
    before = path.read_bytes()

    def fail(*_args, **_kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(InputError, match="refused: disk full"):
        detector.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["mine.keras"]


def test_places_that_cannot_be_saved_to(saved, tmp_path):
    detector, _ = saved
    with pytest.raises(InputError, match=r"ends in \.keras"):
        detector.save(tmp_path / "mine.h5")
    with pytest.raises(InputError, match="folder that exists"):
        detector.save(tmp_path / "absent" / "mine.keras")
    with pytest.raises(InputError, match="plain JSON"):
        Detector(detector.model, training={"loss": np.zeros(2)}).save(tmp_path / "x.keras")


def test_a_refusal_to_write_names_the_path_asked_for(saved, tmp_path, monkeypatch):
    detector, _ = saved

    def refuse(*_, **__):
        raise FileNotFoundError(2, "No such file or directory", "/.mine-x1y2")

    monkeypatch.setattr(archive, "replacing", refuse)
    path = tmp_path / "b.keras"
    with pytest.raises(InputError, match="refused: No such file or directory") as caught:
        detector.save(path)
    assert f"expected to write {path}," in caught.value.message
    assert "x1y2" not in str(caught.value)


@pytest.mark.parametrize("shape", [(256, 256, 3), (4, 3, 16, 16)])
def test_images_of_another_shape_are_named_as_they_came(saved, shape):
    detector, _ = saved
    with pytest.raises(InputError, match=re.escape(f"an array of shape {shape}")) as caught:
        detector.scores(np.zeros(shape, np.uint8))
    assert ("images[np.newaxis]" in caught.value.hint) == (len(shape) == 3)


def test_files_that_are_no_detector(saved, tmp_path):
    _, path = saved
    with pytest.raises(InputError, match="found none"):
        Detector.load(tmp_path / "absent.keras")
    other = tmp_path / "other.keras"
    for content, words in [
        (b"", "save it again"),
        (b"hello", "save it again"),
        (b"\x89HDF\r\n\x1a\nabc", r"load_pretrained\(name, path=\)"),
        (path.read_bytes()[:-500], "save it again"),
    ]:
        other.write_bytes(content)
        known = rf"expected a file that Detector\.save wrote, .*other\.keras \({len(content)} bytes"
        with pytest.raises(InputError, match=known) as caught:
            Detector.load(other)
        assert re.search(words, caught.value.hint)
    with zipfile.ZipFile(other, "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match="another one or damaged"):
        Detector.load(other)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for member in source.namelist():
            if member != "deepfake_generalize.json":
                target.writestr(member, source.read(member))
    with pytest.raises(InputError, match="does not say which class is fake"):
        Detector.load(other)


def test_a_flipped_byte_is_found(saved, tmp_path):
    _, path = saved
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "flipped.keras").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        Detector.load(tmp_path / "flipped.keras")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"format": 1}', "damaged"),
        ('{"format": 9, "fake_index": 0, "name": "x", "training": null}', "format 1"),
        ('{"format": 1, "fake_index": "0", "name": "x", "training": null}', "damaged"),
        ('{"format": 1, "fake_index": 0, "name": "x", "training": 3}', "damaged"),
        ('{"format": 1, "fake_index": 7, "name": "x", "training": null}', "fake_index"),
    ],
)
def test_facts_that_cannot_be_right(saved, tmp_path, facts, words):
    _, path = saved
    other = tmp_path / "other.keras"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        for member in source.namelist():
            own = member == "deepfake_generalize.json"
            target.writestr(member, facts if own else source.read(member))
    with pytest.raises(InputError, match=words):
        Detector.load(other)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_code_in_a_file_is_never_run(tmp_path):
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    outputs = keras.layers.Lambda(lambda x: x[:, :1], output_shape=(1,))(pooled)
    keras.Model(inputs, outputs).save(tmp_path / "code.keras")
    with zipfile.ZipFile(tmp_path / "code.keras", "a") as file:
        facts = {"format": 1, "fake_index": 0, "name": "x", "training": None}
        file.writestr("deepfake_generalize.json", json.dumps(facts))
    with pytest.raises(InputError, match="carries code"):
        Detector.load(tmp_path / "code.keras")


@pytest.mark.parametrize(("columns", "index"), [(1, 0), (1, 1), (2, 0), (2, 1)])
def test_fake_of_is_what_scores_does_of_arrays_tensors_and_symbols(
    constant_network, columns, index
):
    outputs = [0.7] if columns == 1 else [0.7, 0.3]
    detector = Detector(constant_network(outputs), fake_index=index)
    images = np.zeros((2, 8, 8, 3), np.uint8)
    given = np.asarray(detector.model(np.zeros((2, 8, 8, 3), np.float32)))
    expected = detector.scores(images)
    # Where P(real) is turned around, `scores` does it in double precision.
    for came in (given, tf.constant(given)):
        np.testing.assert_allclose(detector.fake_of(came), expected, rtol=1e-6)
    inside = tf.function(detector.fake_of)
    np.testing.assert_allclose(inside(tf.constant(given)), expected, rtol=1e-6)
    symbolic = keras.Model(detector.model.input, detector.fake_of(detector.model.output))
    np.testing.assert_allclose(symbolic(np.zeros((2, 8, 8, 3), np.float32)), expected, rtol=1e-6)


def test_small_p_real_stay_apart():
    inputs = keras.Input((1, 1, 3))
    weights = [np.full((3, 1), -10, np.float32), np.zeros(1, np.float32)]
    last = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Model(inputs, last(keras.layers.Flatten()(inputs)))
    last.set_weights(weights)
    images = np.linspace(0.7, 1, 8, dtype=np.float32)[:, None, None, None].repeat(3, axis=3)
    p_real = model(images).numpy()[:, 0].astype(np.float64)
    scores = Detector(model, fake_index=0).scores(images)
    np.testing.assert_allclose(scores, 1 - p_real, rtol=1e-14)
    assert len(np.unique(scores)) == 8 > len(np.unique(scores.astype(np.float32)))
    assert Detector(model).scores(images).dtype == np.float32


@pytest.mark.parametrize("columns", [1, 2])
def test_a_network_that_ends_in_logits_is_refused(columns):
    inputs = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    logits = keras.layers.Dense(columns, name="logits")(pooled)
    for model in (
        keras.Model(inputs, logits),
        keras.Sequential([keras.Input((8, 8, 3)), keras.Model(inputs, logits)]),
    ):
        with pytest.raises(InputError, match=r"'logits', is linear.*Activation"):
            Detector(model)
    squashed = keras.layers.Activation("sigmoid" if columns == 1 else "softmax")(logits)
    assert len(Detector(keras.Model(inputs, squashed)).scores(IMAGES)) == len(IMAGES)


@pytest.mark.parametrize(
    "behind",
    [
        [keras.layers.Flatten()],
        [keras.layers.Reshape((1,)), keras.layers.Dropout(0.5)],
    ],
)
def test_logits_are_found_behind_layers_that_pass_them_on(behind):
    first = keras.layers.Conv2D(1, 8, name="logits")
    with pytest.raises(InputError, match=r"'logits', is linear"):
        Detector(keras.Sequential([keras.Input((8, 8, 3)), first, *behind]))
    squashed = keras.layers.Conv2D(1, 8, activation="sigmoid")
    rebuilt = [type(layer).from_config(layer.get_config()) for layer in behind]
    Detector(keras.Sequential([keras.Input((8, 8, 3)), squashed, *rebuilt]))


STRUCTURES = {
    "dict out": lambda i, o: (i, {"a": o}),
    "lists out": lambda i, o: (i, [[o]]),
    "tuple out": lambda i, o: (i, (o,)),
    "tuple in": lambda i, o: ((i,), o),
    "dict in": lambda i, o: ({"image": i}, o),
    "dicts": lambda i, o: ({"image": i}, {"a": [o]}),
}


@pytest.mark.parametrize(
    "structure",
    [
        pytest.param(each, id=name, marks=() if name == "dicts" else pytest.mark.nightly)
        for name, each in STRUCTURES.items()
    ],
)
def test_networks_that_take_and_give_structures_of_one(structure, tmp_path):
    image = keras.Input((8, 8, 3), name="image")
    hidden = keras.layers.Dense(4, name="hidden")(keras.layers.Flatten()(image))
    output = keras.layers.Dense(1, activation="sigmoid")(hidden)
    plain = Detector(keras.Model(image, output))
    detector = Detector(keras.Model(*structure(image, output)))
    np.testing.assert_array_equal(detector.scores(IMAGES), plain.scores(IMAGES))
    loaded = Detector.load(detector.save(tmp_path / "structured.keras"))
    np.testing.assert_array_equal(loaded.scores(IMAGES), plain.scores(IMAGES))
    check_alike(detector.model, plain.model)


def test_one_of_several_outputs_must_be_chosen_and_can_be():
    image = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(image)
    outputs = {name: keras.layers.Dense(1, activation="sigmoid")(flat) for name in "ab"}
    model = keras.Model(image, outputs)
    with pytest.raises(InputError, match=re.escape("keras.Model(model.inputs, model.outputs[0])")):
        Detector(model)
    assert Detector(keras.Model(model.inputs, model.outputs[0])).scores(IMAGES).shape == (
        len(IMAGES),
    )


class _OfItsOwn(keras.Model):
    def __init__(self):
        super().__init__()
        self.flatten = keras.layers.Flatten()
        self.dense = keras.layers.Dense(1, activation="sigmoid")

    def build(self, _):
        self.dense.build((None, 8 * 8 * 3))

    def call(self, images):
        return self.dense(self.flatten(images))


@pytest.mark.parametrize("prepare", [lambda _: None, lambda model: model.build((None, 8, 8, 3))])
def test_the_hint_for_a_class_of_its_own_can_be_followed(prepare):
    model = _OfItsOwn()
    prepare(model)
    with pytest.raises(InputError, match="does not say what it takes") as caught:
        Detector(model)
    assert "image = keras.Input((H, W, 3)); Detector(keras.Model(image, model(image)))" in (
        caught.value.hint
    )
    image = keras.Input((8, 8, 3))
    assert Detector(keras.Model(image, model(image))).scores(IMAGES).shape == (len(IMAGES),)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("a.keras", r"Detector\.load\(path\)"),
        (keras.layers.Dense(1), r"keras\.Sequential"),
        (np.mean, r"models\.as_detector"),
        (None, r"models\.as_detector"),
    ],
)
def test_what_is_no_network_is_told_where_to_go(given, hint):
    with pytest.raises(InputError, match=hint):
        Detector(given)


def test_images_of_other_kinds():
    images = np.random.default_rng(0).random((3, 16, 16, 3), np.float32)
    detector = Detector(mesonet((16, 16, 3)))
    right = detector.scores(images)
    for same in (
        np.ma.array(images),
        images.astype(">f4"),
        np.asfortranarray(images),
        images.astype(np.longdouble),
    ):
        np.testing.assert_allclose(detector.scores(same), right, atol=1e-6)
    tensor = tf.constant(images)
    with pytest.raises(InputError, match=r"tensor\.cpu\(\)\.numpy\(\)"):
        detector.scores(tensor)


@pytest.mark.parametrize(
    ("rule", "pillow"), [("nearest", "NEAREST"), ("bilinear", None), ("area", "BOX")]
)
def test_the_rule_of_resizing_is_the_detectors(rule, pillow, tmp_path):
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(2, 3, activation="sigmoid")(inputs)
    x = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(x))
    detector = Detector(keras.Model(inputs, x), resize=rule)
    images = np.random.default_rng(0).integers(0, 256, (3, 24, 36, 3), np.uint8)
    if pillow is not None:
        how = getattr(Image.Resampling, pillow)
        small = np.stack([np.asarray(Image.fromarray(i).resize((12, 12), how)) for i in images])
        # Means of six levels may round up or down.
        np.testing.assert_allclose(detector.scores(images), detector.scores(small), atol=1e-3)
        if rule == "nearest":
            np.testing.assert_array_equal(detector.scores(images), detector.scores(small))
    again = Detector.load(detector.save(tmp_path / "x.keras"))
    assert again.resize == rule
    np.testing.assert_array_equal(again.scores(images), detector.scores(images))


def test_a_rule_that_does_not_exist_is_refused(constant_network):
    with pytest.raises(InputError, match="resize to be one of bilinear, nearest, area"):
        Detector(constant_network([0.5]), resize="lanczos")
