"""Weights files: what loads, and what is said of the rest."""

import io
import shutil
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector, mesoinception, mesonet, shallownet
from deepfake_generalize.models.weights import difference, load_weights

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SHAPE = (16, 16, 3)


@pytest.fixture
def legacy(tmp_path):
    """Write a network's weights by hand as Keras 2 laid them out."""

    def write(model, name="legacy.h5", *, root="", change=lambda array: array):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            group = file.create_group(root) if root else file
            group.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
            for layer in model.layers:
                entry = group.create_group(layer.name)
                names = [f"{layer.name}/{i}:0" for i in range(len(layer.weights))]
                entry.attrs["weight_names"] = [n.encode() for n in names]
                for n, weight in zip(names, layer.weights, strict=True):
                    entry[n] = change(weight.numpy())
        return path

    return write


def _equal(a, b):
    return all(
        np.array_equal(x.numpy(), y.numpy()) for x, y in zip(a.weights, b.weights, strict=True)
    )


@pytest.mark.parametrize("build", [mesonet, pytest.param(mesoinception, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("root", ["", "model_weights"])
def test_keras_2_files_load_by_order(build, root, legacy):
    source = build(SHAPE)
    assert not _equal(source, build(SHAPE))
    assert _equal(source, build(SHAPE, weights=legacy(source, root=root)))


def test_keras_3_files_load(tmp_path):
    source = mesonet(SHAPE)
    source.save_weights(tmp_path / "own.weights.h5")
    assert _equal(source, mesonet(SHAPE, weights=tmp_path / "own.weights.h5"))


def test_another_network(legacy):
    with pytest.raises(InputError, match=r"another network: expected 10 layers .* received 22"):
        mesonet(SHAPE, weights=legacy(mesoinception(SHAPE)))
    with pytest.raises(InputError, match=r"another network: expected 22 layers .* received 10"):
        mesoinception(SHAPE, weights=legacy(mesonet(SHAPE)))


def test_another_size_or_number_of_classes(legacy):
    path = legacy(mesonet(SHAPE))
    with pytest.raises(InputError, match=r"\(64, 16\).* for mesonet's layer dense1, received"):
        mesonet((64, 64, 3), weights=path)
    with pytest.raises(InputError, match="layer output"):
        mesonet(SHAPE, weights=path, classes=2)


def test_a_keras_3_file_of_another_network_changes_nothing(tmp_path):
    mesoinception(SHAPE).save_weights(tmp_path / "x.weights.h5")
    model, before = mesonet(SHAPE), mesonet(SHAPE)
    before.set_weights(model.get_weights())
    with pytest.raises(InputError, match="another network"):
        load_weights(model, tmp_path / "x.weights.h5")
    assert _equal(model, before)


@pytest.mark.parametrize("build", [mesonet, mesoinception, shallownet])
def test_imagenet_is_refused_where_there_is_none(build):
    with pytest.raises(InputError, match=f"{build.__name__}, for which there are no ImageNet"):
        build((20, 20, 3), weights="imagenet")


def test_weights_that_are_not_numbers(legacy):
    with pytest.raises(InputError, match="NaN"):
        mesonet(SHAPE, weights=legacy(mesonet(SHAPE), change=lambda a: a * np.nan))


def test_files_that_are_something_else(tmp_path, legacy):
    with pytest.raises(InputError, match="found none"):
        mesonet(SHAPE, weights=tmp_path / "absent.h5")
    (tmp_path / "page.h5").write_text("<html>not found</html>")
    with pytest.raises(InputError, match="not HDF5"):
        mesonet(SHAPE, weights=tmp_path / "page.h5")
    (tmp_path / "empty.h5").touch()
    with pytest.raises(InputError, match="not HDF5"):
        mesonet(SHAPE, weights=tmp_path / "empty.h5")
    with h5py.File(tmp_path / "crops.h5", "w") as file:
        file["crops"] = np.zeros(3)
    with pytest.raises(InputError, match="no Keras weights"):
        mesonet(SHAPE, weights=tmp_path / "crops.h5")
    whole = legacy(mesonet(SHAPE))
    for share in (0.2, 0.5, 0.98):
        cut = tmp_path / "cut.h5"
        shutil.copy(whole, cut)
        with cut.open("r+b") as file:
            file.truncate(int(whole.stat().st_size * share))
        with pytest.raises(InputError, match="truncated or damaged"):
            mesonet(SHAPE, weights=cut)


def _network(**changes):
    """Build a small network whose settings can be changed without its weights' shapes."""
    settings = {"activation": "relu", "strides": 1, "pool": 2, "end": "sigmoid"} | changes
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            *([layers.Rescaling(2.0)] if "rescaled" in settings else []),
            layers.ZeroPadding2D(((0, 1), (0, 1))),
            layers.Conv2D(4, 3, padding="same", strides=settings["strides"]),
            settings["activation"]
            if isinstance(settings["activation"], layers.Layer)
            else layers.Activation(settings["activation"]),
            layers.MaxPooling2D(settings["pool"]),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(1, activation=settings["end"]),
        ],
        name="small",
    )


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / "whole.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _network().save(path)
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"activation": "tanh"}, "expected 1 tanh, its description has 1 relu"),
        ({"activation": keras.layers.LeakyReLU(0.1)}, "expected 1 leaky_relu.* has 1 relu"),
        ({"activation": keras.layers.ReLU(negative_slope=0.1)}, None),
        ({"strides": 2}, r"expected Conv2D with strides \[2, 2\], its description has \[1, 1\]"),
        ({"pool": 4}, r"expected MaxPooling2D with pool_size"),
        ({"end": "tanh"}, "expected 1 tanh, its description has 1 sigmoid"),
        ({"rescaled": True}, "expected 1 Rescaling, its description has less"),
        ({}, None),
        ({"activation": keras.layers.ReLU()}, None),
    ],
)
def test_the_network_that_a_whole_model_describes_is_compared(whole, changes, words):
    model = _network(**changes)
    before = [weight.numpy() for weight in model.weights]
    if words is None:
        load_weights(model, whole)
        assert not _equal(_network(), model)
        return
    with pytest.raises(InputError, match=f"another network, though of equal shapes: {words}"):
        load_weights(model, whole)
    assert all(map(np.array_equal, before, [weight.numpy() for weight in model.weights]))


