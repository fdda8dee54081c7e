"""Weights files: what loads, and what is said of the rest."""

import shutil

import h5py
import numpy as np
import pytest

from deepfake_generalize.errors import InputError
from deepfake_generalize.models import mesoinception, mesonet, shallownet
from deepfake_generalize.models.surgery.weights import load_weights

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


@pytest.mark.parametrize("build", [mesonet, mesoinception])
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
