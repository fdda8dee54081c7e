"""Weights and heat maps: files of arrays that are damaged or of other arrays than ours."""

import io
import struct
import zipfile

import h5py
import keras
import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models.training import checkpoints
from deepfake_generalize.models.weights import load_weights
from deepfake_generalize.study import figure_2
from deepfake_generalize.study.protocol import UNSEEN_SETS as UNSEEN
from deepfake_generalize.study.report.publish import read_maps

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def network():
    """A network of two layers with weights."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3, name="conv")(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, name="output")(x))


def legacy(network, path, change=None):
    """Write a network's weights as Keras 2 laid them out, then change the file.

    The names have one length, as in the public weights: HDF5 itself may hang on those of any length
    in a damaged file.
    """
    with h5py.File(path, "w") as file:
        layers = [layer for layer in network.layers if layer.weights]
        file.attrs["layer_names"] = np.array([layer.name.encode() for layer in layers])
        for layer in layers:
            names = [f"{layer.name}/{i}:0" for i in range(len(layer.weights))]
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = np.array([name.encode() for name in names])
            for name, weight in zip(names, layer.get_weights(), strict=True):
                file[layer.name][name] = weight
        if change is not None:
            change(file)
    return path


@pytest.mark.parametrize("kind", ["keras 2", "keras 3"])
def test_weights_are_loaded_or_refused_and_the_network_kept(fuzz, hostile, network, tmp_path, kind):
    file = tmp_path / "a.weights.h5"
    legacy(network, file) if kind == "keras 2" else network.save_weights(file)
    whole = file.read_bytes()
    before = network.get_weights()

    def check(content):
        file.write_bytes(content)
        try:
            load_weights(network, file)
        except InputError as error:
            refusal = error
        else:
            network.set_weights(before)
            return
        assert str(file) in str(refusal)
        for one, other in zip(network.get_weights(), before, strict=True):
            np.testing.assert_array_equal(one, other)

    load_weights(network, file)
    # Most of such a file is empty room, which no reader looks at.
    used = [place for place, byte in enumerate(whole) if byte]
    fuzz(hostile.flipped(whole, of=used), check, examples=25)


def put(name, **how):
    """A change of a file: another dataset in the place of the convolution's first."""

    def change(file):
        del file["conv"]["conv/0:0"]
        file["conv"].create_dataset("conv/0:0", **how)

    return pytest.param(change, id=name)


def rename(file):
    file["conv"].attrs["weight_names"] = [b"\xff"]


def group(file):
    del file["conv"]["conv/0:0"]
    file["conv"].create_group("conv/0:0")


def dataset(file):
    del file["conv"]
    file["conv"] = np.zeros(3)


def number(file):
    file.attrs["layer_names"] = 3


def lists(file):
    names = np.empty(2, object)
    names[:] = [np.arange(2), np.arange(3)]
    file.attrs.create("layer_names", names, dtype=h5py.vlen_dtype(np.int64))


def model(file):
    file["model_weights"] = np.zeros(3)


@pytest.mark.parametrize(
    "change",
    [
        *(rename, group, dataset, number, lists, model),
        put("texts", data=np.full((3, 3, 3, 2), b"x", "S1")),
        put("objects", shape=(3, 3, 3, 2), dtype=h5py.string_dtype()),
        put("numbers of parts", shape=(3, 3, 3, 2), dtype=[("a", "f4"), ("b", "f4")]),
    ],
)
def test_weights_of_another_kind_are_refused_in_words(network, tmp_path, change):
    file = legacy(network, tmp_path / "a.h5", change)
    with pytest.raises(InputError, match=r"a\.h5 (is an HDF5 file that|holds|is)"):
        load_weights(network, file)


def test_weights_of_absurd_size_are_refused_before_they_are_read(network, tmp_path):
    def change(file):
        del file["conv"]["conv/0:0"]
        file["conv"].create_dataset("conv/0:0", (10**6, 10**6), "f4", chunks=(1000, 1000))

    file = legacy(network, tmp_path / "a.h5", change)
    with pytest.raises(InputError, match=r"it declares 4,000,\d+,\d+,\d+ bytes of numbers in"):
        load_weights(network, file)