@pytest.mark.parametrize("build", [mesonet, mesoinception, shallownet])
def test_whole_models_of_the_study_are_loaded(build, tmp_path):
    source = build((20, 20, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source.save(tmp_path / "whole.h5")
    assert _equal(source, build((20, 20, 3), weights=tmp_path / "whole.h5"))


def test_descriptions_of_older_versions_of_keras():
    model = _network(activation=keras.layers.LeakyReLU(0.1))

    def described(slope):
        first = {"class_name": "Convolution2D", "config": {"nb_filter": 4, "activation": "linear"}}
        leaky = {"class_name": "LeakyReLU", "config": {"alpha": slope}}
        pooled = {"class_name": "MaxPooling2D", "config": {"pool_size": [2, 2], "padding": "valid"}}
        mean = {"class_name": "GlobalAveragePooling2D", "config": {}}
        last = {"class_name": "Dense", "config": {"activation": "sigmoid", "init": "glorot"}}
        padded = {"class_name": "ZeroPadding2D", "config": {"padding": [[0, 1], [0, 1]]}}
        return {"class_name": "Sequential", "config": [padded, first, leaky, pooled, mean, last]}

    assert difference(model, described(0.1)) is None
    assert "slope 0.1, its description has 0.3" in difference(model, described(0.3))
    own = {"class_name": "OfMyOwn", "config": {}}
    assert difference(model, {"class_name": "Sequential", "config": [own]}) is None


def _zip(*members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for member in members:
            file.writestr(member, b"x")
    return content.getvalue()


FOREIGN = {
    "pointer.h5": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
        "pointer of Git LFS",
    ),
    "empty.h5": (b"", "is empty|it is empty"),
    "page.h5": (b"\n<!DOCTYPE html><html>", "a web page"),
    "old.pth": (b"\x80\x02\x8a\nl\xfc", "a pickle, as PyTorch"),
    "new.pt": (_zip("archive/data.pkl", "archive/version"), "a file of PyTorch"),
    "arrays.npz": (_zip("a.npy"), "a file of NumPy"),
    "network.onnx": (b"\x08\x08\x12\x07pytorch", "a file of onnx"),
    "network.tflite": (b"\x1c\x00\x00\x00TFL3\x14\x00", "a network of TensorFlow Lite"),
    "network.safetensors": (b"\x40\x00\x00\x00\x00\x00\x00\x00{", "a file of safetensors"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_kinds_are_named(name, tmp_path):
    content, words = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"is not HDF5, it .*{words}"):
        mesonet(SHAPE, weights=tmp_path / name)
    with pytest.raises(InputError, match=rf"Detector\.save wrote, .*{words}"):
        Detector.load(tmp_path / name)


def test_folders_and_keras_files_are_named(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    for read in (Detector.load, lambda path: mesonet(SHAPE, weights=path)):
        with pytest.raises(InputError, match="a SavedModel"):
            read(tmp_path)
    path = Detector(mesonet(SHAPE)).save(tmp_path / "whole.keras")
    with pytest.raises(
        InputError, match=r"a whole model of Keras.*keras\.saving\.load_model\(path\)"
    ):
        mesonet(SHAPE, weights=path)
    assert Detector(keras.saving.load_model(path)).size == (16, 16)
