"""Files of detectors and weights that reach for other files, for memory, or for the process."""

import json
import os
import zipfile

import h5py
import keras
import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import Detector
from deepfake_generalize.models.detectors.archive import outline
from deepfake_generalize.models.weights import load_weights

MEMBER = "model.weights.h5"
# TensorFlow's arrays answer NumPy 2 in the old way, where Keras itself writes a file.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def network():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Flatten(name="flat")(image)
    return keras.Model(image, keras.layers.Dense(1, activation="sigmoid", name="out")(x))


def _external(group, key, shape, folder):
    (folder / "secret.bin").write_bytes(np.ones(shape, np.float32).tobytes())
    group.create_dataset(
        key, shape, "<f4", external=[(str(folder / "secret.bin"), 0, 4 * shape[0])]
    )


def _external_pipe(group, key, shape, folder):
    os.mkfifo(folder / "pipe")
    group.create_dataset(key, shape, "<f4", external=[(str(folder / "pipe"), 0, 4 * shape[0])])


def _other(shape, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.ones(shape, np.float32)
    return str(folder / "other.h5")


def _link(group, key, shape, folder):
    group[key] = h5py.ExternalLink(_other(shape, folder), "x")


def _virtual(group, key, shape, folder):
    layout = h5py.VirtualLayout(shape, "<f4")
    layout[:] = h5py.VirtualSource(_other(shape, folder), "x", shape)
    group.create_virtual_dataset(key, layout)


def _soft_link(group, key, shape, folder):
    group[key] = h5py.SoftLink("/elsewhere")


def _bomb(group, key, shape, folder):
    group.create_dataset(key, (10**9,), "<f4", chunks=(10**6,), compression="gzip")


WAYS = [_external, _external_pipe, _link, _virtual, _soft_link, _bomb]


def _with_member(path, member, content):
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, old in members.items():
            file.writestr(name, content if name == member else old)


@pytest.mark.parametrize("way", WAYS)
def test_weights_that_lie_elsewhere_are_refused(way, network, tmp_path):
    legacy = tmp_path / "legacy.h5"
    shape = tuple(network.layers[-1].kernel.shape)
    with h5py.File(legacy, "w") as file:
        file.attrs["layer_names"] = np.array([b"out"])
        group = file.create_group("out")
        group.attrs["weight_names"] = np.array([b"kernel", b"bias"])
        way(group, "kernel", shape, tmp_path)
        group["bias"] = np.zeros(1, np.float32)
    for made in tmp_path.glob("pipe"):
        made.unlink()
    path = Detector(network).save(tmp_path / "x.keras")
    with zipfile.ZipFile(path) as file:
        weights = tmp_path / "w.weights.h5"
        weights.write_bytes(file.read(MEMBER))
    with h5py.File(weights, "r+") as file:
        kernels = []
        file.visit(lambda key: kernels.append(key) if key.endswith("/0") else None)
        del file[kernels[0]]
        way(file, kernels[0], shape, tmp_path)
    _with_member(path, MEMBER, weights.read_bytes())
    before = network.get_weights()
    for load in (
        lambda: load_weights(network, legacy),
        lambda: load_weights(network, weights),
        lambda: Detector.load(path),
    ):
        with pytest.raises(InputError, match=r"another file|it declares 4,000,"):
            load()
    for old, now in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def _layer(config, kind, **values):
    text = json.dumps(config)
    config = json.loads(text)
    for layer in config["config"]["layers"]:
        layer.pop("build_config", None)
        if layer["name"] == "flat":
            layer.update(class_name=kind, config={"name": "flat", **values})
    return json.dumps(config)


def _many_layers(config):
    layers = config["config"]["layers"]
    layers += [{**layers[-1], "name": f"d{number}"} for number in range(8000)]
    return json.dumps(config)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: _layer(c, "Dense", units=10**9), "it would take"),
        (lambda c: _layer(c, "Conv2D", filters=10**8, kernel_size=[3, 3]), "it would take"),
        (lambda c: _layer(c, "UpSampling2D", size=[10**5, 10**5]), "numbers an image"),
        (
            lambda c: json.dumps(c).replace("[null, 8, 8, 3]", "[null, 99999, 99999, 3]"),
            r"would take|29999400003",
        ),
        (lambda c: " " * 11_000_000 + json.dumps(c), "bytes of description"),
        (_many_layers, "at most 15,000 layers and parts"),
    ],
)
def test_a_small_file_does_not_ask_for_much_memory(change, words, network, tmp_path):
    path = Detector(network).save(tmp_path / "x.keras")
    with zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
    _with_member(path, "config.json", change(config))
    with pytest.raises(InputError, match=words):
        Detector.load(path)


def test_code_in_a_file_is_refused_whatever_the_process_allows(network, tmp_path):
    from keras.src.saving.serialization_lib import SafeModeScope

    path = Detector(network).save(tmp_path / "x.keras")
    image = keras.Input((8, 8, 3))
    x = keras.layers.Flatten()(keras.layers.Lambda(lambda x: x, output_shape=(8, 8, 3))(image))
    keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(x)).save(tmp_path / "code.keras")
    with zipfile.ZipFile(tmp_path / "code.keras") as file:
        _with_member(path, "config.json", file.read("config.json"))
    # What keras.config.enable_unsafe_deserialization sets, for the time of this test.
    with SafeModeScope(False), pytest.raises(InputError, match="carries code"):
        Detector.load(path)


def test_a_pointer_of_git_lfs_is_named(network, tmp_path):
    pointer = tmp_path / "pointer.keras"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")
    with pytest.raises(InputError, match="git lfs pull"):
        Detector.load(pointer)
    with pytest.raises(InputError, match="git lfs pull"):
        load_weights(network, pointer)


def test_a_whole_model_in_hdf5_is_told_how_to_be_used(network, tmp_path):
    network.save(tmp_path / "whole.h5")
    with pytest.raises(InputError, match=r"Detector\(keras.saving.load_model\(path\)"):
        Detector.load(tmp_path / "whole.h5")


def test_a_network_that_was_looked_at_never_gets_memory(network, tmp_path):
    looked_at = outline(Detector(network).save(tmp_path / "looked_at.keras"), {})
    with keras.StatelessScope():
        pass  # As where a class of somebody's own is called on symbols.
    assert all(variable._value is None for variable in looked_at.variables)