def member(array):
    """An array as the bytes of an .npy file."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=array.dtype == object)
    return out.getvalue()


def packed(members):
    """Members of an .npz file as its bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


def headed(text):
    """An .npy file of nothing but a header."""
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text.encode()


FACES, MAPS = np.zeros((1, 8, 8, 3), np.uint8), np.ones((1, 8, 8), np.float16)
SHOWN = {
    f"{key}/{what}": array for key in UNSEEN for what, array in (("images", FACES), ("A", MAPS))
}
WHOLE = {name: member(array) for name, array in SHOWN.items()}
FIRST = f"{UNSEEN[0]}/A"
HEADERS = {
    "an open bracket": "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), \n",
    "a wrong indent": "  3\n 4\n",
    "brackets": "[" * 5000,
    "a byte of zero": "{'descr': '\0'}",
    "another type": "3",
    "no type": "{'descr': 'nope', 'fortran_order': False, 'shape': (3,), }",
    "absurd size": "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
    "a negative size": "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }",
}


def test_heat_maps_are_drawn_or_refused(fuzz, hostile, tmp_path):
    file = tmp_path / "a.npz"
    file.write_bytes(packed(WHOLE))
    photographs, maps = read_maps(file)
    assert list(photographs) == list(maps) == list(UNSEEN)
    assert all(maps[key]["A"].tolist() == MAPS.tolist() for key in UNSEEN)
    draw = hostile.own_errors_only(lambda: figure_2(*read_maps(file)))

    def check(content):
        file.write_bytes(content)
        draw()

    fuzz(hostile.flipped(file.read_bytes()), check, examples=15)


@pytest.mark.parametrize(
    "members",
    [
        *({}, {"x": WHOLE[FIRST]}, WHOLE | {"x/A": WHOLE[FIRST]}, WHOLE | {"a/b/c": b""}),
        {name: content for name, content in WHOLE.items() if name != FIRST},
        {name: content for name, content in WHOLE.items() if name != f"{UNSEEN[1]}/images"},
        *(
            WHOLE | {FIRST: member(array)}
            for array in (
                *(np.array("x"), np.array([None]), np.full((1, 8, 8), "x"), MAPS * np.nan),
                *(MAPS[..., 0], MAPS[:0], np.zeros((1, 8, 8), "f4,f4"), FACES),
            )
        ),
        WHOLE | {f"{UNSEEN[0]}/images": member(FACES[:, :0]), FIRST: member(MAPS[:, :0])},
        WHOLE | {f"{UNSEEN[0]}/images": member(FACES[:0]), FIRST: member(MAPS[:0])},
        WHOLE | {f"{UNSEEN[0]}/images": member(FACES.astype("U"))},
    ],
)
def test_heat_maps_of_another_kind_are_refused_in_words(tmp_path, members):
    file = tmp_path / "a.npz"
    file.write_bytes(packed(members))
    with pytest.raises(InputError, match="expected"):
        figure_2(*read_maps(file))


def test_a_single_array_is_no_heat_maps(tmp_path):
    (tmp_path / "a.npz").write_bytes(member(MAPS))
    with pytest.raises(InputError, match=r"expected the heat maps of Figure 2 in '.*a\.npz'"):
        read_maps(tmp_path / "a.npz")


@pytest.mark.parametrize("name", HEADERS)
def test_arrays_with_a_damaged_header_are_refused_in_words(tmp_path, name):
    content = headed(HEADERS[name])
    (tmp_path / "a.npz").write_bytes(packed(WHOLE | {FIRST: content}))
    with pytest.raises(InputError, match="expected the heat maps of Figure 2"):
        read_maps(tmp_path / "a.npz")
    facts = member(np.frombuffer(b"{}", np.uint8))
    (tmp_path / "b.npz").write_bytes(packed({"facts": facts, "w/0": content}))
    with pytest.raises(InputError, match="expected a checkpoint"):
        checkpoints.read(tmp_path / "b.npz")
